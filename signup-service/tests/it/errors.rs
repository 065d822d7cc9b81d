//! Errors of applications: their codes and texts. None of them takes a number.

use serde_json::{Value, json};
use signup_service::Config;

use crate::harness::{CLOSES, CREATE, OPENS, PHONE, SignupHarness, application};

#[tokio::test]
async fn an_unknown_event_is_404_only_once_the_catalogue_was_read() {
    let harness = SignupHarness::open().await;
    for event in ["summer", "SPRING", "%ff", "x%00"] {
        let path = format!("/application/com/v1/create/application/{event}");
        let response = harness.post(&path, &application(PHONE), &[]).await;
        assert_eq!(response.problem(), (404, "unknown-event".into()), "{event}");
    }
    let harness = SignupHarness::unarmed().await;
    harness.signup.refresh().await;
    let response = harness.apply(PHONE, None).await;
    assert_eq!(response.problem(), (503, "temporarily-unavailable".into()));
    assert_eq!(response.json()["registered"], false);
}

#[tokio::test]
async fn an_early_application_learns_the_opening_and_the_clock() {
    let harness = SignupHarness::open().await;
    harness.clock.set(OPENS - 2500);
    harness.signup.refresh().await;
    let response = harness.apply(PHONE, None).await;
    assert_eq!(response.problem(), (409, "event-not-open".into()));
    assert_eq!(response.header("retry-after"), "3");
    assert_eq!(response.json()["opens_at"], OPENS);
    assert_eq!(response.json()["server_time_ms"], OPENS - 2500);
    harness.clock.set(OPENS);
    assert_eq!(harness.apply(PHONE, None).await.json()["number"], 1);
}

#[tokio::test]
async fn a_late_application_gets_410_with_the_closing_time() {
    let harness = SignupHarness::open().await;
    harness.clock.set(CLOSES);
    let response = harness.apply(PHONE, None).await;
    assert_eq!(response.problem(), (410, "event-closed".into()));
    assert_eq!(response.json()["closed_at"], CLOSES);
}

#[tokio::test]
async fn a_hold_and_a_used_up_limit_say_that_nothing_is_registered() {
    let mut harness = SignupHarness::open().await;
    harness.project(|p| p.settings.intake = false).await;
    let on_hold = harness.apply(PHONE, None).await;
    assert_eq!(on_hold.problem(), (503, "intake-on-hold".into()));
    assert!(on_hold.json()["detail"].as_str().unwrap().contains("아직 접수되지 않았어요"));

    let harness = SignupHarness::unarmed().await;
    harness.arm("spring").await;
    harness.queue.publish(&[crate::harness::spring()]).await.unwrap();
    harness.signup.refresh().await;
    let headers = [("accept-language", "en-GB,en;q=0.9")];
    let limit = harness.post(CREATE, &application(PHONE), &headers).await;
    assert_eq!(limit.problem(), (503, "temporarily-unavailable".into()));
    assert_eq!(limit.json()["registered"], false);
    assert!(limit.json()["detail"].as_str().unwrap().contains("not registered yet"));
    assert_eq!((limit.header("content-language"), limit.header("vary")), ("en", "Accept-Language"));
    let seconds: u32 = limit.header("retry-after").parse().unwrap();
    assert!((2..=4).contains(&seconds));
}

#[tokio::test]
async fn a_full_queue_refuses_applications() {
    let mut harness = SignupHarness::open().await;
    harness.project(|p| p.settings.applications_max = 2).await;
    harness.apply_many(2).await;
    assert_eq!(harness.apply("010-9999-9999", None).await.problem(), (409, "queue-full".into()));
}

#[tokio::test]
async fn applications_above_the_waiting_limit_get_503() {
    let config = Config { apply_calls_max: 0, ..Config::default() };
    let harness = SignupHarness::open_with(config).await;
    assert_eq!(harness.apply(PHONE, None).await.problem(), (503, "temporarily-unavailable".into()));
}

#[tokio::test]
async fn every_invalid_field_is_named_in_the_language_of_the_client() {
    let harness = SignupHarness::open().await;
    let wrong = json!({ "name": " ", "phone": "12", "consent": false });
    for (language, detail) in
        [("ko", "휴대폰 번호를 확인해 주세요."), ("en", "Please check the mobile number.")]
    {
        let response = harness.post(CREATE, &wrong, &[("accept-language", language)]).await;
        assert_eq!(response.problem(), (422, "validation".into()));
        let errors = response.json()["errors"].clone();
        let codes: Vec<_> =
            errors.as_array().unwrap().iter().map(|e| (e["pointer"].clone(), e["code"].clone())).collect();
        let expected = [("/name", "required"), ("/phone", "not_a_phone"), ("/consent", "consent_required")];
        assert_eq!(codes, expected.map(|(p, c)| (Value::from(p), Value::from(c))));
        assert_eq!(errors[1]["detail"], detail);
    }
    assert_eq!(harness.apply(PHONE, None).await.json()["number"], 1);
}

#[tokio::test]
async fn a_request_from_another_site_is_refused() {
    let harness = SignupHarness::open().await;
    let response = harness.post(CREATE, &application(PHONE), &[("sec-fetch-site", "cross-site")]).await;
    assert_eq!(response.problem(), (403, "cross-site".into()));
    let response = harness.post(CREATE, &application(PHONE), &[("sec-fetch-site", "same-origin")]).await;
    assert_eq!(response.json()["number"], 1);
}

#[tokio::test]
async fn a_refused_form_keeps_its_fields_and_its_key() {
    let mut harness = SignupHarness::open().await;
    let wrong = [("name", "A<b>\"c"), ("phone", "12"), ("consent", "on"), ("key", "my-key"), ("lang", "en")];
    let page = harness.post_form(CREATE, &wrong).await;
    assert_eq!((page.status, page.header("content-type")), (422, "text/html; charset=utf-8"));
    let text = page.text();
    for part in
        ["data-state=\"invalid\"", "A&#60;b&#62;&#34;c", "value=\"12\"", "value=\"my-key\"", "aria-invalid"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(text.contains("Please check the mobile number.") && !text.contains("A<b>"));

    harness.project(|p| p.settings.intake = false).await;
    let form = [("name", "홍"), ("phone", PHONE), ("consent", "on"), ("key", "my-key"), ("lang", "ko")];
    let on_hold = harness.post_form(CREATE, &form).await;
    assert_eq!(on_hold.status, 503);
    assert!(
        on_hold.text().contains("data-state=\"hold\"") && on_hold.text().contains("아직 접수되지 않았어요")
    );
}

#[tokio::test]
async fn each_error_of_a_form_has_its_page() {
    let mut harness = SignupHarness::open().await;
    let form = [("name", "홍"), ("phone", PHONE), ("consent", "on"), ("key", "k"), ("lang", "ko")];
    harness.clock.set(OPENS - 1000);
    harness.signup.refresh().await;
    let early = harness.post_form(CREATE, &form).await;
    assert!(early.status == 409 && early.text().contains("data-state=\"before\""));
    harness.clock.set(OPENS + 1000);
    harness.project(|p| p.settings.applications_max = 2).await;
    harness.apply("010-9000-0001", None).await;
    harness.apply("010-9000-0002", None).await;
    let full = harness.post_form(CREATE, &form).await;
    assert!(full.status == 409 && full.text().contains("data-state=\"full\""));
    harness.clock.set(CLOSES);
    let late = harness.post_form(CREATE, &form).await;
    assert!(late.status == 410 && late.text().contains("data-state=\"closed\""));
    let unknown = harness.post_form("/application/com/v1/create/application/none", &form).await;
    assert!(unknown.status == 404 && unknown.text().contains("data-state=\"unknown-event\""));
    let config = Config { apply_calls_max: 0, ..Config::default() };
    let shed = SignupHarness::open_with(config).await.post_form(CREATE, &form).await;
    assert!(shed.status == 503 && shed.text().contains("data-state=\"shed\""));
    assert!(!shed.header("retry-after").is_empty());
}
