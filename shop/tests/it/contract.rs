//! The contract of docs/order-service.md over HTTP, in sequence and in races.

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};
use shop::Config;
use shop::capacity::Capacity;
use testkit::HttpError;
use tokio::task::JoinSet;

use crate::harness::{ShopHarness, body, key, order_no, problem, quick};

#[tokio::test]
async fn a_repeated_put_makes_one_order_with_one_number() {
    let harness = ShopHarness::open().await;
    let first = harness.put("spring", &key(1)).await;
    assert_eq!(first.status, 201);
    let without_contact =
        json!({ "event": "spring", "number": 41207, "guid": key(9), "name": null, "phone": null });
    for body in [body("spring"), without_contact] {
        let again = harness.put_body("spring", &key(1), &body).await;
        assert_eq!((again.status, order_no(&again)), (200, order_no(&first)));
    }
    let other = order_no(&harness.put("spring", &key(2)).await);
    let elsewhere = order_no(&harness.put("autumn", &key(1)).await);
    assert!(order_no(&first) != other && other != elsewhere && elsewhere != order_no(&first));
    let expected = [format!("spring:{} {}", key(1), order_no(&first)), format!("spring:{} {other}", key(2))];
    assert_eq!(harness.live("spring").await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_20_concurrent_puts_one_makes_the_order_and_all_return_it() {
    let harness = ShopHarness::open().await;
    let mut puts = JoinSet::new();
    for _ in 0..20 {
        let http = harness.http.clone();
        let path = format!("/order/int/v1/orders/spring:{}", key(1));
        puts.spawn(
            async move { http.send(Method::PUT, &path, &[], body("spring").to_string().into()).await },
        );
    }
    let responses: Vec<_> = puts.join_all().await.into_iter().map(Result::unwrap).collect();
    assert_eq!(responses.iter().filter(|response| response.status == 201).count(), 1);
    assert!(responses.iter().all(|response| order_no(response) == order_no(&responses[0])));
    assert_eq!(harness.live("spring").await.len(), 1);
}

#[tokio::test]
async fn a_deleted_order_stays_deleted() {
    let harness = ShopHarness::open().await;
    harness.put("spring", &key(1)).await;
    for _ in 0..2 {
        assert_eq!(harness.delete("spring", &key(1)).await.status, 204);
        assert_eq!(problem(&harness.put("spring", &key(1)).await), (410, "order-deleted".into()));
    }
    assert_eq!(harness.live("spring").await, [""; 0]);
}

#[tokio::test]
async fn a_put_after_a_delete_of_its_key_gets_410() {
    let harness = ShopHarness::open().await;
    assert_eq!(harness.delete("spring", &key(1)).await.status, 204);
    assert_eq!(problem(&harness.put("spring", &key(1)).await), (410, "order-deleted".into()));
    assert_eq!(harness.put("spring", &key(2)).await.status, 201);
    assert_eq!(harness.live("spring").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_race_of_put_and_delete_leaves_no_order_behind_a_tombstone() {
    let harness = ShopHarness::open().await;
    for nth in 0..30 {
        let key = key(nth);
        let (put, delete) = tokio::join!(harness.put("spring", &key), harness.delete("spring", &key));
        assert_eq!(delete.status, 204);
        assert!([201, 410].contains(&put.status), "{}", put.text());
        assert_eq!(harness.put("spring", &key).await.status, 410);
    }
    assert_eq!(harness.live("spring").await, [""; 0]);
}

#[tokio::test]
async fn an_order_over_the_limit_gets_409_and_makes_nothing() {
    let harness = ShopHarness::open_with(Config { event_orders_max: 2, ..quick() }).await;
    assert_eq!(harness.put("spring", &key(1)).await.status, 201);
    assert_eq!(harness.put("spring", &key(2)).await.status, 201);
    assert_eq!(problem(&harness.put("spring", &key(3)).await), (409, "sold-out".into()));
    assert_eq!(harness.put("spring", &key(1)).await.status, 200, "an existing order is not a new one");
    assert_eq!(harness.put("autumn", &key(1)).await.status, 201, "each event has its own limit");
    harness.delete("spring", &key(1)).await;
    assert_eq!(harness.put("spring", &key(3)).await.status, 201, "a deleted order frees its place");
}

#[tokio::test]
async fn an_invalid_body_makes_no_order_and_leaves_its_key_usable() {
    let harness = ShopHarness::open().await;
    let path = format!("/order/int/v1/orders/spring:{}", key(1));
    for text in ["", "{", "\u{0}", "{\"event\": \"spring\",}", "spring"] {
        let response = harness.call(Method::PUT, &path, text.into()).await;
        assert_eq!(problem(&response), (400, "malformed".into()), "{text}");
    }
    let deep = harness.call(Method::PUT, &path, "[".repeat(4000)).await;
    assert_eq!(problem(&deep), (400, "malformed".into()));
    let with = |member: &str, value: Value| {
        let mut body = body("spring");
        body[member] = value;
        body
    };
    for body in [
        json!({}),
        json!([]),
        json!(null),
        json!("spring"),
        with("event", json!("autumn")),
        with("event", json!(7)),
        with("event", Value::Null),
        with("number", json!(0)),
        with("number", json!(-1)),
        with("number", json!(4_294_967_296_u64)),
        with("number", json!("7")),
        with("number", json!(1.5)),
        with("guid", json!("74f8")),
        with("guid", json!(key(1).replace('0', "g"))),
        with("guid", Value::Null),
        with("name", json!(["홍길동"])),
        with("name", json!("a\u{0}b")),
        with("name", json!("")),
        with("name", json!("가".repeat(201))),
        with("phone", json!(821_012_345_678_u64)),
    ] {
        let response = harness.put_body("spring", &key(1), &body).await;
        assert_eq!(problem(&response), (422, "validation".into()), "{body}");
    }
    assert_eq!(harness.live("spring").await, [""; 0]);
    let more = with("coupon", json!({ "a": 1 }));
    assert_eq!(harness.put_body("spring", &key(1), &more).await.status, 201, "unknown members are ignored");
}

#[tokio::test]
async fn an_invalid_path_gets_404_and_a_large_body_413() {
    let harness = ShopHarness::open().await;
    for id in
        ["spring", "spring:", ":", "spring:xyz", "Spring:00000000000000000000000000000001", "%ff:1", "..:1"]
    {
        for method in [Method::PUT, Method::DELETE] {
            let response = harness
                .call(method.clone(), &format!("/order/int/v1/orders/{id}"), body("spring").to_string())
                .await;
            assert_eq!(response.status, 404, "{method} {id}");
        }
    }
    let large = harness
        .call(Method::PUT, &format!("/order/int/v1/orders/spring:{}", key(1)), "x".repeat(20_000))
        .await;
    assert_eq!(large.status, 413);
    assert_eq!(
        harness
            .call(Method::POST, &format!("/order/int/v1/orders/spring:{}", key(1)), String::new())
            .await
            .status,
        405
    );
    let escaped = format!("/order/int/v1/orders/spring%3A{}", key(1));
    assert_eq!(harness.call(Method::PUT, &escaped, body("spring").to_string()).await.status, 201);
}

#[tokio::test]
async fn the_list_holds_every_live_order_of_its_event() {
    let harness = ShopHarness::open().await;
    let mut puts = JoinSet::new();
    for nth in 0..1100 {
        let http = harness.http.clone();
        let path = format!("/order/int/v1/orders/spring:{}", key(nth));
        puts.spawn(
            async move { http.send(Method::PUT, &path, &[], body("spring").to_string().into()).await },
        );
    }
    assert!(puts.join_all().await.iter().all(|response| response.as_ref().unwrap().status == 201));
    harness.put("autumn", &key(1)).await;
    harness.delete("spring", &key(5)).await;
    let mut live = harness.live("spring").await;
    live.sort();
    let keys: Vec<_> = live.iter().map(|line| line.split_once(' ').unwrap().0.to_owned()).collect();
    let expected: Vec<_> =
        (0..1100).filter(|nth| *nth != 5).map(|nth| format!("spring:{}", key(nth))).collect();
    assert_eq!(keys, expected);
    assert_eq!(harness.live("winter").await, [""; 0]);
    assert_eq!(harness.http.get("/order/int/v1/list/order/Spring").await.unwrap().status, 404);
}

/// Most servers notice that a caller has disconnected only when they write the response.
#[tokio::test]
async fn a_call_completes_after_its_caller_disconnected() {
    let order = Capacity { work_ms: 300, concurrency: 4, ..Capacity::default() };
    let harness = ShopHarness::open_with(Config { order, ..quick() }).await;
    let hasty = harness.http.clone().with_timeout(Duration::from_millis(50));
    let path = format!("/order/int/v1/orders/spring:{}", key(1));
    let left = hasty.send(Method::PUT, &path, &[], body("spring").to_string().into()).await;
    assert!(matches!(left, Err(HttpError::TimedOut(_))), "{left:?}");
    while harness.live("spring").await.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(harness.put("spring", &key(1)).await.status, 200);
}
