//! The page of an error.

use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::context::PageContext;
use super::frame::{Frame, RELOAD_S, json_for_script, render};
use super::response::PageResponse;
use super::templates::MessageTemplate;
use crate::error::Error;
use crate::messages::PageText;
use crate::state::SignupState;

/// An error on the way to a page. The outermost layer renders it.
#[derive(Debug, Clone)]
pub(crate) struct PageError {
    error: Error,
    context: PageContext,
    /// Whether the page reloads by itself. In response to a form it must not: reloading would send the form again.
    reloads: bool,
}

impl PageError {
    /// The error of a page.
    pub(super) fn new(error: Error, context: &PageContext) -> Self {
        Self { error, context: context.clone(), reloads: true }
    }

    /// The error of a form.
    pub(super) fn of_form(error: &Error, context: &PageContext) -> Self {
        Self { error: error.clone(), context: context.clone(), reloads: false }
    }

    /// The page as a response. It reloads by itself if the error may pass.
    pub(crate) fn page(&self, signup: &SignupState) -> PageResponse {
        let retry_after = self.error.retry_after(&signup.rng);
        let html = self.html(signup, signup.text(self.context.language), retry_after);
        PageResponse::new(&self.context, &signup.shell.wait, html)
            .with_error(self.error.kind().0, retry_after)
    }

    /// The page as text. It says when it tries again.
    pub(super) fn html(
        &self,
        signup: &SignupState,
        text: &'static PageText,
        retry_after: Option<u32>,
    ) -> String {
        let title = self.error.title(text);
        let mut frame = Frame::new(&signup.shell.wait, text, title, self.error.kind().1);
        title.clone_into(&mut frame.heading);
        // The heading stands below the header, which would repeat it.
        text.list.title.clone_into(&mut frame.brand);
        frame.lede = self.error.detail(text);
        if let Some(seconds) = retry_after.filter(|_| self.reloads) {
            frame.reload_s = Some(RELOAD_S);
            frame.data = json_for_script(&json!({
                "event": "", "now": signup.now(), "lang": text.html_lang, "retry": seconds, "text": {},
            }));
        }
        // An error that does not pass leads nowhere without a link.
        render(&MessageTemplate { frame, has_front_page_link: retry_after.is_none() })
    }
}

/// A response with the status only, as of [`Error`].
impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let mut response = self.error.kind().0.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
