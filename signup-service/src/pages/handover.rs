//! The page that sends a pass on to a shop of another site. Without scripts the applicant presses its button.

use axum::http::HeaderMap;
use domain::EventSettings;

use super::context::PageContext;
use super::frame::{Frame, render};
use super::look::PageLook;
use super::response::PageResponse;
use super::templates::HandoverTemplate;
use crate::issued_pass::IssuedPass;
use crate::messages::PageText;
use crate::request::FormFields;
use crate::state::SignupState;

/// The page as a response.
pub(crate) fn page(
    signup: &SignupState,
    issued: &IssuedPass,
    receipt: &str,
    headers: &HeaderMap,
) -> PageResponse {
    let context = PageContext::of_form(&FormFields::default(), headers);
    let settings = &issued.documents.snapshot.settings;
    let text = signup.text(context.language);
    let html = html(signup, text, settings, receipt, &issued.token);
    let look = PageLook::of_receipt(settings, text, &signup.shell.look);
    let assets = &signup.shell.handover;
    let page = PageResponse::new(&context, assets, html);
    page.with_policy(assets.policy_with_forms_to(issued.target())).with_look(look.as_ref())
}

/// The page as text.
pub(super) fn html(
    signup: &SignupState,
    text: &'static PageText,
    settings: &EventSettings,
    receipt: &str,
    pass: &str,
) -> String {
    let title = settings.title.in_language(text.html_lang);
    let frame = Frame {
        heading: text.handover.title.to_owned(),
        lede: text.handover.text.to_owned(),
        language_href: format!("/a/{receipt}?lang={}", text.other_lang),
        look: PageLook::of_receipt(settings, text, &signup.shell.look),
        data: "{}".to_owned(),
        ..Frame::new(&signup.shell.handover, text, title, "handover")
    };
    render(&HandoverTemplate { frame, target: &settings.pass_target, receipt, pass })
}
