//! The automatic pace before an order service whose speed changes: it serves one call at a time, so that its latency grows with the
//! calls that wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::{AutoPace, EventSettings, Millis, Pace};
use ledger::{AUTO_ACTOR, AuditRow, CallActivity, Change};
use parking_lot::Mutex;
use testkit::order_stub::Behavior;
use testkit::until_some;
use tokio::time::Instant;

use crate::applicants::{applicant, settings, spring};
use crate::harness::WorkerHarness;

const TARGET_MS: u32 = 400;

fn pace(text: &str) -> Pace {
    text.parse().unwrap()
}

/// Makes the order service serve one call after the other, each for the milliseconds that can be set.
fn serve_in_sequence(harness: &WorkerHarness) -> Arc<AtomicU64> {
    let call_ms = Arc::new(AtomicU64::new(16));
    let (per_call, free_at) = (Arc::clone(&call_ms), Mutex::new(Instant::now()));
    harness.stub.behave(move |_| {
        let now = Instant::now();
        let mut free_at = free_at.lock();
        *free_at = (*free_at).max(now) + Duration::from_millis(per_call.load(Ordering::SeqCst));
        Behavior::Delay(*free_at - now)
    });
    call_ms
}

/// Applies for so many applicants at once.
async fn apply(harness: &WorkerHarness, count: u32) {
    let armed =
        async || harness.queue().snapshot(&spring()).await.ok().filter(|queue| queue.number_limit > count);
    until_some("an armed queue", armed).await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 1..=count {
        let queue = harness.queue().clone();
        tasks.spawn(async move { queue.apply(&spring(), applicant(n)).await.map(|_| ()) });
    }
    for applied in tasks.join_all().await {
        applied.unwrap();
    }
}

async fn steps(harness: &WorkerHarness) -> Vec<AuditRow> {
    let mut rows = harness.ledger.audit(Some(&spring()), None, 1000).await.unwrap();
    rows.retain(|row| row.actor == AUTO_ACTOR);
    rows.reverse();
    rows
}

async fn current(harness: &WorkerHarness) -> Pace {
    harness.ledger.event(&spring()).await.unwrap().settings.pace
}

/// The order p95 of the seconds since this time; `None` without calls.
async fn p95_since(harness: &WorkerHarness, since: Millis) -> Option<u32> {
    let mut calls = CallActivity::default();
    for second in harness.ledger.activity(&spring(), since).await.unwrap() {
        calls.add(&second.calls);
    }
    calls.percentile_ms(95)
}

fn paces(row: &AuditRow) -> (Pace, Pace) {
    let pace = |fields: &serde_json::Value| fields["pace"].as_str().unwrap().parse().unwrap();
    (pace(&row.before), pace(&row.after))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pace_falls_when_the_order_service_slows_down_and_rises_once_it_recovers() {
    let now = service::clock::system_now();
    let event = EventSettings {
        pace: pace("30"),
        auto_pace: Some(AutoPace { min: pace("5"), max: pace("40"), target_p95_ms: TARGET_MS }),
        in_flight_max: 60,
        ..settings(1500, now - 1000)
    };
    let mut harness = WorkerHarness::open_with(event).await;
    (harness.config.calls_max, harness.config.numbers_ahead_min) = (64, 5000);
    let call_ms = serve_in_sequence(&harness);
    let first = harness.start().await;
    apply(&harness, 1200).await;
    until_some("calls that are fast enough", async || {
        let now = harness.ledger.time().await.unwrap();
        p95_since(&harness, now - 2000).await.filter(|p95_ms| *p95_ms <= TARGET_MS)
    })
    .await;
    let before = current(&harness).await;
    call_ms.store(48, Ordering::SeqCst);
    let slowed_at = harness.ledger.time().await.unwrap();
    let fallen = until_some("a lower pace", async || {
        let fallen = steps(&harness).await.into_iter().find(|row| row.at > slowed_at);
        fallen.filter(|row| paces(row).1 < before)
    })
    .await;
    assert!(fallen.at - slowed_at <= 10_000, "{} ms", fallen.at - slowed_at);
    assert!(fallen.reason.starts_with("order p95 ") && fallen.reason.ends_with(" over 0.40 s"), "{fallen:?}");
    until_some("a latency within the target", async || {
        let now = harness.ledger.time().await.unwrap();
        p95_since(&harness, now - 2000).await.filter(|p95_ms| *p95_ms <= TARGET_MS)
    })
    .await;
    let lowest = current(&harness).await;
    assert!(lowest < before);
    // The next leader goes on with the pace that the ledger has.
    harness.stop(first).await;
    let second = harness.start().await;
    call_ms.store(16, Ordering::SeqCst);
    until_some("a higher pace", async || (current(&harness).await > lowest).then_some(())).await;
    let rows = steps(&harness).await;
    for pair in rows.windows(2) {
        let (from, to) = paces(&pair[1]);
        assert!(to <= pace("40") && to >= pace("5"));
        let has_fallen = paces(&pair[0]).1 < paces(&pair[0]).0;
        let soonest = if to > from && has_fallen { domain::auto_pace::QUIET_MS } else { 0 };
        assert!(pair[1].at - pair[0].at >= soonest, "{pair:?}");
    }
    harness.change(Change::Pace(pace("20"))).await;
    let changed = steps(&harness).await.len();
    call_ms.store(200, Ordering::SeqCst);
    until_some("calls over the target", async || {
        let now = harness.ledger.time().await.unwrap();
        p95_since(&harness, now - 2000).await.filter(|p95_ms| *p95_ms > TARGET_MS)
    })
    .await;
    crate::harness::until_rounds(&harness, 8).await;
    assert_eq!((steps(&harness).await.len(), current(&harness).await), (changed, pace("20")));
    call_ms.store(1, Ordering::SeqCst);
    harness.change(Change::Pause).await;
    harness.stop(second).await;
}
