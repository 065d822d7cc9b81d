//! The result of an event: its sums, and a file with one line for each application of the ledger.

use std::io;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use domain::EventId;
use futures_util::stream::try_unfold;
use serde::Deserialize;
use utoipa::IntoParams;

use super::page::{QueryResult, parameters};
use crate::auth::Viewer;
use crate::csv;
use crate::error::Error;
use crate::error_docs::EventRoute;
use crate::request::EventPath;
use crate::response::{COLUMNS, ResultResponse, result_line};
use crate::state::OperatorState;

/// How many applications are read at once: what a download keeps in memory.
const PAGE: u32 = 500;

/// Counts the applications of an event by state. Every number that the queue gave is in one of the sums.
#[utoipa::path(get, path = "/event/adm/v1/get/result/{event}", params(("event" = String, Path)),
    responses((status = 200, body = ResultResponse), EventRoute))]
pub(crate) async fn get(
    State(state): State<Arc<OperatorState>>,
    _: Viewer,
    EventPath(event): EventPath,
) -> Result<Json<ResultResponse>, Error> {
    result(&state, &event).await.map(Json)
}

/// The sums of an event.
pub(crate) async fn result(state: &OperatorState, event: &EventId) -> Result<ResultResponse, Error> {
    let row = state.event(event).await?;
    let result = state.read(state.ledger.result(event)).await?;
    Ok(ResultResponse::new(&row, &result, (state.now)()))
}

/// The form of the file.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FileQuery {
    /// Begins the file with a byte order mark, by which Excel recognizes UTF-8.
    #[param(nullable = false)]
    bom: Option<bool>,
}

/// Sends the applications of the ledger as CSV, lowest number first, without personal data. The last line, which begins with `#`, has the
/// sums; a file without it is not complete. Applications that wait or are sold out are in the sums only.
#[utoipa::path(get, path = "/application/adm/v1/list/result/{event}", params(("event" = String, Path), FileQuery),
    responses((status = 200, body = String, content_type = "text/csv"), EventRoute))]
pub(crate) async fn list(
    State(state): State<Arc<OperatorState>>,
    _: Viewer,
    EventPath(event): EventPath,
    query: QueryResult<FileQuery>,
) -> Result<Response, Error> {
    let mark = if parameters(query)?.bom == Some(true) { csv::BYTE_ORDER_MARK } else { "" };
    // An error after the first bytes can only cut the file off.
    state.event(&event).await?;
    let headers = file_headers(&event);
    let head = format!("{mark}{}", csv::line(COLUMNS));
    let file = Download { state, event, head, after: Some(0) };
    let parts = try_unfold(file, |file| async { file.next().await });
    Ok((headers, Body::from_stream(parts)).into_response())
}

fn file_headers(event: &EventId) -> [(HeaderName, HeaderValue); 3] {
    let name = HeaderValue::try_from(format!("attachment; filename=\"{event}-result.csv\""));
    [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8")),
        (header::CONTENT_DISPOSITION, name.unwrap_or_else(|_| HeaderValue::from_static("attachment"))),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ]
}

/// A file that is being sent.
struct Download {
    state: Arc<OperatorState>,
    event: EventId,
    /// What to send before the next lines.
    head: String,
    /// The last number that was sent; `None` once the sums were sent too.
    after: Option<u32>,
}

impl Download {
    async fn next(self) -> io::Result<Option<(Bytes, Self)>> {
        self.next_part().await.map_err(|error| io::Error::other(error.text()))
    }

    async fn next_part(mut self) -> Result<Option<(Bytes, Self)>, Error> {
        let Some(after) = self.after else { return Ok(None) };
        let rows = self.state.read(self.state.ledger.applications(&self.event, after, PAGE)).await?;
        let mut part = std::mem::take(&mut self.head);
        part.extend(rows.iter().map(result_line));
        self.after = rows.last().map(|row| row.number.get());
        if self.after.is_none() {
            let sums = format!("# {}", result(&self.state, &self.event).await?.reconciliation());
            part.push_str(&csv::line([sums.as_str()]));
        }
        Ok(Some((part.into(), self)))
    }
}
