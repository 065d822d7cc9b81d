//! Texts in the languages of the pages.

use serde::{Deserialize, Serialize};

/// Longest text of an operator, in characters.
pub const TEXT_MAX: usize = 200;

/// A text in the two languages of the pages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Korean.
    pub ko: String,
    /// English.
    pub en: String,
}

impl Text {
    /// A text in Korean and English.
    pub fn new(ko: impl Into<String>, en: impl Into<String>) -> Self {
        Self { ko: ko.into(), en: en.into() }
    }

    /// The text in a language: English for the tag `en`, Korean for any other.
    pub fn in_language(&self, tag: &str) -> &str {
        if tag == "en" { &self.en } else { &self.ko }
    }
}
