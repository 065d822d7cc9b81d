//! The health address on the listener of the requests, for load balancers before the gateway. It has no limits: a load balancer that gets
//! 429 or 503 from all gateways at once would take the whole shop out of service.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use service::Tasks;
use service::http::{HandlerResponse, Route};

/// The address.
const PATH: &str = "/gateway/com/v1/check/health";

/// The response to a request for the health address; `None` to any other.
pub(crate) fn response(request: &Request, tasks: &Tasks) -> Option<HandlerResponse> {
    if request.uri().path() != PATH || !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let (status, text) = if tasks.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else {
        (StatusCode::OK, "ok\n")
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Some(HandlerResponse { response, route: Route::Named(PATH), as_is: false, record: None })
}
