//! The shop's report about a called applicant who ordered with a pass, or did not. The ledger decides.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use domain::{AppKey, EventId, Kind, Millis, Number};
use queue::ShopReport;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::application::PublicState;
use crate::config::ReportToken;
use crate::documents::EventDocuments;
use crate::error::{Error, InvalidField, InvalidFieldCode};
use crate::error_docs::ReportErrors;
use crate::request::{PathParameter, PostRequest, parse_json};
use crate::state::SignupState;

/// The longest order number, in characters.
const ORDER_NO_MAX: usize = 100;

/// The result of one application.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ShopReportBody {
    /// The number of the application, as in the pass.
    number: u32,
    /// The GUID of the application: `sub` of the pass.
    guid: String,
    /// `ordered`, with the order number, or `released`: there is no order.
    #[schema(pattern = "^(ordered|released)$")]
    result: String,
    /// The order number.
    #[schema(max_length = 100)]
    order_no: Option<String>,
}

/// A report that the queue has stored, and the application before it is decided.
#[derive(Serialize, ToSchema)]
struct ShopReportResponse {
    event: String,
    #[schema(value_type = u32)]
    number: Number,
    /// `called` until the report is decided; then `ordered`, `rejected`, or how the application ended before the report came.
    state: &'static str,
    /// The order of an application that is `ordered`. A report of another one is refused.
    #[schema(value_type = Option<String>)]
    order_no: Option<String>,
    server_time_ms: Millis,
}

/// Reports what became of a pass. A report may be repeated; a repeated one shows how the first was decided.
#[utoipa::path(post, path = "/application/int/v1/create/result/{event}", params(("event" = String, Path)), request_body = ShopReportBody,
    responses((status = 202, body = ShopReportResponse), ReportErrors))]
pub(crate) async fn create_result(
    State(signup): State<Arc<SignupState>>,
    PathParameter(event): PathParameter,
    request: PostRequest,
) -> Result<Response, Error> {
    check_token(&signup, &request.headers)?;
    let documents = event_with_passes(&signup, &event)?;
    let body: ShopReportBody = parse_json(&request.body?)?;
    let report = shop_report(&body)?;
    let result = if report == ShopReport::Released { "released" } else { "ordered" };
    let id = &documents.snapshot.event;
    let (number, app_key) = find(&signup, id, &body).await?;
    let entry = signup.queue.report(id, app_key, number, report).await;
    let entry = entry.map_err(|error| Error::of_lookup(&error))?.ok_or(Error::UnknownApplication)?;
    let state = PublicState::of_entry(&entry).as_str();
    metrics::counter!("firstcome_shop_reports_total", "event" => id.to_string(), "result" => result)
        .increment(1);
    tracing::info!(target: "business", guid = body.guid, event = %id, number = number.get(), state, "the shop reports {result}");
    let server_time_ms = documents.queue_time(signup.now());
    let order_no = entry.outcome.and_then(|projected| projected.order_no);
    let response = ShopReportResponse { event: id.to_string(), number, state, order_no, server_time_ms };
    Ok((StatusCode::ACCEPTED, Json(response)).into_response())
}

fn event_with_passes(signup: &SignupState, event: &str) -> Result<Arc<EventDocuments>, Error> {
    let documents = signup.documents(event).map_err(Error::into_lookup)?;
    if documents.snapshot.settings.kind == Kind::Pass { Ok(documents) } else { Err(Error::NotCalled) }
}

/// The application with the number and the GUID of a report.
async fn find(
    signup: &SignupState,
    event: &EventId,
    body: &ShopReportBody,
) -> Result<(Number, AppKey), Error> {
    let number = Number::new(body.number).ok_or(Error::UnknownApplication)?;
    let app_key = signup.queue.app_key_of(event, number).await.map_err(|error| Error::of_lookup(&error))?;
    let app_key = app_key.filter(|key| key.guid() == body.guid).ok_or(Error::UnknownApplication)?;
    Ok((number, app_key))
}

fn check_token(signup: &SignupState, headers: &HeaderMap) -> Result<(), Error> {
    let sent =
        headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let is_valid = sent.map(ReportToken::new).is_some_and(|sent| signup.config.report_token == Some(sent));
    if is_valid { Ok(()) } else { Err(Error::Unauthorized) }
}

fn shop_report(body: &ShopReportBody) -> Result<ShopReport, Error> {
    let invalid = |pointer, code| Err(Error::Invalid(vec![InvalidField { pointer, code }]));
    match (body.result.as_str(), body.order_no.as_deref()) {
        ("released", None) => Ok(ShopReport::Released),
        ("released", Some(_)) => invalid("/order_no", InvalidFieldCode::Shape),
        ("ordered", None | Some("")) => invalid("/order_no", InvalidFieldCode::Required),
        ("ordered", Some(order_no)) if order_no.chars().count() > ORDER_NO_MAX => {
            invalid("/order_no", InvalidFieldCode::TooLong)
        }
        ("ordered", Some(order_no)) if order_no.chars().any(char::is_control) => {
            invalid("/order_no", InvalidFieldCode::BadCharacter)
        }
        ("ordered", Some(order_no)) => Ok(ShopReport::Ordered { order_no: order_no.to_owned() }),
        _ => invalid("/result", InvalidFieldCode::Shape),
    }
}
