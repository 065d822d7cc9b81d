//! The response to an application, or to a find request: the receipt and the links to go on with.

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use domain::Kind;
use serde::{Serialize, Serializer};
use service::Language;
use utoipa::ToSchema;

use super::application::ApplicationStatus;
use crate::application::ApplicationView;
use crate::state::SignupState;

/// The usual size of the body in bytes. Reserved at once, so that the buffer does not grow.
const USUAL_BODY_LEN: usize = 768;

/// The links of a receipt.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReceiptLinks<'a> {
    #[schema(value_type = String)]
    page: ReceiptLink<'a>,
    #[schema(value_type = String)]
    status: ReceiptLink<'a>,
    #[schema(value_type = String)]
    cancel: ReceiptLink<'a>,
    /// Only in events of kind `confirm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, nullable = false)]
    confirm: Option<ReceiptLink<'a>>,
    /// Only in events of kind `pass`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, nullable = false)]
    pass: Option<ReceiptLink<'a>>,
    /// Only in events that call applicants.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, nullable = false)]
    extend: Option<ReceiptLink<'a>>,
}

#[derive(Debug)]
struct ReceiptLink<'a> {
    base: &'a str,
    path: &'static str,
    receipt: &'a str,
}

impl ReceiptLink<'_> {
    fn text(&self) -> String {
        [self.base, self.path, self.receipt].concat()
    }
}

impl Serialize for ReceiptLink<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

/// An application with its receipt.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReceiptResponse<'a> {
    #[serde(flatten)]
    status: ApplicationStatus<'a>,
    /// Signed proof of the application. With it, a client can see the application and, if it is a full receipt, cancel it.
    receipt: &'a str,
    /// The recovery code, such as `K7QD-22MF`: with the phone number it returns the full receipt on another device. Only with a full
    /// receipt.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    recovery_code: Option<String>,
    /// Whether this person had applied before.
    already_applied: bool,
    links: ReceiptLinks<'a>,
}

impl<'a> ReceiptResponse<'a> {
    /// The response about this application.
    pub(crate) fn of(
        application: &'a ApplicationView,
        already_applied: bool,
        signup: &'a SignupState,
    ) -> Self {
        let receipt = application.receipt_text.as_str();
        let link = |path| ReceiptLink { base: &signup.config.public_url, path, receipt };
        let kind = application.documents.snapshot.settings.kind;
        Self {
            status: ApplicationStatus::of(application, signup),
            receipt,
            recovery_code: application.recovery_code(),
            already_applied,
            links: ReceiptLinks {
                page: link("/a/"),
                status: link("/application/com/v1/get/application/"),
                cancel: link("/application/com/v1/cancel/application/"),
                confirm: (kind == Kind::Confirm).then(|| link("/application/com/v1/confirm/application/")),
                pass: (kind == Kind::Pass).then(|| link("/application/com/v1/create/pass/")),
                extend: (kind != Kind::Order).then(|| link("/application/com/v1/extend/application/")),
            },
        }
    }
}

/// The response to an application, with all of its headers.
pub(crate) fn respond_with_receipt(
    signup: &SignupState,
    application: &ApplicationView,
    already_applied: bool,
    language: Language,
) -> Response {
    let content = ReceiptResponse::of(application, already_applied, signup);
    let mut body = Vec::with_capacity(USUAL_BODY_LEN);
    serde_json::to_writer(&mut body, &content).unwrap_or_else(|_| unreachable!("its keys are strings"));
    let location = content.links.status.text();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = if already_applied { StatusCode::OK } else { StatusCode::CREATED };
    *response.headers_mut() = signup.receipt_headers.of(language, application.receipt.app_key, location);
    response
}
