//! Types of the fields in JSON bodies, each with its limits and its OpenAPI schema.

use std::collections::BTreeMap;

use domain::event::{TEXT_MAX, Text};
use domain::{AutoPace, Pace};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Number, Value};
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use crate::timestamp::Timestamp;

/// Longest reason, in characters.
const REASON_MAX: usize = 500;
/// Pattern of a printable, non-blank text. Control characters could manipulate a terminal that shows the audit.
const NOT_BLANK: &str =
    r"^[^\u0000-\u001F\u007F-\u009F]*[^\s\u0000-\u001F\u007F-\u009F][^\u0000-\u001F\u007F-\u009F]*$";
/// Pattern of a printable text, which may be empty.
const PRINTABLE: &str = r"^[^\u0000-\u001F\u007F-\u009F]*$";
/// Pattern of a printable text with line breaks, which may be empty.
const PRINTABLE_LINES: &str = r"^(\r?\n|[^\u0000-\u001F\u007F-\u009F])*$";

fn check_text(text: &str, max: usize) -> Result<(), String> {
    if text.chars().count() > max {
        return Err(format!("has at most {max} characters"));
    }
    if text.chars().any(char::is_control) {
        return Err("has no control characters".into());
    }
    Ok(())
}

/// The reason for a change, recorded in the audit.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, max_length = 500, pattern = r"^[^\u0000-\u001F\u007F-\u009F]*[^\s\u0000-\u001F\u007F-\u009F][^\u0000-\u001F\u007F-\u009F]*$")]
pub(crate) struct Reason(String);

impl TryFrom<String> for Reason {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        check_text(&text, REASON_MAX).map_err(|why| format!("a reason {why}"))?;
        let text = text.trim();
        if text.is_empty() { Err("a reason is not blank".into()) } else { Ok(Self(text.to_owned())) }
    }
}

impl Reason {
    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A title in both languages.
#[derive(Debug, Clone)]
pub(crate) struct Title(pub(crate) Text);

/// An announcement in both languages, each of which may be empty.
#[derive(Debug, Clone)]
pub(crate) struct Announcement(pub(crate) Text);

/// A description in both languages, each of which may be empty and may have several lines.
#[derive(Debug, Clone)]
pub(crate) struct Description(pub(crate) Text);

/// The name of a product in both languages; both may be empty.
#[derive(Debug, Clone)]
pub(crate) struct ProductName(pub(crate) Text);

fn check_line(text: &str) -> Result<(), String> {
    check_text(text, TEXT_MAX)
}

fn check_lines(text: &str) -> Result<(), String> {
    check_line(&text.replace('\n', " "))
}

/// Reads a text in exactly the two languages of the pages.
fn both_languages<'de, D: Deserializer<'de>>(
    from: D,
    check: fn(&str) -> Result<(), String>,
) -> Result<Text, D::Error> {
    let mut texts = BTreeMap::<String, String>::deserialize(from)?;
    let mut take = |language: &'static str| {
        let text =
            texts.remove(language).ok_or_else(|| de::Error::custom(format!("'{language}' is missing")))?;
        // Forms end lines so.
        let text = text.replace("\r\n", "\n");
        check(&text).map_err(|why| de::Error::custom(format!("'{language}' {why}")))?;
        Ok(text.trim().to_owned())
    };
    let text = Text { ko: take("ko")?, en: take("en")? };
    match texts.keys().next() {
        Some(other) => Err(de::Error::custom(format!("'{other}' is not a language of the pages"))),
        None => Ok(text),
    }
}

impl<'de> Deserialize<'de> for Title {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = both_languages(from, check_line)?;
        let empty = text.ko.is_empty() || text.en.is_empty();
        if empty { Err(de::Error::custom("a title is needed in both languages")) } else { Ok(Self(text)) }
    }
}

impl<'de> Deserialize<'de> for Announcement {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        both_languages(from, check_line).map(Self)
    }
}

impl<'de> Deserialize<'de> for ProductName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        both_languages(from, check_line).map(Self)
    }
}

impl<'de> Deserialize<'de> for Description {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        both_languages(from, check_lines).map(Self)
    }
}

fn text_schema(pattern: &str) -> RefOr<Schema> {
    let line = || {
        let line = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
        line.max_length(Some(TEXT_MAX)).pattern(Some(pattern)).build()
    };
    let both =
        ObjectBuilder::new().property("ko", line()).required("ko").property("en", line()).required("en");
    RefOr::T(both.additional_properties(Some(AdditionalProperties::FreeForm(false))).build().into())
}

impl PartialSchema for Title {
    fn schema() -> RefOr<Schema> {
        text_schema(NOT_BLANK)
    }
}
impl ToSchema for Title {}

impl PartialSchema for Announcement {
    fn schema() -> RefOr<Schema> {
        text_schema(PRINTABLE)
    }
}
impl ToSchema for Announcement {}

impl PartialSchema for ProductName {
    fn schema() -> RefOr<Schema> {
        text_schema(PRINTABLE)
    }
}
impl ToSchema for ProductName {}

impl PartialSchema for Description {
    fn schema() -> RefOr<Schema> {
        text_schema(PRINTABLE_LINES)
    }
}
impl ToSchema for Description {}

/// A pace as a JSON number or string; both mean the same decimal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PaceField(pub(crate) Pace);

impl<'de> Deserialize<'de> for PaceField {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = match Value::deserialize(from)? {
            Value::String(text) => text,
            Value::Number(number) => number.to_string().trim_end_matches(".0").to_owned(),
            _ => return Err(de::Error::custom("a pace is a number, or a string with one")),
        };
        // One spelling per value: the parser would also accept "05" and "5.".
        let odd = text.ends_with('.') || (text.starts_with('0') && !text.starts_with("0."));
        let pace = if odd { Err(domain::pace::BadPace) } else { text.parse() };
        pace.map(Self).map_err(de::Error::custom)
    }
}

impl PartialSchema for PaceField {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Number));
        let number = number.minimum(Some(0.001)).maximum(Some(100_000.0)).multiple_of(Some(0.001));
        let text = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
        let text = text.pattern(Some(
            r"^(0\.(00[1-9]|0[1-9][0-9]?|[1-9][0-9]{0,2})|[1-9][0-9]{0,4}(\.[0-9]{1,3})?|100000(\.0{1,3})?)$",
        ));
        let described = "Order calls started per second, in steps of 0.001.";
        let either = OneOfBuilder::new().description(Some(described)).item(number).item(text);
        RefOr::T(either.build().into())
    }
}
impl ToSchema for PaceField {}

/// The rules of the automatic pace.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AutoPaceRules {
    /// The lowest pace, with which the release also resumes after a pause.
    min: PaceField,
    /// The highest pace.
    max: PaceField,
    /// The latency, in milliseconds, that 95 % of the order calls should not exceed.
    #[schema(minimum = 10, maximum = 8000)]
    #[serde(deserialize_with = "whole_number")]
    target_p95_ms: u32,
}

impl From<AutoPaceRules> for AutoPace {
    fn from(rules: AutoPaceRules) -> Self {
        Self { min: rules.min.0, max: rules.max.0, target_p95_ms: rules.target_p95_ms }
    }
}

/// Reads a field that may be null but not missing.
pub(crate) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    Option::deserialize(from)
}

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        let time = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
        RefOr::T(time.format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).build().into())
    }
}
impl ToSchema for Timestamp {}

/// Reads a whole number in any spelling: in JSON, `5.0` equals `5`.
pub(crate) fn whole_number<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    optional_whole_number(from)?.ok_or_else(|| de::Error::custom("a whole number is required"))
}

/// Reads a whole number or null.
pub(crate) fn optional_whole_number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    let wrong = || de::Error::custom("is a whole number from 0 to 4294967295");
    let Some(number) = Option::<Number>::deserialize(from)? else { return Ok(None) };
    let text = number.to_string();
    text.strip_suffix(".0").unwrap_or(&text).parse().map(Some).map_err(|_| wrong())
}

/// A color, or an empty text. `EventSettings` validates it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, pattern = "^(#[0-9A-Fa-f]{6})?$")]
pub(crate) struct ColorField(pub(crate) String);

/// An address on the web, or an empty text. `EventSettings` validates it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, max_length = 500, pattern = r"^(https://[!-~]+|http://(localhost|127\.0\.0\.1)([:/?#][!-~]*)?)?$")]
pub(crate) struct WebAddress(pub(crate) String);

/// A path of the shop that is diverted to the event's page, such as `/products/spring`. `EventSettings` validates it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, max_length = 200, pattern = r"^(/(\.{3,}|\.*[A-Za-z0-9_~-][A-Za-z0-9._~-]*))+$")]
pub(crate) struct DivertPath(String);

/// The paths as plain strings.
pub(crate) fn divert_paths(diverts: Vec<DivertPath>) -> Vec<String> {
    diverts.into_iter().map(|DivertPath(path)| path).collect()
}
