//! Text forms of the operator API's responses.

use std::time::Duration;

use domain::{Kind, Release};
use operator::response::{AutoPaceResponse, ChangeResponse, EventResponse, PendingCounts, QueueResponse};
use serde_json::Value;

/// A text without control characters, which could move the cursor of a terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A JSON value: a text without its quotes, null and an empty text as a dash, a text in two languages as on the page.
fn value_text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => or_dash(text),
        Value::Object(fields) => match (fields.get("ko"), fields.get("en")) {
            (Some(Value::String(ko)), Some(Value::String(en))) => both_languages(ko, en),
            _ => auto_pace_value(value).unwrap_or_else(|| printable(&value.to_string())),
        },
        other => printable(&other.to_string()),
    }
}

fn auto_pace_value(value: &Value) -> Option<String> {
    serde_json::from_value(value.clone()).ok().as_ref().map(auto_pace_text)
}

/// A field of a change. A field with one value identifies what was changed.
fn field_text(name: &str, before: &Value, after: &Value) -> String {
    if before == after {
        return format!("{name} {}", value_text(after));
    }
    format!("{name} {} -> {}", value_text(before), value_text(after))
}

/// A change in one line.
pub(super) fn change_line(change: &ChangeResponse) -> String {
    // A new event has no old values to compare with.
    let is_new = matches!(change.action.as_str(), "create" | "clone");
    let fields = change.after.as_object().into_iter().flatten().filter(|_| !is_new);
    let fields: Vec<String> =
        fields.map(|(name, after)| field_text(name, &change.before[name.as_str()], after)).collect();
    let fields = if fields.is_empty() { String::new() } else { format!(": {}", fields.join(", ")) };
    let reason =
        if change.reason.is_empty() { String::new() } else { format!(" ({})", printable(&change.reason)) };
    // A change of a webhook endpoint is about no event.
    let event = match change.event.as_str() {
        "" => "-".to_owned(),
        event => format!("{} rev {}", printable(event), change.rev),
    };
    format!(
        "{}  {event}  {}  {}{fields}{reason}",
        printable(&change.at),
        printable(&change.actor),
        printable(&change.action)
    )
}

/// The result of a change request.
pub(super) fn change_result(change: &ChangeResponse) -> String {
    if change.changed {
        return change_line(change);
    }
    format!("{}: no change (rev {})", printable(&change.event), change.rev)
}

/// The name of a release state, as in the API.
pub(super) fn release_name(release: Release) -> &'static str {
    match release {
        Release::Running => "running",
        Release::Paused => "paused",
        Release::Draining => "draining",
    }
}

/// An event in one line.
pub(super) fn event_line(event: &EventResponse) -> String {
    let waiting = event.queue.as_ref().map_or_else(|| "-".to_owned(), |queue| queue.waiting.to_string());
    let mut line = format!(
        "{:<16} {:<10} {:<9} waiting {waiting:>6}  sold {:>6} / {}  pace {}/s  in flight {} / {}  parked {}  rev {}",
        printable(&event.id),
        event.state.as_str(),
        release_name(event.release),
        event.seats.sold,
        event.capacity,
        printable(&event.pace),
        event.under_way.ordering,
        event.in_flight_max,
        event.under_way.parked,
        event.rev,
    );
    if let Some(reason) = &event.frozen {
        line = format!("{line}  FROZEN {}", printable(reason));
    }
    if let Some(until) = &event.recover_until {
        line = format!("{line}  RECOVERING until {}", printable(until));
    }
    if !event.missing_journals.is_empty() {
        line = format!("{line}  RECOVERING, journals missing: {}", event.missing_journals.len());
    }
    line
}

/// An event with all of its settings, one a line.
pub(super) fn event_details(event: &EventResponse) -> String {
    let row = |name: &str, value: String| format!("  {name:<18} {value}");
    let optional = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), printable);
    let seats = &event.seats;
    let journals =
        if event.missing_journals.is_empty() { "-".into() } else { event.missing_journals.join(" ") };
    let diverts = if event.diverts.is_empty() { "-".to_owned() } else { event.diverts.join(" ") };
    let rows = [
        format!("{} is {} at rev {}", printable(&event.id), event.state.as_str(), event.rev),
        row("title", both_languages(&event.title.ko, &event.title.en)),
        row("opens_at", printable(&event.opens_at)),
        row("closes_at", printable(&event.closes_at)),
        row("intake", event.intake.to_string()),
        row("release", release_name(event.release).to_owned()),
        row("kind", kind_text(event)),
        row("pace", printable(&event.pace)),
        row("auto_pace", event.auto_pace.as_ref().map_or_else(|| "off".to_owned(), auto_pace_text)),
        row("in_flight_max", event.in_flight_max.to_string()),
        row(
            "capacity",
            format!("{} (sold {}, held {}, free {})", event.capacity, seats.sold, seats.held, seats.free),
        ),
        row("applications_max", event.applications_max.to_string()),
        row("announcement", both_languages(&event.announcement.ko, &event.announcement.en)),
        row("description", both_languages(&event.description.ko, &event.description.en)),
        row("color", or_dash(&event.color)),
        row("picture_url", or_dash(&event.picture_url)),
        row("product", product_text(event)),
        row("settle_after_close", event.settle_after_close.to_string()),
        row("diverts", printable(&diverts)),
        row("identity", event.identity.as_str().to_owned()),
        row("under way", under_way_text(&event.under_way)),
        row("queue", event.queue.as_ref().map_or_else(|| "no leader yet".to_owned(), queue_text)),
        row("frozen", optional(&event.frozen)),
        row("recover_until", optional(&event.recover_until)),
        row("missing_journals", printable(&journals)),
    ];
    rows.join("\n")
}

/// The rules of the automatic pace.
pub(super) fn auto_pace_text(auto: &AutoPaceResponse) -> String {
    format!(
        "auto {} to {}/s, p95 within {} ms",
        printable(&auto.min),
        printable(&auto.max),
        auto.target_p95_ms
    )
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { printable(text) }
}

/// The product with its price and its page.
fn product_text(event: &EventResponse) -> String {
    let name = both_languages(&event.product_name.ko, &event.product_name.en);
    let price =
        if event.product_price == 0 { String::new() } else { format!(", {} won", event.product_price) };
    let url = if event.product_url.is_empty() {
        String::new()
    } else {
        format!(", {}", printable(&event.product_url))
    };
    format!("{name}{price}{url}")
}

/// The kind, with the times of an event that calls applicants.
fn kind_text(event: &EventResponse) -> String {
    match event.kind {
        Kind::Order => event.kind.as_str().to_owned(),
        Kind::Confirm | Kind::Pass => {
            let seconds = |ms: i64| ms / 1000;
            let (called_for, extension) = (seconds(event.called_for_ms), seconds(event.extension_ms));
            let target = event.pass_target.as_deref().map(|target| format!(", at {}", printable(target)));
            let target = target.unwrap_or_default();
            format!("{} within {called_for} s, extension {extension} s{target}", event.kind.as_str())
        }
    }
}

fn under_way_text(counts: &PendingCounts) -> String {
    format!("called {}, ordering {}, parked {}", counts.called, counts.ordering, counts.parked)
}

fn both_languages(ko: &str, en: &str) -> String {
    if ko.is_empty() && en.is_empty() {
        return "-".to_owned();
    }
    format!("{} | {}", printable(ko), printable(en))
}

fn queue_text(queue: &QueueResponse) -> String {
    format!(
        "waiting {}, last number {}, admitted through {}, skipped {}",
        queue.waiting, queue.seq, queue.admitted_through, queue.skipped_numbers
    )
}

/// A time in its units: `45s`, `2m 5s`.
pub(super) fn time_text(seconds: u64) -> String {
    humantime::format_duration(Duration::from_secs(seconds)).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pace_change(changed: bool) -> ChangeResponse {
        let change = json!({
            "event": "spring", "rev": 7, "at": "2026-11-22T11:00:00.000Z", "actor": "kim", "action": "pace",
            "reason": "slow\u{1b}[2J", "before": {"pace": "80"}, "after": {"pace": "120"}, "changed": changed,
        });
        serde_json::from_value(change).unwrap()
    }

    #[test]
    fn a_change_is_one_line_without_control_characters() {
        let expected = "2026-11-22T11:00:00.000Z  spring rev 7  kim  pace: pace 80 -> 120 (slow [2J)";
        assert_eq!(change_line(&pace_change(true)), expected);
    }

    #[test]
    fn a_field_that_stays_is_printed_once_and_texts_as_on_the_page() {
        assert_eq!(field_text("number", &json!(1), &json!(1)), "number 1");
        let text = json!({ "ko": "느려요", "en": "Slow" });
        assert_eq!(
            field_text("announcement", &json!({ "ko": "", "en": "" }), &text),
            "announcement - -> 느려요 | Slow"
        );
        assert_eq!(field_text("color", &json!(""), &json!("#1d4ed8")), "color - -> #1d4ed8");
    }

    #[test]
    fn a_request_that_changes_nothing_is_reported_as_such() {
        assert_eq!(change_result(&pace_change(false)), "spring: no change (rev 7)");
    }
}
