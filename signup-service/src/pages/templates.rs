//! The values of the templates: finished texts. The templates decide nothing.

use askama::Template;

use super::frame::Frame;

/// The page of an event.
#[derive(Template)]
#[template(path = "event.html")]
pub(super) struct EventTemplate<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) event: &'a str,
    /// If only members of the shop can apply: where they sign in, empty if it is not known.
    pub(super) sign_in_url: Option<&'a str>,
    pub(super) announcement: &'a str,
    pub(super) capacity: String,
    pub(super) closes: String,
    /// The time that is left until the opening.
    pub(super) countdown: String,
    pub(super) server_clock: String,
    pub(super) key: String,
    /// Whether an earlier response to this form may be lost.
    pub(super) unsure: bool,
    pub(super) name: &'a str,
    pub(super) phone: &'a str,
    pub(super) consent: bool,
    pub(super) name_error: &'static str,
    pub(super) phone_error: &'static str,
    pub(super) consent_error: &'static str,
    pub(super) label: &'static str,
    pub(super) find_open: bool,
    pub(super) find_phone: &'a str,
    pub(super) find_error: String,
}

/// The page of a receipt.
#[derive(Template)]
#[template(path = "receipt.html")]
pub(super) struct ReceiptTemplate<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) event: &'a str,
    pub(super) receipt: &'a str,
    /// The address of this page.
    pub(super) page: String,
    /// The same address for paper, without its query.
    pub(super) link: String,
    pub(super) number: String,
    pub(super) standing: String,
    pub(super) is_waitlisted: bool,
    pub(super) bar: String,
    pub(super) ahead: String,
    /// Empty while it is unknown.
    pub(super) expected_wait: String,
    pub(super) checked: String,
    pub(super) order_no: &'a str,
    pub(super) announcement: &'a str,
    pub(super) cancel_label: &'static str,
    /// Whether the applicant orders at the shop, and so cannot cancel an order here.
    pub(super) is_pass: bool,
    /// In events that call applicants.
    pub(super) called: Option<CalledBox>,
    /// The recovery code; none if the keyring does not have the event's key.
    pub(super) code: Option<String>,
}

/// What a called applicant can do. The times are empty while the applicant is not called.
pub(super) struct CalledBox {
    /// The name of the button that goes on.
    pub(super) button: &'static str,
    /// What it does: verb and resource of the path.
    pub(super) action: &'static str,
    pub(super) label: &'static str,
    pub(super) left: String,
    pub(super) until: String,
    pub(super) extend: String,
    pub(super) may_extend: bool,
}

/// The page that sends a pass to a shop.
#[derive(Template)]
#[template(path = "handover.html")]
pub(super) struct HandoverTemplate<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) target: &'a str,
    pub(super) receipt: &'a str,
    pub(super) pass: &'a str,
}

/// The page of a view receipt.
#[derive(Template)]
#[template(path = "view.html")]
pub(super) struct ViewOnlyTemplate<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) event: &'a str,
    pub(super) number: String,
    pub(super) find_phone: &'a str,
    pub(super) find_error: String,
}

/// An event in the list.
pub(super) struct ListItem {
    pub(super) event: String,
    pub(super) title: String,
    pub(super) badge: &'static str,
    pub(super) is_open: bool,
    pub(super) date: String,
}

/// The list of events.
#[derive(Template)]
#[template(path = "list.html")]
pub(super) struct ListTemplate<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) items: Vec<ListItem>,
}

/// The previews of a state: address and name.
pub(super) struct PreviewRow {
    pub(super) state: &'static str,
    pub(super) links: Vec<(String, String)>,
}

/// The list of previews.
#[derive(Template)]
#[template(path = "preview_list.html")]
pub(super) struct PreviewListTemplate<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) rows: Vec<PreviewRow>,
}

/// The page of an error.
#[derive(Template)]
#[template(path = "message.html")]
pub(super) struct MessageTemplate<'a> {
    pub(super) frame: Frame<'a>,
    /// Whether the page links to the front page.
    pub(super) has_front_page_link: bool,
}
