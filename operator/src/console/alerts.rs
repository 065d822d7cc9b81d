//! What an operator must know at once.

use domain::{EventState, Millis, Release};
use ledger::{EndpointRow, EndpointState};
use service::Language;

use super::format;
use super::messages::{Messages, fill};
use crate::response::{CallFigures, EventResponse};
use crate::timestamp;

/// A queue that was not reported for so long is not known any more.
const STALE_MS: Millis = 5000;
/// A webhook endpoint that has failed for so long is reported: ten minutes.
const WEBHOOK_FAILING_MS: Millis = 600_000;

/// A message at the head of a page.
pub(super) struct Alert {
    /// `bad`, `warn` or `info`.
    pub(super) kind: &'static str,
    pub(super) title: String,
    pub(super) text: String,
}

fn alert(kind: &'static str, title: impl Into<String>) -> Alert {
    Alert { kind, title: title.into(), text: String::new() }
}

/// The alerts of an event, most urgent first.
pub(super) fn of(
    t: &Messages,
    language: Language,
    event: &EventResponse,
    calls: &CallFigures,
    now: Millis,
) -> Vec<Alert> {
    let mut alerts = store_alerts(t, language, event, now);
    let parked = event.under_way.parked;
    if parked > 0 {
        alerts.push(alert("warn", fill(t.parked_alert, &[("n", &format::number(parked))])));
    }
    if calls.unclear * 50 > calls.count {
        let (n, m) = (format::number(calls.count), format::number(calls.unclear));
        alerts.push(alert("warn", fill(t.unclear_alert, &[("n", &n), ("m", &m)])));
    }
    let is_over = matches!(event.state, EventState::Settled);
    match event.release {
        Release::Paused if !is_over => alerts.push(alert("warn", t.paused_alert)),
        Release::Draining if !is_over => alerts.push(alert("warn", t.draining_alert)),
        _ => {}
    }
    if !event.intake && matches!(event.state, EventState::Scheduled | EventState::Open) {
        alerts.push(alert("warn", t.intake_alert));
    }
    alerts
}

/// The alerts about webhook endpoints.
pub(super) fn of_webhooks(t: &Messages, endpoints: &[EndpointRow], now: Millis) -> Vec<Alert> {
    let alerts = endpoints.iter().filter_map(|endpoint| {
        let failing_ms = endpoint.failing_since.map_or(0, |since| now - since);
        let minutes = (failing_ms / 60_000).to_string();
        let fields = [("t", endpoint.id.as_str()), ("n", &minutes)];
        match endpoint.state {
            EndpointState::Disabled => Some(alert("bad", fill(t.webhook_disabled, &fields))),
            EndpointState::On if failing_ms >= WEBHOOK_FAILING_MS => {
                Some(alert("warn", fill(t.webhook_failing, &fields)))
            }
            EndpointState::On | EndpointState::Paused => None,
        }
    });
    alerts.collect()
}

/// What is wrong between the queue and the ledger.
fn store_alerts(t: &Messages, language: Language, event: &EventResponse, now: Millis) -> Vec<Alert> {
    let mut alerts = Vec::new();
    if let Some(reason) = &event.frozen {
        let text = fill(t.frozen_text, &[("t", reason)]);
        alerts.push(Alert { kind: "bad", title: t.frozen.to_owned(), text });
    }
    if !event.missing_journals.is_empty() {
        let n = event.missing_journals.len().to_string();
        let ids = event.missing_journals.join(", ");
        alerts.push(alert("bad", fill(t.journals, &[("n", &n), ("t", &ids)])));
    }
    if let Some(until) = event.recover_until.as_deref().and_then(timestamp::parse) {
        alerts.push(alert("warn", fill(t.recovering, &[("t", &format::date(until, language))])));
    }
    match &event.queue {
        _ if event.state == EventState::Settled => {}
        None => alerts.push(alert("info", t.no_leader)),
        Some(queue) => {
            let silent_ms = timestamp::parse(&queue.at).map_or(0, |at| now - at);
            if silent_ms > STALE_MS {
                alerts.push(alert("bad", fill(t.stale, &[("n", &(silent_ms / 1000).to_string())])));
            } else if !queue.armed {
                alerts.push(alert("bad", t.unarmed));
            }
        }
    }
    alerts
}
