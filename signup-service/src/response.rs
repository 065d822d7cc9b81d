//! Responses of the API and their headers.

mod application;
mod headers;
mod personal;
mod receipt;
mod receipt_headers;

pub(crate) use application::ApplicationStatus;
pub(crate) use headers::{add_language, no_store, see_other};
pub(crate) use personal::PersonalResponse;
pub(crate) use receipt::{ReceiptResponse, respond_with_receipt};
pub(crate) use receipt_headers::ReceiptHeaders;
