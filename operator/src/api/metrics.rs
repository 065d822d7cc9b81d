//! The figures of an event over time, and as a live stream.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse as _, Response};
use domain::EventId;
use futures_util::stream::unfold;
use ledger::ACTIVITY_SECONDS;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Interval, MissedTickBehavior};
use utoipa::IntoParams;

use super::page::{QueryResult, parameters};
use crate::auth::{Viewer, authenticate};
use crate::error::Error;
use crate::error_docs::EventRoute;
use crate::request::EventPath;
use crate::response::{LiveResponse, MetricList, MetricSecond};
use crate::state::OperatorState;

/// How often a stream sends the figures. Each message is also the sign that the connection lives.
const PERIOD: Duration = Duration::from_secs(1);
/// Default window in seconds.
const WINDOW_DEFAULT: u32 = 300;

/// The part of the figures.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MetricQuery {
    /// How many seconds back; 300 by default.
    #[param(nullable = false, minimum = 1, maximum = 900)]
    window_s: Option<u32>,
}

/// Lists the last seconds of an event, oldest first.
#[utoipa::path(get, path = "/gate/adm/v1/list/metric/{event}",
    params(("event" = String, Path), MetricQuery),
    responses((status = 200, body = MetricList), EventRoute))]
pub(crate) async fn list(
    State(state): State<Arc<OperatorState>>,
    _: Viewer,
    EventPath(event): EventPath,
    query: QueryResult<MetricQuery>,
) -> Result<Json<MetricList>, Error> {
    let window_s = parameters(query)?.window_s.unwrap_or(WINDOW_DEFAULT);
    if !(1..=ACTIVITY_SECONDS).contains(&window_s) {
        return Err(Error::Malformed(format!("window_s is 1 to {ACTIVITY_SECONDS}")));
    }
    state.event(&event).await?;
    let since = (state.now)() - i64::from(window_s) * 1000;
    let rows = state.read(state.ledger.activity(&event, since)).await?;
    Ok(Json(MetricList { items: rows.iter().map(MetricSecond::from).collect() }))
}

/// Sends the event and its last seconds once a second, as server-sent events: `live` with a `LiveResponse`, `trouble` with a `code` while
/// the ledger does not respond, and `ended` once the session is over. At the most streams it is 503.
#[utoipa::path(get, path = "/gate/adm/v1/stream/metric/{event}", params(("event" = String, Path)),
    responses((status = 200, body = LiveResponse, content_type = "text/event-stream"), EventRoute))]
pub(crate) async fn stream(
    State(state): State<Arc<OperatorState>>,
    EventPath(event): EventPath,
    parts: Parts,
) -> Result<Response, Error> {
    authenticate(&parts, &state)?;
    // While the ledger does not respond, the stream says so.
    if let Err(Error::UnknownEvent) = state.live(&event).await {
        return Err(Error::UnknownEvent);
    }
    let permit = Arc::clone(&state.streams).try_acquire_owned().map_err(|_| Error::TooManyStreams)?;
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let source = Source { state, event, parts, ticks, is_over: false, _permit: permit };
    let messages = unfold(source, |source| async { source.next().await });
    let mut response = Sse::new(messages).into_response();
    // A proxy must not wait for more.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// What a stream needs for its next message.
struct Source {
    state: Arc<OperatorState>,
    event: EventId,
    /// The request, by which each message is authorized anew: a session may end meanwhile.
    parts: Parts,
    ticks: Interval,
    is_over: bool,
    _permit: OwnedSemaphorePermit,
}

impl Source {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        if self.is_over {
            return None;
        }
        tokio::select! {
            _ = self.ticks.tick() => {}
            () = self.state.tasks.draining() => return None,
        }
        let message = if authenticate(&self.parts, &self.state).is_err() {
            self.is_over = true;
            Event::default().event("ended").data("{}")
        } else {
            self.figures().await
        };
        Some((Ok(message), self))
    }

    async fn figures(&self) -> Event {
        match self.state.live(&self.event).await {
            Ok(live) => {
                let json = serde_json::to_string(live.as_ref()).unwrap_or_default();
                Event::default().event("live").data(json)
            }
            Err(error) => {
                let json = serde_json::json!({ "code": error.code() });
                Event::default().event("trouble").data(json.to_string())
            }
        }
    }
}
