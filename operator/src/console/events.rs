//! The list of events: the first page after the login.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::Millis;

use super::alerts::{self, Alert};
use super::error_page::finish;
use super::event::{Badge, badges};
use super::format::number;
use super::visit::{ConsoleFrame, Visit};
use crate::error::Error;
use crate::response::{CallFigures, EventResponse};
use crate::state::OperatorState;

/// The list of events.
#[derive(Template)]
#[template(path = "events.html")]
struct EventsPage {
    frame: ConsoleFrame,
    can_change: bool,
    alerts: Vec<Alert>,
    items: Vec<EventItem>,
}

struct EventItem {
    id: String,
    title: String,
    badges: Vec<Badge>,
    waiting: String,
    sold: String,
    capacity: String,
    pace: String,
    alerts: Vec<Alert>,
}

/// Lists all events.
pub(super) async fn list(State(state): State<Arc<OperatorState>>, visit: Visit) -> Response {
    let page = page(&state, &visit).await;
    finish(&visit, page)
}

async fn page(state: &OperatorState, visit: &Visit) -> Result<Response, Error> {
    visit.visitor()?;
    let now = (state.now)();
    let mut items = Vec::new();
    for row in state.read(state.ledger.events()).await? {
        items.push(item(visit, state.event_response(row).await?, now));
    }
    let endpoints = state.read(state.ledger.endpoints()).await?;
    let alerts = alerts::of_webhooks(visit.t, &endpoints, now);
    let frame = visit.frame(visit.t.events);
    Ok(visit.html(StatusCode::OK, &EventsPage { frame, can_change: visit.may_change(), alerts, items }))
}

fn item(visit: &Visit, event: EventResponse, now: Millis) -> EventItem {
    let t = visit.t;
    EventItem {
        badges: badges(t, &event),
        waiting: event.queue.as_ref().map_or_else(|| t.unknown.to_owned(), |queue| number(queue.waiting)),
        sold: number(event.seats.sold),
        capacity: number(event.capacity),
        alerts: alerts::of(t, visit.language, &event, &CallFigures::default(), now),
        pace: event.pace.clone(),
        title: event.title.in_language(visit.t.lang).to_owned(),
        id: event.id,
    }
}
