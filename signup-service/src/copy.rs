//! Every word that the desk says, in Korean and in English: a text that is missing in one of them does not compile.
//! It holds words only; which of them to say is decided in `refusal.rs` and `pages.rs`.

mod english;
mod korean;

use service::Language;

use english::ENGLISH;
use korean::KOREAN;

/// A headline and the sentence under it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words {
    /// The headline.
    pub(crate) head: &'static str,
    /// The sentence under it.
    pub(crate) text: &'static str,
}

const fn words(head: &'static str, text: &'static str) -> Words {
    Words { head, text }
}

/// All texts of one language. `{…}` is filled in by [`fill`].
#[derive(Debug)]
pub(crate) struct Copy {
    pub(crate) html_lang: &'static str,
    pub(crate) other_lang: &'static str,
    pub(crate) other_lang_name: &'static str,
    // The event page.
    pub(crate) before: Words,
    pub(crate) open: Words,
    pub(crate) open_sold_out: Words,
    pub(crate) hold: Words,
    pub(crate) closed: Words,
    pub(crate) capacity: &'static str,
    pub(crate) closes: &'static str,
    pub(crate) remaining: &'static str,
    pub(crate) clock: &'static str,
    pub(crate) name: &'static str,
    pub(crate) phone: &'static str,
    pub(crate) phone_hint: &'static str,
    pub(crate) consent: &'static str,
    pub(crate) consent_more: &'static str,
    pub(crate) consent_text: &'static str,
    pub(crate) apply: &'static str,
    pub(crate) apply_waitlist: &'static str,
    pub(crate) apply_before: &'static str,
    pub(crate) apply_hold: &'static str,
    pub(crate) applying: Words,
    pub(crate) retry_now: &'static str,
    pub(crate) retry_in: &'static str,
    pub(crate) retry_nth: &'static str,
    pub(crate) check_result: &'static str,
    pub(crate) how: Words,
    pub(crate) mine: &'static str,
    pub(crate) find_ask: &'static str,
    pub(crate) find_text: &'static str,
    pub(crate) code: &'static str,
    pub(crate) find: &'static str,
    pub(crate) unknown_result: Words,
    // The receipt page.
    pub(crate) waiting: Words,
    pub(crate) waitlisted: Words,
    pub(crate) paused: Words,
    pub(crate) claimed: Words,
    pub(crate) ordering: Words,
    pub(crate) ordered: Words,
    pub(crate) rejected: Words,
    pub(crate) cancelling: Words,
    pub(crate) cancelled: Words,
    pub(crate) expired: Words,
    pub(crate) sold_out: Words,
    pub(crate) number: &'static str,
    pub(crate) in_range: &'static str,
    pub(crate) waitlist_number: &'static str,
    pub(crate) ahead: &'static str,
    pub(crate) people: &'static str,
    pub(crate) wait: &'static str,
    pub(crate) eta_range: &'static str,
    pub(crate) eta_soon: &'static str,
    pub(crate) eta_unknown: &'static str,
    pub(crate) eta_paused: &'static str,
    pub(crate) checked: &'static str,
    pub(crate) announce: &'static str,
    pub(crate) bar: &'static str,
    pub(crate) making: &'static str,
    pub(crate) order_no: &'static str,
    pub(crate) code_hint: &'static str,
    pub(crate) to_clipboard: &'static str,
    pub(crate) copied: &'static str,
    pub(crate) view_only: &'static str,
    pub(crate) view_only_link: &'static str,
    pub(crate) cancel: &'static str,
    pub(crate) leave_waitlist: &'static str,
    pub(crate) cancel_ask: &'static str,
    pub(crate) cancel_do: &'static str,
    pub(crate) check_now: &'static str,
    pub(crate) offline: &'static str,
    pub(crate) offline_before: &'static str,
    pub(crate) to_event: &'static str,
    pub(crate) support: &'static str,
    pub(crate) stale: &'static str,
    // The list.
    pub(crate) list: Words,
    pub(crate) list_empty: &'static str,
    pub(crate) state_scheduled: &'static str,
    pub(crate) state_open: &'static str,
    pub(crate) state_closed: &'static str,
    // What is refused, and why.
    pub(crate) unknown_event: Words,
    pub(crate) not_found: Words,
    pub(crate) not_open: Words,
    pub(crate) event_closed: Words,
    pub(crate) full: Words,
    pub(crate) on_hold: Words,
    pub(crate) busy: Words,
    pub(crate) safe: Words,
    pub(crate) not_ready: Words,
    pub(crate) invalid: Words,
    pub(crate) malformed: Words,
    pub(crate) bad_key: Words,
    pub(crate) too_large: Words,
    pub(crate) wrong_type: Words,
    pub(crate) cross_site: Words,
    pub(crate) no_right: Words,
    pub(crate) no_match: Words,
    pub(crate) too_many: Words,
    pub(crate) field_required: &'static str,
    pub(crate) field_too_long: &'static str,
    pub(crate) field_bad_character: &'static str,
    pub(crate) field_not_a_phone: &'static str,
    pub(crate) field_not_text: &'static str,
    pub(crate) field_consent: &'static str,
    pub(crate) field_event: &'static str,
    pub(crate) field_shape: &'static str,
}

/// The texts of a language.
pub(crate) fn of(language: Language) -> &'static Copy {
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
    fn a_text_is_filled_wherever_its_name_stands() {
        assert_eq!(fill("{n} of {m}, {n}", &[("n", "1"), ("m", "2")]), "1 of 2, 1");
    }

    #[test]
    fn who_is_refused_by_a_503_is_told_that_nothing_is_registered() {
        for (copy, said) in [(&KOREAN, "아직 접수되지 않았어요"), (&ENGLISH, "not registered yet")]
        {
            assert!(copy.busy.text.contains(said) && copy.on_hold.text.contains(said));
        }
        assert!(KOREAN.safe.text.contains("순번은 그대로예요"));
    }
}
