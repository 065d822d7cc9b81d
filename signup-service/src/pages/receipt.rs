//! The page of a receipt. The script goes on from here by the same rules, in `assets/wait.js`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::context::PageContext;
use super::error::PageError;
use super::expected_wait::expected_wait;
use super::frame::{Frame, RELOAD_S, json_for_script, render};
use super::receipt_state::ReceiptPageState;
use super::response::PageResponse;
use super::templates::ReceiptTemplate;
use super::view_only;
use crate::application::{ApplicationView, PublicState};
use crate::messages::{PageText, fill};
use crate::request::PathParameter;
use crate::state::SignupState;
use crate::timestamp;

/// The fields of the progress document that the script does not use.
const UNUSED_BY_SCRIPT: [&str; 8] = [
    "event",
    "sold",
    "last_number",
    "intake",
    "opens_at_ms",
    "closes_at_ms",
    "server_time_ms",
    "ledger_age_ms",
];

/// `GET /a/{receipt}`
pub(crate) async fn get(
    State(signup): State<Arc<SignupState>>,
    PathParameter(receipt): PathParameter,
    context: PageContext,
) -> Result<impl IntoResponse, PageError> {
    let application = signup.application(&receipt).await;
    let application = application.map_err(|error| PageError::new(error, &context))?;
    let text = signup.text(context.language);
    let cancel_requested = context.query.get("asked") == "cancel";
    let (assets, html) = match application.state {
        Some(state) => {
            let page = ReceiptPage::new(&signup, &application, state, text, cancel_requested);
            (&signup.shell.wait, page.html())
        }
        None => (&signup.shell.apply, view_only::html(&signup, &application, text)),
    };
    Ok(PageResponse::new(&context, assets, html))
}

/// The page of a full receipt.
pub(super) struct ReceiptPage<'a> {
    signup: &'a SignupState,
    application: &'a ApplicationView,
    text: &'static PageText,
    state: PublicState,
    page_state: ReceiptPageState,
    cancel_requested: bool,
}

impl<'a> ReceiptPage<'a> {
    /// The page of an application. After a cancel request it shows the request until the outcome is known.
    pub(super) fn new(
        signup: &'a SignupState,
        application: &'a ApplicationView,
        state: PublicState,
        text: &'static PageText,
        cancel_requested: bool,
    ) -> Self {
        let page_state = ReceiptPageState::of(application, state, cancel_requested);
        Self { signup, application, text, state, page_state, cancel_requested }
    }

    /// The page as text.
    pub(super) fn html(&self) -> String {
        let ApplicationView { receipt, documents, .. } = self.application;
        let text = self.text;
        let position = documents.position(receipt.number);
        let waitlist_number = documents.waitlist_number(receipt.number);
        let standing = match waitlist_number {
            Some(n) => fill(text.waitlist_number, &[("n", &timestamp::grouped(n))]),
            None => format!("✓ {}", text.in_range),
        };
        render(&ReceiptTemplate {
            frame: self.frame(),
            event: receipt.event.as_str(),
            receipt: &self.application.receipt_text,
            page: self.address(""),
            link: format!("{}/a/{}", self.signup.config.public_url, self.application.receipt_text),
            number: timestamp::grouped(receipt.number.get()),
            standing,
            is_waitlisted: waitlist_number.is_some(),
            bar: progress_percent(position.rank - 1, position.ahead),
            ahead: fill(text.people, &[("n", &timestamp::grouped(position.ahead))]),
            expected_wait: expected_wait(position.ahead, documents.admission_rate(), text),
            checked: timestamp::clock(documents.queue_time(self.signup.now())),
            order_no: self.application.order_no.as_deref().unwrap_or(""),
            announcement: documents.snapshot.settings.announcement.in_language(self.text.html_lang),
            cancel_label: match self.page_state {
                ReceiptPageState::Waitlisted | ReceiptPageState::Claimed => text.leave_waitlist,
                _ => text.cancel,
            },
            code: self.application.recovery_code(),
        })
    }

    /// The address of this page, with one more item in the query.
    fn address(&self, item: &str) -> String {
        let asked = if self.cancel_requested { "asked=cancel" } else { "" };
        let query: Vec<_> = [asked, item].into_iter().filter(|item| !item.is_empty()).collect();
        let separator = if query.is_empty() { "" } else { "?" };
        format!("/a/{}{separator}{}", self.application.receipt_text, query.join("&"))
    }

    fn frame(&self) -> Frame<'a> {
        let settings = &self.application.documents.snapshot.settings;
        let title = settings.title.in_language(self.text.html_lang);
        let heading = self.page_state.heading(self.text);
        Frame {
            heading: heading.title.to_owned(),
            lede: heading.text.to_owned(),
            language_href: self.address(&format!("lang={}", self.text.other_lang)),
            reload_s: self.page_state.may_change().then_some(RELOAD_S),
            support_code: Some(self.application.support_code()),
            data: json_for_script(&self.data()),
            ..Frame::new(&self.signup.shell.wait, self.text, title, self.page_state.as_str())
        }
    }

    fn data(&self) -> Value {
        let ApplicationView { receipt, documents, .. } = self.application;
        let settings = &documents.snapshot.settings;
        let tag = self.text.html_lang;
        let mut progress: Value = serde_json::from_slice(&documents.progress.body).unwrap_or(Value::Null);
        // The page shows one language, so the announcement in the other one is left out, and so is what the script does not use.
        progress["announcement"] = json!({ tag: settings.announcement.in_language(tag) });
        if let Some(progress) = progress.as_object_mut() {
            progress.retain(|field, _| !UNUSED_BY_SCRIPT.contains(&field.as_str()));
        }
        json!({
            "event": receipt.event,
            "number": receipt.number,
            "lang": tag,
            "title": settings.title.in_language(tag),
            "now": documents.queue_time(self.signup.now()),
            "cancel_requested": self.cancel_requested,
            "application": { "state": self.state.as_str(), "order_no": self.application.order_no },
            "progress": progress,
            "progress_url": format!("/event/com/v1/get/progress/{}", receipt.event),
            "status_url": format!("/application/com/v1/get/application/{}", self.application.receipt_text),
            "text": self.script_texts(),
        })
    }

    fn script_texts(&self) -> Value {
        let text = self.text;
        let mut texts = json!({
            "range": text.in_range,
            "late": text.waitlist_number,
            "people": text.people,
            "announce": text.announce,
            "eta": text.eta_range,
            "eta_soon": text.eta_soon,
            "eta_within": text.eta_within,
            "seconds": text.seconds,
            "minutes": text.minutes,
            "hours": text.hours,
            "offline": text.offline,
            "stale": text.stale,
            "copied": text.copied,
            "cancel": text.cancel,
            "leave": text.leave_waitlist,
        });
        let kind = self.application.documents.snapshot.settings.kind;
        for state in self.page_state.following(kind, self.cancel_requested) {
            let heading = state.heading(text);
            texts[state.as_str()] = json!([heading.title, heading.text]);
        }
        texts
    }
}

/// The share of the applications before this one that have left the queue, in percent.
fn progress_percent(before: u32, ahead: u32) -> String {
    let percent = match before {
        0 => 100.0,
        before => 100.0 * f64::from(before - ahead.min(before)) / f64::from(before),
    };
    format!("{percent:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_shows_the_share_of_earlier_applications_that_left_the_queue() {
        assert_eq!(progress_percent(0, 0), "100.0");
        assert_eq!(progress_percent(4, 4), "0.0");
        assert_eq!(progress_percent(4, 1), "75.0");
        assert_eq!(progress_percent(41_206, 32_410), "21.3");
    }
}
