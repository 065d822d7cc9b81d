//! `If-Match`: the rev at which a change expects the event.

use axum::http::{HeaderMap, header};
use utoipa::IntoParams;

use crate::error::Error;

/// Whether a change requires `If-Match`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MatchRule {
    /// The header is honoured but may be missing: an emergency stop must not need a read first.
    Optional,
    /// The header is required: of two operators who read the same figures only one changes them.
    Required,
}

impl MatchRule {
    /// The rev that the request expects; `None` if any rev will do.
    pub(crate) fn expected_rev(self, headers: &HeaderMap) -> Result<Option<i64>, Error> {
        match (if_match(headers)?, self) {
            (Some(ExpectedRev::Rev(rev)), _) => Ok(Some(rev)),
            (Some(ExpectedRev::Any), _) | (None, Self::Optional) => Ok(None),
            (None, Self::Required) => Err(Error::IfMatchRequired),
        }
    }
}

/// OpenAPI description of `If-Match` where it is required.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "described only: `MatchRule` reads the header")]
pub(crate) struct IfMatchRequired {
    /// The `ETag` that you read, or only its rev, as `"7"`; `*` changes the event at any rev.
    #[param(rename = "If-Match", pattern = r#"^(\*|"[0-9]{1,18}(-[0-9a-f]{1,16})?")$"#)]
    if_match: String,
}

/// OpenAPI description of `If-Match` where it is optional.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "described only: `MatchRule` reads the header")]
pub(crate) struct IfMatchOptional {
    /// The `ETag` that you read, or only its rev, as `"7"`; if the event is at another rev, nothing is changed.
    #[param(
        rename = "If-Match",
        nullable = false,
        example = "*",
        pattern = r#"^(\*|"[0-9]{1,18}(-[0-9a-f]{1,16})?")$"#
    )]
    if_match: Option<String>,
}

/// OpenAPI description of `If-None-Match`.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "described only: the handler reads the header")]
pub(crate) struct IfNoneMatch {
    /// The `ETag` that you have.
    #[param(rename = "If-None-Match", nullable = false)]
    if_none_match: Option<String>,
}

/// The value of `If-Match`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ExpectedRev {
    Any,
    Rev(i64),
}

impl ExpectedRev {
    /// Parses `*`, `"7"`, or `"7-1f3a"` as an `ETag` of an event.
    fn parse(tag: &str) -> Option<Self> {
        if tag == "*" {
            return Some(Self::Any);
        }
        let inner = tag.strip_prefix('"')?.strip_suffix('"')?;
        let digits = inner.split_once('-').map_or(inner, |(rev, _)| rev);
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| digits.parse().ok()).flatten().map(Self::Rev)
    }
}

fn if_match(headers: &HeaderMap) -> Result<Option<ExpectedRev>, Error> {
    let mut values = headers.get_all(header::IF_MATCH).iter();
    let Some(tag) = values.next() else { return Ok(None) };
    let parsed = tag.to_str().ok().and_then(|tag| ExpectedRev::parse(tag.trim()));
    let parsed = parsed.filter(|_| values.next().is_none());
    parsed.map(Some).ok_or_else(|| Error::Malformed("If-Match is one ETag that was read, or *".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rev_is_parsed_from_either_tag_and_nothing_else() {
        assert_eq!(ExpectedRev::parse("\"7\""), Some(ExpectedRev::Rev(7)));
        assert_eq!(ExpectedRev::parse("\"7-0f3a\""), Some(ExpectedRev::Rev(7)));
        assert_eq!(ExpectedRev::parse("*"), Some(ExpectedRev::Any));
        for bad in
            ["", "7", "\"\"", "W/\"7\"", "\"-7\"", "\"+7\"", "\"7\", \"8\"", "\"99999999999999999999\""]
        {
            assert_eq!(ExpectedRev::parse(bad), None, "{bad}");
        }
    }
}
