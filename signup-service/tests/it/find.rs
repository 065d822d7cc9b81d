//! Finding an application by its recovery code: one response for every mismatch, and a limit on attempts.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use signup_service::Config;

use crate::harness::{FIND, PHONE, ReceivedResponse, SignupHarness, from_address};

fn find_body(phone: &str, code: &str) -> Value {
    json!({ "event": "spring", "phone": phone, "code": code })
}

async fn find_from(harness: &SignupHarness, address: &str, phone: &str) -> ReceivedResponse {
    let body = Body::from(find_body(phone, "AAAAAAAA").to_string());
    let request = Request::post(FIND).header("content-type", "application/json").body(body).unwrap();
    harness.send(from_address(request, address)).await
}

#[tokio::test]
async fn a_recovery_code_returns_the_full_receipt() {
    let harness = SignupHarness::open().await;
    let applied = harness.apply(PHONE, Some("mine")).await.json();
    let code = applied["recovery_code"].as_str().unwrap();
    let found = harness.post(FIND, &find_body("+821012345678", &code.to_lowercase()), &[]).await;
    assert_eq!(found.status, 200);
    assert_eq!(found.json()["receipt"], applied["receipt"]);
    assert_eq!(found.json()["right"], "full");
    let fields = [("event", "spring"), ("phone", PHONE), ("code", code), ("lang", "ko")];
    let form = harness.post_form(FIND, &fields).await;
    let page = format!("/a/{}", applied["receipt"].as_str().unwrap());
    assert_eq!((form.status, form.header("location")), (303, page.as_str()));
}

#[tokio::test]
async fn a_wrong_code_and_an_unknown_phone_get_the_same_response() {
    let harness = SignupHarness::open().await;
    harness.apply(PHONE, Some("mine")).await;
    let wrong = harness.post(FIND, &find_body(PHONE, "AAAAAAAA"), &[]).await;
    let unknown = harness.post(FIND, &find_body("010-7777-7777", "AAAAAAAA"), &[]).await;
    assert_eq!(wrong.problem(), (404, "no-match".into()));
    assert_eq!((wrong.body, wrong.headers), (unknown.body, unknown.headers));
    let fields = [("event", "spring"), ("phone", PHONE), ("code", "AAAAAAAA"), ("lang", "ko")];
    let page = harness.post_form(FIND, &fields).await;
    assert!(page.status == 404 && page.text().contains("id=\"find-box\" open"));
    assert!(page.text().contains("일치하는 신청이 없어요"));
}

#[tokio::test]
async fn one_phone_has_ten_attempts_per_minute() {
    let harness = SignupHarness::open().await;
    let applied = harness.apply(PHONE, Some("mine")).await.json();
    for i in 0..10 {
        assert_eq!(find_from(&harness, &format!("203.0.113.{i}"), PHONE).await.status, 404);
    }
    let eleventh = find_from(&harness, "203.0.113.99", PHONE).await;
    assert_eq!(eleventh.problem(), (429, "too-many-tries".into()));
    assert_eq!(eleventh.header("retry-after"), "60");
    assert_eq!(find_from(&harness, "203.0.113.99", "010-7777-7777").await.status, 404);
    harness.clock.advance(60_000);
    let code = applied["recovery_code"].as_str().unwrap();
    assert_eq!(harness.post(FIND, &find_body(PHONE, code), &[]).await.status, 200);
}

#[tokio::test]
async fn one_address_has_twenty_attempts_per_minute_over_all_phones() {
    let harness = SignupHarness::open().await;
    for i in 0..20 {
        assert_eq!(find_from(&harness, "203.0.113.7", &format!("010-7777-{i:04}")).await.status, 404);
    }
    assert_eq!(find_from(&harness, "203.0.113.7", "010-8888-0000").await.status, 429);
    assert_eq!(find_from(&harness, "203.0.113.8", "010-8888-0000").await.status, 404);
}

#[tokio::test]
async fn each_client_behind_a_trusted_proxy_has_its_own_attempts() {
    let trusted_proxies = vec!["10.0.0.1".parse().unwrap()];
    let harness = SignupHarness::open_with(Config { trusted_proxies, ..Config::default() }).await;
    for i in 0..25 {
        let body = Body::from(find_body(&format!("010-7777-{i:04}"), "AAAAAAAA").to_string());
        let request = Request::post(FIND)
            .header("content-type", "application/json")
            .header("x-forwarded-for", format!("198.51.100.{i}"));
        let response = harness.send(from_address(request.body(body).unwrap(), "10.0.0.1")).await;
        assert_eq!(response.status, 404);
    }
}

#[tokio::test]
async fn an_invalid_find_request_is_not_an_attempt() {
    let harness = SignupHarness::open().await;
    let response = harness.post(FIND, &json!({ "event": "Spring!", "phone": "1", "code": " " }), &[]).await;
    assert_eq!(response.problem(), (422, "validation".into()));
    assert_eq!(response.json()["errors"].as_array().unwrap().len(), 3);
    let unknown = json!({ "event": "summer", "phone": PHONE, "code": "AAAAAAAA" });
    assert_eq!(harness.post(FIND, &unknown, &[]).await.problem(), (404, "unknown-event".into()));
    let text = Request::post(FIND).header("content-type", "text/plain").body(Body::empty()).unwrap();
    assert_eq!(harness.send(text).await.problem(), (415, "unsupported-media-type".into()));
}
