//! Lost replies of the store: no applicant is told that they are not registered, and a repeat finds the place.

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

use crate::browser::{fill_in, state};
use crate::harness::{CREATE, SignupHarness, entrant};

/// Of an applicant who is not among those of [`SignupHarness::open_on`].
const LATER: &str = "010-2222-3333";
const PATIENCE: Duration = Duration::from_millis(300);
const SOON: Duration = Duration::from_secs(10);

fn typed<'a>(lang: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let form = [("name", "Kim"), ("phone", LATER), ("consent", "on"), ("key", "my-key"), ("lang", lang)];
    form.into_iter().chain(more.iter().copied()).collect()
}

#[tokio::test]
async fn an_application_without_an_answer_from_the_queue_is_not_known_and_not_refused() {
    let mut server = RedisServer::start(RedisKind::Valkey).await;
    let harness = SignupHarness::open_on(&server, PATIENCE).await;
    server.freeze().unwrap();
    for (language, told) in [("ko", "다시 눌러 주세요"), ("en", "you keep the same place")] {
        let headers = [("idempotency-key", "my-key"), ("accept-language", language)];
        let lost = harness.post(CREATE, &entrant(LATER), &headers).await;
        assert_eq!(lost.problem(), (503, "outcome-unknown".into()));
        assert_eq!(lost.json().get("registered"), None);
        assert!(!lost.header("retry-after").is_empty());
        assert!(lost.json()["detail"].as_str().unwrap().contains(told), "{}", lost.text());
        let page = harness.post_form(CREATE, &typed(language, &[])).await;
        let text = page.text();
        assert_eq!(page.status, 503);
        for part in ["data-state=\"unknown\"", "value=\"my-key\"", "name=\"unsure\"", told] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
    server.thaw().unwrap();
    let again = harness.apply(LATER, Some("my-key")).await.json();
    assert_eq!((&again["number"], &again["right"]), (&json!(9), &json!("full")));
}

#[tokio::test]
async fn a_queue_that_cannot_be_reached_registers_no_application() {
    let mut server = RedisServer::start(RedisKind::Valkey).await;
    let harness = SignupHarness::open_on(&server, PATIENCE).await;
    server.kill().await.unwrap();
    // Each of the open connections may break under one application.
    let mut refused = harness.apply(LATER, Some("my-key")).await;
    for _ in 0..8 {
        if refused.problem().1 != "outcome-unknown" {
            break;
        }
        refused = harness.apply(LATER, Some("my-key")).await;
    }
    assert_eq!(refused.problem(), (503, "temporarily-unavailable".into()));
    assert_eq!(refused.json()["registered"], false);
}

/// A queue that does not look says nothing of an earlier press, whose answer was lost.
#[tokio::test]
async fn a_form_whose_answer_was_lost_stays_in_doubt_until_the_queue_looks() {
    let full = SignupHarness::open_with(Config { max_waiting_applies: 0, ..Config::default() }).await;
    let page = full.post_form(CREATE, &typed("ko", &[])).await.text();
    assert!(page.contains("data-state=\"shed\"") && !page.contains("name=\"unsure\""));
    let page = full.post_form(CREATE, &typed("ko", &[("unsure", "1")])).await.text();
    assert!(page.contains("data-state=\"unknown\"") && page.contains("name=\"unsure\""), "{page}");
    assert!(!page.contains("<p id=\"lede\">아직 접수되지 않았어요"), "{page}");
}

/// A front whose first answers to applications break off: the queue has them, and the browser does not know.
struct BreaksOff {
    handler: SignupHandler,
    left: AtomicU32,
}

impl Handler for BreaksOff {
    type Connection = SocketAddr;

    fn connect(&self, peer: SocketAddr) -> SocketAddr {
        peer
    }

    async fn handle(&self, request: Request, peer: &SocketAddr) -> HandlerResponse {
        let applies = request.uri().path().starts_with(CREATE);
        let mut answer = self.handler.handle(request, peer).await;
        let left = |left: u32| left.checked_sub(1);
        if applies && self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_ok() {
            // A connection that breaks before the headers are out is tried again by the browser itself.
            let cut = stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("cut off"))]);
            let cut = cut.then(async |piece| {
                tokio::time::sleep(Duration::from_millis(50)).await;
                piece
            });
            *answer.response.body_mut() = Body::from_stream(cut);
        }
        answer
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_is_told_as_not_known_and_pressed_again_with_the_same_key() {
    let harness = SignupHarness::open().await;
    let handler = SignupHandler::new(Arc::clone(&harness.signup)).unwrap();
    let breaks_off = BreaksOff { handler, left: AtomicU32::new(2) };
    let listener = service::http::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let limits = service::http::Limits::default();
    let at = service::http::serve_handler(listener, breaks_off, limits, &harness.ctx).unwrap();
    let browser = Browser::start(testkit::browser::Options::default()).await.unwrap();
    browser.open(&format!("http://{at}/e/spring")).await.unwrap();
    fill_in(&browser).await;
    browser.click("#apply").await.unwrap();
    browser.wait_for("main[data-state=unknown]", SOON).await.unwrap();
    assert!(browser.text("#lede").await.unwrap().contains("순번은 그대로예요"));
    assert_eq!(harness.queue.snapshot(&crate::harness::spring()).await.unwrap().seq, 1);
    state(&browser, "waiting").await;
    assert_eq!(browser.text("#number").await.unwrap(), "1");
    assert!(browser.exists("#code").await.unwrap(), "the key proves it");
    assert_eq!(harness.queue.snapshot(&crate::harness::spring()).await.unwrap().seq, 1);
}
