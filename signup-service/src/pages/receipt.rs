//! The page of a receipt. The script goes on from here by the same rules, in `assets/wait.js`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderValue;
use axum::response::IntoResponse;
use domain::{CalledWindow, EventSettings, Kind, Millis};
use serde_json::{Value, json};

use super::context::PageContext;
use super::error::PageError;
use super::expected_wait::{duration, expected_wait};
use super::frame::{Frame, RELOAD_S, json_for_script, render};
use super::look::PageLook;
use super::receipt_state::ReceiptPageState;
use super::response::PageResponse;
use super::shell::Assets;
use super::templates::{CalledBox, ReceiptTemplate};
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
            (page.assets(), page.html())
        }
        None => (&signup.shell.apply, view_only::html(&signup, &application, text)),
    };
    let settings = &application.documents.snapshot.settings;
    let look = PageLook::of_receipt(settings, text, &signup.shell.look);
    let page = PageResponse::new(&context, assets, html).with_policy(policy(assets, settings));
    Ok(page.with_look(look.as_ref()))
}

/// The policy of the page. The answer to the form that leads to the shop may be a redirect, to which the policy applies too.
fn policy(assets: &Assets, settings: &EventSettings) -> HeaderValue {
    match settings.kind {
        Kind::Pass => assets.policy_with_forms_to(&settings.pass_target),
        Kind::Order | Kind::Confirm => assets.policy.clone(),
    }
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

    fn assets(&self) -> &'a Assets {
        if self.kind() == Kind::Order { &self.signup.shell.wait } else { &self.signup.shell.call }
    }

    fn kind(&self) -> Kind {
        self.application.documents.snapshot.settings.kind
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
            is_pass: self.kind() == Kind::Pass,
            called: (self.kind() != Kind::Order).then(|| self.called_box()),
            code: self.application.recovery_code(),
        })
    }

    fn called_window(&self) -> Option<CalledWindow> {
        if let PublicState::Called(window) = self.state { Some(window) } else { None }
    }

    fn called_box(&self) -> CalledBox {
        let documents = &self.application.documents;
        let (text, extension_ms) = (self.text, documents.snapshot.settings.extension_ms);
        let window = self.called_window();
        let left = |window: CalledWindow| {
            let left = timestamp::duration(window.until - documents.queue_time(self.signup.now()));
            left.strip_prefix("00:").unwrap_or(&left).to_owned()
        };
        let until = |window: CalledWindow| fill(self.until_text(), &[("t", &timestamp::clock(window.until))]);
        let is_pass = self.kind() == Kind::Pass;
        CalledBox {
            button: if is_pass { "to-shop" } else { "confirm" },
            action: if is_pass { "create/pass" } else { "confirm/application" },
            label: if is_pass { text.to_shop } else { text.confirm },
            left: window.map(left).unwrap_or_default(),
            until: window.map(until).unwrap_or_default(),
            extend: fill(text.extend, &[("time", &millis_as_text(extension_ms, text))]),
            may_extend: extension_ms > 0 && window.is_none_or(|window| !window.extended),
        }
    }

    /// By when a called applicant has to go on.
    fn until_text(&self) -> &'static str {
        if self.kind() == Kind::Pass { self.text.order_until } else { self.text.confirm_until }
    }

    /// The heading of a state, with its values.
    fn heading(&self, state: ReceiptPageState) -> (&'static str, String) {
        let settings = &self.application.documents.snapshot.settings;
        let heading = state.heading(self.text, settings.kind);
        let time = millis_as_text(settings.called_for_ms, self.text);
        (heading.title, fill(heading.text, &[("time", &time)]))
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
        let (heading, lede) = self.heading(self.page_state);
        Frame {
            heading: heading.to_owned(),
            lede,
            look: PageLook::of_receipt(settings, self.text, &self.signup.shell.look),
            language_href: self.address(&format!("lang={}", self.text.other_lang)),
            reload_s: self.page_state.may_change().then_some(RELOAD_S),
            support_code: Some(self.application.support_code()),
            data: json_for_script(&self.data()),
            ..Frame::new(self.assets(), self.text, title, self.page_state.as_str())
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
        let mut data = json!({
            "event": receipt.event,
            "number": receipt.number,
            "lang": tag,
            "title": settings.title.in_language(tag),
            "now": documents.queue_time(self.signup.now()),
            "cancel_requested": self.cancel_requested,
            "application": self.application_data(),
            "progress": progress,
            "progress_url": format!("/event/com/v1/get/progress/{}", receipt.event),
            "status_url": format!("/application/com/v1/get/application/{}", self.application.receipt_text),
            "text": self.script_texts(),
        });
        if self.kind() == Kind::Pass {
            data["pass"] = json!(true);
        }
        data
    }

    fn application_data(&self) -> Value {
        let ApplicationView { documents, order_no, .. } = self.application;
        let mut data = json!({ "state": self.state.as_str(), "order_no": order_no });
        if let Some(window) = self.called_window() {
            let extension_ms = if window.extended { 0 } else { documents.snapshot.settings.extension_ms };
            data["called_until_ms"] = json!(window.until);
            data["extension_ms"] = json!(extension_ms);
            data["server_time_ms"] = json!(documents.queue_time(self.signup.now()));
        }
        data
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
        if self.kind() != Kind::Order {
            texts["left"] = json!(text.time_left);
            texts["until"] = json!(self.until_text());
            texts["sending"] = json!(text.sending);
        }
        for state in self.page_state.following(self.kind(), self.cancel_requested) {
            texts[state.as_str()] = json!(self.heading(state));
        }
        texts
    }
}

/// A time such as `10분`.
fn millis_as_text(millis: Millis, text: &PageText) -> String {
    duration(std::time::Duration::from_millis(millis.unsigned_abs()).as_secs_f64(), text)
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
