//! Webhook endpoints and the deliveries to them.

use ledger::{DeliveryRow, EndpointRow};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::timestamp;

/// A webhook endpoint. Its secret is shown only once, when it is created or rotated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EndpointResponse {
    /// The ID.
    pub id: String,
    /// The URL.
    pub url: String,
    /// The kinds of domain events that it gets; empty for all.
    pub types: Vec<String>,
    /// The events whose domain events it gets; empty for all.
    pub events: Vec<String>,
    /// `on`, `paused` or `disabled`.
    pub state: String,
    /// Since when each delivery has failed.
    #[schema(format = DateTime)]
    pub failing_since: Option<String>,
    /// Until when the former secret signs too, after a rotation.
    #[schema(format = DateTime)]
    pub former_secret_until: Option<String>,
    /// When it was created.
    #[schema(format = DateTime)]
    pub created_at: String,
}

impl From<EndpointRow> for EndpointResponse {
    fn from(row: EndpointRow) -> Self {
        Self {
            id: row.id,
            url: row.settings.url,
            types: row.settings.types,
            events: row.settings.events.iter().map(ToString::to_string).collect(),
            state: row.state.as_str().to_owned(),
            failing_since: row.failing_since.map(timestamp::format),
            former_secret_until: row.secret_before.map(|(_, until)| timestamp::format(until)),
            created_at: timestamp::format(row.created_at),
        }
    }
}

/// The endpoints, by ID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EndpointList {
    /// The endpoints.
    pub items: Vec<EndpointResponse>,
}

/// The secret of an endpoint, which no other response contains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EndpointSecret {
    /// The ID of the endpoint.
    pub id: String,
    /// The secret, as Standard Webhooks writes it: `whsec_` and base64.
    pub secret: String,
}

/// A delivery to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryResponse {
    /// The event; empty for a test.
    pub event: String,
    /// The number of the domain event in the outbox of the event; for a test, a time.
    pub seq: i64,
    /// The kind of the domain event.
    pub r#type: String,
    /// `pending`, `done` or `dead`.
    pub state: String,
    /// Attempts.
    pub attempts: u32,
    /// When the next attempt is due; null if it has ended, or waits for an earlier delivery of the same application.
    #[schema(format = DateTime)]
    pub next_try_at: Option<String>,
    /// The status code of the last response.
    pub last_status: Option<u32>,
    /// How long the last attempt took, in milliseconds.
    pub last_ms: Option<i64>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When it ended.
    #[schema(format = DateTime)]
    pub ended_at: Option<String>,
}

impl From<DeliveryRow> for DeliveryResponse {
    fn from(row: DeliveryRow) -> Self {
        Self {
            next_try_at: row.next_try_at.map(timestamp::format),
            event: row.event,
            seq: row.seq,
            r#type: row.kind,
            state: row.state,
            attempts: row.attempts,
            last_status: row.last_status,
            last_ms: row.last_ms,
            last_error: row.last_error,
            ended_at: row.ended_at.map(timestamp::format),
        }
    }
}

/// Deliveries: tests first, then by event, latest numbers first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryList {
    /// The deliveries.
    pub items: Vec<DeliveryResponse>,
    /// Whether there are more than the limit.
    pub more: bool,
}

/// The deliveries that are made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplayedDeliveries {
    /// How many they are.
    pub deliveries: usize,
    /// Whether they were only counted.
    pub dry_run: bool,
}

/// A test delivery, which a worker makes within a second. It is the first in the list of deliveries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TestDelivery {
    /// Its number.
    pub seq: i64,
}
