//! Every word that the signup service says, in Korean and in English: a text that is missing in one of them does not compile.
//! It holds words only; which of them to say is decided in `refusal.rs` and `pages.rs`.

mod english;
mod korean;

use service::Language;

use english::ENGLISH;
use korean::KOREAN;

/// A headline and the sentence under it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message {
    /// The headline.
    pub(crate) head: &'static str,
    /// The sentence under it.
    pub(crate) text: &'static str,
}

const fn words(head: &'static str, text: &'static str) -> Message {
    Message { head, text }
}

/// All texts of one language. `{…}` is filled in by [`fill`].
#[derive(Debug)]
pub(crate) struct Messages {
    pub(crate) html_lang: &'static str,
    pub(crate) other_lang: &'static str,
    pub(crate) other_lang_name: &'static str,
    // The event page.
    pub(crate) before: Message,
    pub(crate) open: Message,
    pub(crate) open_sold_out: Message,
    pub(crate) hold: Message,
    pub(crate) closed: Message,
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
    pub(crate) applying: Message,
    pub(crate) retry_now: &'static str,
    pub(crate) retry_in: &'static str,
    pub(crate) retry_nth: &'static str,
    pub(crate) check_result: &'static str,
    pub(crate) how: Message,
    pub(crate) mine: &'static str,
    pub(crate) find_ask: &'static str,
    pub(crate) find_text: &'static str,
    pub(crate) code: &'static str,
    pub(crate) find: &'static str,
    pub(crate) unknown_result: Message,
    // The receipt page.
    pub(crate) waiting: Message,
    pub(crate) waitlisted: Message,
    pub(crate) paused: Message,
    pub(crate) claimed: Message,
    pub(crate) ordering: Message,
    pub(crate) ordered: Message,
    pub(crate) rejected: Message,
    pub(crate) cancelling: Message,
    pub(crate) cancelled: Message,
    pub(crate) expired: Message,
    pub(crate) sold_out: Message,
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
    pub(crate) view_only: Message,
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
    pub(crate) list: Message,
    pub(crate) list_empty: &'static str,
    pub(crate) state_scheduled: &'static str,
    pub(crate) state_open: &'static str,
    pub(crate) state_closed: &'static str,
    // What is refused, and why.
    pub(crate) unknown_event: Message,
    pub(crate) not_found: Message,
    pub(crate) not_open: Message,
    pub(crate) event_closed: Message,
    pub(crate) full: Message,
    pub(crate) on_hold: Message,
    pub(crate) busy: Message,
    pub(crate) safe: Message,
    pub(crate) not_ready: Message,
    pub(crate) invalid: Message,
    pub(crate) malformed: Message,
    pub(crate) bad_key: Message,
    pub(crate) too_large: Message,
    pub(crate) wrong_type: Message,
    pub(crate) cross_site: Message,
    pub(crate) no_right: Message,
    pub(crate) no_match: Message,
    pub(crate) too_many: Message,
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
pub(crate) fn of(language: Language) -> &'static Messages {
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
        for (messages, said) in [(&KOREAN, "아직 접수되지 않았어요"), (&ENGLISH, "not registered yet")]
        {
            assert!(messages.busy.text.contains(said) && messages.on_hold.text.contains(said));
        }
        assert!(KOREAN.safe.text.contains("순번은 그대로예요"));
    }

    #[test]
    fn a_result_that_is_not_known_is_told_as_neither_and_says_to_press_again() {
        for (messages, again, claim) in [
            (&KOREAN, "다시 눌러 주세요", "접수되지 않았어요"),
            (&ENGLISH, "Press again: you keep the same place", "not registered"),
        ] {
            let words = messages.unknown_result;
            assert!(words.text.contains(again), "{words:?}");
            assert!(!words.head.contains(claim) && !words.text.contains(claim), "{words:?}");
        }
    }
}
