//! Making, reading and updating events.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use domain::event::CAPACITY_MAX;
use domain::{EventId, EventSettings, Kind, Release};
use ledger::{Change, Created, EventPatch};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::auth::{EventPath, MustMatch, Operator, RevNeeded, TagKnown, Viewer};
use crate::error::{Error, Gateways, Making, OfEvent, Setting};
use crate::release::change;
use crate::request::{
    Announcement, Divert, Given, Rate, Reason, Title, by, maybe_whole, millis, paths, whole,
};
use crate::response::{ChangeShown, EventShown};
use crate::state::OperatorState;
use crate::timestamp::When;

/// Events on one page of the list.
const LIST_MAX: usize = 100;

/// A new event.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewEvent {
    #[schema(value_type = String, pattern = "^[a-z0-9][a-z0-9-]{0,39}$")]
    id: EventId,
    title: Title,
    /// Seats.
    #[schema(minimum = 1, maximum = 10_000_000)]
    #[serde(deserialize_with = "whole")]
    capacity: u32,
    opens_at: When,
    /// After `opens_at`.
    closes_at: When,
    pace: Rate,
    /// Most order calls unanswered at once; 20 if not told.
    #[schema(minimum = 1, maximum = 10_000)]
    #[serde(default, deserialize_with = "maybe_whole")]
    in_flight_max: Option<u32>,
    /// Most numbers that the queue gives, at least the capacity; a million if not told, or the capacity if that is more.
    #[schema(minimum = 1, maximum = 10_000_000)]
    #[serde(default, deserialize_with = "maybe_whole")]
    applications_max: Option<u32>,
    /// True if not told.
    intake: Option<bool>,
    announcement: Option<Announcement>,
    /// True if not told.
    settle_after_close: Option<bool>,
    /// Paths of the shop that lead to the event's page.
    #[schema(max_items = 32)]
    diverts: Option<Vec<Divert>>,
}

impl NewEvent {
    fn settings(self, pepper: &str) -> EventSettings {
        let most = self.applications_max.unwrap_or_else(|| self.capacity.clamp(1_000_000, CAPACITY_MAX));
        EventSettings {
            id: self.id,
            title: self.title.0,
            kind: Kind::Order,
            capacity: self.capacity,
            opens_at: self.opens_at.0,
            closes_at: self.closes_at.0,
            intake: self.intake.unwrap_or(true),
            release: Release::Running,
            pace: self.pace.0,
            in_flight_max: self.in_flight_max.unwrap_or(20),
            applications_max: most,
            announcement: self.announcement.map(|announcement| announcement.0).unwrap_or_default(),
            settle_after_close: self.settle_after_close.unwrap_or(true),
            diverts: self.diverts.map(paths).unwrap_or_default(),
            pepper: pepper.to_owned(),
        }
    }
}

/// What to change; what is not told stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Update {
    title: Option<Title>,
    /// May move until two seconds before the opening.
    opens_at: Option<When>,
    /// May move until two seconds before the closing.
    closes_at: Option<When>,
    #[schema(minimum = 1, maximum = 10_000_000)]
    #[serde(default, deserialize_with = "maybe_whole")]
    applications_max: Option<u32>,
    /// The intake valve.
    intake: Option<bool>,
    settle_after_close: Option<bool>,
    #[schema(max_items = 32)]
    diverts: Option<Vec<Divert>>,
    reason: Option<Reason>,
}

/// Which event, from an earlier one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Copy {
    /// Of the new event.
    #[schema(value_type = String, pattern = "^[a-z0-9][a-z0-9-]{0,39}$")]
    id: EventId,
    opens_at: When,
    closes_at: When,
    reason: Option<Reason>,
}

/// Which part of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// The `next_cursor` of the page before.
    #[param(nullable = false, pattern = "^[a-z0-9][a-z0-9-]{0,39}$")]
    cursor: Option<String>,
    /// At most so many; 100 if not told.
    #[param(nullable = false, minimum = 1, maximum = 100)]
    limit: Option<usize>,
}

/// Events, by id.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventList {
    items: Vec<EventShown>,
    /// Where the list goes on, if it does.
    next_cursor: Option<String>,
}

/// Makes an event, with all its seats.
#[utoipa::path(post, path = "/event/adm/v1/create/event", request_body = NewEvent, responses(
    (status = 201, body = EventShown, headers(("ETag" = String), ("Location" = String))), Making))]
pub(crate) async fn create(
    State(state): State<Arc<OperatorState>>,
    Operator(actor): Operator,
    Given(new): Given<NewEvent>,
) -> Response {
    let settings = new.settings(&state.config.pepper);
    let made = state.write(state.ledger.create_event(&settings, &actor)).await;
    answer(&state, made_event(&state, made, &settings.id).await)
}

/// Makes an event with the settings of another: not open yet, without its announcement.
#[utoipa::path(post, path = "/event/adm/v1/clone/event/{event}", request_body = Copy, params(("event" = String, Path)),
    responses((status = 201, body = EventShown, headers(("ETag" = String), ("Location" = String))), OfEvent, Making))]
pub(crate) async fn clone(
    State(state): State<Arc<OperatorState>>,
    Operator(actor): Operator,
    EventPath(from): EventPath,
    Given(copy): Given<Copy>,
) -> Response {
    let who = by(&actor, copy.reason.as_ref());
    let made = state.ledger.clone_event(&from, copy.id.clone(), copy.opens_at.0, copy.closes_at.0, who);
    let made = state.write(made).await;
    answer(&state, made_event(&state, made, &copy.id).await)
}

async fn made_event(
    state: &OperatorState,
    made: Result<Created, Error>,
    id: &EventId,
) -> Result<Response, Error> {
    match made? {
        Created::Known(rev) => Err(Error::Exists { rev }),
        Created::New => {
            let event = state.response(state.event(id).await?).await?;
            let location = HeaderValue::try_from(format!("/event/adm/v1/get/event/{id}"));
            let location = location.unwrap_or_else(|_| unreachable!("an event id fits in a header"));
            Ok((StatusCode::CREATED, [event.etag(), (header::LOCATION, location)], Json(event))
                .into_response())
        }
    }
}

/// All events, by id, with their figures.
#[utoipa::path(get, path = "/event/adm/v1/list/event", params(Page),
    responses((status = 200, body = EventList), Gateways))]
pub(crate) async fn list(
    State(state): State<Arc<OperatorState>>,
    _: Viewer,
    page: Result<Query<Page>, axum::extract::rejection::QueryRejection>,
) -> Response {
    answer(&state, listed(&state, page.map(|Query(page)| page)).await)
}

async fn listed(
    state: &OperatorState,
    page: Result<Page, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Error> {
    let page = page.map_err(|why| Error::Malformed(why.body_text()))?;
    let limit = page.limit.unwrap_or(LIST_MAX);
    if !(1..=LIST_MAX).contains(&limit) {
        return Err(Error::Malformed(format!("limit is 1 to {LIST_MAX}")));
    }
    let after: Option<EventId> = page
        .cursor
        .map(|cursor| cursor.parse())
        .transpose()
        .map_err(|_| Error::Malformed("cursor is the next_cursor of the page before".into()))?;
    let mut events = state.read(state.ledger.events()).await?;
    events.retain(|event| after.as_ref().is_none_or(|after| event.settings.id > *after));
    let more = events.len() > limit;
    events.truncate(limit);
    let next_cursor = events.last().filter(|_| more).map(|event| event.settings.id.to_string());
    let mut items = Vec::new();
    for event in events {
        items.push(state.response(event).await?);
    }
    Ok(Json(EventList { items, next_cursor }).into_response())
}

/// One event, with its figures.
#[utoipa::path(get, path = "/event/adm/v1/get/event/{event}",
    params(("event" = String, Path), TagKnown),
    responses((status = 200, body = EventShown, headers(("ETag" = String))), (status = 304, description = "As you have it"), OfEvent))]
pub(crate) async fn get(
    State(state): State<Arc<OperatorState>>,
    _: Viewer,
    EventPath(event): EventPath,
    headers: HeaderMap,
) -> Response {
    answer(&state, one(&state, &event, &headers).await)
}

async fn one(state: &OperatorState, event: &EventId, headers: &HeaderMap) -> Result<Response, Error> {
    let event = state.response(state.event(event).await?).await?;
    let (name, tag) = event.etag();
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| *known == tag);
    let kept = (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    let headers = [(name, tag), kept];
    if known {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    Ok((headers, Json(event)).into_response())
}

/// Changes settings that are no valve and no limit.
#[utoipa::path(patch, path = "/event/adm/v1/update/event/{event}", request_body = Update,
    params(("event" = String, Path), RevNeeded),
    responses((status = 200, body = ChangeShown, headers(("ETag" = String))), Setting))]
pub(crate) async fn update(
    State(state): State<Arc<OperatorState>>,
    Operator(actor): Operator,
    EventPath(event): EventPath,
    MustMatch(rev): MustMatch,
    Given(update): Given<Update>,
) -> Response {
    let patch = EventPatch {
        title: update.title.map(|title| title.0),
        opens_at: millis(update.opens_at),
        closes_at: millis(update.closes_at),
        applications_max: update.applications_max,
        settle_after_close: update.settle_after_close,
        diverts: update.diverts.map(paths),
        intake: update.intake,
    };
    let who = by(&actor, update.reason.as_ref());
    answer(&state, change(&state, &event, rev, &Change::Update(patch), who).await)
}

/// The answer, or the refusal's.
pub(crate) fn answer(state: &OperatorState, answered: Result<Response, Error>) -> Response {
    answered.unwrap_or_else(|error| error.answer(&state.rng))
}
