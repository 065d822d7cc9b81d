//! Error responses: RFC 9457 `application/problem+json`. Callers must not put stack traces, SQL or secret keys
//! into them.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use crate::entropy::Rng;

/// An error response with a cause and, where possible, advice.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// The stable code that clients may depend on; the type is `/problems/{code}`.
    pub code: &'static str,
    /// What went wrong, in a few words.
    pub title: String,
    /// What happened in this case, and what the client can do; may be empty.
    pub detail: String,
    /// Seconds after which the client may try again.
    pub retry_after_s: Option<u32>,
    /// Extension members.
    pub extra: Map<String, Value>,
}

impl Problem {
    /// A problem without detail.
    pub fn new(status: StatusCode, code: &'static str, title: impl Into<String>) -> Self {
        let title = title.into();
        let detail = String::new();
        Self { status, code, title, detail, retry_after_s: None, extra: Map::new() }
    }

    /// Sets the detail.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Sets the seconds after which the client may try again. Use [`jittered`], so that the clients do not all retry
    /// at the same moment.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// Adds an extension member. A standard member that the problem has replaces one of the same name.
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extra.insert(key.into(), value.into());
        self
    }

    /// The body.
    pub fn to_json(&self) -> Value {
        let mut members = self.extra.clone();
        members.insert("type".to_owned(), format!("/problems/{}", self.code).into());
        members.insert("code".to_owned(), self.code.into());
        members.insert("title".to_owned(), self.title.as_str().into());
        members.insert("status".to_owned(), self.status.as_u16().into());
        if !self.detail.is_empty() {
            members.insert("detail".to_owned(), self.detail.as_str().into());
        }
        members.into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.to_json().to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// A random time from once to twice the base, at least 1 s, so that clients refused at the same moment do not all retry at the same
/// moment.
pub fn jittered(base_s: u32, rng: &Rng) -> u32 {
    let base = base_s.max(1);
    let mut bytes = [0; 4];
    rng(&mut bytes);
    let spread = (u64::from(u32::from_le_bytes(bytes)) * (u64::from(base) + 1)) >> 32;
    base.saturating_add(u32::try_from(spread).unwrap_or(base))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Steps through the whole range of `u32` in odd strides, so that every part of it occurs.
    fn evenly_spread_rng() -> Rng {
        let state = AtomicU32::new(1);
        Arc::new(move |bytes: &mut [u8]| {
            let next = state.fetch_add(0x9e37_79b9, Ordering::Relaxed);
            bytes.copy_from_slice(&next.to_le_bytes());
        })
    }

    #[test]
    fn a_retry_is_spread_from_once_to_twice_the_base() {
        let rng = evenly_spread_rng();
        let mut seen: Vec<u32> = (0..1000).map(|_| jittered(5, &rng)).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, [5, 6, 7, 8, 9, 10]);
        assert!((0..100).all(|_| (1..=2).contains(&jittered(0, &rng))));
        let highest: Rng = Arc::new(|bytes: &mut [u8]| bytes.fill(0xff));
        assert_eq!(jittered(u32::MAX, &highest), u32::MAX);
    }

    #[test]
    fn a_problem_keeps_its_standard_members() {
        let problem = Problem::new(StatusCode::CONFLICT, "event-not-open", "Not open yet")
            .detail("It opens soon.")
            .with("opens_at", 17)
            .with("status", "mine");
        let expected = serde_json::json!({
            "type": "/problems/event-not-open", "code": "event-not-open", "title": "Not open yet",
            "status": 409, "detail": "It opens soon.", "opens_at": 17,
        });
        assert_eq!(problem.to_json(), expected);
        let response = problem.retry_after(3).into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "3");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    }
}
