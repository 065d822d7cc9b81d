//! Lost replies of the queue: the client gets `outcome-unknown`, never "not registered", and a repeat finds the application.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use futures_util::{StreamExt as _, stream};
use serde_json::json;
use service::http::{Handler, HandlerResponse};
use signup_service::{Config, SignupHandler};
use testkit::{Browser, RedisKind, RedisServer};

use crate::browser::{fill_in, wait_for_state};
use crate::harness::{CREATE, SignupHarness, application};

/// A phone number that [`SignupHarness::open_on`] does not use.
const NEW_PHONE: &str = "010-2222-3333";
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(300);
const TIMEOUT: Duration = Duration::from_secs(10);

fn form_fields<'a>(lang: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let form = [("name", "Kim"), ("phone", NEW_PHONE), ("consent", "on"), ("key", "my-key"), ("lang", lang)];
    form.into_iter().chain(more.iter().copied()).collect()
}

#[tokio::test]
async fn an_application_without_a_reply_of_the_queue_is_outcome_unknown() {
    let mut server = RedisServer::start(RedisKind::Valkey).await;
    let harness = SignupHarness::open_on(&server, RESPONSE_TIMEOUT).await;
    server.freeze().unwrap();
    for (language, advice) in [("ko", "다시 눌러 주세요"), ("en", "you keep the same place")] {
        let headers = [("idempotency-key", "my-key"), ("accept-language", language)];
        let lost = harness.post(CREATE, &application(NEW_PHONE), &headers).await;
        assert_eq!(lost.problem(), (503, "outcome-unknown".into()));
        assert_eq!(lost.json().get("registered"), None);
        assert!(!lost.header("retry-after").is_empty());
        assert!(lost.json()["detail"].as_str().unwrap().contains(advice), "{}", lost.text());
        let page = harness.post_form(CREATE, &form_fields(language, &[])).await;
        let text = page.text();
        assert_eq!(page.status, 503);
        for part in ["data-state=\"unknown\"", "value=\"my-key\"", "name=\"unsure\"", advice] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
    server.thaw().unwrap();
    let again = harness.apply(NEW_PHONE, Some("my-key")).await.json();
    assert_eq!((&again["number"], &again["right"]), (&json!(9), &json!("full")));
}

#[tokio::test]
async fn an_unreachable_queue_registers_no_application() {
    let mut server = RedisServer::start(RedisKind::Valkey).await;
    let harness = SignupHarness::open_on(&server, RESPONSE_TIMEOUT).await;
    server.kill().await.unwrap();
    // Each open connection may fail under one application before the queue counts as unreachable.
    let mut refused = harness.apply(NEW_PHONE, Some("my-key")).await;
    for _ in 0..8 {
        if refused.problem().1 != "outcome-unknown" {
            break;
        }
        refused = harness.apply(NEW_PHONE, Some("my-key")).await;
    }
    assert_eq!(refused.problem(), (503, "temporarily-unavailable".into()));
    assert_eq!(refused.json()["registered"], false);
}

/// While the queue is not asked, nothing is known about an earlier attempt whose response was lost.
#[tokio::test]
async fn a_form_with_a_lost_response_stays_unknown_until_the_queue_replies() {
    let full = SignupHarness::open_with(Config { apply_calls_max: 0, ..Config::default() }).await;
    let page = full.post_form(CREATE, &form_fields("ko", &[])).await.text();
    assert!(page.contains("data-state=\"shed\"") && !page.contains("name=\"unsure\""));
    let page = full.post_form(CREATE, &form_fields("ko", &[("unsure", "1")])).await.text();
    assert!(page.contains("data-state=\"unknown\"") && page.contains("name=\"unsure\""), "{page}");
    assert!(!page.contains("<p id=\"lede\">아직 접수되지 않았어요"), "{page}");
}

/// Cuts off the first responses to applications: the queue has the applications, but the browser gets no result.
struct CutOff {
    handler: SignupHandler,
    left: AtomicU32,
}

impl Handler for CutOff {
    type Connection = SocketAddr;

    fn connect(&self, peer: SocketAddr) -> SocketAddr {
        peer
    }

    async fn handle(&self, request: Request, peer: &SocketAddr) -> HandlerResponse {
        let applies = request.uri().path().starts_with(CREATE);
        let mut response = self.handler.handle(request, peer).await;
        let left = |left: u32| left.checked_sub(1);
        if applies && self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_ok() {
            // The headers are sent first: before them, the browser itself would retry on a new connection.
            let cut = stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("cut off"))]);
            let cut = cut.then(async |piece| {
                tokio::time::sleep(Duration::from_millis(50)).await;
                piece
            });
            *response.response.body_mut() = Body::from_stream(cut);
        }
        response
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_retries_a_broken_response_with_the_same_key() {
    let harness = SignupHarness::open().await;
    let handler = SignupHandler::new(Arc::clone(&harness.signup)).unwrap();
    let cut_off = CutOff { handler, left: AtomicU32::new(2) };
    let listener = service::http::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let limits = service::http::Limits::default();
    let at = service::http::serve_handler(listener, cut_off, limits, &harness.ctx).unwrap();
    let browser = Browser::start(testkit::browser::Options::default()).await.unwrap();
    browser.open(&format!("http://{at}/e/spring")).await.unwrap();
    fill_in(&browser).await;
    browser.click("#apply").await.unwrap();
    browser.wait_for("main[data-state=unknown]", TIMEOUT).await.unwrap();
    assert!(browser.text("#lede").await.unwrap().contains("번호는 그대로예요"));
    assert_eq!(harness.queue.snapshot(&crate::harness::spring()).await.unwrap().seq, 1);
    wait_for_state(&browser, "waiting").await;
    assert_eq!(browser.text("#number").await.unwrap(), "1");
    assert!(browser.exists("#code").await.unwrap(), "the key proves the applicant");
    assert_eq!(harness.queue.snapshot(&crate::harness::spring()).await.unwrap().seq, 1);
}
