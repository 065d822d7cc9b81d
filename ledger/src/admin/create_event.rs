//! Creating events, with all their seats.

use domain::event::Text;
use domain::{DomainEventKind, EventId, EventSettings, Millis, Release};
use serde_json::{Value, json};

use crate::admin::audit::{self, AuditAction, AuditRow, ChangedBy};
use crate::admin::capacity::add_seats;
use crate::admin::change_error::ChangeError;
use crate::admin::save_event::public_settings;
use crate::store::column::int;
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::store::transaction::Tx;
use crate::tables::outbox;

/// Whether an event was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateResult {
    /// It was created, with all its seats.
    Created,
    /// It already existed, at this rev; nothing was changed.
    Exists(i64),
}

impl Ledger {
    /// Creates an event with all its seats, at rev 1, in one transaction. An event that exists stays as it is.
    pub async fn create_event(&self, settings: &EventSettings, actor: &str) -> Result<CreateResult, Error> {
        let by = ChangedBy { actor, reason: "" };
        self.create(settings, AuditAction::Create, by, Value::Null).await
    }

    /// Creates an event with the settings of another one: not yet open, without the announcement, with intake and release on.
    pub async fn clone_event(
        &self,
        from: &EventId,
        to: EventId,
        opens_at: Millis,
        closes_at: Millis,
        by: ChangedBy<'_>,
    ) -> Result<CreateResult, ChangeError> {
        let settings = EventSettings {
            id: to,
            opens_at,
            closes_at,
            intake: true,
            release: Release::Running,
            announcement: Text::default(),
            ..self.event(from).await?.settings
        };
        Ok(self.create(&settings, AuditAction::Clone, by, json!({ "id": from })).await?)
    }

    async fn create(
        &self,
        settings: &EventSettings,
        action: AuditAction,
        by: ChangedBy<'_>,
        before: Value,
    ) -> Result<CreateResult, Error> {
        let mistakes = settings.mistakes();
        if !mistakes.is_empty() {
            return Err(Error::Settings(mistakes));
        }
        let mut tx = self.begin().await?;
        let now = self.now(&mut tx).await?;
        if !insert_event(&mut tx, settings, now).await? {
            return Ok(CreateResult::Exists(rev(&mut tx, &settings.id).await?));
        }
        add_seats(&mut tx, &settings.id, 1, settings.capacity).await?;
        let fields = public_settings(settings, 1);
        outbox::post_event(&mut tx, &settings.id, DomainEventKind::EventCreated, fields, now).await?;
        let audited = AuditRow {
            event: Some(settings.id.clone()),
            rev: 1,
            at: now,
            actor: by.actor.to_owned(),
            action,
            reason: by.reason.to_owned(),
            before,
            after: json!(settings),
        };
        audit::write(&mut tx, audited).await?;
        tx.commit().await?;
        Ok(CreateResult::Created)
    }
}

/// Inserts the event; returns whether it is new.
async fn insert_event(tx: &mut Tx, settings: &EventSettings, now: Millis) -> Result<bool, Error> {
    let json = serde_json::to_string(settings).map_err(|error| Error::Inconsistent(error.to_string()))?;
    let inserted = sqlx::query("INSERT INTO event (id, rev, settings, state, refilled_at) VALUES ($1, 1, $2, 'scheduled', $3) ON CONFLICT (id) DO NOTHING")
        .bind(settings.id.as_str()).bind(&json).bind(now)
        .execute(&mut **tx).await?.rows_affected();
    Ok(inserted > 0)
}

async fn rev(tx: &mut Tx, event: &EventId) -> Result<i64, Error> {
    let row =
        sqlx::query("SELECT rev FROM event WHERE id = $1").bind(event.as_str()).fetch_one(&mut **tx).await?;
    int(&row, "rev")
}
