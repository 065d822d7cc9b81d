//! Completes the errors that handlers return: the language of the client and a jittered `Retry-After`.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use service::Language;

use crate::error::Error;
use crate::pages::PageError;
use crate::state::SignupState;

/// The response, or the error in its extensions as JSON or as a page.
pub(crate) fn complete_error(
    signup: &SignupState,
    accept_language: Option<&HeaderValue>,
    mut response: Response,
) -> Response {
    let extensions = response.extensions_mut();
    if let Some(error) = extensions.remove::<Error>() {
        return error.problem(signup.text(Language::preferred(accept_language)), &signup.rng);
    }
    if let Some(error) = extensions.remove::<PageError>() {
        let allow = response.headers_mut().remove(header::ALLOW);
        let mut page = error.page(signup).into_response();
        page.headers_mut().extend(allow.map(|methods| (header::ALLOW, methods)));
        return page;
    }
    response
}
