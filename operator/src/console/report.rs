//! The report of an event on one page, to print, and the page that finds an application.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::{EventId, EventState, Millis};

use super::error_page::finish;
use super::event::{ChangeLine, change_line, folded};
use super::form::{Form, FormResult};
use super::format;
use super::visit::{ConsoleFrame, Visit};
use super::words;
use crate::api::{find, results};
use crate::error::Error;
use crate::request::EventPath;
use crate::response::{ApplicationTimeline, EventResponse, ResultResponse, TimelineEntry};
use crate::state::OperatorState;
use crate::timestamp;

/// The most changes that a report shows.
const CHANGES_MAX: u32 = 1000;

struct ReportLine {
    name: &'static str,
    value: String,
}

/// The report of an event.
#[derive(Template)]
#[template(path = "report.html")]
struct ReportPage {
    frame: ConsoleFrame,
    id: String,
    title: String,
    state: &'static str,
    is_settled: bool,
    at: String,
    facts: Vec<ReportLine>,
    sums: Vec<ReportLine>,
    accepted: String,
    unaccounted: String,
    changes: Vec<ChangeLine>,
}

/// Shows the report.
pub(super) async fn show(
    State(state): State<Arc<OperatorState>>,
    visit: Visit,
    path: Result<EventPath, Error>,
) -> Response {
    let page = match path {
        Ok(EventPath(id)) => report(&state, &visit, &id).await,
        Err(error) => Err(error),
    };
    finish(&visit, page)
}

async fn report(state: &OperatorState, visit: &Visit, id: &EventId) -> Result<Response, Error> {
    visit.visitor()?;
    let result = results::result(state, id).await?;
    let event = state.event_response(state.event(id).await?).await?;
    let page = ReportPage {
        frame: visit.frame(format!("{} {id}", visit.t.report)),
        id: id.to_string(),
        title: event.title.in_language(visit.t.lang).to_owned(),
        state: words::state(visit.t, event.state),
        is_settled: event.state == EventState::Settled,
        at: date(visit, &result.at),
        facts: facts(visit, &event, &result),
        sums: sums(visit, &result),
        accepted: count(result.accepted),
        unaccounted: count(result.unaccounted),
        changes: changes(state, visit, id).await?,
    };
    Ok(visit.html(StatusCode::OK, &page))
}

fn date(visit: &Visit, at: &str) -> String {
    format::date(timestamp::parse(at).unwrap_or(0), visit.language)
}

fn facts(visit: &Visit, event: &EventResponse, result: &ResultResponse) -> Vec<ReportLine> {
    let t = visit.t;
    vec![
        ReportLine { name: t.opens_at, value: date(visit, &event.opens_at) },
        ReportLine { name: t.closes_at, value: date(visit, &event.closes_at) },
        ReportLine { name: t.seats, value: format::number(event.capacity) },
        ReportLine { name: t.sold, value: format::number(event.seats.sold) },
        ReportLine { name: t.report_orders, value: orders(visit, result) },
    ]
}

/// All changes of the event, oldest first.
async fn changes(state: &OperatorState, visit: &Visit, id: &EventId) -> Result<Vec<ChangeLine>, Error> {
    let rows = state.read(state.ledger.audit(Some(id), None, CHANGES_MAX)).await?;
    let now = (state.now)();
    let lines = folded(rows).into_iter().map(|row| change_line(visit, row, 0, now));
    Ok(lines.rev().collect())
}

fn count(n: i64) -> String {
    let sign = if n < 0 { "-" } else { "" };
    format!("{sign}{}", format::number(n.unsigned_abs()))
}

/// From the first to the last order, and how many that were a second.
fn orders(visit: &Visit, result: &ResultResponse) -> String {
    let parsed = |at: &Option<String>| at.as_deref().and_then(timestamp::parse);
    let Some((first, last)) = parsed(&result.first_order_at).zip(parsed(&result.last_order_at)) else {
        return visit.t.unknown.to_owned();
    };
    let seconds: Millis = ((last - first) / 1000).max(1);
    let per_s = u32::try_from(result.ordered).ok().zip(u32::try_from(seconds).ok());
    let per_s = per_s.map_or(0.0, |(orders, seconds)| f64::from(orders) / f64::from(seconds));
    let date = |at| format::date(at, visit.language);
    format!("{} – {} ({}{})", date(first), date(last), format::rate(per_s), visit.t.per_s)
}

fn sums(visit: &Visit, result: &ResultResponse) -> Vec<ReportLine> {
    let t = visit.t;
    let all = [
        (t.ordered, result.ordered),
        (t.waiting, result.waiting),
        (t.under_way, result.under_way),
        (t.parked, result.parked),
        (t.sold_out, result.sold_out),
        (t.cancelled, result.cancelled),
        (t.rejected, result.rejected),
        (t.expired, result.expired),
    ];
    all.into_iter().map(|(name, n)| ReportLine { name, value: count(n) }).collect()
}

struct HappenedLine {
    at: String,
    what: String,
    detail: String,
}

/// The page of one application.
#[derive(Template)]
#[template(path = "application.html")]
struct ApplicationPage {
    frame: ConsoleFrame,
    id: String,
    by: String,
    error: &'static str,
    found: Option<ApplicationTimeline>,
    state: String,
    timeline: Vec<HappenedLine>,
}

/// Shows the form that finds an application.
pub(super) async fn form(visit: Visit, path: Result<EventPath, Error>) -> Response {
    let page = visit.visitor().map(|_| ()).and_then(|()| {
        let EventPath(id) = path?;
        Ok(application_page(&visit, id.to_string(), String::new(), None, ""))
    });
    finish(&visit, page)
}

/// Finds an application, and shows what happened to it.
pub(super) async fn find(
    State(state): State<Arc<OperatorState>>,
    visit: Visit,
    path: Result<EventPath, Error>,
    fields: FormResult,
) -> Response {
    let form = Form(fields.map(|axum::Form(fields)| fields).unwrap_or_default());
    let page = async {
        visit.visitor()?;
        let EventPath(id) = path?;
        let by = form.get("by").to_owned();
        let found = match find::timeline(&state, &id, &by).await {
            Err(Error::NoApplication) => None,
            found => Some(found?),
        };
        let error = if found.is_none() { visit.t.no_application } else { "" };
        Ok(application_page(&visit, id.to_string(), by, found, error))
    };
    let page = page.await;
    finish(&visit, page)
}

fn happened(visit: &Visit, entry: &TimelineEntry) -> HappenedLine {
    HappenedLine {
        at: date(visit, &entry.at),
        what: words::happened(visit.t, &entry.what).to_owned(),
        detail: words::party(visit.t, &entry.detail).to_owned(),
    }
}

fn application_page(
    visit: &Visit,
    id: String,
    by: String,
    found: Option<ApplicationTimeline>,
    error: &'static str,
) -> Response {
    let t = visit.t;
    let state = found.as_ref().map(|found| found.outcome.as_deref().unwrap_or(&found.state));
    let page = ApplicationPage {
        frame: visit.frame(t.find_application),
        state: state.map(|state| words::happened(t, state).to_owned()).unwrap_or_default(),
        timeline: found
            .iter()
            .flat_map(|found| &found.timeline)
            .map(|entry| happened(visit, entry))
            .collect(),
        id,
        by,
        error,
        found,
    };
    let status = if error.is_empty() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    visit.html(status, &page)
}
