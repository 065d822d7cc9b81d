//! A pass that was verified.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use domain::Pass;

const X_FIRSTCOME_EVENT: HeaderName = HeaderName::from_static("x-firstcome-event");
const X_FIRSTCOME_NUMBER: HeaderName = HeaderName::from_static("x-firstcome-number");
const X_FIRSTCOME_APPLICATION: HeaderName = HeaderName::from_static("x-firstcome-application");

/// A verified pass, with the headers that tell a service whose it is.
#[derive(Debug)]
pub(crate) struct VerifiedPass {
    pub(super) text: Box<str>,
    pub(super) pass: Pass,
    number: HeaderValue,
    application: HeaderValue,
    event: HeaderValue,
}

impl VerifiedPass {
    pub(super) fn new(text: &str, pass: Pass) -> Self {
        let value = |text: &str| {
            HeaderValue::from_str(text).unwrap_or_else(|_| unreachable!("ids and numbers are plain text"))
        };
        Self {
            number: value(&pass.number.to_string()),
            application: value(&pass.application),
            event: value(pass.event.as_str()),
            text: text.into(),
            pass,
        }
    }

    /// Adds the headers with the event, the number and the application.
    pub(crate) fn add_headers(&self, headers: &mut HeaderMap) {
        headers.insert(X_FIRSTCOME_EVENT, self.event.clone());
        headers.insert(X_FIRSTCOME_NUMBER, self.number.clone());
        headers.insert(X_FIRSTCOME_APPLICATION, self.application.clone());
    }
}
