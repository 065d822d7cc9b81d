//! Fields of JSON bodies: their schemas, and parsers that name the field in their errors.

use domain::person::{BadField, NAME_MAX};
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{Object, ObjectBuilder};

use crate::error::{Error, InvalidField, InvalidFieldCode};

// The texts that the fields accept, for the OpenAPI description. A name has no control and no invisible character, and at least one
// character that is not white space.
const NAME: &str = concat!(
    r"^[^\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufffd]*",
    r"[^\x00-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\x0e-\x1f\x7f-\x84\x86-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufffd]",
    r"[^\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufffd]*$"
);
const PHONE: &str = r"^[ ().-]*(?:0[ ().-]*[1-9]|(?:\+|0[ ().-]*0)[ ().-]*[1-9][ ().-]*[0-9][ ().-]*[0-9])(?:[ ().-]*[0-9]){6,12}[ ().-]*$";
const CODE: &str = r"^[!-~](?:[ -~]{0,38}[!-~])?$";

pub(super) fn name_schema() -> Object {
    text_schema(NAME, NAME_MAX)
}

pub(super) fn phone_schema() -> Object {
    text_schema(PHONE, 40)
}

pub(super) fn code_schema() -> Object {
    text_schema(CODE, 40)
}

pub(super) fn consent_schema() -> Object {
    ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([true])).build()
}

fn text_schema(pattern: &str, max: usize) -> Object {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).max_length(Some(max)).build()
}

/// Parses a JSON object.
pub(crate) fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => {
            Error::Invalid(vec![InvalidField { pointer: "", code: InvalidFieldCode::Shape }])
        }
        _ => Error::Malformed,
    })
}

/// The text of a JSON field.
pub(super) fn text<'a>(pointer: &'static str, value: Option<&'a Value>) -> Result<&'a str, InvalidField> {
    match value {
        None | Some(Value::Null) => Err(InvalidField { pointer, code: InvalidFieldCode::Required }),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(InvalidField { pointer, code: InvalidFieldCode::NotText }),
    }
}

/// Parses the text of a field.
pub(super) fn parse<T>(
    pointer: &'static str,
    text: Result<&str, InvalidField>,
    parse: impl Fn(&str) -> Result<T, BadField>,
) -> Result<T, InvalidField> {
    let text = text?;
    if text.contains('\u{fffd}') {
        return Err(InvalidField { pointer, code: InvalidFieldCode::BadCharacter });
    }
    parse(text).map_err(|bad| InvalidField { pointer, code: code(bad) })
}

fn code(bad: BadField) -> InvalidFieldCode {
    match bad {
        BadField::Empty => InvalidFieldCode::Required,
        BadField::TooLong => InvalidFieldCode::TooLong,
        BadField::BadCharacter => InvalidFieldCode::BadCharacter,
        BadField::NotAPhone => InvalidFieldCode::NotAPhone,
    }
}
