//! The shop's counters and readiness.

use shop::Config;
use shop::capacity::Capacity;

use crate::harness::{ShopHarness, key, quick};

#[tokio::test]
async fn calls_are_counted_by_kind_and_order_calls_by_start_time() {
    let harness = ShopHarness::open().await;
    for path in ["/", "/", "/products/1", "/orders/new?product=1", "/assets/shop.css", "/nothing"] {
        harness.http.get(path).await.unwrap();
    }
    harness.put("spring", &key(1)).await;
    harness.delete("spring", &key(1)).await;
    let figures = harness.figure().await;
    let calls = |kind: &str| figures["kinds"][kind]["calls"].as_u64().unwrap();
    assert_eq!(["main", "product", "order", "order_call", "asset"].map(calls), [2, 1, 1, 2, 1]);
    assert_eq!(figures["kinds"]["order_call"]["most_at_once"], 1);
    let starts = figures["order_call_starts"]["counts"].as_array().unwrap();
    assert_eq!(starts.iter().map(|count| count.as_u64().unwrap()).sum::<u64>(), 2);
    let first = figures["order_call_starts"]["first_slot_ms"].as_i64().unwrap();
    let now = figures["now_ms"].as_i64().unwrap();
    assert!((0..60_000).contains(&(now - first)), "{first} {now}");
}

#[tokio::test]
async fn a_shed_request_gets_503_and_is_counted() {
    let main =
        Capacity { work_ms: 60_000, concurrency: 1, queue_max: 0, shed_delay_ms: 1, ..Capacity::default() };
    let order =
        Capacity { work_ms: 60_000, concurrency: 1, queue_max: 0, shed_delay_ms: 1, ..Capacity::default() };
    let harness = ShopHarness::open_with(Config { main, order, ..quick() }).await;
    let mut occupying = tokio::task::JoinSet::new();
    for path in ["/", "/orders/R-000001"] {
        let http = harness.http.clone();
        occupying.spawn(async move { http.get(path).await });
    }
    for kind in ["main", "order"] {
        while harness.figure().await["kinds"][kind]["under_way"] != 1 {
            tokio::task::yield_now().await;
        }
    }
    let page = harness.http.get("/").await.unwrap();
    assert_eq!((page.status, page.header("content-type")), (503, Some("text/html; charset=utf-8")));
    let call = harness.put("spring", &key(1)).await;
    assert_eq!(crate::harness::problem(&call), (503, "overloaded".into()));
    let figures = harness.figure().await;
    assert_eq!(
        (&figures["kinds"]["main"]["overloaded"], &figures["kinds"]["order_call"]["overloaded"]),
        (&1.into(), &1.into())
    );
    assert_eq!(
        harness.http.get("/products/1").await.unwrap().status,
        200,
        "another kind of request is not affected"
    );
}

#[tokio::test]
async fn the_shop_reports_ready() {
    assert_eq!(ShopHarness::open().await.readiness(), "[+]shop ok\n");
}
