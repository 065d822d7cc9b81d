//! What happened to one application, for customer service.

use domain::{AppKey, DomainEvent, EventId};
use sqlx::any::AnyRow;

use crate::admin::audit::AuditRow;
use crate::store::column::parsed;
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::tables::application::ApplicationRow;
use crate::tables::outbox;

/// How an application is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApplicationName {
    /// By its number.
    Number(u32),
    /// By its application key or its GUID, 32 hex digits in lower case.
    Hex(String),
}

/// The hex digits that an application key and its GUID share at the start.
const SHARED_DIGITS: usize = 12;

fn is_hex_of(hex: &str, key: AppKey) -> bool {
    key.to_string() == hex || key.guid() == hex
}

impl Ledger {
    /// Returns an application of the ledger; `None` if it has none of this name, as while it waits.
    pub async fn find_application(
        &self,
        event: &EventId,
        name: &ApplicationName,
    ) -> Result<Option<ApplicationRow>, Error> {
        let rows = match name {
            ApplicationName::Number(number) => self.rows_of_number(event, *number).await?,
            ApplicationName::Hex(hex) => self.rows_of_hex(event, hex).await?,
        };
        rows.first().map(ApplicationRow::from_row).transpose()
    }

    async fn rows_of_number(&self, event: &EventId, number: u32) -> Result<Vec<AnyRow>, Error> {
        let sql = "SELECT * FROM application WHERE event = $1 AND number = $2";
        Ok(sqlx::query(sql).bind(event.as_str()).bind(i64::from(number)).fetch_all(self.reader()).await?)
    }

    async fn rows_of_hex(&self, event: &EventId, hex: &str) -> Result<Vec<AnyRow>, Error> {
        let first = hex.get(..SHARED_DIGITS).unwrap_or(hex);
        let sql = "SELECT * FROM application WHERE event = $1 AND app_key >= $2 AND app_key < $3";
        let query = sqlx::query(sql).bind(event.as_str()).bind(first).bind(format!("{first}g"));
        let mut rows = query.fetch_all(self.reader()).await?;
        rows.retain(|row| parsed::<AppKey>(row, "app_key").is_ok_and(|key| is_hex_of(hex, key)));
        Ok(rows)
    }

    /// Returns the domain events of one application that are not deleted yet, in order.
    pub async fn application_events(
        &self,
        event: &EventId,
        app_key: AppKey,
    ) -> Result<Vec<DomainEvent>, Error> {
        let rows = sqlx::query("SELECT * FROM outbox WHERE event = $1 AND app_key = $2 ORDER BY version")
            .bind(event.as_str())
            .bind(app_key.to_string())
            .fetch_all(self.reader())
            .await?;
        rows.iter().map(|row| outbox::from_row(event, row)).collect()
    }

    /// Returns the decisions of operators about one application, in order.
    pub async fn application_decisions(
        &self,
        event: &EventId,
        app_key: AppKey,
    ) -> Result<Vec<AuditRow>, Error> {
        let rows =
            sqlx::query("SELECT * FROM audit WHERE event = $1 AND action IN ('retry', 'reject') ORDER BY at")
                .bind(event.as_str())
                .fetch_all(self.reader())
                .await?;
        let mut rows = rows.iter().map(AuditRow::from_row).collect::<Result<Vec<_>, _>>()?;
        let guid = app_key.guid();
        rows.retain(|row| row.after["application"] == guid.as_str());
        Ok(rows)
    }
}
