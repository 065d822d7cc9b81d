//! All texts for applicants, in Korean and in English. `error.rs` and `pages` decide which text to show.

mod english;
mod korean;
mod korean_formal;
mod page_text;

use service::Language;

use english::ENGLISH;
use korean_formal::KOREAN_FORMAL;

pub(crate) use page_text::{PageText, TitledText};

/// How the Korean texts address applicants. English has one tone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tone {
    /// 해요체, as most shops write.
    #[default]
    Friendly,
    /// 합니다체, as the public sector and finance require.
    Formal,
}

impl std::str::FromStr for Tone {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "friendly" => Ok(Self::Friendly),
            "formal" => Ok(Self::Formal),
            _ => Err("must be friendly or formal"),
        }
    }
}

static KOREAN: PageText = korean::KOREAN;

/// The texts of a language, in a tone.
pub(crate) fn of(language: Language, tone: Tone) -> &'static PageText {
    match (language, tone) {
        (Language::Korean, Tone::Friendly) => &KOREAN,
        (Language::Korean, Tone::Formal) => &KOREAN_FORMAL,
        (Language::English, _) => &ENGLISH,
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
    fn each_tone_is_kept_throughout() {
        // Every verb at the end of a sentence or a title: 해요체 ends with 요, 합니다체 with 다, 오 or 까.
        let has = |text: &PageText, verbs: &[&str]| -> Vec<String> {
            let text = format!("{text:?}");
            let words = text.split(|c: char| c.is_whitespace() || ".,\"?!…(){}:".contains(c));
            words.filter(|word| verbs.iter().any(|verb| word.ends_with(verb))).map(str::to_owned).collect()
        };
        assert_eq!(has(&KOREAN_FORMAL, &["요"]), [] as [&str; 0]);
        assert_eq!(has(&KOREAN, &["니다", "십시오", "니까"]), [] as [&str; 0]);
    }

    #[test]
    fn a_temporary_error_says_that_nothing_is_registered() {
        for (text, claim) in [
            (&KOREAN, "아직 접수되지 않았어요"),
            (&KOREAN_FORMAL, "아직 접수되지 않았습니다"),
            (&ENGLISH, "not registered yet"),
        ] {
            assert!(text.busy.text.contains(claim) && text.intake_on_hold.text.contains(claim));
        }
        assert!(KOREAN.lookup_failed.text.contains("번호는 그대로예요"));
    }

    #[test]
    fn an_unknown_outcome_claims_nothing_and_says_to_press_again() {
        for (text, again, claim) in [
            (&KOREAN, "다시 눌러 주세요", "접수되지 않았어요"),
            (&KOREAN_FORMAL, "다시 눌러 주십시오", "접수되지 않았습니다"),
            (&ENGLISH, "Press again: you keep the same place", "not registered"),
        ] {
            let unknown = text.outcome_unknown;
            assert!(unknown.text.contains(again), "{unknown:?}");
            assert!(!unknown.title.contains(claim) && !unknown.text.contains(claim), "{unknown:?}");
        }
    }
}
