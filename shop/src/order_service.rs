//! The order service over HTTP, by the five rules of docs/order-service.md, and what tests and `verify` read of it.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};
use service::Problem;

use crate::figures::Kind;
use crate::reservation::{Applicant, OrderId, Put, is_event};
use crate::routes::PathId;
use crate::state::ShopState;

/// Longest name and phone number that are kept.
const TEXT_MAX: usize = 200;

/// The body of a `PUT`. Members that this shop does not know are somebody else's.
#[derive(Deserialize)]
struct Sent {
    event: String,
    number: u32,
    guid: String,
    name: Option<String>,
    phone: Option<String>,
}

/// `PUT /order/int/v1/orders/{event}:{key}`
pub(crate) async fn put(
    State(state): State<Arc<ShopState>>,
    PathId(id): PathId,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let inner = Arc::clone(&state);
    let work = async move { put_order(&inner, &id, body).await.unwrap_or_else(IntoResponse::into_response) };
    state.serve(Kind::OrderCall, 1, work).await.unwrap_or_else(overloaded)
}

async fn put_order(
    state: &ShopState,
    id: &str,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let order = OrderId::read(id).ok_or_else(nothing)?;
    let body = body.map_err(|_| malformed(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"))?;
    let who = read_body(&body, &order)?;
    let put = state.store.put(&order, &who, state.event_orders_max, (state.now)()).await;
    match put.map_err(|error| out_of_order(&error))? {
        Put::Made { order_no, new } => {
            let status = if new { StatusCode::CREATED } else { StatusCode::OK };
            Ok((status, Json(json!({ "order_no": order_no }))).into_response())
        }
        Put::Gone => {
            let title = "This order was taken back for good";
            Err(Problem::new(StatusCode::GONE, "taken-back", title))
        }
        Put::Full => Err(Problem::new(
            StatusCode::CONFLICT,
            "sold-out",
            "This shop makes no more orders of this event",
        )),
    }
}

/// `DELETE /order/int/v1/orders/{event}:{key}`
pub(crate) async fn delete(State(state): State<Arc<ShopState>>, PathId(id): PathId) -> Response {
    let inner = Arc::clone(&state);
    let work = async move {
        let Some(order) = OrderId::read(&id) else { return nothing().into_response() };
        match inner.store.delete(&order, (inner.now)()).await {
            Ok(()) => StatusCode::NO_CONTENT.into_response(),
            Err(error) => out_of_order(&error).into_response(),
        }
    };
    state.serve(Kind::OrderCall, 1, work).await.unwrap_or_else(overloaded)
}

/// JSON that cannot be read is 400 and so no answer; JSON that says something else than the path is 422 and so a no.
fn read_body(body: &[u8], order: &OrderId) -> Result<Applicant, Problem> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|_| malformed(StatusCode::BAD_REQUEST, "The body is not JSON"))?;
    let sent: Sent = serde_json::from_value(value).map_err(|error| invalid(&error.to_string()))?;
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if sent.event != order.event {
        return Err(invalid("event is another one than in the path"));
    }
    if sent.number == 0 {
        return Err(invalid("number is counted from 1"));
    }
    if sent.guid.len() != 32 || !sent.guid.bytes().all(hex) {
        return Err(invalid("guid is 32 hexadecimal digits"));
    }
    for text in [&sent.name, &sent.phone].into_iter().flatten() {
        if text.is_empty() || text.chars().count() > TEXT_MAX || text.chars().any(char::is_control) {
            return Err(invalid(
                "name and phone are null, or 1 to 200 characters without control characters",
            ));
        }
    }
    Ok(Applicant { number: sent.number, guid: sent.guid, name: sent.name, phone: sent.phone })
}

/// `GET /order/int/v1/list/order/{event}`: the live orders, one `event:key order-number` a line, as `firstcome verify --orders` reads them.
pub(crate) async fn list(State(state): State<Arc<ShopState>>, PathId(event): PathId) -> Response {
    if !is_event(&event) {
        return nothing().into_response();
    }
    let pages = stream::try_unfold((state, event, 0), |(state, event, after)| async move {
        let page = state.store.live_after(&event, after).await?;
        Ok::<_, sqlx::Error>(page.map(|(lines, last)| (lines, (state, event, last))))
    });
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], Body::from_stream(pages)).into_response()
}

/// `GET /order/int/v1/get/figure`: what the shop counted of itself.
pub(crate) async fn figure(State(state): State<Arc<ShopState>>) -> Json<Value> {
    Json(state.figures.to_json((state.now)()))
}

fn overloaded() -> Response {
    let title = "The order service is overloaded";
    let mut answer = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", title).into_response();
    answer.extensions_mut().insert(Kind::OrderCall.route());
    answer
}

fn nothing() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not-found", "There is nothing here")
}

fn malformed(status: StatusCode, title: &str) -> Problem {
    Problem::new(status, "malformed", title)
}

fn invalid(detail: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "validation", "The body does not fit").detail(detail)
}

fn out_of_order(error: &sqlx::Error) -> Problem {
    tracing::error!(%error, "the shop's database failed");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "unexpected", "The order service failed")
}
