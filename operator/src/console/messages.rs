//! The texts of the console in both languages: a text that is missing in one of them does not compile.

mod console_text;
mod english;
mod korean;

use service::Language;

pub(crate) use console_text::Messages;

/// The texts of a language.
pub(crate) fn of(language: Language) -> &'static Messages {
    match language {
        Language::Korean => &korean::MESSAGES,
        Language::English => &english::MESSAGES,
    }
}

/// Replaces `{name}` by its value.
pub(crate) fn fill(text: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}
