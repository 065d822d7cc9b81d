//! The status page in a real browser: a token by link or by hand, figures that follow, and nothing to find in the address bar.

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
async fn the_page_follows_what_operators_change_and_keeps_the_token_out_of_the_address() {
    let harness = OperatorHarness::open().await;
    harness.park(1).await;
    let state = serve(&harness);
    let browser = Browser::start(Options::default()).await.unwrap();
    let link = format!("{state}/#token={}", VIEWER.replace(' ', "%20"));
    browser.open(&link).await.unwrap();
    browser.wait_for("#events tr", SOON).await.unwrap();
    assert_eq!(browser.url().await.unwrap(), format!("{state}/"));
    let response = browser.text("#events").await.unwrap();
    assert!(
        ["봄", "spring", "열림", "0 / 10", "1000"].iter().all(|part| response.contains(part)),
        "{response}"
    );
    let announcement =
        json!({"announcement": {"ko": "<b>x</b>", "en": ""}, "reason": "<img src=x onerror=alert(1)>"});
    harness.change("PUT", "/gate/adm/v1/set/announcement/spring", "*", &announcement).await;
    harness.turn("/gate/adm/v1/pause/release/spring").await;
    browser.wait_for_text("일시정지", SOON).await.unwrap();
    browser.wait_for_text("<img src=x onerror=alert(1)>", SOON).await.unwrap();
    assert!(!browser.exists("#changes img").await.unwrap());
    browser.screenshot(&screen_path("operator-360")).await.unwrap();
    let wide = browser.script("return document.documentElement.scrollWidth").await.unwrap();
    assert_eq!(wide, json!(360), "the page is wider than the phone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_told_and_a_right_one_typed_in_english() {
    let harness = OperatorHarness::open().await;
    let state = serve(&harness);
    let signup =
        Options { language: "en-US".into(), width: 1280, height: 800, mobile: false, ..Options::default() };
    let browser = Browser::start(signup).await.unwrap();
    browser.open(&state).await.unwrap();
    browser.wait_for("#enter:not([hidden])", SOON).await.unwrap();
    browser.fill("#token", "wrong").await.unwrap();
    browser.click("#enter button").await.unwrap();
    browser.wait_for_text("does not let you in", SOON).await.unwrap();
    browser.fill("#token", OPERATOR).await.unwrap();
    browser.click("#enter button").await.unwrap();
    browser.wait_for_text("Scheduled", SOON).await.unwrap();
    browser.screenshot(&screen_path("operator-1280")).await.unwrap();
    browser.click("#leave").await.unwrap();
    browser.reload().await.unwrap();
    browser.wait_for("#enter:not([hidden])", SOON).await.unwrap();
    assert!(!browser.exists("#events tr").await.unwrap());
}
