//! Acknowledged orders survive a stop and a kill.

use std::time::Duration;

use service::tasks::Shutdown;
use shop::Config;
use shop::capacity::Capacity;
use testkit::TempFolder;

use crate::harness::{ShopHarness, key, order_no, quick};

#[tokio::test]
async fn orders_and_tombstones_survive_a_stop() {
    let harness = ShopHarness::open().await;
    let first = order_no(&harness.put("spring", &key(1)).await);
    harness.delete("spring", &key(2)).await;
    let (ended, folder) = harness.stop().await;
    assert_eq!(ended, Shutdown::Clean);
    let harness = ShopHarness::open_in(folder, quick()).await;
    assert_eq!(order_no(&harness.put("spring", &key(1)).await), first);
    assert_eq!(harness.put("spring", &key(2)).await.status, 410);
    assert_ne!(order_no(&harness.put("spring", &key(3)).await), first);
}

/// A killed process leaves its files as they are at that moment, the write-ahead log included.
#[tokio::test]
async fn orders_and_tombstones_survive_a_kill() {
    let (harness, left) = (ShopHarness::open().await, TempFolder::new("left"));
    let first = order_no(&harness.put("spring", &key(1)).await);
    harness.delete("spring", &key(2)).await;
    for file in harness.files() {
        std::fs::copy(&file, left.path().join(file.file_name().unwrap())).unwrap();
    }
    let again = ShopHarness::open_in(left, quick()).await;
    assert_eq!(order_no(&again.put("spring", &key(1)).await), first);
    assert_eq!(again.put("spring", &key(2)).await.status, 410);
}

#[tokio::test]
async fn an_overloaded_shop_stops_at_once() {
    let order = Capacity { work_ms: 60_000, concurrency: 1, ..Capacity::default() };
    let harness = ShopHarness::open_with(Config { order, ..quick() }).await;
    let mut calls = tokio::task::JoinSet::new();
    for nth in 0..5 {
        let http = harness.http.clone().with_timeout(Duration::from_secs(8));
        let path = format!("/orders/spring:{}", key(nth));
        calls.spawn(async move { http.get(&path).await });
    }
    while harness.figure().await["kinds"]["order"]["under_way"] != 5 {
        tokio::task::yield_now().await;
    }
    let (ended, _folder) = harness.stop().await;
    assert_eq!(ended, Shutdown::Clean);
    assert!(calls.join_all().await.iter().all(|response| response.as_ref().unwrap().status == 503));
}
