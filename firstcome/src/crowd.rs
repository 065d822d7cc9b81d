//! A gentle crowd for the demo: people who apply over HTTP, each once, spread over half a minute, so that the queue lives.

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

/// Within this time all of them have applied.
const SPREAD: Duration = Duration::from_secs(30);
/// Who is told to come back later tries at most this often.
const TRIES_MAX: u32 = 5;
/// Before coming back.
const AGAIN: Duration = Duration::from_millis(500);

/// Sends the crowd; ends when all applied or the process stops.
pub(crate) async fn send(address: SocketAddr, event: String, people: u32, context: Context) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let mut turns = tokio::time::interval(SPREAD / people.max(1));
    for person in 0..people {
        tokio::select! {
            _ = turns.tick() => {}
            () = context.tasks.stopping() => return,
        }
        for _ in 0..TRIES_MAX {
            if heard(client.request(application(address, &event, person)).await).await {
                break;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// Whether the answer is final: a yes or a no, not "later".
async fn heard(answer: Result<Response<Incoming>, hyper_util::client::legacy::Error>) -> bool {
    let Ok(answer) = answer else { return false };
    let later = matches!(answer.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
    // Read to the end, so that the connection can be used again.
    let _ = answer.into_body().collect().await;
    !later
}

/// Person by person the same name, phone and key each time, so that a second demo run finds everybody in place.
fn application(address: SocketAddr, event: &str, person: u32) -> Request<Full<Bytes>> {
    let body = json!({ "name": format!("관객 {}", person + 1), "phone": format!("010-9{:03}-{:04}", person / 10_000, person % 10_000), "consent": true });
    let request = Request::post(format!("http://{address}/application/com/v1/create/application/{event}"))
        .header(header::CONTENT_TYPE, "application/json")
        .header("Idempotency-Key", format!("crowd-{person}"))
        .body(Full::new(Bytes::from(body.to_string())));
    request.unwrap_or_else(|_| unreachable!("an address and an event id make a URI"))
}
