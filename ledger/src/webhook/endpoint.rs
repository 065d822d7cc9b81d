//! A webhook endpoint: its settings, its secrets, and how well it works.

use std::str::FromStr;

use domain::{DomainEvent, EventId, Millis};
use serde::de::DeserializeOwned;
use serde_json::json;
use sqlx::any::AnyRow;

use crate::store::column::{count, int, maybe_int, maybe_text, parsed, text};
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::store::transaction::Tx;

/// Deliveries under way at once to one endpoint, at most.
pub(crate) const IN_FLIGHT_MAX: u32 = 8;

/// Whether deliveries to an endpoint are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointState {
    /// They are.
    On,
    /// An operator has paused them. They wait.
    Paused,
    /// The endpoint failed for days, or responded that it is gone. They wait for an operator.
    Disabled,
}

impl EndpointState {
    const ALL: [Self; 3] = [Self::On, Self::Paused, Self::Disabled];

    /// The name that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
        }
    }
}

impl FromStr for EndpointState {
    type Err = ();
    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|state| state.as_str() == name).ok_or(())
    }
}

/// What an operator chooses of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSettings {
    /// The URL.
    pub url: String,
    /// The kinds of domain events that it gets; empty for all.
    pub types: Vec<String>,
    /// The events whose domain events it gets; empty for all.
    pub events: Vec<EventId>,
}

impl EndpointSettings {
    pub(crate) fn wants(&self, domain_event: &DomainEvent) -> bool {
        let kind = domain_event.kind.as_str();
        (self.types.is_empty() || self.types.iter().any(|name| name == kind))
            && (self.events.is_empty() || self.events.contains(&domain_event.event))
    }
}

/// A webhook endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointRow {
    /// The ID.
    pub id: String,
    /// What an operator chose.
    pub settings: EndpointSettings,
    /// The state.
    pub state: EndpointState,
    /// The secret, sealed.
    pub secret: String,
    /// The former secret, sealed, and until when it signs too.
    pub secret_before: Option<(String, Millis)>,
    /// Deliveries under way at once, at most. It falls while the endpoint is overloaded.
    pub in_flight_max: u32,
    /// Since when each delivery has failed.
    pub failing_since: Option<Millis>,
    /// When it was created.
    pub created_at: Millis,
}

impl EndpointRow {
    /// A new endpoint.
    pub(crate) fn new(id: &str, settings: &EndpointSettings, secret: &str, now: Millis) -> Self {
        Self {
            id: id.to_owned(),
            settings: settings.clone(),
            state: EndpointState::On,
            secret: secret.to_owned(),
            secret_before: None,
            in_flight_max: IN_FLIGHT_MAX,
            failing_since: None,
            created_at: now,
        }
    }

    fn from_row(row: &AnyRow) -> Result<Self, Error> {
        let before_until = int(row, "before_until")?;
        Ok(Self {
            id: text(row, "id")?,
            settings: EndpointSettings {
                url: text(row, "url")?,
                types: list(row, "types")?,
                events: list(row, "events")?,
            },
            state: parsed(row, "state")?,
            secret: text(row, "secret")?,
            secret_before: maybe_text(row, "secret_before")?.map(|secret| (secret, before_until)),
            in_flight_max: count(row, "in_flight_max")?,
            failing_since: maybe_int(row, "failing_since")?,
            created_at: int(row, "created_at")?,
        })
    }

    /// The name of its cursors in the outbox.
    pub fn target(&self) -> String {
        target(&self.id)
    }

    /// Deliveries that were due until then are made. A test is due at time 0: before all others, and also to an endpoint that gets no
    /// others now.
    pub(crate) fn due_until(&self, now: Millis) -> Millis {
        if self.state == EndpointState::On { now } else { 0 }
    }

    /// Writes the endpoint, which is locked.
    pub(crate) async fn update(&self, tx: &mut Tx) -> Result<(), Error> {
        let (secret_before, before_until) = self.secret_before.clone().unzip();
        sqlx::query(
            "UPDATE webhook_endpoint SET url = $2, types = $3, events = $4, state = $5, secret = $6, secret_before = $7, before_until = $8,
                 in_flight_max = $9, failing_since = $10 WHERE id = $1",
        )
        .bind(&self.id)
        .bind(&self.settings.url)
        .bind(json!(self.settings.types).to_string())
        .bind(json!(self.settings.events).to_string())
        .bind(self.state.as_str())
        .bind(&self.secret)
        .bind(secret_before)
        .bind(before_until.unwrap_or_default())
        .bind(i64::from(self.in_flight_max))
        .bind(self.failing_since)
        .execute(&mut **tx)
        .await?;
        Ok(())
    }
}

/// The name of an endpoint's cursors in the outbox.
pub(crate) fn target(endpoint: &str) -> String {
    format!("webhook:{endpoint}")
}

fn list<T: DeserializeOwned>(row: &AnyRow, column: &str) -> Result<Vec<T>, Error> {
    serde_json::from_str(&text(row, column)?)
        .map_err(|error| Error::Inconsistent(format!("an endpoint's {column}: {error}")))
}

/// Reads an endpoint and locks it until the transaction ends. Whatever ends or adds deliveries holds this lock, so that the first
/// pending delivery of an application is never missed.
pub(crate) async fn lock_endpoint(tx: &mut Tx, id: &str) -> Result<Option<EndpointRow>, Error> {
    let row = sqlx::query(tx.dialect.lock_endpoint()).bind(id).fetch_optional(&mut **tx).await?;
    row.map(|row| EndpointRow::from_row(&row)).transpose()
}

impl Ledger {
    /// Returns all endpoints, by ID.
    pub async fn endpoints(&self) -> Result<Vec<EndpointRow>, Error> {
        let rows = sqlx::query("SELECT * FROM webhook_endpoint ORDER BY id").fetch_all(self.reader()).await?;
        rows.iter().map(EndpointRow::from_row).collect()
    }

    /// Returns an endpoint; `None` if there is none of this ID.
    pub async fn endpoint(&self, id: &str) -> Result<Option<EndpointRow>, Error> {
        let row = sqlx::query("SELECT * FROM webhook_endpoint WHERE id = $1")
            .bind(id)
            .fetch_optional(self.reader())
            .await?;
        row.map(|row| EndpointRow::from_row(&row)).transpose()
    }
}
