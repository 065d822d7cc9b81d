//! The page of a view receipt: that the phone number has applied, and how to get the full receipt. It never changes.

use super::frame::{Frame, render};
use super::look::PageLook;
use super::templates::ViewOnlyTemplate;
use crate::application::ApplicationView;
use crate::messages::PageText;
use crate::state::SignupState;
use crate::timestamp;

/// The page as text.
pub(super) fn html(signup: &SignupState, application: &ApplicationView, text: &'static PageText) -> String {
    let settings = &application.documents.snapshot.settings;
    let title = settings.title.in_language(text.html_lang);
    render(&ViewOnlyTemplate {
        frame: Frame {
            heading: text.view_only.title.to_owned(),
            lede: text.view_only.text.to_owned(),
            look: PageLook::of_receipt(settings, text, &signup.shell.look),
            language_href: format!("/a/{}?lang={}", application.receipt_text, text.other_lang),
            support_code: Some(application.support_code()),
            ..Frame::new(&signup.shell.apply, text, title, "view")
        },
        event: application.receipt.event.as_str(),
        number: timestamp::grouped(application.receipt.number.get()),
        find_phone: "",
        find_error: String::new(),
    })
}
