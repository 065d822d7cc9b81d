//! What requests bring: JSON bodies, and the kinds of fields in them, each with its limit and its place in the description.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts as _, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse as _;
use domain::event::{TEXT_MAX, Text};
use domain::{Millis, Pace};
use ledger::By;
use serde::de::{self, DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::{Number, Value};
use serde_path_to_error::{Path, Segment};
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use crate::auth::Refused;
use crate::error::Error;
use crate::state::OperatorState;
use crate::timestamp::When;

/// Largest body: 32 paths and four texts, however their letters are escaped.
pub(crate) const BODY_MAX: usize = 32 * 1024;
/// Longest reason, in characters.
const REASON_MAX: usize = 500;
/// Text that shows as it is, with something in it. Control characters could play tricks on a terminal that shows the audit.
const SOME: &str =
    r"^[^\u0000-\u001F\u007F-\u009F]*[^\s\u0000-\u001F\u007F-\u009F][^\u0000-\u001F\u007F-\u009F]*$";
/// The same, or nothing.
const ANY: &str = r"^[^\u0000-\u001F\u007F-\u009F]*$";

/// A JSON body.
pub(crate) struct Given<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<OperatorState>> for Given<T> {
    type Rejection = Refused;
    async fn from_request(request: Request, state: &Arc<OperatorState>) -> Result<Self, Refused> {
        let (mut parts, body) = request.into_parts();
        let headers = HeaderMap::from_request_parts(&mut parts, state).await.unwrap_or_default();
        if !is_json(&headers) {
            return Err(Refused::by(state, &Error::WrongType));
        }
        let body = Bytes::from_request(Request::from_parts(parts, body), state).await.map_err(|cut| {
            let too_large = cut.into_response().status() == StatusCode::PAYLOAD_TOO_LARGE;
            let broken = Error::Malformed("The body broke off.".into());
            Refused::by(state, if too_large { &Error::TooLarge } else { &broken })
        })?;
        read(&body).map(Self).map_err(|error| Refused::by(state, &error))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let told = headers.get(header::CONTENT_TYPE).and_then(|told| told.to_str().ok()).unwrap_or_default();
    let kind = told.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

/// Reads an object. An array is none, although serde would take its elements for fields in order.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let not_json = |error: serde_json::Error| Error::Malformed(format!("It is not JSON: {error}."));
    // All of it first: a field may be wrong before the place where it stops being JSON.
    serde_json::from_slice::<IgnoredAny>(body).map_err(not_json)?;
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(Error::field("", "invalid", "it must be an object"));
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| wrong_field(error.path(), &error.inner().to_string()))
}

/// serde names a field that is missing or unknown in its message only.
fn wrong_field(path: &Path, message: &str) -> Error {
    let named = message.split('`').nth(1).unwrap_or_default();
    let code = match message {
        _ if message.starts_with("missing field") => "required",
        _ if message.starts_with("unknown field") => "unknown",
        _ => "invalid",
    };
    let mut pointer = String::new();
    for segment in path {
        let step = match segment {
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            Segment::Seq { index } => index.to_string(),
            Segment::Enum { .. } | Segment::Unknown => continue,
        };
        pointer = format!("{pointer}/{step}");
    }
    if code != "invalid" && !pointer.ends_with(&format!("/{named}")) {
        pointer = format!("{pointer}/{named}");
    }
    let detail = message.split(" at line ").next().unwrap_or_default();
    Error::field(&pointer, code, detail)
}

fn shows(text: &str, max: usize) -> Result<(), String> {
    match () {
        () if text.chars().count() > max => Err(format!("has at most {max} characters")),
        () if text.chars().any(char::is_control) => Err("has no control characters".into()),
        () => Ok(()),
    }
}

/// Why somebody changes something; stands in the audit.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, max_length = 500, pattern = r"^[^\u0000-\u001F\u007F-\u009F]*[^\s\u0000-\u001F\u007F-\u009F][^\u0000-\u001F\u007F-\u009F]*$")]
pub(crate) struct Reason(String);

impl TryFrom<String> for Reason {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        shows(&text, REASON_MAX).map_err(|why| format!("a reason {why}"))?;
        let text = text.trim();
        if text.is_empty() { Err("a reason says something".into()) } else { Ok(Self(text.to_owned())) }
    }
}

/// A body that says why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Because {
    pub(crate) reason: Reason,
}

/// A body that may say why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MaybeBecause {
    pub(crate) reason: Option<Reason>,
}

/// Who, and why.
pub(crate) fn by<'a>(actor: &'a str, reason: Option<&'a Reason>) -> By<'a> {
    By { actor, reason: reason.map_or("", |reason| &reason.0) }
}

/// A title in both languages.
#[derive(Debug, Clone)]
pub(crate) struct Title(pub(crate) Text);

/// An announcement in both languages, each of which may be empty.
#[derive(Debug, Clone)]
pub(crate) struct Announcement(pub(crate) Text);

/// Both languages, and nothing else.
fn both<'de, D: Deserializer<'de>>(from: D) -> Result<Text, D::Error> {
    let mut told = BTreeMap::<String, String>::deserialize(from)?;
    let mut take = |language: &'static str| {
        let text =
            told.remove(language).ok_or_else(|| de::Error::custom(format!("'{language}' is missing")))?;
        shows(&text, TEXT_MAX).map_err(|why| de::Error::custom(format!("'{language}' {why}")))?;
        Ok(text.trim().to_owned())
    };
    let text = Text { ko: take("ko")?, en: take("en")? };
    match told.keys().next() {
        Some(other) => Err(de::Error::custom(format!("'{other}' is no language of the page"))),
        None => Ok(text),
    }
}

impl<'de> Deserialize<'de> for Title {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = both(from)?;
        let empty = text.ko.is_empty() || text.en.is_empty();
        if empty { Err(de::Error::custom("a title is needed in both languages")) } else { Ok(Self(text)) }
    }
}

impl<'de> Deserialize<'de> for Announcement {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        both(from).map(Self)
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
        text_schema(SOME)
    }
}
impl ToSchema for Title {}

impl PartialSchema for Announcement {
    fn schema() -> RefOr<Schema> {
        text_schema(ANY)
    }
}
impl ToSchema for Announcement {}

/// A pace, as a number or as text; both mean the same decimal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate(pub(crate) Pace);

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = match Value::deserialize(from)? {
            Value::String(text) => text,
            Value::Number(number) => number.to_string().trim_end_matches(".0").to_owned(),
            _ => return Err(de::Error::custom("a pace is a number, or one as text")),
        };
        // One way to write each: the parser takes "05" and "5." too.
        let odd = text.ends_with('.') || (text.starts_with('0') && !text.starts_with("0."));
        let pace = if odd { Err(domain::pace::BadPace) } else { text.parse() };
        pace.map(Self).map_err(de::Error::custom)
    }
}

impl PartialSchema for Rate {
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
impl ToSchema for Rate {}

impl PartialSchema for When {
    fn schema() -> RefOr<Schema> {
        let time = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
        RefOr::T(time.format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).build().into())
    }
}
impl ToSchema for When {}

/// A whole number, however it is written: to JSON, `5.0` is the same as `5`.
pub(crate) fn whole<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    maybe_whole(from)?.ok_or_else(|| de::Error::custom("a whole number is needed"))
}

/// A whole number, or none.
pub(crate) fn maybe_whole<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    let wrong = || de::Error::custom("is a whole number from 0 to 4294967295");
    let Some(number) = Option::<Number>::deserialize(from)? else { return Ok(None) };
    let text = number.to_string();
    text.strip_suffix(".0").unwrap_or(&text).parse().map(Some).map_err(|_| wrong())
}

/// A path of the shop that leads to the event's page, as `/products/spring`. Whether it is one is the settings' own rule.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, max_length = 200, pattern = r"^(/(\.{3,}|\.*[A-Za-z0-9_~-][A-Za-z0-9._~-]*))+$")]
pub(crate) struct Divert(String);

/// The paths as settings have them.
pub(crate) fn paths(diverts: Vec<Divert>) -> Vec<String> {
    diverts.into_iter().map(|Divert(path)| path).collect()
}

/// The time, if one was given.
pub(crate) fn millis(timestamp: Option<When>) -> Option<Millis> {
    timestamp.map(|When(at)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Everything {
        title: Title,
        pace: Rate,
        reason: Option<Reason>,
    }

    fn told(body: &str) -> Result<Everything, (String, &'static str)> {
        read(body.as_bytes()).map_err(|error| match error {
            Error::Invalid(mistakes) => (mistakes[0].pointer.clone(), mistakes[0].code),
            Error::Malformed(_) => (String::new(), "malformed"),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn a_pace_is_the_same_as_a_number_and_as_text() {
        for (json, pace) in [
            ("12.25", "12.25"),
            ("\"12.25\"", "12.25"),
            ("1e3", "1000"),
            ("100000", "100000"),
            ("1e-3", "0.001"),
        ] {
            let body = format!("{{\"title\":{{\"ko\":\"봄\",\"en\":\" Spring \"}},\"pace\":{json}}}");
            let everything = told(&body).unwrap();
            assert_eq!(everything.pace.0.to_string(), pace);
            assert_eq!((everything.title.0.en.as_str(), everything.reason.is_none()), ("Spring", true));
        }
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_point() {
        #[derive(Deserialize)]
        struct Limit {
            #[serde(deserialize_with = "whole")]
            most: u32,
        }
        let most =
            |json: &str| read::<Limit>(format!("{{\"most\":{json}}}").as_bytes()).map(|limit| limit.most);
        assert_eq!((most("5").unwrap(), most("410.0").unwrap()), (5, 410));
        for bad in ["5.5", "-1", "4294967296", "null", "\"5\"", "true", "1e300"] {
            assert!(most(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_wrong_field_is_named_by_its_pointer() {
        let wrong = |body: &str| told(body).unwrap_err();
        let pointer = |body: &str| wrong(body).0;
        assert_eq!(wrong("{"), (String::new(), "malformed"));
        assert_eq!(wrong("{} x"), (String::new(), "malformed"));
        assert_eq!(wrong("{}"), ("/title".into(), "required"));
        assert_eq!(wrong("[{}]"), (String::new(), "invalid"));
        assert_eq!(wrong("{\"nope\":1}"), ("/nope".into(), "unknown"));
        assert_eq!(wrong("{\"pace\":0.0001}"), ("/pace".into(), "invalid"));
        assert_eq!(pointer("{\"title\":[\"a\",\"b\"]}"), "/title");
        assert_eq!(pointer("{\"title\":{\"ko\":\"a\"}}"), "/title");
        assert_eq!(pointer("{\"title\":{\"ko\":\"a\",\"en\":\"b\",\"fr\":\"c\"}}"), "/title");
        assert_eq!(pointer("{\"title\":{\"ko\":\" \",\"en\":\"b\"}}"), "/title");
        let long = format!("{{\"reason\":\"{}\"}}", "가".repeat(501));
        assert_eq!(pointer(&long), "/reason");
        assert_eq!(pointer("{\"reason\":\" \"}"), "/reason");
        assert_eq!(pointer("{\"reason\":\"a\\u001b[2J\"}"), "/reason");
    }
}
