//! The personal data of an applicant: one normal form per name and phone number, so that a person has one application key.
//! Whether the phone number belongs to the person is not checked; docs/security.md states this limit of identity `open`.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

/// Longest name, in characters of its normal form.
pub const NAME_MAX: usize = 50;

/// Why a field is invalid. Messages for applicants are made where their language is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadField {
    /// The field is empty or blank.
    #[error("is empty")]
    Empty,
    /// The field is longer than its limit.
    #[error("is too long")]
    TooLong,
    /// The field contains a control or formatting character.
    #[error("contains a character that is not allowed")]
    BadCharacter,
    /// The field is not a phone number of 8 to 15 digits.
    #[error("is not a phone number")]
    NotAPhone,
}

/// The name of a person, in Unicode's normal form NFC, trimmed, with single spaces.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Name(String);

impl Name {
    /// Parses a name as typed.
    pub fn parse(typed: &str) -> Result<Self, BadField> {
        // Some keyboards and files have the letters of a Hangul syllable one by one: the same name, in three times the characters.
        let typed: String = typed.nfc().take(NAME_MAX + 1).collect();
        if typed.chars().count() > NAME_MAX {
            return Err(BadField::TooLong);
        }
        if typed.chars().any(|c| (c.is_control() && !c.is_whitespace()) || is_invisible(c)) {
            return Err(BadField::BadCharacter);
        }
        let name = typed.split_whitespace().collect::<Vec<_>>().join(" ");
        if name.is_empty() { Err(BadField::Empty) } else { Ok(Self(name)) }
    }

    /// The full name, for the order service only.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Zero-width and direction characters. They make different names look the same, and log lines misleading.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.chars();
        write!(f, "{}**", rest.next().unwrap_or('*'))
    }
}

/// A phone number in E.164 form, `+821012345678`. A number without a country code is Korean.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Phone(String);

impl Phone {
    /// Parses a phone number as typed, with full-width digits, spaces, dots, dashes and parentheses.
    pub fn parse(typed: &str) -> Result<Self, BadField> {
        if typed.chars().count() > 40 {
            return Err(BadField::TooLong);
        }
        let mut plain = String::with_capacity(16);
        for c in typed.trim().chars() {
            match narrow(c) {
                d if d.is_ascii_digit() => plain.push(d),
                '+' if plain.is_empty() => plain.push('+'),
                ' ' | '-' | '.' | '(' | ')' => {}
                _ => return Err(BadField::NotAPhone),
            }
        }
        if plain.is_empty() { Err(BadField::Empty) } else { Self::from_digits(&plain) }
    }

    fn from_digits(plain: &str) -> Result<Self, BadField> {
        let international = plain.strip_prefix('+').or_else(|| plain.strip_prefix("00"));
        let (country, rest) = match international {
            // "+82 010-…" is a common mistake: the trunk zero is not part of a number with a country code.
            Some(digits) => digits.strip_prefix("820").map_or(("", digits), |rest| ("82", rest)),
            None => ("82", plain.strip_prefix('0').ok_or(BadField::NotAPhone)?),
        };
        let fits = (8..=15).contains(&(country.len() + rest.len()))
            && !(country.is_empty() && rest.starts_with('0'));
        if fits { Ok(Self(["+", country, rest].concat())) } else { Err(BadField::NotAPhone) }
    }

    /// The full number, for the application key and the order service.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Maps full-width characters to ASCII.
fn narrow(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{3000}' | '\u{a0}' => ' ',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        other => other,
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}****{}", &self.0[..3], &self.0[self.0.len() - 2..])
    }
}

/// The personal data for the order service. It is stored encrypted only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The name.
    pub name: Name,
    /// The phone number.
    pub phone: Phone,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_number_has_one_form_however_it_is_typed() {
        for typed in [
            "010-1234-5678",
            "01012345678",
            " 010 1234 5678 ",
            "+82 10-1234-5678",
            "+82 010-1234-5678",
            "0082 10 1234 5678",
            "(010) 1234.5678",
            "０１０－１２３４－５６７８",
        ] {
            assert_eq!(Phone::parse(typed).unwrap().reveal(), "+821012345678", "{typed}");
        }
    }

    #[test]
    fn an_invalid_phone_number_is_refused() {
        for typed in [
            "12345678",
            "010-12a4-5678",
            "+",
            "0",
            "010",
            "+0123456789",
            "010\u{200b}12345678",
            "٠١٠١٢٣٤٥٦٧٨",
        ] {
            assert_eq!(Phone::parse(typed), Err(BadField::NotAPhone), "{typed}");
        }
        assert_eq!(Phone::parse("  "), Err(BadField::Empty));
        assert_eq!(Phone::parse(&"1".repeat(41)), Err(BadField::TooLong));
    }

    #[test]
    fn a_name_has_one_form_however_its_characters_are_composed() {
        let decomposed = "\u{1112}\u{1169}\u{11bc}\u{1100}\u{1175}\u{11af}\u{1103}\u{1169}\u{11bc}";
        assert_eq!(Name::parse(decomposed), Name::parse("홍길동"));
        assert_eq!(Name::parse("Rene\u{301}"), Name::parse("Ren\u{e9}"));
        assert_eq!(
            Name::parse(&"\u{1100}\u{1161}".repeat(NAME_MAX)).unwrap().reveal(),
            "가".repeat(NAME_MAX)
        );
        assert_eq!(Name::parse(&"\u{1100}\u{1161}".repeat(NAME_MAX + 1)), Err(BadField::TooLong));
        assert_eq!(Name::parse(&"a".repeat(100_000)), Err(BadField::TooLong));
    }

    #[test]
    fn a_phone_number_has_the_length_of_e_164() {
        for typed in [
            "+12345678",
            "+123456789012345",
            "+1 (212) 555-0123",
            "+44 20 7946 0018",
            "+８６ １３８００１３８０００",
        ] {
            let phone = Phone::parse(typed).unwrap();
            let digits = phone.reveal().strip_prefix('+').unwrap();
            assert!(
                (8..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()),
                "{typed}"
            );
        }
        for typed in ["+1234567", "+1234567890123456", "++12345678", "12+345678901"] {
            assert_eq!(Phone::parse(typed), Err(BadField::NotAPhone), "{typed}");
        }
    }

    #[test]
    fn a_name_is_trimmed_and_limited() {
        assert_eq!(Name::parse("  홍 \t 길동 ").unwrap().reveal(), "홍 길동");
        assert_eq!(Name::parse(" "), Err(BadField::Empty));
        assert_eq!(Name::parse(&"가".repeat(51)), Err(BadField::TooLong));
        assert_eq!(Name::parse("a\u{0}b"), Err(BadField::BadCharacter));
        assert_eq!(Name::parse("a\u{202e}b"), Err(BadField::BadCharacter));
    }

    #[test]
    fn debug_output_contains_no_personal_data() {
        let contact =
            Contact { name: Name::parse("홍길동").unwrap(), phone: Phone::parse("01012345678").unwrap() };
        let printed = format!("{contact:?}");
        assert!(!printed.contains("길동") && !printed.contains("1234"), "{printed}");
    }
}
