//! What all pages have in common, and how a template becomes text.

use askama::Template;
use serde_json::Value;

use super::look::PageLook;
use super::shell::Assets;
use crate::messages::PageText;

/// Seconds after which a page reloads in a browser without JavaScript.
pub(super) const RELOAD_S: u32 = 20;

/// The common part of a page.
pub(super) struct Frame<'a> {
    pub(super) text: &'static PageText,
    pub(super) css: &'a str,
    pub(super) title: String,
    pub(super) brand: String,
    /// The address of the page in the other language.
    pub(super) language_href: String,
    /// The state, for style and script.
    pub(super) state: &'static str,
    pub(super) heading: String,
    /// The sentence below the heading.
    pub(super) lede: String,
    /// What the operator gave the event.
    pub(super) look: Option<PageLook>,
    /// Seconds after which the page reloads in a browser without JavaScript.
    pub(super) reload_s: Option<u32>,
    pub(super) support_code: Option<String>,
    /// The data of the script, from [`json_for_script`]. Without data the page has no script.
    pub(super) data: String,
    pub(super) script: &'a str,
}

impl<'a> Frame<'a> {
    /// A frame without heading and data.
    pub(super) fn new(assets: &'a Assets, text: &'static PageText, brand: &str, state: &'static str) -> Self {
        Self {
            text,
            css: &assets.css,
            title: brand.to_owned(),
            brand: brand.to_owned(),
            language_href: format!("?lang={}", text.other_lang),
            state,
            heading: String::new(),
            lede: String::new(),
            look: None,
            reload_s: None,
            support_code: None,
            data: String::new(),
            script: &assets.script,
        }
    }
}

/// The page as text.
pub(super) fn render(template: &impl Template) -> String {
    template.render().unwrap_or_else(|error| {
        tracing::error!(%error, "failed to render a page; the response is empty");
        String::new()
    })
}

/// JSON that cannot end the script element that contains it.
pub(super) fn json_for_script(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c")
}
