//! A JSON response about one application.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::AppKey;
use serde::Serialize;
use service::Language;

use super::headers::{add_language, guid, no_store};

/// A JSON response about one application: with its GUID, and out of all caches.
pub(crate) struct PersonalResponse<T> {
    /// The status.
    pub(crate) status: StatusCode,
    /// The key of the application.
    pub(crate) app_key: AppKey,
    /// The language of the client.
    pub(crate) language: Language,
    /// The body.
    pub(crate) body: T,
}

impl<T: Serialize> IntoResponse for PersonalResponse<T> {
    fn into_response(self) -> Response {
        let headers = [guid(self.app_key), no_store()];
        let mut response = (self.status, headers, Json(self.body)).into_response();
        add_language(response.headers_mut(), self.language);
        response
    }
}
