//! The console in a real browser: a token in the link or typed, figures that follow changes, and a clean address bar.

use std::time::Duration;

use serde_json::json;
use testkit::Browser;
use testkit::browser::{Options, screen_path};

use crate::harness::{OPERATOR, OperatorHarness, VIEWER, config};

const SOON: Duration = Duration::from_secs(10);

fn serve(harness: &OperatorHarness) -> String {
    let listener = service::http::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let at = operator::start(config(), harness.ledger.clone(), listener, &harness.ctx).unwrap();
    format!("http://{at}")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_follows_changes_and_keeps_the_token_out_of_the_url() {
    let harness = OperatorHarness::open().await;
    harness.park(1).await;
    let url = serve(&harness);
    let browser = Browser::start(Options::default()).await.unwrap();
    let link = format!("{url}/#token={}", VIEWER.replace(' ', "%20"));
    browser.open(&link).await.unwrap();
    browser.wait_for("#events tr", SOON).await.unwrap();
    assert_eq!(browser.url().await.unwrap(), format!("{url}/"));
    let events = browser.text("#events").await.unwrap();
    assert!(["봄", "spring", "열림", "0 / 10", "1000"].iter().all(|part| events.contains(part)), "{events}");
    let announcement =
        json!({"announcement": {"ko": "<b>x</b>", "en": ""}, "reason": "<img src=x onerror=alert(1)>"});
    harness.change("PUT", "/gate/adm/v1/set/announcement/spring", "*", &announcement).await;
    harness.post_with_reason("/gate/adm/v1/pause/release/spring").await;
    browser.wait_for_text("일시정지", SOON).await.unwrap();
    browser.wait_for_text("<img src=x onerror=alert(1)>", SOON).await.unwrap();
    assert!(!browser.exists("#changes img").await.unwrap());
    browser.screenshot(&screen_path("operator-360")).await.unwrap();
    let width = browser.script("return document.documentElement.scrollWidth").await.unwrap();
    assert_eq!(width, json!(360), "the page is wider than the phone");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_rejects_a_wrong_token_and_accepts_a_typed_one() {
    let harness = OperatorHarness::open().await;
    let url = serve(&harness);
    let desktop =
        Options { language: "en-US".into(), width: 1280, height: 800, mobile: false, ..Options::default() };
    let browser = Browser::start(desktop).await.unwrap();
    browser.open(&url).await.unwrap();
    browser.wait_for("#login:not([hidden])", SOON).await.unwrap();
    browser.fill("#token", "wrong").await.unwrap();
    browser.click("#login button").await.unwrap();
    browser.wait_for_text("not valid", SOON).await.unwrap();
    browser.fill("#token", OPERATOR).await.unwrap();
    browser.click("#login button").await.unwrap();
    browser.wait_for_text("Scheduled", SOON).await.unwrap();
    browser.screenshot(&screen_path("operator-1280")).await.unwrap();
    browser.click("#logout").await.unwrap();
    browser.reload().await.unwrap();
    browser.wait_for("#login:not([hidden])", SOON).await.unwrap();
    assert!(!browser.exists("#events tr").await.unwrap());
}
