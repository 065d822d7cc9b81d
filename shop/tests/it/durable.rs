//! What was acknowledged is there after a stop and after a kill.

use std::time::Duration;

use service::tasks::Ended;
use shop::Config;
use shop::knee::Capacity;
use testkit::TempFolder;

use crate::house::{House, key, order_no, quick};

#[tokio::test]
async fn after_a_stop_orders_and_tombstones_are_as_they_were() {
    let house = House::open().await;
    let made = order_no(&house.put("spring", &key(1)).await);
    house.delete("spring", &key(2)).await;
    let (ended, folder) = house.stop().await;
    assert_eq!(ended, Ended::Cleanly);
    let house = House::open_in(folder, quick()).await;
    assert_eq!(order_no(&house.put("spring", &key(1)).await), made);
    assert_eq!(house.put("spring", &key(2)).await.status, 410);
    assert_ne!(order_no(&house.put("spring", &key(3)).await), made);
}

/// What a killed process leaves is what its files hold at that moment, the log beside the database included.
#[tokio::test]
async fn after_a_kill_orders_and_tombstones_are_as_they_were() {
    let (house, left) = (House::open().await, TempFolder::new("left"));
    let made = order_no(&house.put("spring", &key(1)).await);
    house.delete("spring", &key(2)).await;
    for file in house.files() {
        std::fs::copy(&file, left.path().join(file.file_name().unwrap())).unwrap();
    }
    let again = House::open_in(left, quick()).await;
    assert_eq!(order_no(&again.put("spring", &key(1)).await), made);
    assert_eq!(again.put("spring", &key(2)).await.status, 410);
}

#[tokio::test]
async fn an_overrun_shop_stops_at_once_all_the_same() {
    let order = Capacity { work_ms: 60_000, at_once: 1, ..Capacity::default() };
    let house = House::open_with(Config { order, ..quick() }).await;
    let mut calls = tokio::task::JoinSet::new();
    for nth in 0..5 {
        let http = house.http.clone().with_timeout(Duration::from_secs(8));
        let path = format!("/orders/spring:{}", key(nth));
        calls.spawn(async move { http.get(&path).await });
    }
    while house.figure().await["kinds"]["order"]["under_way"] != 5 {
        tokio::task::yield_now().await;
    }
    let (ended, _folder) = house.stop().await;
    assert_eq!(ended, Ended::Cleanly);
    assert!(calls.join_all().await.iter().all(|answer| answer.as_ref().unwrap().status == 503));
}
