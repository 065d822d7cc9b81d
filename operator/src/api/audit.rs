//! The audit, newest first. The ledger writes it in the transaction of each change.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::EventId;
use ledger::AuditCursor;
use serde::Deserialize;
use utoipa::IntoParams;

use super::page::{QueryResult, bad_cursor, cut_to_page, page_length, parameters};
use crate::auth::Viewer;
use crate::error::Error;
use crate::error_docs::EventRoute;
use crate::response::{ChangeList, ChangeResponse};
use crate::state::OperatorState;

/// Default and longest page.
const PAGE_DEFAULT: u32 = 50;
const PAGE_MAX: u32 = 200;

/// The part of the audit.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// Changes of this event only.
    #[param(nullable = false, pattern = "^[a-z0-9][a-z0-9-]{0,39}$")]
    event: Option<String>,
    /// The `next_cursor` of the previous page.
    #[param(nullable = false, pattern = "^[0-9]{1,18}-[0-9]{1,18}$")]
    cursor: Option<String>,
    /// The most changes to return; 50 by default.
    #[param(nullable = false, minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Lists changes: actor, action, time, reason and fields.
#[utoipa::path(get, path = "/audit/adm/v1/list/change", params(AuditQuery),
    responses((status = 200, body = ChangeList), EventRoute))]
pub(crate) async fn list(
    State(state): State<Arc<OperatorState>>,
    _: Viewer,
    query: QueryResult<AuditQuery>,
) -> Result<Json<ChangeList>, Error> {
    let query = parameters(query)?;
    let limit = page_length(query.limit, PAGE_DEFAULT, PAGE_MAX)?;
    let older_than =
        query.cursor.as_deref().map(|text| parse_cursor(text).ok_or_else(bad_cursor)).transpose()?;
    let event: Option<EventId> =
        query.event.map(|event| event.parse()).transpose().map_err(|_| Error::UnknownEvent)?;
    if let Some(event) = &event {
        state.event(event).await?;
    }
    let mut rows = state.read(state.ledger.audit(event.as_ref(), older_than, limit + 1)).await?;
    let more = cut_to_page(&mut rows, limit);
    let next_cursor = rows.last().filter(|_| more).map(|row| format!("{}-{}", row.at, row.rev));
    let items = rows.into_iter().map(ChangeResponse::from_audit).collect();
    Ok(Json(ChangeList { items, next_cursor }))
}

fn parse_cursor(text: &str) -> Option<AuditCursor> {
    let (at, rev) = text.split_once('-')?;
    Some(AuditCursor { at: parse_digits(at)?, rev: parse_digits(rev)? })
}

fn parse_digits(text: &str) -> Option<i64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_cursor_of_this_list_is_parsed() {
        assert_eq!(parse_cursor("1795345200000-7"), Some(AuditCursor { at: 1_795_345_200_000, rev: 7 }));
        for bad in ["", "-", "7", "1-", "-1", "+1-2", "1-2-3", "99999999999999999999-1"] {
            assert_eq!(parse_cursor(bad), None, "{bad}");
        }
    }
}
