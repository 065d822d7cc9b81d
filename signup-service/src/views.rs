//! What the templates are given: finished texts, nothing to decide. Which ones is decided in `pages.rs`.

use askama::Template;

use crate::messages::Messages;

/// What every page has.
pub(crate) struct Frame<'a> {
    pub(crate) messages: &'static Messages,
    pub(crate) css: &'a str,
    pub(crate) title: String,
    pub(crate) brand: String,
    pub(crate) language_href: String,
    pub(crate) state: &'static str,
    pub(crate) head: String,
    pub(crate) lede: String,
    /// How soon a browser without JavaScript looks again.
    pub(crate) refresh_s: Option<u32>,
    pub(crate) support: Option<String>,
    /// What the script is given, as JSON that is safe inside a script element; empty means no script.
    pub(crate) data: String,
    pub(crate) script: &'a str,
}

/// The page of an event.
#[derive(Template)]
#[template(path = "event.html")]
pub(crate) struct EventView<'a> {
    pub(crate) frame: Frame<'a>,
    pub(crate) event: &'a str,
    pub(crate) announcement: &'a str,
    pub(crate) capacity: String,
    pub(crate) closes: String,
    pub(crate) key: String,
    /// Whether this form was sent before and its answer lost.
    pub(crate) unsure: bool,
    pub(crate) name: &'a str,
    pub(crate) phone: &'a str,
    pub(crate) consent: bool,
    pub(crate) name_wrong: &'static str,
    pub(crate) phone_wrong: &'static str,
    pub(crate) consent_wrong: &'static str,
    pub(crate) label: &'static str,
    pub(crate) find_open: bool,
    pub(crate) find_phone: &'a str,
    pub(crate) find_wrong: String,
}

/// The page of a receipt.
#[derive(Template)]
#[template(path = "receipt.html")]
pub(crate) struct ReceiptView<'a> {
    pub(crate) frame: Frame<'a>,
    pub(crate) event: &'a str,
    pub(crate) receipt: &'a str,
    /// Its own address.
    pub(crate) here: String,
    pub(crate) number: String,
    pub(crate) standing: String,
    pub(crate) late: bool,
    pub(crate) bar: String,
    pub(crate) ahead: String,
    pub(crate) eta: String,
    pub(crate) checked: String,
    pub(crate) order_no: &'a str,
    pub(crate) announcement: &'a str,
    pub(crate) cancel_label: &'static str,
    /// The recovery code; none if the event's key is not in the ring.
    pub(crate) code: Option<String>,
}

/// The page of a view receipt.
#[derive(Template)]
#[template(path = "view.html")]
pub(crate) struct ViewOnlyView<'a> {
    pub(crate) frame: Frame<'a>,
    pub(crate) event: &'a str,
    pub(crate) number: String,
    pub(crate) find_phone: &'a str,
    pub(crate) find_wrong: String,
}

/// One event of the list.
pub(crate) struct Item {
    pub(crate) event: String,
    pub(crate) title: String,
    pub(crate) badge: &'static str,
    pub(crate) open: bool,
    pub(crate) timestamp: String,
}

/// All events.
#[derive(Template)]
#[template(path = "list.html")]
pub(crate) struct ListView<'a> {
    pub(crate) frame: Frame<'a>,
    pub(crate) items: Vec<Item>,
}

/// A page that says one thing.
#[derive(Template)]
#[template(path = "message.html")]
pub(crate) struct MessageView<'a> {
    pub(crate) frame: Frame<'a>,
    /// The event to go back to.
    pub(crate) event: Option<&'a str>,
}
