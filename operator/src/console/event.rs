//! The page of one event: its state, its figures, its charts, every control, and its last changes.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::{EventId, EventState, Millis, Release};
use ledger::{AuditAction, AuditRow};

use super::alerts::{self, Alert};
use super::error_page::finish;
use super::figures::Figures;
use super::format;
use super::look::LookValues;
use super::messages::{Messages, fill};
use super::visit::{ConsoleFrame, Visit};
use super::words;
use crate::api::undo::{last_changed_rev, undo_left_ms};
use crate::error::Error;
use crate::request::EventPath;
use crate::response::{ApplicationResponse, ChangeResponse, EventResponse};
use crate::state::OperatorState;
use crate::timestamp;

/// How many changes and parked applications the page shows.
const CHANGES_MAX: usize = 20;
/// A ramp of the automatic pace takes many rows and one line.
const ROWS_MAX: u32 = 150;
const PARKED_MAX: u32 = 50;

/// A word about the state.
pub(super) struct Badge {
    pub(super) kind: &'static str,
    pub(super) text: &'static str,
}

/// A button that leads to the review of a change.
struct ControlSwitch {
    action: &'static str,
    intake: &'static str,
    kind: &'static str,
    label: &'static str,
    hint: &'static str,
}

/// A change in the list.
pub(super) struct ChangeLine {
    pub(super) at: String,
    pub(super) clock: String,
    pub(super) actor: String,
    pub(super) text: String,
    pub(super) reason: String,
    pub(super) rev: i64,
    /// Whether it is a step of the automatic pace.
    pub(super) is_auto: bool,
    /// How long it can be undone; empty if it cannot.
    pub(super) undo_left: String,
}

/// The form of the automatic pace.
struct AutoPaceFields {
    is_on: bool,
    min: String,
    max: String,
    target_p95_ms: String,
}

impl AutoPaceFields {
    fn of(event: &EventResponse) -> Self {
        match &event.auto_pace {
            Some(auto) => Self {
                is_on: true,
                min: auto.min.clone(),
                max: auto.max.clone(),
                target_p95_ms: auto.target_p95_ms.to_string(),
            },
            None => Self {
                is_on: false,
                min: String::new(),
                max: event.pace.clone(),
                target_p95_ms: String::new(),
            },
        }
    }
}

struct Chart {
    id: &'static str,
    title: String,
    /// The names of the series, separated by `|`.
    series: String,
}

/// The page of an event.
#[derive(Template)]
#[template(path = "event.html")]
struct ConsoleEventPage {
    frame: ConsoleFrame,
    id: String,
    title: String,
    rev: i64,
    now: String,
    badges: Vec<Badge>,
    schedule: String,
    done: Option<ChangeLine>,
    alerts: Vec<Alert>,
    f: Figures,
    charts: Vec<Chart>,
    can_change: bool,
    release_switches: Vec<ControlSwitch>,
    intake_switches: Vec<ControlSwitch>,
    capacity: u32,
    in_flight_max: u32,
    auto: AutoPaceFields,
    opens_at: String,
    closes_at: String,
    can_move_opening: bool,
    can_move_closing: bool,
    announcement_ko: String,
    announcement_en: String,
    look: LookValues,
    parked: Vec<ApplicationResponse>,
    audit: Vec<ChangeLine>,
}

/// Shows an event.
pub(super) async fn show(
    State(state): State<Arc<OperatorState>>,
    visit: Visit,
    event: Result<EventPath, Error>,
) -> Response {
    let page = match event {
        Ok(EventPath(event)) => page(&state, &visit, &event).await,
        Err(error) => Err(error),
    };
    finish(&visit, page)
}

async fn page(state: &OperatorState, visit: &Visit, id: &EventId) -> Result<Response, Error> {
    visit.visitor()?;
    let now = (state.now)();
    let live = state.live(id).await?;
    let event = &live.event;
    let rows = state.read(state.ledger.audit(Some(id), None, ROWS_MAX)).await?;
    let parked = match event.under_way.parked {
        0 => Vec::new(),
        _ => state.read(state.ledger.parked(id, PARKED_MAX)).await?,
    };
    let t = visit.t;
    let undoable_rev = last_changed_rev(&rows);
    let lines = |row: AuditRow| change_line(visit, row, undoable_rev, now);
    let audit: Vec<ChangeLine> = folded(rows).into_iter().take(CHANGES_MAX).map(lines).collect();
    let done = visit.field("done").parse().ok().and_then(|rev: i64| done_line(&audit, rev));
    let title = event.title.in_language(t.lang).to_owned();
    let times = [&event.opens_at, &event.closes_at].map(|at| timestamp::parse(at).unwrap_or(0));
    let page = ConsoleEventPage {
        frame: ConsoleFrame { is_live: true, ..visit.frame(title.clone()) },
        id: event.id.clone(),
        title,
        rev: event.rev,
        now: live.at.clone(),
        badges: badges(t, event),
        schedule: schedule(visit, event.state, times, now),
        done,
        alerts: alerts::of(t, visit.language, event, &live.recent.calls, now),
        f: Figures::new(t, &live, now),
        charts: charts(t),
        can_change: visit.may_change(),
        release_switches: release_switches(t, event),
        intake_switches: intake_switches(t, event),
        capacity: event.capacity,
        in_flight_max: event.in_flight_max,
        auto: AutoPaceFields::of(event),
        opens_at: format::local(times[0]),
        closes_at: format::local(times[1]),
        can_move_opening: event.state == EventState::Scheduled,
        can_move_closing: matches!(event.state, EventState::Scheduled | EventState::Open),
        announcement_ko: event.announcement.ko.clone(),
        announcement_en: event.announcement.en.clone(),
        look: LookValues::of(event),
        parked: parked.into_iter().map(Into::into).collect(),
        audit,
    };
    Ok(visit.html(StatusCode::OK, &page))
}

/// The changes with successive steps of the automatic pace as one.
pub(super) fn folded(rows: Vec<AuditRow>) -> Vec<AuditRow> {
    let mut folded: Vec<AuditRow> = Vec::new();
    for row in rows {
        match folded.last_mut() {
            Some(newer) if newer.action == AuditAction::AdjustPace && row.action == newer.action => {
                newer.before = row.before;
            }
            _ => folded.push(row),
        }
    }
    folded
}

/// A change as a line of the list.
pub(super) fn change_line(visit: &Visit, row: AuditRow, undoable_rev: i64, now: Millis) -> ChangeLine {
    let undo_left = undo_left_ms(&row, undoable_rev, now).map(|ms| {
        let seconds = ms.unsigned_abs() / 1000;
        fill(visit.t.undo_left, &[("t", &format!("{}:{:02}", seconds / 60, seconds % 60))])
    });
    let (at, rev, is_auto) = (row.at, row.rev, row.action == AuditAction::AdjustPace);
    let change = ChangeResponse::from_audit(row);
    ChangeLine {
        clock: format::clock(at),
        text: words::change(visit.t, visit.language, &change),
        at: change.at,
        actor: change.actor,
        reason: if is_auto { words::pace_reason(visit.language, &change.reason) } else { change.reason },
        rev,
        is_auto,
        undo_left: undo_left.unwrap_or_default(),
    }
}

/// The change that was just applied, as long as it is the last one.
fn done_line(audit: &[ChangeLine], rev: i64) -> Option<ChangeLine> {
    let last = audit.iter().find(|line| !line.is_auto).filter(|line| line.rev == rev)?;
    Some(ChangeLine {
        at: last.at.clone(),
        clock: last.clock.clone(),
        actor: last.actor.clone(),
        text: last.text.clone(),
        reason: last.reason.clone(),
        rev,
        is_auto: false,
        undo_left: last.undo_left.clone(),
    })
}

/// The state in words.
pub(super) fn badges(t: &Messages, event: &EventResponse) -> Vec<Badge> {
    let kind = if event.state == EventState::Open { "go" } else { "idle" };
    let mut badges = vec![Badge { kind, text: words::state(t, event.state) }];
    if event.state != EventState::Settled {
        let kind = if event.release == Release::Running { "go" } else { "warn" };
        badges.push(Badge { kind, text: words::release(t, event.release) });
        if event.auto_pace.is_some() {
            badges.push(Badge { kind: "idle", text: t.auto_badge });
        }
        if !event.intake {
            badges.push(Badge { kind: "warn", text: t.intake_stop });
        }
    }
    badges
}

fn schedule(visit: &Visit, state: EventState, [opens_at, closes_at]: [Millis; 2], now: Millis) -> String {
    let t = visit.t;
    let date = |at| format::date(at, visit.language);
    let until = |at: Millis| format::duration(t, (at - now).max(0).unsigned_abs() / 1000);
    let range = format!("{} – {} ({})", date(opens_at), date(closes_at), t.kst);
    match state {
        EventState::Scheduled => format!("{range} · {}", fill(t.opens_in, &[("t", &until(opens_at))])),
        EventState::Open => format!("{range} · {}", fill(t.closes_in, &[("t", &until(closes_at))])),
        _ => range,
    }
}

fn charts(t: &Messages) -> Vec<Chart> {
    let chart = |id, title: String, series: &[&str]| Chart { id, title, series: series.join("|") };
    vec![
        chart("applied", format!("{}{}", t.applications, t.per_s), &[t.applications]),
        chart("waiting", t.waiting.to_owned(), &[t.waiting]),
        chart("calls", format!("{}{}", t.calls, t.per_s), &[t.actual, t.target]),
        chart("latency", format!("{} (ms)", t.latency), &["p50", "p95", "p99"]),
        chart("outcomes", format!("{}{}", t.outcomes, t.per_s), &[t.ordered, t.rejected, t.unclear]),
    ]
}

fn switch(
    action: &'static str,
    kind: &'static str,
    label: &'static str,
    hint: &'static str,
) -> ControlSwitch {
    ControlSwitch { action, intake: "", kind, label, hint }
}

fn release_switches(t: &'static Messages, event: &EventResponse) -> Vec<ControlSwitch> {
    let pause = switch("pause", "stop", t.pause, t.pause_hint);
    let resume = switch("resume", "main", t.resume, t.resume_hint);
    let drain = switch("drain", "", t.drain, t.drain_hint);
    let mut switches = match event.release {
        _ if event.state == EventState::Settled => Vec::new(),
        Release::Running => vec![pause, drain],
        Release::Paused => vec![resume, drain],
        Release::Draining => vec![resume, pause],
    };
    if event.frozen.is_some() {
        switches.push(switch("unfreeze", "danger", t.unfreeze, ""));
    }
    if event.recover_until.is_some() || !event.missing_journals.is_empty() {
        switches.push(switch("accept_recovery", "danger", t.accept, ""));
    }
    switches
}

fn intake_switches(t: &'static Messages, event: &EventResponse) -> Vec<ControlSwitch> {
    let intake = if event.intake {
        ControlSwitch { intake: "false", ..switch("update", "stop", t.intake_stop, "") }
    } else {
        ControlSwitch { intake: "true", ..switch("update", "main", t.intake_start, "") }
    };
    match event.state {
        EventState::Scheduled => vec![switch("open", "main", t.open_now, ""), intake],
        EventState::Open => vec![intake, switch("close", "danger", t.close_now, "")],
        EventState::Closed => vec![switch("settle", "danger", t.settle, "")],
        EventState::Settling | EventState::Settled => Vec::new(),
    }
}
