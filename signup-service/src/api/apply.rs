//! Applying for an event, in JSON or by the form of the page.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use service::Language;
use service::http::{HandlerResponse, Route};

use super::enqueue::{AcceptedApplication, ApplyCall, ValidApplication, enqueue, validate};
use crate::documents::ApplicationCounters;
use crate::error::Error;
use crate::error_docs::ApplyErrors;
use crate::pages;
use crate::request::{
    ApplicationRequest, ApplyBody, ClientAddress, ContentType, FormFields, PathParameter, PostRequest,
};
use crate::response::{ReceiptResponse, respond_with_receipt, see_other};
use crate::state::SignupState;

/// The path of applications, without the event.
pub(crate) const CREATE: &str = "/application/com/v1/create/application/";
/// The name of the route in metrics.
const CREATE_ROUTE: &str = "/application/com/v1/create/application/{event}";

/// Applies for an event. The response carries the number, which is durable by then.
///
/// Applying again with the same `Idempotency-Key` is safe and returns the same number and the full receipt. Without the key, or
/// with another one, it returns a view receipt, which shows only the number. Such repeats count as attempts; after closing they get
/// the error of a new application.
#[utoipa::path(post, path = "/application/com/v1/create/application/{event}", request_body = ApplyBody,
    params(("event" = String, Path), ("Idempotency-Key" = Option<String>, Header, pattern = r##"^([!#-~][!-~]{0,199}|"[!#-~][!-~]{0,198}")$"##)),
    responses((status = 201, body = ReceiptResponse, headers(("Location" = String), ("GUID" = String))),
        (status = 200, description = "This person had applied before", body = ReceiptResponse, headers(("Location" = String), ("GUID" = String))),
        ApplyErrors))]
pub(crate) async fn create(
    State(signup): State<Arc<SignupState>>,
    PathParameter(event): PathParameter,
    client: ClientAddress,
    request: PostRequest,
) -> Response {
    respond(&signup, &event, request, client).await.response
}

/// The response to an application. Validation happens before the future is made, so that the future does not hold the request.
pub(crate) fn respond<'a>(
    signup: &'a SignupState,
    event: &'a str,
    request: PostRequest,
    client: ClientAddress,
) -> impl Future<Output = HandlerResponse> + Send + 'a {
    let input = if ContentType::is_form(&request.headers) {
        // Rare: the page sends JSON if it can.
        ApplyInput::Form(Box::new(request))
    } else {
        ApplyInput::Json(ParsedApplication::of(signup, event, request))
    };
    let call = ApplyCall { signup, event, client };
    async move {
        match input {
            ApplyInput::Form(request) => Box::pin(respond_to_form(&call, *request)).await,
            ApplyInput::Json(parsed) => respond_to_json(&call, parsed).await,
        }
    }
}

enum ApplyInput {
    Form(Box<PostRequest>),
    Json(ParsedApplication),
}

/// What is kept of an application in JSON while the queue stores it. The rest of the request holds its read buffer, which is larger
/// than everything else that a waiting application needs.
struct ParsedApplication {
    application: Result<ValidApplication, Error>,
    language: Language,
    trace_id: Option<String>,
}

impl ParsedApplication {
    fn of(signup: &SignupState, event: &str, PostRequest { headers, body }: PostRequest) -> Self {
        let parse = |body: &[u8]| ApplicationRequest::from_json(body, &headers);
        Self {
            application: validate(signup, event, &headers, body, parse),
            language: Language::of_client(&headers),
            trace_id: trace_id(&headers),
        }
    }
}

fn trace_id(headers: &HeaderMap) -> Option<String> {
    service::trace::trace_id(headers).map(str::to_owned)
}

async fn respond_to_json(call: &ApplyCall<'_>, parsed: ParsedApplication) -> HandlerResponse {
    let result = enqueue(call, parsed.application).await;
    record(call, &result, parsed.trace_id);
    let signup = call.signup;
    match result {
        Ok(AcceptedApplication { view, again }) => {
            handled(respond_with_receipt(signup, &view, again, parsed.language), true)
        }
        Err(error) => handled(error.problem(signup.text(parsed.language), &signup.rng), false),
    }
}

async fn respond_to_form(call: &ApplyCall<'_>, request: PostRequest) -> HandlerResponse {
    let &ApplyCall { signup, event, .. } = call;
    let PostRequest { headers, body } = request;
    let form = body.as_ref().map(|body| FormFields::parse(body)).unwrap_or_default();
    let parse = |_: &[u8]| ApplicationRequest::from_form(&form, &headers);
    let application = validate(signup, event, &headers, body, parse);
    let result = enqueue(call, application).await;
    record(call, &result, trace_id(&headers));
    let response = match result {
        Ok(accepted) => see_other(&format!("/a/{}", accepted.view.receipt_text)),
        Err(error) => {
            let error = error_after_lost_response(error, &form);
            pages::forms::apply_error(signup, event, &headers, &form, &error).into_response()
        }
    };
    handled(response, false)
}

fn handled(response: Response, as_is: bool) -> HandlerResponse {
    HandlerResponse { response, route: Route::Named(CREATE_ROUTE), as_is, record: None }
}

/// The error of a form whose earlier response was lost. If the queue was not asked now, the earlier attempt may have a number.
fn error_after_lost_response(error: Error, form: &FormFields) -> Error {
    match error {
        Error::Busy if !form.get("unsure").is_empty() => Error::OutcomeUnknown,
        other => other,
    }
}

fn record(call: &ApplyCall<'_>, result: &Result<AcceptedApplication, Error>, trace_id: Option<String>) {
    count(call, result);
    if let Ok(accepted) = result {
        log(call.signup, accepted, trace_id);
    }
}

/// Logs the GUID, which is the application's own trace, beside the trace of the request, so that each leads to the other.
fn log(signup: &SignupState, accepted: &AcceptedApplication, trace_id: Option<String>) {
    if !tracing::enabled!(target: "business", tracing::Level::INFO) {
        return;
    }
    let receipt = &accepted.view.receipt;
    tracing::info!(
        target: "business",
        guid = receipt.app_key.guid(),
        event = receipt.event.as_str(),
        number = receipt.number.get(),
        again = accepted.again,
        trace = trace_id.unwrap_or_else(|| signup.random_id()),
        "application accepted"
    );
}

fn count(call: &ApplyCall<'_>, result: &Result<AcceptedApplication, Error>) {
    match result {
        Ok(accepted) if accepted.again => accepted.view.documents.counters.again.increment(1),
        Ok(accepted) => accepted.view.documents.counters.accepted.increment(1),
        Err(error) => {
            // A label is a known event, never text from the client.
            let documents = call.signup.documents(call.event);
            let event = documents.map_or_else(|_| String::new(), |known| known.snapshot.event.to_string());
            ApplicationCounters::counter(event, error.kind().1).increment(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each application of a crowd waits in this future, and it is out of the CPU caches when the queue replies.
    #[test]
    fn the_future_of_an_application_is_small() {
        fn size_of_future<A, B, C, D, T>(_: impl Fn(A, B, C, D) -> T) -> usize {
            size_of::<T>()
        }
        let size = size_of_future(create);
        assert!(size <= 1024, "{size} bytes: box rare lookups");
    }
}
