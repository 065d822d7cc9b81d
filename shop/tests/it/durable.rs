//! What was acknowledged is there after a stop and after a kill.

use std::time::Duration;

use service::tasks::Ended;
use shop::Config;
use shop::saturation::Capacity;
use testkit::TempFolder;

use crate::harness::{ShopHarness, key, order_no, quick};

#[tokio::test]
async fn after_a_stop_orders_and_tombstones_are_as_they_were() {
    let harness = ShopHarness::open().await;
    let made = order_no(&harness.put("spring", &key(1)).await);
    harness.delete("spring", &key(2)).await;
    let (ended, folder) = harness.stop().await;
    assert_eq!(ended, Ended::Cleanly);
    let harness = ShopHarness::open_in(folder, quick()).await;
    assert_eq!(order_no(&harness.put("spring", &key(1)).await), made);
    assert_eq!(harness.put("spring", &key(2)).await.status, 410);
    assert_ne!(order_no(&harness.put("spring", &key(3)).await), made);
}

/// What a killed process leaves is what its files hold at that moment, the log beside the database included.
#[tokio::test]
async fn after_a_kill_orders_and_tombstones_are_as_they_were() {
    let (harness, left) = (ShopHarness::open().await, TempFolder::new("left"));
    let made = order_no(&harness.put("spring", &key(1)).await);
    harness.delete("spring", &key(2)).await;
    for file in harness.files() {
        std::fs::copy(&file, left.path().join(file.file_name().unwrap())).unwrap();
    }
    let again = ShopHarness::open_in(left, quick()).await;
    assert_eq!(order_no(&again.put("spring", &key(1)).await), made);
    assert_eq!(again.put("spring", &key(2)).await.status, 410);
}

#[tokio::test]
async fn an_overrun_shop_stops_at_once_all_the_same() {
    let order = Capacity { work_ms: 60_000, at_once: 1, ..Capacity::default() };
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
    assert_eq!(ended, Ended::Cleanly);
    assert!(calls.join_all().await.iter().all(|answer| answer.as_ref().unwrap().status == 503));
}
