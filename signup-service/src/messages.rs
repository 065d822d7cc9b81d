//! All texts for applicants, in Korean and in English. `error.rs` and `pages` decide which text to show.

mod english;
mod korean;
mod page_text;

use service::Language;

use english::ENGLISH;
use korean::KOREAN;

pub(crate) use page_text::{PageText, TitledText};

/// The texts of a language.
pub(crate) fn of(language: Language) -> &'static PageText {
    match language {
        Language::Korean => &KOREAN,
        Language::English => &ENGLISH,
    }
}

/// The text with each `{name}` replaced by its value.
pub(crate) fn fill(text: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fill_replaces_every_occurrence_of_a_name() {
        assert_eq!(fill("{n} of {m}, {n}", &[("n", "1"), ("m", "2")]), "1 of 2, 1");
    }

    #[test]
    fn a_temporary_error_says_that_nothing_is_registered() {
        for (text, claim) in [(&KOREAN, "아직 접수되지 않았어요"), (&ENGLISH, "not registered yet")]
        {
            assert!(text.busy.text.contains(claim) && text.intake_on_hold.text.contains(claim));
        }
        assert!(KOREAN.lookup_failed.text.contains("번호는 그대로예요"));
    }

    #[test]
    fn an_unknown_outcome_claims_nothing_and_says_to_press_again() {
        for (text, again, claim) in [
            (&KOREAN, "다시 눌러 주세요", "접수되지 않았어요"),
            (&ENGLISH, "Press again: you keep the same place", "not registered"),
        ] {
            let unknown = text.outcome_unknown;
            assert!(unknown.text.contains(again), "{unknown:?}");
            assert!(!unknown.title.contains(claim) && !unknown.text.contains(claim), "{unknown:?}");
        }
    }
}
