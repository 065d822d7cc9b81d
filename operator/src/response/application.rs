//! A parked application, without personal data.

use ledger::ApplicationRow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An application, without personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApplicationResponse {
    /// The application key: with the event's id and a colon before it, the order service's key.
    pub app_key: String,
    /// The application's GUID, as on the applicant's page, in logs and in the audit.
    pub guid: String,
    /// The place in the queue.
    pub number: u32,
    /// The state in the ledger.
    pub state: String,
    /// Order calls since the application entered this state.
    pub attempts: u32,
    /// The order number, if one is known.
    pub order_no: Option<String>,
}

impl From<ApplicationRow> for ApplicationResponse {
    fn from(row: ApplicationRow) -> Self {
        Self {
            app_key: row.app_key.to_string(),
            guid: row.app_key.guid(),
            number: row.number.get(),
            state: row.state.as_str().to_owned(),
            attempts: row.attempts,
            order_no: row.order_no,
        }
    }
}

/// Applications, lowest number first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApplicationList {
    /// The applications.
    pub items: Vec<ApplicationResponse>,
    /// Whether there are more than the limit.
    pub more: bool,
}
