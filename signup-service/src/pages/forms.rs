//! Responses to forms that were refused: the page again, with the reason.

use axum::http::HeaderMap;

use super::context::PageContext;
use super::error::PageError;
use super::event::EventPage;
use super::response::PageResponse;
use crate::error::Error;
use crate::request::FormFields;
use crate::state::SignupState;

/// The page of the event again, with the fields as they were sent.
pub(crate) fn apply_error(
    signup: &SignupState,
    event: &str,
    headers: &HeaderMap,
    form: &FormFields,
    error: &Error,
) -> PageResponse {
    let context = PageContext::of_form(form, headers);
    let Ok(documents) = signup.documents(event) else {
        return PageError::new(error.clone(), &context).page(signup);
    };
    let retry_after = error.retry_after(&signup.rng);
    let page = EventPage::new(signup, &documents, signup.text(context.language)).with_apply_error(
        form,
        error,
        retry_after,
    );
    page.response(&context).with_error(error.kind().0, retry_after)
}

/// The page of the event again, with the find form open.
pub(crate) fn find_error(
    signup: &SignupState,
    headers: &HeaderMap,
    form: &FormFields,
    error: &Error,
) -> PageResponse {
    let context = PageContext::of_form(form, headers);
    let Ok(documents) = signup.documents(form.get("event")) else {
        return PageError::new(error.clone(), &context).page(signup);
    };
    let retry_after = error.retry_after(&signup.rng);
    let page = EventPage::new(signup, &documents, signup.text(context.language)).with_find_error(form, error);
    page.response(&context).with_error(error.kind().0, retry_after)
}

/// The page of a request with a receipt that was refused.
pub(crate) fn receipt_error(signup: &SignupState, headers: &HeaderMap, error: &Error) -> PageResponse {
    let context = PageContext::of_form(&FormFields::default(), headers);
    PageError::of_form(error, &context).page(signup)
}
