//! The figures over time: the list, and the stream that sends them each second.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::Request;
use domain::{Epoch, EventState};
use futures_util::StreamExt as _;
use ledger::{CallActivity, QueueStatus};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::harness::{NOW, OPERATOR, OperatorHarness, VIEWER, spring};

const STREAM: &str = "/gate/adm/v1/stream/metric/spring";

/// A stream as its client reads it.
struct TestStream(BodyDataStream);

impl TestStream {
    async fn open(harness: &OperatorHarness, headers: &[(&str, &str)]) -> Result<Self, u16> {
        let mut request = Request::builder().uri(STREAM).header("host", "localhost:8090");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = harness.router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        if response.status() != 200 {
            return Err(response.status().as_u16());
        }
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Ok(Self(response.into_body().into_data_stream()))
    }

    /// The next message: its kind and its data. `None` at the end.
    async fn next(&mut self) -> Option<(String, Value)> {
        let message = tokio::time::timeout(Duration::from_secs(10), self.0.next()).await.unwrap()?;
        let text = String::from_utf8(message.unwrap().to_vec()).unwrap();
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.trim_start_matches([':', ' ']).to_owned()
        };
        Some((field("event"), serde_json::from_str(&field("data")).unwrap()))
    }
}

pub(crate) async fn report(harness: &OperatorHarness, seq: u32, waiting: u32) {
    let lead = harness.ledger.acquire_leadership(&spring()).await.unwrap();
    let fence = match lead {
        Some(lead) => lead.fence,
        None => harness.ledger.event(&spring()).await.unwrap().fence,
    };
    let status = QueueStatus {
        at: 0,
        epoch: Epoch(1),
        state: EventState::Open,
        seq,
        highest_seq: seq,
        admitted_through: seq - waiting,
        waiting,
        closed_seq: None,
        skipped_numbers: 0,
        armed: true,
        sold_milli_per_s: 0,
        oldest_wait_ms: Some(61_000),
    };
    harness.ledger.write_queue_status(&spring(), fence, &status).await.unwrap();
}

#[tokio::test]
async fn a_stream_sends_the_event_and_its_last_seconds_each_second() {
    let harness = OperatorHarness::open().await;
    let mut calls = CallActivity { ordered: 3, unclear: 1, ..CallActivity::default() };
    for latency_ms in [30, 40, 400, 2000] {
        calls.count_call(latency_ms);
    }
    report(&harness, 100, 90).await;
    harness.ledger.record_calls(&spring(), &calls).await.unwrap();
    harness.clock.advance(2000);
    report(&harness, 160, 120).await;
    let token = format!("Bearer {VIEWER}");
    let mut stream = TestStream::open(&harness, &[("authorization", &token)]).await.unwrap();
    let (kind, live) = stream.next().await.unwrap();
    assert_eq!((kind.as_str(), &live["event"]["queue"]["waiting"]), ("live", &json!(120)));
    assert_eq!(
        (&live["recent"]["applied_per_s"], &live["recent"]["calls_per_s"]),
        (&json!(30.0), &json!(0.4))
    );
    assert_eq!(live["recent"]["calls"]["ordered"], 3);
    assert_eq!((live["seconds"].as_array().unwrap().len(), &live["seconds"][0]["applied"]), (2, &json!(100)));
    assert_eq!((&live["remaining_s"], &live["change"]["action"]), (&json!(1), &json!("create")));
    harness.post_with_reason("/gate/adm/v1/pause/release/spring").await;
    let (_, paused) = stream.next().await.unwrap();
    assert_eq!((&paused["event"]["release"], &paused["remaining_s"]), (&json!("paused"), &Value::Null));
    let listed = harness.get("/gate/adm/v1/list/metric/spring?window_s=60").await.json();
    assert_eq!(listed["items"], live["seconds"]);
    let p99 = listed["items"][0]["calls"]["p99_ms"].as_u64().unwrap();
    assert!((1501..=2500).contains(&p99), "{p99}");
    for wrong in ["window_s=0", "window_s=901", "window_s=x", "other=1"] {
        let response = harness.get(&format!("/gate/adm/v1/list/metric/spring?{wrong}")).await;
        assert_eq!(response.problem(), (400, "malformed".into()), "{wrong}");
    }
}

#[tokio::test]
async fn a_stream_reports_a_ledger_that_does_not_respond() {
    let harness = OperatorHarness::open().await;
    let token = format!("Bearer {VIEWER}");
    let mut stream = TestStream::open(&harness, &[("authorization", &token)]).await.unwrap();
    assert_eq!(stream.next().await.unwrap().0, "live");
    harness.ledger.close().await;
    let trouble = async {
        loop {
            let (kind, data) = stream.next().await.unwrap();
            if kind == "trouble" {
                return data;
            }
        }
    };
    let data = tokio::time::timeout(Duration::from_secs(10), trouble).await.unwrap();
    assert_eq!(data, json!({ "code": "temporarily-unavailable" }));
}

#[tokio::test]
async fn a_stream_ends_with_its_session_and_with_the_process() {
    let harness = OperatorHarness::open().await;
    let cookie = harness.log_in(OPERATOR).await;
    assert_eq!(TestStream::open(&harness, &[]).await.err(), Some(401));
    let foreign = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors")];
    assert_eq!(TestStream::open(&harness, &foreign).await.err(), Some(403));
    let mut stream = TestStream::open(&harness, &[("cookie", &cookie)]).await.unwrap();
    assert_eq!(stream.next().await.unwrap().0, "live");
    harness.page("POST", "/logout", &cookie, "").await;
    assert_eq!(stream.next().await.unwrap().0, "ended");
    assert!(stream.next().await.is_none());
    let token = format!("Bearer {VIEWER}");
    let mut stream = TestStream::open(&harness, &[("authorization", &token)]).await.unwrap();
    assert_eq!(stream.next().await.unwrap().0, "live");
    harness.ctx.tasks.stop();
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn the_number_of_streams_is_bounded() {
    let harness = OperatorHarness::open().await;
    let token = format!("Bearer {VIEWER}");
    let mut open = Vec::new();
    for _ in 0..64 {
        open.push(TestStream::open(&harness, &[("authorization", &token)]).await.unwrap());
    }
    assert_eq!(TestStream::open(&harness, &[("authorization", &token)]).await.err(), Some(503));
    open.pop();
    assert!(TestStream::open(&harness, &[("authorization", &token)]).await.is_ok());
    assert_eq!((harness.ctx.now)(), NOW);
}

#[tokio::test]
async fn no_time_is_left_where_no_seat_is_left() {
    let harness = OperatorHarness::open().await;
    harness.park(1).await;
    let one = json!({"capacity": 1, "reason": "no more"});
    assert_eq!(harness.change("PUT", "/gate/adm/v1/set/capacity/spring", "*", &one).await.status, 200);
    harness.clock.advance(10_000);
    report(&harness, 5, 4).await;
    let cookie = harness.log_in(VIEWER).await;
    let page = harness.page("GET", "/console/spring", &cookie, "").await.text();
    assert!(page.contains("data-f=\"remaining\">–<"), "{page}");
    assert!(page.contains("reported just now"), "{page}");
}
