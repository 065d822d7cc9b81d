//! Repeats without proof: what a phone number alone shows of an application.

use axum::body::Body;
use axum::http::Request;
use domain::Outcome;
use serde_json::{Value, json};
use signup_service::Config;
use testkit::Browser;

use crate::browser::{fill_in, serve, state};
use crate::harness::{
    CLOSES, CREATE, FIND, PHONE, ReceivedResponse, SignupHarness, entrant, from_address, own_path, spring,
};

const STRANGER: &str = "010-7777-7777";

async fn repeat_from(harness: &SignupHarness, address: &str, phone: &str) -> ReceivedResponse {
    let body = Body::from(entrant(phone).to_string());
    let request = Request::post(CREATE).header("content-type", "application/json").body(body).unwrap();
    harness.send(from_address(request, address)).await
}

/// All that an answer to a view receipt says, by the API and on its pages, and its headers.
async fn all_of_view(harness: &SignupHarness) -> String {
    let applied = harness.apply(PHONE, Some("another")).await;
    let view = applied.json();
    let mut answers = vec![format!("{}{:?}", applied.text(), applied.headers)];
    let page = format!("/a/{}", view["receipt"].as_str().unwrap());
    for path in [own_path(&view), page.clone(), format!("{page}?lang=en")] {
        let answer = harness.get(&path).await;
        assert_eq!(answer.status, 200);
        answers.push(format!("{}{:?}", answer.text(), answer.headers));
    }
    answers.concat()
}

#[tokio::test]
async fn a_view_receipt_says_the_same_whatever_became_of_the_application() {
    let mut harness = SignupHarness::open().await;
    harness.apply(PHONE, Some("mine")).await;
    let waiting = all_of_view(&harness).await;
    harness.admitted(1).await;
    assert_eq!(all_of_view(&harness).await, waiting, "its turn has come");
    harness.shown(1, Outcome::Ordered, Some("A-4711")).await;
    assert_eq!(all_of_view(&harness).await, waiting, "ordered");
    harness.shown(1, Outcome::Cancelled, None).await;
    assert_eq!(all_of_view(&harness).await, waiting, "cancelled");
    assert!(!waiting.contains("data-state=\"waiting\"") && !waiting.contains("<script"), "{waiting}");
    let full = harness.apply(PHONE, Some("mine")).await.json();
    assert_eq!(full["state"], "cancelled", "the key still proves it");
}

/// The responses to an applicant who repeats without proof, and to one who never applied.
async fn same_answers(harness: &SignupHarness) {
    for key in ["another", ""] {
        let headers: Vec<_> =
            Some(("idempotency-key", key)).into_iter().filter(|(_, v)| !v.is_empty()).collect();
        let known = harness.post(CREATE, &entrant(PHONE), &headers).await;
        let stranger = harness.post(CREATE, &entrant(STRANGER), &headers).await;
        assert_eq!(known.problem(), (410, "event-closed".into()));
        assert_eq!(
            (known.status, &known.body, &known.headers),
            (stranger.status, &stranger.body, &stranger.headers)
        );
    }
    let page = async |phone| {
        let typed = [("name", "Kim"), ("phone", phone), ("consent", "on"), ("key", "k"), ("lang", "ko")];
        let page = harness.post_form(CREATE, &typed).await;
        (page.status, page.text().replace(phone, "PHONE"), page.headers)
    };
    let (known, stranger) = (page(PHONE).await, page(STRANGER).await);
    assert_eq!(known.0, 410);
    // The hint of the field is the same in both, but looks like one of the phones.
    let known =
        (known.0, known.1.replace("placeholder=\"PHONE\"", &format!("placeholder=\"{PHONE}\"")), known.2);
    assert_eq!(known, stranger);
}

#[tokio::test]
async fn a_repeat_without_proof_after_closing_gets_the_response_of_a_new_applicant() {
    let harness = SignupHarness::open().await;
    harness.apply(PHONE, Some("mine")).await;
    harness.clock.set(CLOSES);
    // Before the documents know that it is closed, and after.
    same_answers(&harness).await;
    harness.signup.refresh().await;
    for _ in 0..15 {
        // More often than attempts are allowed: a limit would tell that there is something to guess.
        same_answers(&harness).await;
    }
    assert_eq!(harness.apply(PHONE, Some("mine")).await.json()["right"], "full");
}

#[tokio::test]
async fn an_event_that_is_closed_early_is_closed_to_repeats_at_once() {
    let harness = SignupHarness::open().await;
    harness.apply(PHONE, Some("mine")).await;
    harness.queue.settle(&spring(), 1).await.unwrap();
    same_answers(&harness).await;
}

#[tokio::test]
async fn repeats_without_proof_for_one_phone_end_after_ten_a_minute() {
    let harness = SignupHarness::open().await;
    let applied = harness.apply(PHONE, Some("mine")).await.json();
    for i in 0..10 {
        assert_eq!(repeat_from(&harness, &format!("203.0.113.{i}"), PHONE).await.status, 200);
    }
    let eleventh = repeat_from(&harness, "203.0.113.99", PHONE).await;
    assert_eq!(eleventh.problem(), (429, "too-many-tries".into()));
    assert_eq!(eleventh.header("retry-after"), "60");
    assert!(!eleventh.text().contains("receipt"), "{}", eleventh.text());
    let typed = [("name", "Kim"), ("phone", PHONE), ("consent", "on"), ("key", "another"), ("lang", "en")];
    let page = harness.post_form(CREATE, &typed).await;
    assert!(page.status == 429 && page.text().contains("data-state=\"slow\""), "{}", page.text());
    // Guesses of the code count with them; the secret is no guess.
    let code = json!({ "event": "spring", "phone": PHONE, "code": applied["recovery_code"] });
    assert_eq!(harness.post(FIND, &code, &[]).await.status, 429);
    assert_eq!(harness.apply(PHONE, Some("mine")).await.json()["right"], "full");
    harness.clock.advance(60_000);
    assert_eq!(repeat_from(&harness, "203.0.113.99", PHONE).await.status, 200);
}

#[tokio::test]
async fn one_address_repeats_twenty_times_a_minute_and_new_applications_do_not_count() {
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

/// Found by the router, the address in another spelling is counted like the plain one.
#[tokio::test]
async fn repeats_are_counted_by_the_client_that_a_trusted_proxy_names() {
    let trusted_proxies = vec!["10.0.0.1".parse().unwrap()];
    let harness = SignupHarness::open_with(Config { trusted_proxies, ..Config::default() }).await;
    let repeat = async |path: &str, client: &str, phone: &str| {
        let request = Request::post(path).header("content-type", "application/json");
        let request = request.header("x-forwarded-for", client).body(Body::from(entrant(phone).to_string()));
        harness.send(from_address(request.unwrap(), "10.0.0.1")).await.status
    };
    let spelt = CREATE.replace("spring", "spr%69ng");
    for i in 0..22 {
        assert_eq!(repeat(CREATE, "198.51.100.1", &format!("010-7777-{i:04}")).await, 201);
    }
    for i in 0..20 {
        let path = if i % 2 == 0 { CREATE } else { &spelt };
        assert_eq!(repeat(path, "198.51.100.1", &format!("010-7777-{i:04}")).await, 200);
    }
    assert_eq!(repeat(CREATE, "198.51.100.1", "010-7777-0020").await, 429);
    assert_eq!(repeat(&spelt, "198.51.100.1", "010-7777-0020").await, 429);
    assert_eq!(repeat(CREATE, "198.51.100.2", "010-7777-0020").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_another_device_the_recovery_code_turns_the_view_into_the_receipt() {
    let harness = SignupHarness::open().await;
    let applied = harness.apply(PHONE, Some("mine")).await.json();
    let at = serve(&harness);
    for javascript in [true, false] {
        let options = testkit::browser::Options { javascript, ..Default::default() };
        let browser = Browser::start(options).await.unwrap();
        browser.open(&format!("http://{at}/e/spring")).await.unwrap();
        fill_in(&browser).await;
        browser.click("#apply").await.unwrap();
        state(&browser, "view").await;
        assert_eq!(browser.text("#number").await.unwrap(), "1");
        let wide = browser.script("return document.documentElement.scrollWidth").await;
        assert!(wide.as_ref().map_or(!javascript, |wide| wide.as_i64().unwrap() <= 360), "{wide:?}");
        browser.fill("#find-phone", PHONE).await.unwrap();
        let code: &Value = &applied["recovery_code"];
        browser.fill("#find-code", code.as_str().unwrap()).await.unwrap();
        browser.click("#find button").await.unwrap();
        state(&browser, "waiting").await;
        assert_eq!(browser.text("#code").await.unwrap(), code.as_str().unwrap());
    }
}
