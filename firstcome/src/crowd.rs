//! The simulated applicants of the demo. Each applies once over HTTP, spread over half a minute, so that the queue keeps moving.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use service::Context;

/// Time over which the applicants are spread.
const SPREAD: Duration = Duration::from_secs(30);
/// Attempts of an applicant that is asked to retry later.
const ATTEMPTS_MAX: u32 = 5;
/// Wait before the next attempt.
const RETRY_DELAY: Duration = Duration::from_millis(500);

/// Sends the applications. Ends when all are sent or the process stops.
pub(crate) async fn send(address: SocketAddr, event: String, people: u32, context: Context) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let mut ticks = tokio::time::interval(SPREAD / people.max(1));
    for person in 0..people {
        tokio::select! {
            _ = ticks.tick() => {}
            () = context.tasks.stopping() => return,
        }
        for _ in 0..ATTEMPTS_MAX {
            if is_final(client.request(application(address, &event, person)).await).await {
                break;
            }
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }
}

/// Whether the response is final, that is, does not ask to retry later.
async fn is_final(response: Result<Response<Incoming>, hyper_util::client::legacy::Error>) -> bool {
    let Ok(response) = response else { return false };
    let is_later =
        matches!(response.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
    // The connection can be reused once the body is read to its end.
    let _ = response.into_body().collect().await;
    !is_later
}

/// The application of an applicant. Name, phone number and key are the same in each run, so that a second demo repeats the
/// applications of the first.
fn application(address: SocketAddr, event: &str, person: u32) -> Request<Full<Bytes>> {
    let body = json!({ "name": format!("관객 {}", person + 1), "phone": format!("010-9{:03}-{:04}", person / 10_000, person % 10_000), "consent": true });
    let request = Request::post(format!("http://{address}/application/com/v1/create/application/{event}"))
        .header(header::CONTENT_TYPE, "application/json")
        .header("Idempotency-Key", format!("crowd-{person}"))
        .body(Full::new(Bytes::from(body.to_string())));
    request.unwrap_or_else(|_| unreachable!("an address and an event id make a URI"))
}
