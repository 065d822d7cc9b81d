//! Calls of the order service: whatever it responds, there is at most one order for each application, and no seat is given twice.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use domain::Outcome;
use ledger::CallActivity;
use testkit::order_stub::{Behavior, StoredOrder};
use testkit::until_some;
use tokio::sync::Semaphore;

use crate::applicants::{applicant, contact, key, spring};
use crate::captured_log::CapturedLog;
use crate::harness::{WorkerHarness, applicant_of};
use crate::stores::write;

/// Every kind of unclear response, each for the first call of one applicant.
fn unclear_responses(base: &str) -> Vec<Behavior> {
    let accepted_later =
        Behavior::Respond { executes: true, status: 202, kind: "application/json", body: order_no("A") };
    vec![
        Behavior::error_page(500),
        Behavior::error_page(503),
        Behavior::error_page(429),
        Behavior::error_page(404),
        Behavior::error_page(401),
        Behavior::error_page(409),
        Behavior::error_page(422),
        foreign_tombstone(),
        accepted_later,
        Behavior::NoResponse { executes: false },
        Behavior::NoResponse { executes: true },
        Behavior::Close { executes: false },
        Behavior::Close { executes: true },
        Behavior::Truncate,
        Behavior::Redirect(format!("{base}/elsewhere")),
        Behavior::accept(r#"{"order_no":"A"#),
        Behavior::accept("{}"),
        Behavior::accept(r#"{"order_no":5}"#),
        Behavior::accept(r#"{"order_no":""}"#),
        Behavior::accept(r#"{"order_no":"A\u0007B"}"#),
        Behavior::accept(order_no(&"A".repeat(101))),
        Behavior::accept(format!("{}{}", order_no("A"), " ".repeat(100 * 1024))),
    ]
}

/// A tombstone that no call of the worker left.
fn foreign_tombstone() -> Behavior {
    Behavior::Respond { executes: false, status: 410, kind: "application/problem+json", body: "{}".into() }
}

fn order_no(order_no: &str) -> String {
    format!(r#"{{"order_no":"{order_no}"}}"#)
}

#[tokio::test]
async fn an_unclear_response_leads_to_exactly_one_order() {
    let mut harness = WorkerHarness::open(30).await;
    harness.config.call_timeout = Duration::from_millis(500);
    let behaviors = unclear_responses(&harness.stub.base());
    let applicants = 1..=u32::try_from(behaviors.len()).unwrap();
    harness.stub.behave(move |call| match call.nth {
        1 => behaviors[applicant_of(call) as usize - 1].clone(),
        _ => Behavior::Normal,
    });
    let worker = harness.start().await;
    harness.apply(applicants.clone()).await;
    harness.until_outcome_in_queue(applicants.clone(), Outcome::Ordered).await;
    let calls = harness.stub.received();
    assert!(calls.iter().all(|call| call.method == "PUT" && call.path.starts_with("/orders/spring:")));
    for n in applicants {
        let row = harness.row(n).await.unwrap();
        let mine = format!("spring:{}", key(n));
        let kept = StoredOrder { order_no: row.order_no.unwrap(), is_live: true };
        assert_eq!(harness.stub.orders()[&mine], kept);
        assert_eq!(calls.iter().filter(|call| applicant_of(call) == n).count(), 2, "applicant {n}");
    }
    assert_eq!(harness.stub.orders().len(), calls.len() / 2);
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn an_order_call_whose_due_time_the_ledger_lost_is_made_without_a_new_leader() {
    let mut harness = WorkerHarness::open(1).await;
    harness.stub.behave(|_| Behavior::error_page(503));
    let worker = harness.start().await;
    harness.apply([1]).await;
    until_some("a call", async || (harness.stub.call_count() > 0).then_some(())).await;
    // As in a ledger that was put back to the moment before the queue had the application as admitted.
    let lost = format!("UPDATE application SET next_try_at = {} WHERE state = 'ordering'", i64::MAX);
    until_some("the order to be pending", async || {
        (write(&harness.file("ledger.db"), &lost).await == 1).then_some(())
    })
    .await;
    harness.stub.behave(|_| Behavior::Normal);
    harness.until_outcome_in_queue([1], Outcome::Ordered).await;
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn a_call_carries_the_application_and_trace_headers() {
    let mut harness = WorkerHarness::open(1).await;
    let worker = harness.start().await;
    harness.apply([7]).await;
    harness.until_outcome_in_queue([7], Outcome::Ordered).await;
    harness.cancel(7).await;
    harness.until_outcome_in_queue([7], Outcome::Cancelled).await;
    let [put, delete] = &harness.stub.received()[..] else { panic!("{:?}", harness.calls()) };
    let guid = key(7).guid();
    assert_eq!(
        put.json(),
        serde_json::json!({
            "event": "spring", "number": 1, "guid": guid,
            "name": contact(7).name.reveal(), "phone": contact(7).phone.reveal(),
        })
    );
    assert_eq!(put.header("content-type"), "application/json");
    assert_eq!((delete.method.as_str(), delete.body.len()), ("DELETE", 0));
    for call in [put, delete] {
        assert_eq!((call.path.clone(), call.header("guid")), (format!("/orders/spring:{}", key(7)), &*guid));
        let parts: Vec<&str> = call.header("traceparent").split('-').collect();
        assert_eq!((parts[0], parts[1], parts[2].len(), parts[3]), ("00", &*guid, 16, "01"));
        assert!(parts[2].bytes().all(|b| b.is_ascii_hexdigit()) && parts[2] != "0".repeat(16));
    }
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn a_rejection_of_the_first_call_frees_the_seat() {
    for status in [409, 422] {
        let mut harness = WorkerHarness::open(1).await;
        harness.stub.behave(move |call| {
            if applicant_of(call) == 1 { Behavior::reject(status) } else { Behavior::Normal }
        });
        let worker = harness.start().await;
        harness.apply([1, 2]).await;
        harness.until_outcome_in_queue([2], Outcome::Ordered).await;
        harness.until_outcome_in_queue([1], Outcome::Rejected).await;
        assert_eq!(harness.calls(), ["PUT 1", "PUT 2"]);
        harness.stop_and_verify(worker).await;
    }
}

#[tokio::test]
async fn a_rejection_after_a_timeout_deletes_before_the_seat_is_freed() {
    let mut harness = WorkerHarness::open(1).await;
    harness.config.call_timeout = Duration::from_millis(500);
    harness.stub.behave(|call| match (applicant_of(call), call.method.as_str(), call.nth) {
        (1, "PUT", 1) => Behavior::NoResponse { executes: true },
        (1, "PUT", _) => Behavior::reject(409),
        (1, "DELETE", 3) => Behavior::error_page(502),
        _ => Behavior::Normal,
    });
    let worker = harness.start().await;
    harness.apply([1, 2]).await;
    harness.until_outcome_in_queue([2], Outcome::Ordered).await;
    harness.until_outcome_in_queue([1], Outcome::Rejected).await;
    assert_eq!(harness.calls(), ["PUT 1", "PUT 1", "DELETE 1", "DELETE 1", "PUT 2"]);
    assert!(!harness.stub.orders()[&format!("spring:{}", key(1))].is_live);
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn a_seat_is_kept_while_the_response_is_unclear() {
    let mut harness = WorkerHarness::open(1).await;
    harness
        .stub
        .behave(|call| if call.nth % 2 == 0 { Behavior::error_page(503) } else { foreign_tombstone() });
    let worker = harness.start().await;
    harness.apply([1, 2]).await;
    until_some("four calls", async || (harness.stub.call_count() >= 4).then_some(())).await;
    let waits = harness.stub.received().windows(2).map(|two| two[1].at - two[0].at).collect::<Vec<_>>();
    assert!(waits.iter().zip([100, 200, 400]).all(|(wait, least)| wait.as_millis() >= least), "{waits:?}");
    assert_eq!((harness.seats().await, harness.state(2).await), ((0, 1, 0), None));
    harness.stub.behave(|_| Behavior::Normal);
    harness.until_outcome_in_queue([1], Outcome::Ordered).await;
    assert!(harness.calls().iter().all(|call| call == "PUT 1"), "{:?}", harness.calls());
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn an_unavailable_order_service_is_probed_until_it_recovers() {
    let mut harness = WorkerHarness::open(40).await;
    harness.config.calls_max = 4;
    harness.stub.behave(|_| Behavior::error_page(503));
    let worker = harness.start().await;
    harness.apply(1..=40).await;
    let attempts = async || {
        let calls = harness.stub.received();
        let pauses = calls.windows(2).filter(|two| two[1].at - two[0].at >= Duration::from_millis(400));
        (pauses.count() >= 2).then_some(calls.len())
    };
    let failed_calls = until_some("two calls after the circuit breaker opened", attempts).await;
    // Five in a row open the circuit breaker. Three more were in flight with the fifth.
    assert!(failed_calls <= 8 + 2, "{failed_calls} calls into an outage");
    harness.stub.behave(|_| Behavior::Normal);
    harness.until_outcome_in_queue(1..=40, Outcome::Ordered).await;
    let later_calls = harness.stub.call_count() - failed_calls;
    assert!((40..=41).contains(&later_calls), "{later_calls} calls for 40 orders");
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn a_cancelled_order_frees_its_seat_only_after_deletion() {
    let mut harness = WorkerHarness::open(1).await;
    let gate = Arc::new(Semaphore::new(0));
    let closed = Arc::clone(&gate);
    harness.stub.behave(move |call| match call.method.as_str() {
        "DELETE" => Behavior::Gate(Arc::clone(&closed)),
        _ => Behavior::Normal,
    });
    let worker = harness.start().await;
    harness.apply([1, 2]).await;
    harness.until_outcome_in_queue([1], Outcome::Ordered).await;
    harness.cancel(1).await;
    until_some("the DELETE", async || (harness.stub.call_count() == 2).then_some(())).await;
    assert_eq!((harness.state(1).await, harness.state(2).await), (Some("undoing"), None));
    assert_eq!(harness.seats().await, (0, 0, 1));
    gate.add_permits(1);
    harness.until_outcome_in_queue([1], Outcome::Cancelled).await;
    harness.until_outcome_in_queue([2], Outcome::Ordered).await;
    assert_eq!(harness.calls(), ["PUT 1", "DELETE 1", "PUT 2"]);
    harness.stop_and_verify(worker).await;
}

#[tokio::test]
async fn a_put_that_arrives_after_its_delete_makes_no_order() {
    let mut harness = WorkerHarness::open(1).await;
    let gate = Arc::new(Semaphore::new(0));
    let closed = Arc::clone(&gate);
    harness.stub.behave(move |call| match (applicant_of(call), call.method.as_str()) {
        (1, "PUT") => Behavior::Gate(Arc::clone(&closed)),
        _ => Behavior::Normal,
    });
    let worker = harness.start().await;
    harness.apply([1, 2]).await;
    until_some("the PUT", async || (harness.stub.call_count() == 1).then_some(())).await;
    harness.cancel(1).await;
    harness.until_outcome_in_queue([1], Outcome::Cancelled).await;
    harness.until_outcome_in_queue([2], Outcome::Ordered).await;
    gate.add_permits(1);
    until_some("the late PUT", async || (gate.available_permits() == 0).then_some(())).await;
    let tombstone = StoredOrder { order_no: String::new(), is_live: false };
    assert_eq!(harness.stub.orders()[&format!("spring:{}", key(1))], tombstone);
    harness.stop_and_verify(worker).await;
    assert_eq!(harness.calls(), ["PUT 1", "DELETE 1", "PUT 2"]);
    assert_eq!(harness.state(1).await, Some("cancelled"));
}

#[tokio::test]
async fn the_log_contains_no_personal_data_of_responses() {
    let log = CapturedLog::start();
    let mut harness = WorkerHarness::open(4).await;
    harness.config.call_timeout = Duration::from_millis(500);
    harness.stub.behave(|call| {
        let body = call.json();
        let echo =
            format!("{} {}", body["name"].as_str().unwrap_or(""), body["phone"].as_str().unwrap_or(""));
        match (applicant_of(call), call.nth) {
            (1, 1) => Behavior::accept(format!("\"{echo}\"")),
            (1, 2) => Behavior::accept(format!(r#"{{"order_no":["{echo}"]}}"#)),
            (2, 1) => Behavior::Redirect(format!("/?who={}", call.header("guid"))),
            (2, 2) => Behavior::NoResponse { executes: true },
            (3, 1) => Behavior::Truncate,
            (4, _) => Behavior::reject(409),
            _ => Behavior::Normal,
        }
    });
    let worker = harness.start().await;
    harness.apply(1..=4).await;
    harness.until_outcome_in_queue(1..=3, Outcome::Ordered).await;
    harness.until_outcome_in_queue([4], Outcome::Rejected).await;
    harness.cancel(3).await;
    harness.until_outcome_in_queue([3], Outcome::Cancelled).await;
    harness.stop_and_verify(worker).await;
    assert!(log.count("order call without a clear response") >= 5, "{}", log.text());
    assert!(log.count("number 3 of event spring: cancelled") == 1);
    for n in 1..=4 {
        let contact = contact(n);
        let sealed = BASE64.encode(&applicant(n).contact);
        for secret in [contact.name.reveal(), &contact.phone.reveal()[3..], &sealed[..20]] {
            assert_eq!(log.count(secret), 0, "{secret} is in the log");
        }
    }
}

#[tokio::test]
async fn the_calls_of_each_second_are_reported_with_their_latency() {
    let mut harness = WorkerHarness::open(10).await;
    let worker = harness.start().await;
    harness.apply(1..=4).await;
    let calls = until_some("the report of four orders", async || {
        let mut calls = CallActivity::default();
        for second in harness.ledger.activity(&spring(), 0).await.unwrap() {
            calls.add(&second.calls);
        }
        (calls.ordered == 4).then_some(calls)
    })
    .await;
    assert_eq!((calls.calls(), calls.unclear), (4, 0));
    assert!(calls.percentile_ms(99).is_some());
    harness.stop(worker).await;
}
