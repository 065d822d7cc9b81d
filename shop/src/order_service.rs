//! The order service over HTTP under the contract of docs/order-service.md, the list of orders that `firstcome verify --orders`
//! reads, and the counters that tests read. The addresses of orders are REST addresses, as the contract specifies; the other routes follow
//! the form of docs/api.md.

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

use crate::counters::RequestKind;
use crate::path_segment::PathSegment;
use crate::reservation::{OrderApplicant, OrderId, PutResult, is_event_id};
use crate::state::ShopState;

/// Longest name and phone number, in characters.
const NAME_OR_PHONE_CHARS_MAX: usize = 200;

/// The body of a `PUT`. Unknown members are ignored.
#[derive(Deserialize)]
struct OrderBody {
    event: String,
    number: u32,
    guid: String,
    name: Option<String>,
    phone: Option<String>,
}

/// `PUT /order/int/v1/orders/{event}:{key}`
pub(crate) async fn put(
    State(state): State<Arc<ShopState>>,
    PathSegment(id): PathSegment,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let inner = Arc::clone(&state);
    let work = async move { put_order(&inner, &id, body).await.unwrap_or_else(IntoResponse::into_response) };
    state.serve(RequestKind::OrderCall, 1, work).await.unwrap_or_else(overloaded)
}

async fn put_order(
    state: &ShopState,
    id: &str,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let order = OrderId::parse(id).ok_or_else(not_found)?;
    let body = body.map_err(|rejection| incomplete_body(&rejection))?;
    let applicant = parse_body(&body, &order)?;
    let put = state.store.put(&order, &applicant, state.event_orders_max, (state.now)()).await;
    match put.map_err(|error| store_error(&error))? {
        PutResult::Made { order_no, new } => {
            let status = if new { StatusCode::CREATED } else { StatusCode::OK };
            Ok((status, Json(json!({ "order_no": order_no }))).into_response())
        }
        PutResult::Deleted => {
            let title = "This order was deleted for good";
            Err(Problem::new(StatusCode::GONE, "order-deleted", title))
        }
        PutResult::SoldOut => Err(Problem::new(
            StatusCode::CONFLICT,
            "sold-out",
            "This shop takes no more orders of this event",
        )),
    }
}

/// `DELETE /order/int/v1/orders/{event}:{key}`
pub(crate) async fn delete(State(state): State<Arc<ShopState>>, PathSegment(id): PathSegment) -> Response {
    let inner = Arc::clone(&state);
    let work = async move {
        let Some(order) = OrderId::parse(&id) else { return not_found().into_response() };
        match inner.store.delete(&order, (inner.now)()).await {
            Ok(()) => StatusCode::NO_CONTENT.into_response(),
            Err(error) => store_error(&error).into_response(),
        }
    };
    state.serve(RequestKind::OrderCall, 1, work).await.unwrap_or_else(overloaded)
}

/// Parses the body. Invalid JSON is 400, which the contract counts as unknown; valid JSON with
/// invalid content is 422, a rejection.
fn parse_body(body: &[u8], order: &OrderId) -> Result<OrderApplicant, Problem> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|_| malformed(StatusCode::BAD_REQUEST, "The body is not JSON"))?;
    let body: OrderBody = serde_json::from_value(value).map_err(|error| invalid(&error.to_string()))?;
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if body.event != order.event {
        return Err(invalid("event differs from the path"));
    }
    if body.number == 0 {
        return Err(invalid("number must be at least 1"));
    }
    if body.guid.len() != 32 || !body.guid.bytes().all(hex) {
        return Err(invalid("guid is 32 hexadecimal digits"));
    }
    for text in [&body.name, &body.phone].into_iter().flatten() {
        if text.is_empty()
            || text.chars().count() > NAME_OR_PHONE_CHARS_MAX
            || text.chars().any(char::is_control)
        {
            return Err(invalid(
                "name and phone are null, or 1 to 200 characters without control characters",
            ));
        }
    }
    Ok(OrderApplicant { number: body.number, guid: body.guid, name: body.name, phone: body.phone })
}

/// `GET /order/int/v1/list/order/{event}`: the live orders, one `event:key order-number` a line, as `firstcome verify --orders` reads them.
pub(crate) async fn list(State(state): State<Arc<ShopState>>, PathSegment(event): PathSegment) -> Response {
    if !is_event_id(&event) {
        return not_found().into_response();
    }
    let pages = stream::try_unfold((state, event, 0), |(state, event, after)| async move {
        let page = state.store.live_after(&event, after).await?;
        Ok::<_, sqlx::Error>(page.map(|(lines, last)| (lines, (state, event, last))))
    });
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], Body::from_stream(pages)).into_response()
}

/// `GET /order/int/v1/get/figure`: the shop's counters.
pub(crate) async fn counters(State(state): State<Arc<ShopState>>) -> Json<Value> {
    Json(state.counters.to_json((state.now)()))
}

fn overloaded() -> Response {
    let title = "The order service is overloaded";
    let mut response = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", title).into_response();
    response.extensions_mut().insert(RequestKind::OrderCall.route());
    response
}

fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not-found", "This resource does not exist")
}

fn malformed(status: StatusCode, title: &str) -> Problem {
    Problem::new(status, "malformed", title)
}

fn incomplete_body(rejection: &BytesRejection) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => malformed(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
        _ => malformed(StatusCode::BAD_REQUEST, "The body ended early"),
    }
}

fn invalid(detail: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "validation", "The body is invalid").detail(detail)
}

fn store_error(error: &sqlx::Error) -> Problem {
    tracing::error!(%error, "the shop's database failed");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "unexpected", "The order service failed")
}
