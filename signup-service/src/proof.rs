//! The response to an applicant who applied, or found an application by its code: the proof of it, and the next page.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::{Serialize, Serializer};
use service::Language;
use utoipa::ToSchema;

use crate::error::localised;
use crate::state::SignupState;
use crate::status::{GUID, Own, OwnAnswer, guid_header, no_store};

/// So large is the usual answer: room made once, not by growing.
const ANSWER_USUAL: usize = 768;

/// Where to go on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Links<'a> {
    #[schema(value_type = String)]
    page: Link<'a>,
    #[schema(value_type = String)]
    status: Link<'a>,
    #[schema(value_type = String)]
    cancel: Link<'a>,
}

#[derive(Debug)]
struct Link<'a> {
    base: &'a str,
    path: &'static str,
    receipt: &'a str,
}

impl Link<'_> {
    fn text(&self) -> String {
        [self.base, self.path, self.receipt].concat()
    }
}

impl Serialize for Link<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

/// The answer to who applied, or found an application by its code.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Proof<'a> {
    #[serde(flatten)]
    own: OwnAnswer<'a>,
    /// Signed proof of the application; its holder can see and, if it is full, cancel it.
    receipt: &'a str,
    /// With the full receipt: 8 letters that bring it back on another device.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    recovery_code: Option<String>,
    /// Whether this person had applied before.
    already_applied: bool,
    links: Links<'a>,
}

impl<'a> Proof<'a> {
    /// The proof of one's own application.
    pub(crate) fn of(own: &'a Own, again: bool, signup: &'a SignupState) -> Self {
        let link = |path| Link { base: &signup.config.public_url, path, receipt: &own.text };
        Self {
            own: own.answer(signup),
            receipt: &own.text,
            recovery_code: own.recovery_code(),
            already_applied: again,
            links: Links {
                page: link("/a/"),
                status: link("/application/com/v1/get/application/"),
                cancel: link("/application/com/v1/cancel/application/"),
            },
        }
    }
}

/// The headers of every answer to who applied, made once: what differs takes its place in them.
pub(crate) struct ResponseHeaders {
    korean: HeaderMap,
    english: HeaderMap,
}

impl ResponseHeaders {
    pub(crate) fn new() -> Self {
        Self { korean: response_headers(Language::Korean), english: response_headers(Language::English) }
    }

    fn of(&self, language: Language) -> HeaderMap {
        match language {
            Language::Korean => self.korean.clone(),
            Language::English => self.english.clone(),
        }
    }
}

fn response_headers(language: Language) -> HeaderMap {
    let mut answer = Response::new(Body::empty());
    let to_come = HeaderValue::from_static("");
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().extend([
        (header::CONTENT_TYPE, json),
        no_store(),
        (GUID, to_come.clone()),
        (header::LOCATION, to_come),
    ]);
    let mut headers = std::mem::take(localised(answer, language).headers_mut());
    service::http::add_security_headers(&mut headers);
    headers
}

/// The response to an applicant, with all of its headers.
pub(crate) fn answer(signup: &SignupState, own: &Own, again: bool, language: Language) -> Response {
    let proof = Proof::of(own, again, signup);
    let mut body = Vec::with_capacity(ANSWER_USUAL);
    serde_json::to_writer(&mut body, &proof).unwrap_or_else(|_| unreachable!("its keys are text"));
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = if again { StatusCode::OK } else { StatusCode::CREATED };
    let mut headers = signup.response_headers.of(language);
    let (guid, value) = guid_header(own.receipt.app_key);
    headers.insert(guid, value);
    match HeaderValue::try_from(proof.links.status.text()) {
        Ok(location) => headers.insert(header::LOCATION, location),
        Err(_) => headers.remove(header::LOCATION),
    };
    *answer.headers_mut() = headers;
    answer
}
