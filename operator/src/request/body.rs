//! JSON bodies: their limits, and errors that name the wrong field by its JSON pointer.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts as _, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse as _;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_path_to_error::{Path, Segment};

use crate::error::Error;
use crate::state::OperatorState;

/// Largest body in bytes: 32 paths, eight texts and two addresses, however their letters are escaped.
pub(crate) const BODY_MAX: usize = 64 * 1024;

/// A JSON object as the request's body.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<OperatorState>> for JsonBody<T> {
    type Rejection = Error;
    async fn from_request(request: Request, state: &Arc<OperatorState>) -> Result<Self, Error> {
        let (mut parts, body) = request.into_parts();
        let headers = HeaderMap::from_request_parts(&mut parts, state).await.unwrap_or_default();
        if !is_json(&headers) {
            return Err(Error::WrongType);
        }
        let body =
            Bytes::from_request(Request::from_parts(parts, body), state).await.map_err(|rejection| {
                match rejection.into_response().status() {
                    StatusCode::PAYLOAD_TOO_LARGE => Error::TooLarge,
                    _ => Error::Malformed("The body ended early.".into()),
                }
            })?;
        parse(&body).map(Self)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/json")
}

/// Parses an object. serde would accept an array as the fields in order, so an array is rejected here.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let not_json = |error: serde_json::Error| Error::Malformed(format!("The body is not JSON: {error}."));
    // The whole text first: a field may be wrong before the place where the text stops being JSON.
    serde_json::from_slice::<IgnoredAny>(body).map_err(not_json)?;
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(Error::field("", "invalid", "the body must be an object"));
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| field_error(error.path(), &error.inner().to_string()))
}

/// serde names a missing or unknown field only in its message, so the name is read from there.
fn field_error(path: &Path, message: &str) -> Error {
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

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::request::fields::{PaceField, Reason, Title, whole_number};

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Everything {
        title: Title,
        pace: PaceField,
        reason: Option<Reason>,
    }

    fn parsed(body: &str) -> Result<Everything, (String, &'static str)> {
        parse(body.as_bytes()).map_err(|error| match error {
            Error::Invalid(fields) => (fields[0].pointer.clone(), fields[0].code),
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
            let everything = parsed(&body).unwrap();
            assert_eq!(everything.pace.0.to_string(), pace);
            assert_eq!((everything.title.0.en.as_str(), everything.reason.is_none()), ("Spring", true));
        }
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_point() {
        #[derive(Deserialize)]
        struct Limit {
            #[serde(deserialize_with = "whole_number")]
            most: u32,
        }
        let most =
            |json: &str| parse::<Limit>(format!("{{\"most\":{json}}}").as_bytes()).map(|limit| limit.most);
        assert_eq!((most("5").unwrap(), most("410.0").unwrap()), (5, 410));
        for bad in ["5.5", "-1", "4294967296", "null", "\"5\"", "true", "1e300"] {
            assert!(most(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_invalid_field_is_named_by_its_pointer() {
        let wrong = |body: &str| parsed(body).unwrap_err();
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
