//! Applying: the number and the receipt.

use serde_json::json;

use crate::harness::{CREATE, PHONE, SignupHarness, application, status_path};

fn form<'a>(phone: &'a str, key: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("name", "홍길동"), ("phone", phone), ("consent", "on"), ("key", key), ("lang", "ko")]
}

#[tokio::test]
async fn an_application_returns_a_number_and_a_full_receipt() {
    let harness = SignupHarness::open().await;
    let response = harness.apply(PHONE, Some("mine")).await;
    assert_eq!(response.status, 201);
    let applied = response.json();
    let expected = json!({
        "event": "spring", "number": 1, "standing": "in_range", "ahead": 0, "state": "waiting",
        "right": "full", "already_applied": false, "server_time_ms": crate::harness::OPENS + 1000,
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&applied[field], value, "{field}");
    }
    assert_eq!(applied["recovery_code"].as_str().unwrap().len(), 9);
    assert_eq!(response.header("location"), status_path(&applied));
    assert_eq!(applied["links"]["page"], format!("/a/{}", applied["receipt"].as_str().unwrap()));
    assert_eq!(response.header("guid").len(), 32);
    assert_eq!(response.header("cache-control"), "no-store");
    assert_eq!(response.header("content-type"), "application/json");
    assert_eq!((response.header("content-language"), response.header("vary")), ("ko", "Accept-Language"));
    // The listener sends this response as it is, so it must have the security headers already.
    assert_eq!(response.header("x-content-type-options"), "nosniff");
    assert_eq!(response.header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
}

/// The plain path skips the router; any other spelling goes through it.
#[tokio::test]
async fn an_encoded_path_gets_the_same_response_as_the_plain_one() {
    let harness = SignupHarness::open().await;
    let plain = harness.apply(PHONE, Some("mine")).await.json();
    let path = CREATE.replace("spring", "spr%69ng");
    let encoded = harness.post(&path, &application(PHONE), &[("idempotency-key", "mine")]).await;
    assert_eq!(encoded.status, 200);
    assert_eq!(encoded.json()["receipt"], plain["receipt"]);
    for path in [CREATE.replace("spring", ""), format!("{CREATE}/more")] {
        assert_eq!(harness.post(&path, &application(PHONE), &[]).await.status, 404, "{path}");
    }
    assert_eq!(harness.get(CREATE).await.status, 405);
}

#[tokio::test]
async fn an_application_beyond_the_capacity_is_waitlisted_at_once() {
    let harness = SignupHarness::open().await;
    let third = harness.apply_many(3).await.json();
    assert_eq!(
        (&third["standing"], &third["waitlist_number"], &third["ahead"]),
        (&json!("waitlisted"), &json!(1), &json!(2))
    );
}

#[tokio::test]
async fn a_repeat_gets_the_full_receipt_only_with_the_same_key() {
    let harness = SignupHarness::open().await;
    let first = harness.apply(PHONE, Some("mine")).await.json();
    let again = harness.apply("+82 10 1234 5678", Some("\"mine\"")).await;
    assert_eq!(again.status, 200);
    let again = again.json();
    assert_eq!(again["receipt"], first["receipt"]);
    assert_eq!((&again["already_applied"], &again["number"]), (&json!(true), &json!(1)));
    for key in [Some("another"), None] {
        let view = harness.apply(PHONE, key).await.json();
        assert_eq!((&view["right"], &view["number"]), (&json!("view"), &json!(1)));
        for hidden in ["recovery_code", "state", "order_no", "standing", "waitlist_number", "ahead"] {
            assert_eq!(view.get(hidden), None, "{hidden}");
        }
        assert_ne!(view["receipt"], first["receipt"]);
    }
}

#[tokio::test]
async fn a_first_application_without_a_key_gets_the_full_receipt_once() {
    let harness = SignupHarness::open().await;
    assert_eq!(harness.apply(PHONE, None).await.json()["right"], "full");
    assert_eq!(harness.apply(PHONE, None).await.json()["right"], "view");
}

#[tokio::test]
async fn two_simultaneous_requests_with_one_key_are_one_application() {
    let harness = SignupHarness::open().await;
    let (first, second) = tokio::join!(harness.apply(PHONE, Some("k")), harness.apply(PHONE, Some("k")));
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 201]);
    assert_eq!(first.json()["receipt"], second.json()["receipt"]);
    assert_eq!(harness.apply("010-9999-9999", None).await.json()["number"], 2);
}

#[tokio::test]
async fn a_form_sent_twice_redirects_to_the_same_receipt() {
    let harness = SignupHarness::open().await;
    let first = harness.post_form(CREATE, &form(PHONE, "k")).await;
    let second = harness.post_form(CREATE, &form(PHONE, "k")).await;
    assert_eq!((first.status, second.status), (303, 303));
    assert_eq!(first.header("location"), second.header("location"));
    let page = harness.get(first.header("location")).await;
    assert!(page.status == 200 && page.text().contains("id=\"code\""));
    let other = harness.post_form(CREATE, &form(PHONE, "other")).await;
    let view = harness.get(other.header("location")).await.text();
    assert!(view.contains("data-state=\"view\"") && view.contains("id=\"find-code\""), "{view}");
    assert!(!view.contains("id=\"code\"") && !view.contains("id=\"cancel\""), "{view}");
}

#[tokio::test]
async fn a_repeat_with_the_key_works_after_intake_ends() {
    let mut harness = SignupHarness::open().await;
    harness.apply(PHONE, Some("mine")).await;
    harness.project(|p| p.settings.intake = false).await;
    assert_eq!(harness.apply(PHONE, Some("mine")).await.status, 200);
    harness.clock.set(crate::harness::CLOSES + 1);
    harness.signup.refresh().await;
    assert_eq!(harness.apply(PHONE, Some("mine")).await.json()["right"], "full");
    assert_eq!(harness.apply("010-9999-9999", None).await.status, 410);
}

#[tokio::test]
async fn a_repeat_after_admission_shows_the_order() {
    let mut harness = SignupHarness::open().await;
    harness.apply(PHONE, Some("mine")).await;
    harness.admit_through(1).await;
    assert_eq!(harness.apply(PHONE, Some("mine")).await.json()["state"], "ordering");
    harness.project_outcome(1, domain::Outcome::Ordered, Some("A-1")).await;
    let again = harness.apply(PHONE, Some("mine")).await.json();
    assert_eq!((&again["state"], &again["order_no"]), (&json!("ordered"), &json!("A-1")));
}

#[tokio::test]
async fn links_begin_with_the_public_url() {
    let config = signup_service::Config { public_url: "https://e.example".into(), ..Default::default() };
    let applied = SignupHarness::open_with(config).await.apply(PHONE, None).await.json();
    assert!(applied["links"]["page"].as_str().unwrap().starts_with("https://e.example/a/"));
}

#[tokio::test]
async fn the_log_names_the_application_but_not_the_person() {
    let log = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let sink = std::sync::Arc::clone(&log);
    let writer = move || Sink(std::sync::Arc::clone(&sink));
    let logger = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(writer);
    let _here = tracing::subscriber::set_default(logger.with_ansi(false).finish());
    // With a single subscriber, a callsite that a thread of another test reaches first is disabled for this thread too.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new());
    let harness = SignupHarness::open().await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{trace}-b7ad6b7169203331-01");
    let response = harness.post(CREATE, &application(PHONE), &[("traceparent", &parent)]).await;
    harness.post(CREATE, &json!({"name": "홍길동", "phone": "010-1234-5678 x"}), &[]).await;
    let log = String::from_utf8(log.lock().unwrap().clone()).unwrap();
    assert!(
        log.contains("business") && log.contains(response.header("guid")) && log.contains(trace),
        "{log}"
    );
    assert!(!log.contains("홍길동") && !log.contains("1234-5678") && !log.contains("12345678"), "{log}");
}

struct Sink(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
