//! Reading the audit, newest first. It is written with each change, in the ledger.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use domain::{EventId, Millis};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::auth::Viewer;
use crate::error::{Error, OfEvent};
use crate::events::answer;
use crate::response::ChangeShown;
use crate::state::OperatorState;

/// Changes on one page, unless told, and at most.
const USUAL: u32 = 50;
const MOST: u32 = 200;

/// Which changes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Of this event only.
    #[param(nullable = false, pattern = "^[a-z0-9][a-z0-9-]{0,39}$")]
    event: Option<String>,
    /// The `next_cursor` of the page before.
    #[param(nullable = false, pattern = "^[0-9]{1,18}-[0-9]{1,18}$")]
    cursor: Option<String>,
    /// At most so many; 50 if not told.
    #[param(nullable = false, minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Changes, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChangeList {
    items: Vec<ChangeShown>,
    /// Where the list goes on, if it does.
    next_cursor: Option<String>,
}

/// Who changed what, when and why.
#[utoipa::path(get, path = "/audit/adm/v1/list/change", params(Which),
    responses((status = 200, body = ChangeList), OfEvent))]
pub(crate) async fn list(
    State(state): State<Arc<OperatorState>>,
    _: Viewer,
    which: Result<Query<Which>, QueryRejection>,
) -> Response {
    answer(&state, listed(&state, which).await)
}

async fn listed(
    state: &OperatorState,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Error> {
    let Query(which) = which.map_err(|why| Error::Malformed(why.body_text()))?;
    let limit = which.limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(Error::Malformed(format!("limit is 1 to {MOST}")));
    }
    let older_than =
        which.cursor.as_deref().map(|cursor| read_cursor(cursor).ok_or_else(bad_cursor)).transpose()?;
    let event: Option<EventId> =
        which.event.map(|event| event.parse()).transpose().map_err(|_| Error::UnknownEvent)?;
    if let Some(event) = &event {
        state.event(event).await?;
    }
    let mut rows = state.read(state.ledger.audit(event.as_ref(), older_than, limit + 1)).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next_cursor = rows.last().filter(|_| more).map(|row| format!("{}-{}", row.at, row.rev));
    let items = rows.into_iter().map(ChangeShown::of).collect();
    Ok(Json(ChangeList { items, next_cursor }).into_response())
}

fn read_cursor(text: &str) -> Option<(Millis, i64)> {
    let whole = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let (at, rev) = text.split_once('-')?;
    Some((whole(at)?, whole(rev)?))
}

fn bad_cursor() -> Error {
    Error::Malformed("cursor is the next_cursor of the page before".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_cursor_of_ours_is_read() {
        assert_eq!(read_cursor("1795345200000-7"), Some((1_795_345_200_000, 7)));
        for bad in ["", "-", "7", "1-", "-1", "+1-2", "1-2-3", "99999999999999999999-1"] {
            assert_eq!(read_cursor(bad), None, "{bad}");
        }
    }
}
