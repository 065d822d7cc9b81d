//! Creating, cloning, reading and updating events.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use domain::event::CAPACITY_MAX;
use domain::{EventId, EventSettings, Identity, Kind, LookPatch};
use ledger::{Change, CreateResult, EventPatch};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::change::apply_request;
use super::page::{QueryResult, bad_cursor, cut_to_page, page_length, parameters};
use crate::auth::{Operator, Viewer};
use crate::error::Error;
use crate::error_docs::{AnyRoute, CreateRoute, EventRoute, SettingRoute};
use crate::request::{
    Announcement, ChangeBody, ChangeRequest, ColorField, Description, DivertPath, EventPath, IfMatchRequired,
    IfNoneMatch, JsonBody, MatchRule, PaceField, ProductName, Reason, Title, WebAddress, audited_by,
    divert_paths, optional_whole_number, whole_number,
};
use crate::response::{ChangeResponse, EventList, EventResponse};
use crate::state::OperatorState;
use crate::timestamp::Timestamp;

/// Default and longest page of the list.
const PAGE_MAX: u32 = 100;

/// A new event.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewEvent {
    #[schema(value_type = String, pattern = "^[a-z0-9][a-z0-9-]{0,39}$")]
    id: EventId,
    title: Title,
    /// What happens to an application that is admitted: `order` (default) makes the order at once; with `confirm` the applicant has to
    /// confirm first, within `called_for_ms`; with `pass` the applicant orders at the shop within that time. It cannot be changed.
    #[schema(value_type = Option<String>, pattern = "^(order|confirm|pass)$")]
    kind: Option<Kind>,
    /// With kind `pass`, the shop's page where applicants with a pass order; https, or http on a loopback address.
    pass_target: Option<WebAddress>,
    /// How long a called applicant has, in milliseconds; 600000 (ten minutes) by default.
    #[schema(minimum = 1000, maximum = 604_800_000)]
    #[serde(default, deserialize_with = "optional_whole_number")]
    called_for_ms: Option<u32>,
    /// By how much a called applicant may extend that time, once, in milliseconds; 300000 (five minutes) by default, 0 allows none.
    #[schema(minimum = 0, maximum = 604_800_000)]
    #[serde(default, deserialize_with = "optional_whole_number")]
    extension_ms: Option<u32>,
    /// Seats.
    #[schema(minimum = 1, maximum = 10_000_000)]
    #[serde(deserialize_with = "whole_number")]
    capacity: u32,
    opens_at: Timestamp,
    /// After `opens_at`.
    closes_at: Timestamp,
    pace: PaceField,
    /// The maximum number of order calls of this event in flight, over all workers; 20 by default.
    #[schema(minimum = 1, maximum = 10_000)]
    #[serde(default, deserialize_with = "optional_whole_number")]
    in_flight_max: Option<u32>,
    /// The maximum count of numbers that the queue gives, at least the capacity; by default a million, or the capacity if that is more.
    #[schema(minimum = 1, maximum = 10_000_000)]
    #[serde(default, deserialize_with = "optional_whole_number")]
    applications_max: Option<u32>,
    /// True by default.
    intake: Option<bool>,
    announcement: Option<Announcement>,
    /// Plain text of at most 8 lines on the event's page.
    description: Option<Description>,
    /// The color of buttons and links. The pages make it darker or lighter where it could not be read.
    color: Option<ColorField>,
    /// A picture on the event's page, shown as a square. Browsers request it from there.
    picture_url: Option<WebAddress>,
    /// Needed in both languages if there is a price or an address.
    product_name: Option<ProductName>,
    /// In won; 0 shows none.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    #[serde(default, deserialize_with = "optional_whole_number")]
    product_price: Option<u32>,
    /// The page of the product in the shop.
    product_url: Option<WebAddress>,
    /// True by default.
    settle_after_close: Option<bool>,
    /// Paths of the shop that are diverted to the event's page.
    #[schema(max_items = 32)]
    diverts: Option<Vec<DivertPath>>,
    /// Who an applicant is: `open` (default) by a phone number that is not verified, `member` by the shop's token. It cannot be changed.
    #[schema(value_type = Option<String>, pattern = "^(open|member)$")]
    identity: Option<Identity>,
}

impl NewEvent {
    pub(crate) fn into_settings(self, pepper: &str) -> EventSettings {
        let look = LookPatch {
            description: self.description.map(|text| text.0),
            color: self.color.map(|color| color.0),
            picture_url: self.picture_url.map(|address| address.0),
            product_name: self.product_name.map(|name| name.0),
            product_price: self.product_price,
            product_url: self.product_url.map(|address| address.0),
        };
        let defaults = EventSettings::new(self.id, self.title.0, self.opens_at.0, self.closes_at.0);
        EventSettings {
            kind: self.kind.unwrap_or(defaults.kind),
            called_for_ms: self.called_for_ms.map_or(defaults.called_for_ms, Into::into),
            extension_ms: self.extension_ms.map_or(defaults.extension_ms, Into::into),
            pass_target: self.pass_target.map(|address| address.0).unwrap_or_default(),
            capacity: self.capacity,
            intake: self.intake.unwrap_or(defaults.intake),
            pace: self.pace.0,
            in_flight_max: self.in_flight_max.unwrap_or(defaults.in_flight_max),
            applications_max: self.applications_max.unwrap_or(self.capacity.clamp(1_000_000, CAPACITY_MAX)),
            announcement: self.announcement.map(|announcement| announcement.0).unwrap_or_default(),
            look: look.applied_to(defaults.look),
            settle_after_close: self.settle_after_close.unwrap_or(defaults.settle_after_close),
            diverts: self.diverts.map(divert_paths).unwrap_or_default(),
            identity: self.identity.unwrap_or_default(),
            pepper: pepper.to_owned(),
            ..defaults
        }
    }
}

/// The settings to change; missing ones stay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventUpdate {
    title: Option<Title>,
    /// Plain text of at most 8 lines on the event's page.
    description: Option<Description>,
    /// The color of buttons and links. The pages make it darker or lighter where it could not be read.
    color: Option<ColorField>,
    /// A picture on the event's page, shown as a square. Browsers request it from there.
    picture_url: Option<WebAddress>,
    /// Needed in both languages if there is a price or an address.
    product_name: Option<ProductName>,
    /// In won; 0 shows none.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    #[serde(default, deserialize_with = "optional_whole_number")]
    product_price: Option<u32>,
    /// The page of the product in the shop.
    product_url: Option<WebAddress>,
    /// Can be changed until two seconds before the opening.
    opens_at: Option<Timestamp>,
    /// Can be changed until two seconds before the closing.
    closes_at: Option<Timestamp>,
    #[schema(minimum = 1, maximum = 10_000_000)]
    #[serde(default, deserialize_with = "optional_whole_number")]
    applications_max: Option<u32>,
    /// Whether the event accepts applications while it is open.
    intake: Option<bool>,
    /// How long applicants have who are called from now on, in milliseconds.
    #[schema(minimum = 1000, maximum = 604_800_000)]
    #[serde(default, deserialize_with = "optional_whole_number")]
    called_for_ms: Option<u32>,
    #[schema(minimum = 0, maximum = 604_800_000)]
    #[serde(default, deserialize_with = "optional_whole_number")]
    extension_ms: Option<u32>,
    /// With kind `pass` only.
    pass_target: Option<WebAddress>,
    settle_after_close: Option<bool>,
    #[schema(max_items = 32)]
    diverts: Option<Vec<DivertPath>>,
    reason: Option<Reason>,
}

impl ChangeBody for EventUpdate {
    const IF_MATCH: MatchRule = MatchRule::Required;
    fn reason(&self) -> Option<&Reason> {
        self.reason.as_ref()
    }
}

impl EventUpdate {
    pub(crate) fn patch(&self) -> EventPatch {
        EventPatch {
            title: self.title.clone().map(|title| title.0),
            look: Box::new(self.look()),
            opens_at: self.opens_at.map(|at| at.0),
            closes_at: self.closes_at.map(|at| at.0),
            applications_max: self.applications_max,
            settle_after_close: self.settle_after_close,
            diverts: self.diverts.clone().map(divert_paths),
            intake: self.intake,
            called_for_ms: self.called_for_ms.map(Into::into),
            extension_ms: self.extension_ms.map(Into::into),
            pass_target: self.pass_target.clone().map(|address| address.0),
        }
    }

    fn look(&self) -> LookPatch {
        LookPatch {
            description: self.description.clone().map(|text| text.0),
            color: self.color.clone().map(|color| color.0),
            picture_url: self.picture_url.clone().map(|address| address.0),
            product_name: self.product_name.clone().map(|name| name.0),
            product_price: self.product_price,
            product_url: self.product_url.clone().map(|address| address.0),
        }
    }
}

/// The id and the times of an event that takes its other settings from an existing one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventClone {
    /// The id of the new event.
    #[schema(value_type = String, pattern = "^[a-z0-9][a-z0-9-]{0,39}$")]
    pub(crate) id: EventId,
    pub(crate) opens_at: Timestamp,
    pub(crate) closes_at: Timestamp,
    reason: Option<Reason>,
}

/// The part of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventQuery {
    /// The `next_cursor` of the previous page.
    #[param(nullable = false, pattern = "^[a-z0-9][a-z0-9-]{0,39}$")]
    cursor: Option<String>,
    /// The most events to return; 100 by default.
    #[param(nullable = false, minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// Creates an event with all its seats.
#[utoipa::path(post, path = "/event/adm/v1/create/event", request_body = NewEvent, responses(
    (status = 201, body = EventResponse, headers(("ETag" = String), ("Location" = String))), CreateRoute))]
pub(crate) async fn create(
    State(state): State<Arc<OperatorState>>,
    Operator(actor): Operator,
    JsonBody(new): JsonBody<NewEvent>,
) -> Result<Response, Error> {
    let settings = new.into_settings(&state.config.pepper);
    let created = state.write(state.ledger.create_event(&settings, &actor)).await?;
    created_response(&state, created, &settings.id).await
}

/// Creates an event with the settings of another: not yet open, without its announcement.
#[utoipa::path(post, path = "/event/adm/v1/clone/event/{event}", request_body = EventClone, params(("event" = String, Path)),
    responses((status = 201, body = EventResponse, headers(("ETag" = String), ("Location" = String))), EventRoute, CreateRoute))]
pub(crate) async fn clone(
    State(state): State<Arc<OperatorState>>,
    Operator(actor): Operator,
    EventPath(from): EventPath,
    JsonBody(new): JsonBody<EventClone>,
) -> Result<Response, Error> {
    let by = audited_by(&actor, new.reason.as_ref());
    let call = state.ledger.clone_event(&from, new.id.clone(), new.opens_at.0, new.closes_at.0, by);
    let created = state.write(call).await?;
    created_response(&state, created, &new.id).await
}

async fn created_response(
    state: &OperatorState,
    created: CreateResult,
    id: &EventId,
) -> Result<Response, Error> {
    if let CreateResult::Exists(rev) = created {
        return Err(Error::Exists { rev });
    }
    let event = state.event_response(state.event(id).await?).await?;
    let location = HeaderValue::try_from(format!("/event/adm/v1/get/event/{id}"));
    let location = location.unwrap_or_else(|_| unreachable!("an event id is valid in a header"));
    let headers = [event.etag(), (header::LOCATION, location)];
    Ok((StatusCode::CREATED, headers, Json(event)).into_response())
}

/// Lists all events with their figures, by id.
#[utoipa::path(get, path = "/event/adm/v1/list/event", params(EventQuery),
    responses((status = 200, body = EventList), AnyRoute))]
pub(crate) async fn list(
    State(state): State<Arc<OperatorState>>,
    _: Viewer,
    query: QueryResult<EventQuery>,
) -> Result<Json<EventList>, Error> {
    let query = parameters(query)?;
    let limit = page_length(query.limit, PAGE_MAX, PAGE_MAX)?;
    let after: Option<EventId> =
        query.cursor.map(|cursor| cursor.parse()).transpose().map_err(|_| bad_cursor())?;
    let mut events = state.read(state.ledger.events()).await?;
    events.retain(|event| after.as_ref().is_none_or(|after| event.settings.id > *after));
    let more = cut_to_page(&mut events, limit);
    let next_cursor = events.last().filter(|_| more).map(|event| event.settings.id.to_string());
    let mut items = Vec::new();
    for event in events {
        items.push(state.event_response(event).await?);
    }
    Ok(Json(EventList { items, next_cursor }))
}

/// Reads one event with its figures.
#[utoipa::path(get, path = "/event/adm/v1/get/event/{event}",
    params(("event" = String, Path), IfNoneMatch),
    responses((status = 200, body = EventResponse, headers(("ETag" = String))),
        (status = 304, description = "The event still has the tag of `If-None-Match`"), EventRoute))]
pub(crate) async fn get(
    State(state): State<Arc<OperatorState>>,
    _: Viewer,
    EventPath(event): EventPath,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let event = state.event_response(state.event(&event).await?).await?;
    let (name, tag): (HeaderName, HeaderValue) = event.etag();
    let is_known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| *known == tag);
    let revalidate = HeaderValue::from_static("private, no-cache");
    let headers = [(name, tag), (header::CACHE_CONTROL, revalidate)];
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    Ok((headers, Json(event)).into_response())
}

/// Changes settings other than limits and release.
#[utoipa::path(patch, path = "/event/adm/v1/update/event/{event}", request_body = EventUpdate,
    params(("event" = String, Path), IfMatchRequired),
    responses((status = 200, body = ChangeResponse, headers(("ETag" = String))), SettingRoute))]
pub(crate) async fn update(
    State(state): State<Arc<OperatorState>>,
    request: ChangeRequest<EventUpdate>,
) -> Result<ChangeResponse, Error> {
    let patch = request.body.patch();
    apply_request(&state, &request, Change::Update(patch)).await
}
