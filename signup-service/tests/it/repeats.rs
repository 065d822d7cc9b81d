//! Repeats without proof: what a phone number alone shows about an application.

use axum::body::Body;
use axum::http::Request;
use domain::Outcome;
use serde_json::{Value, json};
use signup_service::Config;
use testkit::Browser;

use crate::browser::{fill_in, serve, wait_for_state};
use crate::harness::{
    CLOSES, CREATE, FIND, PHONE, ReceivedResponse, SignupHarness, application, from_address, spring,
    status_path,
};

const STRANGER: &str = "010-7777-7777";

async fn repeat_from(harness: &SignupHarness, address: &str, phone: &str) -> ReceivedResponse {
    let body = Body::from(application(phone).to_string());
    let request = Request::post(CREATE).header("content-type", "application/json").body(body).unwrap();
    harness.send(from_address(request, address)).await
}

/// Everything that the responses to a view receipt show: the API and the pages, with their headers.
async fn everything_a_view_shows(harness: &SignupHarness) -> String {
    let applied = harness.apply(PHONE, Some("another")).await;
    let view = applied.json();
    let mut responses = vec![format!("{}{:?}", applied.text(), applied.headers)];
    let page = format!("/a/{}", view["receipt"].as_str().unwrap());
    for path in [status_path(&view), page.clone(), format!("{page}?lang=en")] {
        let response = harness.get(&path).await;
        assert_eq!(response.status, 200);
        responses.push(format!("{}{:?}", response.text(), response.headers));
    }
    responses.concat()
}

#[tokio::test]
async fn a_view_receipt_shows_the_same_for_every_outcome() {
    let mut harness = SignupHarness::open().await;
    harness.apply(PHONE, Some("mine")).await;
    let waiting = everything_a_view_shows(&harness).await;
    harness.admit_through(1).await;
    assert_eq!(everything_a_view_shows(&harness).await, waiting, "admitted");
    harness.project_outcome(1, Outcome::Ordered, Some("A-4711")).await;
    assert_eq!(everything_a_view_shows(&harness).await, waiting, "ordered");
    harness.project_outcome(1, Outcome::Cancelled, None).await;
    assert_eq!(everything_a_view_shows(&harness).await, waiting, "cancelled");
    assert!(!waiting.contains("data-state=\"waiting\"") && !waiting.contains("<script"), "{waiting}");
    let full = harness.apply(PHONE, Some("mine")).await.json();
    assert_eq!(full["state"], "cancelled", "the key proves the applicant");
}

/// Checks that a repeat without proof gets the response of a first application.
async fn check_same_responses(harness: &SignupHarness) {
    for key in ["another", ""] {
        let headers: Vec<_> =
            Some(("idempotency-key", key)).into_iter().filter(|(_, v)| !v.is_empty()).collect();
        let known = harness.post(CREATE, &application(PHONE), &headers).await;
        let stranger = harness.post(CREATE, &application(STRANGER), &headers).await;
        assert_eq!(known.problem(), (410, "event-closed".into()));
        assert_eq!(
            (known.status, &known.body, &known.headers),
            (stranger.status, &stranger.body, &stranger.headers)
        );
    }
    let page = async |phone| {
        let form = [("name", "Kim"), ("phone", phone), ("consent", "on"), ("key", "k"), ("lang", "ko")];
        let page = harness.post_form(CREATE, &form).await;
        (page.status, page.text().replace(phone, "PHONE"), page.headers)
    };
    let (known, stranger) = (page(PHONE).await, page(STRANGER).await);
    assert_eq!(known.0, 410);
    // The placeholder of the field is the same on both pages, but equals one of the phone numbers.
    let known =
        (known.0, known.1.replace("placeholder=\"PHONE\"", &format!("placeholder=\"{PHONE}\"")), known.2);
    assert_eq!(known, stranger);
}

#[tokio::test]
async fn a_repeat_without_proof_after_closing_looks_like_a_new_applicant() {
    let harness = SignupHarness::open().await;
    harness.apply(PHONE, Some("mine")).await;
    harness.clock.set(CLOSES);
    // Before the documents show the closing, and after.
    check_same_responses(&harness).await;
    harness.signup.refresh().await;
    for _ in 0..15 {
        // More often than attempts are allowed: a limit would show that there is an application.
        check_same_responses(&harness).await;
    }
    assert_eq!(harness.apply(PHONE, Some("mine")).await.json()["right"], "full");
}

#[tokio::test]
async fn an_event_that_is_closed_early_is_closed_to_repeats_at_once() {
    let harness = SignupHarness::open().await;
    harness.apply(PHONE, Some("mine")).await;
    harness.queue.settle(&spring(), 1).await.unwrap();
    check_same_responses(&harness).await;
}

#[tokio::test]
async fn one_phone_has_ten_repeats_without_proof_per_minute() {
    let harness = SignupHarness::open().await;
    let applied = harness.apply(PHONE, Some("mine")).await.json();
    for i in 0..10 {
        assert_eq!(repeat_from(&harness, &format!("203.0.113.{i}"), PHONE).await.status, 200);
    }
    let eleventh = repeat_from(&harness, "203.0.113.99", PHONE).await;
    assert_eq!(eleventh.problem(), (429, "too-many-tries".into()));
    assert_eq!(eleventh.header("retry-after"), "60");
    assert!(!eleventh.text().contains("receipt"), "{}", eleventh.text());
    let form = [("name", "Kim"), ("phone", PHONE), ("consent", "on"), ("key", "another"), ("lang", "en")];
    let page = harness.post_form(CREATE, &form).await;
    assert!(page.status == 429 && page.text().contains("data-state=\"slow\""), "{}", page.text());
    // Find requests count against the same limit; a repeat with the key does not count.
    let code = json!({ "event": "spring", "phone": PHONE, "code": applied["recovery_code"] });
    assert_eq!(harness.post(FIND, &code, &[]).await.status, 429);
    assert_eq!(harness.apply(PHONE, Some("mine")).await.json()["right"], "full");
    harness.clock.advance(60_000);
    assert_eq!(repeat_from(&harness, "203.0.113.99", PHONE).await.status, 200);
}

#[tokio::test]
async fn one_address_has_twenty_repeats_per_minute_plus_new_applications() {
    let harness = SignupHarness::open().await;
    for i in 0..21 {
        assert_eq!(repeat_from(&harness, "203.0.113.7", &format!("010-7777-{i:04}")).await.status, 201);
    }
    for i in 0..20 {
        assert_eq!(repeat_from(&harness, "203.0.113.7", &format!("010-7777-{i:04}")).await.status, 200);
    }
    let last = "010-7777-0020";
    assert_eq!(repeat_from(&harness, "203.0.113.7", last).await.problem(), (429, "too-many-tries".into()));
    assert_eq!(repeat_from(&harness, "203.0.113.8", last).await.status, 200);
    assert_eq!(repeat_from(&harness, "203.0.113.7", STRANGER).await.status, 201);
}

/// An encoded path, which goes through the router, counts like the plain one.
#[tokio::test]
async fn repeats_count_for_the_client_behind_a_trusted_proxy() {
    let trusted_proxies = vec!["10.0.0.1".parse().unwrap()];
    let harness = SignupHarness::open_with(Config { trusted_proxies, ..Config::default() }).await;
    let repeat = async |path: &str, client: &str, phone: &str| {
        let request = Request::post(path).header("content-type", "application/json");
        let request =
            request.header("x-forwarded-for", client).body(Body::from(application(phone).to_string()));
        harness.send(from_address(request.unwrap(), "10.0.0.1")).await.status
    };
    let encoded = CREATE.replace("spring", "spr%69ng");
    for i in 0..22 {
        assert_eq!(repeat(CREATE, "198.51.100.1", &format!("010-7777-{i:04}")).await, 201);
    }
    for i in 0..20 {
        let path = if i % 2 == 0 { CREATE } else { &encoded };
        assert_eq!(repeat(path, "198.51.100.1", &format!("010-7777-{i:04}")).await, 200);
    }
    assert_eq!(repeat(CREATE, "198.51.100.1", "010-7777-0020").await, 429);
    assert_eq!(repeat(&encoded, "198.51.100.1", "010-7777-0020").await, 429);
    assert_eq!(repeat(CREATE, "198.51.100.2", "010-7777-0020").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_opens_the_full_receipt_on_another_device() {
    let harness = SignupHarness::open().await;
    let applied = harness.apply(PHONE, Some("mine")).await.json();
    let at = serve(&harness);
    for javascript in [true, false] {
        let options = testkit::browser::Options { javascript, ..Default::default() };
        let browser = Browser::start(options).await.unwrap();
        browser.open(&format!("http://{at}/e/spring")).await.unwrap();
        fill_in(&browser).await;
        browser.click("#apply").await.unwrap();
        wait_for_state(&browser, "view").await;
        assert_eq!(browser.text("#number").await.unwrap(), "1");
        let width = browser.script("return document.documentElement.scrollWidth").await;
        assert!(width.as_ref().map_or(!javascript, |width| width.as_i64().unwrap() <= 360), "{width:?}");
        browser.fill("#find-phone", PHONE).await.unwrap();
        let code: &Value = &applied["recovery_code"];
        browser.fill("#find-code", code.as_str().unwrap()).await.unwrap();
        browser.click("#find button").await.unwrap();
        wait_for_state(&browser, "waiting").await;
        assert_eq!(browser.text("#code").await.unwrap(), code.as_str().unwrap());
    }
}
