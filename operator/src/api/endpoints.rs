//! Webhook endpoints: creating, changing, pausing, rotating the secret, deleting, and a test delivery.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::{DomainEventKind, EventId};
use ledger::{EndpointChange, EndpointPatch, EndpointSettings};
use messaging::{WebhookSecret, WebhookUrl};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::auth::{Operator, Viewer};
use crate::error::Error;
use crate::error_docs::{AnyRoute, EndpointChangeRoute, EndpointRoute};
use crate::request::{EndpointPath, JsonBody, OptionalReason, Reason, audited_by};
use crate::response::{EndpointList, EndpointResponse, EndpointSecret, TestDelivery};
use crate::state::OperatorState;

/// Longest ID of an endpoint, in bytes.
const ID_MAX: usize = 40;
/// The most kinds or events that one endpoint selects.
const SELECTED_MAX: usize = 100;

/// A new endpoint.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndpointBody {
    /// The ID.
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,39}$")]
    id: String,
    /// An `https://` URL; `http://` only in the networks of `messaging.webhook.allow`. Without a user.
    #[schema(max_length = 500)]
    url: String,
    /// The kinds of domain events that it gets; all without this field.
    #[serde(default)]
    #[schema(max_items = 100)]
    types: Vec<String>,
    /// The events whose domain events it gets; all without this field.
    #[serde(default)]
    #[schema(max_items = 100)]
    events: Vec<String>,
    reason: Option<Reason>,
}

/// The settings to change; missing ones stay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndpointUpdate {
    /// The URL, also of deliveries that wait.
    #[schema(max_length = 500)]
    url: Option<String>,
    /// The kinds of domain events that it gets from now on; empty for all.
    #[schema(max_items = 100)]
    types: Option<Vec<String>>,
    /// The events whose domain events it gets from now on; empty for all.
    #[schema(max_items = 100)]
    events: Option<Vec<String>>,
    reason: Option<Reason>,
}

/// Creates an endpoint, which gets domain events from now on. The response has its secret, only this once.
#[utoipa::path(post, path = "/hook/adm/v1/create/endpoint", request_body = EndpointBody,
    responses((status = 201, body = EndpointSecret), EndpointChangeRoute))]
pub(crate) async fn create(
    State(state): State<Arc<OperatorState>>,
    Operator(actor): Operator,
    JsonBody(body): JsonBody<EndpointBody>,
) -> Result<(StatusCode, Json<EndpointSecret>), Error> {
    let settings = EndpointSettings {
        url: check_url(&body.url)?,
        types: check_types(body.types)?,
        events: check_events(&body.events)?,
    };
    let id = check_id(body.id)?;
    let (secret, sealed) = new_secret(&state, &id)?;
    let by = audited_by(&actor, body.reason.as_ref());
    let created = state.write(state.ledger.create_endpoint(&id, &settings, &sealed, by)).await?;
    created.ok_or(Error::EndpointExists)?;
    tracing::info!(endpoint = id, actor, "webhook endpoint created");
    Ok((StatusCode::CREATED, Json(EndpointSecret { id, secret: secret.reveal() })))
}

/// A new secret, plain and sealed.
fn new_secret(state: &OperatorState, id: &str) -> Result<(WebhookSecret, String), Error> {
    let key = state.config.webhook_key.as_ref().ok_or(Error::WebhooksOff)?;
    let secret = WebhookSecret::random(&state.rng);
    let sealed = key.seal(&secret, id, &state.rng);
    Ok((secret, sealed))
}

fn check_id(id: String) -> Result<String, Error> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let fits = id.len() <= ID_MAX
        && id.bytes().next().is_some_and(plain)
        && id.bytes().all(|b| plain(b) || b == b'-');
    if fits {
        Ok(id)
    } else {
        Err(Error::field("/id", "invalid", "has 1 to 40 characters of a-z, 0-9 and '-'"))
    }
}

fn check_url(url: &str) -> Result<String, Error> {
    let parsed: Result<WebhookUrl, _> = url.parse();
    parsed.map(|url| url.to_string()).map_err(|error| Error::field("/url", "invalid", error.to_string()))
}

fn check_types(types: Vec<String>) -> Result<Vec<String>, Error> {
    let unknown = types.iter().position(|name| name.parse::<DomainEventKind>().is_err());
    match unknown {
        _ if types.len() > SELECTED_MAX => Err(Error::field("/types", "too_long", "has at most 100 entries")),
        Some(nth) => Err(Error::field(
            &format!("/types/{nth}"),
            "invalid",
            "is no domain event; docs/events.md lists them",
        )),
        None => Ok(types),
    }
}

fn check_events(events: &[String]) -> Result<Vec<EventId>, Error> {
    if events.len() > SELECTED_MAX {
        return Err(Error::field("/events", "too_long", "has at most 100 entries"));
    }
    let parse = |(nth, id): (usize, &String)| {
        id.parse::<EventId>()
            .map_err(|error| Error::field(&format!("/events/{nth}"), "invalid", error.to_string()))
    };
    events.iter().enumerate().map(parse).collect()
}

/// Lists the endpoints. No secret is shown.
#[utoipa::path(get, path = "/hook/adm/v1/list/endpoint", responses((status = 200, body = EndpointList), AnyRoute))]
pub(crate) async fn list(
    State(state): State<Arc<OperatorState>>,
    _: Viewer,
) -> Result<Json<EndpointList>, Error> {
    let rows = state.read(state.ledger.endpoints()).await?;
    Ok(Json(EndpointList { items: rows.into_iter().map(Into::into).collect() }))
}

/// Reads one endpoint. Its secret is not shown.
#[utoipa::path(get, path = "/hook/adm/v1/get/endpoint/{endpoint}", params(("endpoint" = String, Path)),
    responses((status = 200, body = EndpointResponse), EndpointRoute))]
pub(crate) async fn get(
    State(state): State<Arc<OperatorState>>,
    _: Viewer,
    EndpointPath(endpoint): EndpointPath,
) -> Result<Json<EndpointResponse>, Error> {
    let row = state.read(state.ledger.endpoint(&endpoint)).await?;
    Ok(Json(row.ok_or(Error::UnknownEndpoint)?.into()))
}

/// Changes the URL, or which domain events the endpoint gets. Deliveries that wait stay, and go to the new URL.
#[utoipa::path(patch, path = "/hook/adm/v1/update/endpoint/{endpoint}", request_body = EndpointUpdate,
    params(("endpoint" = String, Path)), responses((status = 200, body = EndpointResponse), EndpointChangeRoute))]
pub(crate) async fn update(
    State(state): State<Arc<OperatorState>>,
    Operator(actor): Operator,
    EndpointPath(endpoint): EndpointPath,
    JsonBody(body): JsonBody<EndpointUpdate>,
) -> Result<Json<EndpointResponse>, Error> {
    let patch = EndpointPatch {
        url: body.url.as_deref().map(check_url).transpose()?,
        types: body.types.map(check_types).transpose()?,
        events: body.events.as_deref().map(check_events).transpose()?,
    };
    change(&state, &endpoint, EndpointChange::Update(patch), (&actor, body.reason.as_ref())).await
}

/// Makes no deliveries until the endpoint is resumed. They wait.
#[utoipa::path(post, path = "/hook/adm/v1/pause/endpoint/{endpoint}", request_body = OptionalReason,
    params(("endpoint" = String, Path)), responses((status = 200, body = EndpointResponse), EndpointChangeRoute))]
pub(crate) async fn pause(
    State(state): State<Arc<OperatorState>>,
    Operator(actor): Operator,
    EndpointPath(endpoint): EndpointPath,
    JsonBody(body): JsonBody<OptionalReason>,
) -> Result<Json<EndpointResponse>, Error> {
    change(&state, &endpoint, EndpointChange::Pause, (&actor, body.reason.as_ref())).await
}

/// Makes deliveries again, also to an endpoint that was disabled. Those that wait for their next attempt are tried at once.
#[utoipa::path(post, path = "/hook/adm/v1/resume/endpoint/{endpoint}", request_body = OptionalReason,
    params(("endpoint" = String, Path)), responses((status = 200, body = EndpointResponse), EndpointChangeRoute))]
pub(crate) async fn resume(
    State(state): State<Arc<OperatorState>>,
    Operator(actor): Operator,
    EndpointPath(endpoint): EndpointPath,
    JsonBody(body): JsonBody<OptionalReason>,
) -> Result<Json<EndpointResponse>, Error> {
    change(&state, &endpoint, EndpointChange::Resume, (&actor, body.reason.as_ref())).await
}

/// Removes an endpoint with its deliveries.
#[utoipa::path(delete, path = "/hook/adm/v1/delete/endpoint/{endpoint}", request_body = OptionalReason,
    params(("endpoint" = String, Path)), responses((status = 200, body = EndpointResponse), EndpointChangeRoute))]
pub(crate) async fn delete(
    State(state): State<Arc<OperatorState>>,
    Operator(actor): Operator,
    EndpointPath(endpoint): EndpointPath,
    JsonBody(body): JsonBody<OptionalReason>,
) -> Result<Json<EndpointResponse>, Error> {
    change(&state, &endpoint, EndpointChange::Delete, (&actor, body.reason.as_ref())).await
}

/// Makes a new secret. For a day, deliveries are signed with the former one too. The response has the new one, only this once.
#[utoipa::path(post, path = "/hook/adm/v1/rotate/secret/{endpoint}", request_body = OptionalReason,
    params(("endpoint" = String, Path)), responses((status = 200, body = EndpointSecret), EndpointChangeRoute))]
pub(crate) async fn rotate(
    State(state): State<Arc<OperatorState>>,
    Operator(actor): Operator,
    EndpointPath(endpoint): EndpointPath,
    JsonBody(body): JsonBody<OptionalReason>,
) -> Result<Json<EndpointSecret>, Error> {
    let (secret, sealed) = new_secret(&state, &endpoint)?;
    let rotation = EndpointChange::Rotate(sealed);
    let Json(EndpointResponse { id, .. }) =
        change(&state, &endpoint, rotation, (&actor, body.reason.as_ref())).await?;
    Ok(Json(EndpointSecret { id, secret: secret.reveal() }))
}

async fn change(
    state: &OperatorState,
    endpoint: &str,
    change: EndpointChange,
    (actor, reason): (&str, Option<&Reason>),
) -> Result<Json<EndpointResponse>, Error> {
    let by = audited_by(actor, reason);
    let row = state.write(state.ledger.change_endpoint(endpoint, &change, by)).await?;
    Ok(Json(row.ok_or(Error::UnknownEndpoint)?.into()))
}

/// Sends a test to an endpoint, also to one that is paused or disabled. The result is in the list of its deliveries.
#[utoipa::path(post, path = "/hook/adm/v1/test/endpoint/{endpoint}", request_body = OptionalReason,
    params(("endpoint" = String, Path)), responses((status = 200, body = TestDelivery), EndpointChangeRoute))]
pub(crate) async fn test(
    State(state): State<Arc<OperatorState>>,
    _: Operator,
    EndpointPath(endpoint): EndpointPath,
    _: JsonBody<OptionalReason>,
) -> Result<Json<TestDelivery>, Error> {
    let seq = state.write(state.ledger.test_endpoint(&endpoint)).await?.ok_or(Error::UnknownEndpoint)?;
    Ok(Json(TestDelivery { seq }))
}
