//! The responses to requests without a matching route: a page, or the listener's own problem document on a path of the API.

use axum::http::{StatusCode, Uri};

use super::context::PageContext;
use super::error::PageError;
use crate::error::Error;

/// The response where no route has the path.
pub(crate) async fn path(uri: Uri, context: PageContext) -> Result<StatusCode, PageError> {
    // The listener adds a problem document to an empty 404.
    if is_api(uri.path()) {
        Ok(StatusCode::NOT_FOUND)
    } else {
        Err(PageError::new(Error::UnknownPage, &context))
    }
}

/// The response where a page does not have the method.
pub(crate) async fn method(context: PageContext) -> PageError {
    PageError::new(Error::MethodNotAllowed, &context)
}

/// Whether the path is one of the API: its second segment is an area.
fn is_api(path: &str) -> bool {
    matches!(path.split('/').nth(2), Some("com" | "adm" | "int"))
}
