//! Retries of the page: what it says about the application stands while it sends the form again.

use std::time::Duration;

use serde_json::Value;
use testkit::Browser;
use testkit::browser::Options;

use crate::browser::{fill_in, serve, wait_for_state};
use crate::harness::{SignupHarness, spring};

const TIMEOUT: Duration = Duration::from_secs(20);
/// Makes timers ten times as fast, and records what the page shows after each change, where the next page still finds it.
const RECORD: &str = "const delay = setTimeout, shown = [];
    window.setTimeout = (run, ms) => delay(run, ms / 10);
    const text = id => document.getElementById(id).textContent;
    new MutationObserver(() => {
        shown.push({
            lede: text('lede'),
            label: text('apply-label'),
            dead: document.getElementById('apply').ariaDisabled === 'true',
            retry: document.getElementById('retry').hidden ? '' : text('retry'),
        });
        sessionStorage.shown = JSON.stringify(shown);
    }).observe(document.getElementById('main'), { subtree: true, childList: true, attributes: true, characterData: true });";

/// Opens the page, fills in the form and records what the page shows from then on.
async fn open(harness: &SignupHarness) -> Browser {
    let at = serve(harness);
    let browser = Browser::start(Options::default()).await.unwrap();
    browser.open(&format!("http://{at}/e/spring")).await.unwrap();
    fill_in(&browser).await;
    browser.script(RECORD).await.unwrap();
    browser
}

/// Waits until the page has shown the number of this attempt.
async fn wait_for_attempt(browser: &Browser, attempt: u32) {
    let has_shown = format!("return sessionStorage.shown.includes('({attempt}번째 시도)')");
    let shown = tokio::time::timeout(TIMEOUT, async {
        while browser.script(&has_shown).await.unwrap() != true {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    shown.await.unwrap_or_else(|_| panic!("no attempt {attempt}"));
}

/// What the page showed from the first retry note until the next page.
async fn shown_while_retrying(browser: &Browser) -> Vec<Value> {
    let shown = browser.script("return JSON.parse(sessionStorage.shown)").await.unwrap();
    let shown = shown.as_array().unwrap();
    let first = shown.iter().position(|shown| shown["retry"] != "").unwrap();
    shown[first..].to_vec()
}

fn assert_stands(shown: &[Value], lede: &str, label: &str) {
    for shown in shown {
        assert!(shown["lede"].as_str().unwrap().contains(lede), "{shown}");
        assert_eq!((shown["label"].as_str(), shown["dead"].as_bool()), (Some(label), Some(false)), "{shown}");
        assert!(
            shown["retry"].as_str().unwrap().ends_with("번째 시도). 새로고침하지 않아도 돼요."),
            "{shown}"
        );
    }
}

fn assert_notes(shown: &[Value], notes: &[&str]) {
    for note in notes {
        let has_note = |shown: &Value| shown["retry"].as_str().unwrap().contains(note);
        assert!(shown.iter().any(has_note), "{note:?} is not in {shown:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_after_a_503_keeps_saying_that_nothing_is_registered() {
    let mut harness = SignupHarness::unarmed().await;
    harness.arm("spring").await;
    harness.queue.publish(&[spring()]).await.unwrap();
    harness.signup.refresh().await;
    let browser = open(&harness).await;
    // The queue refuses applications until the first projection raises its number limit from 0.
    browser.click("#apply").await.unwrap();
    wait_for_attempt(&browser, 3).await;
    // A press of the button is one more attempt.
    browser.click("#apply").await.unwrap();
    wait_for_attempt(&browser, 4).await;
    harness.project(|_| ()).await;
    wait_for_state(&browser, "waiting").await;
    let shown = shown_while_retrying(&browser).await;
    assert_stands(&shown, "아직 접수되지 않았어요", "지금 다시 시도");
    let notes = ["지금 다시 시도하고 있어요 (2번째", "초 뒤 자동으로 다시 시도해요 (3번째"];
    assert_notes(&shown, &notes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_after_a_lost_response_keeps_saying_that_the_result_is_unknown() {
    let harness = SignupHarness::open().await;
    let browser = open(&harness).await;
    let lose_two = "const send = fetch; let left = 2;
        window.fetch = (...request) => left-- > 0 ? Promise.reject(new TypeError('lost')) : send(...request);";
    browser.script(lose_two).await.unwrap();
    browser.click("#apply").await.unwrap();
    wait_for_state(&browser, "waiting").await;
    let shown = shown_while_retrying(&browser).await;
    assert_stands(&shown, "다시 눌러 주세요", "접수 결과 확인");
    assert_notes(&shown, &["지금 다시 시도하고 있어요 (2번째", "지금 다시 시도하고 있어요 (3번째"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_the_browser_restores_from_its_cache_can_send_the_form_again() {
    let harness = SignupHarness::open().await;
    let browser = open(&harness).await;
    browser.script("window.send = fetch; window.fetch = () => new Promise(() => {})").await.unwrap();
    browser.click("#apply").await.unwrap();
    wait_for_state(&browser, "applying").await;
    // As the browser does when it leaves the page and shows it again.
    let leave_and_return = "window.fetch = window.send;
        for (const type of ['pagehide', 'pageshow']) dispatchEvent(new PageTransitionEvent(type, { persisted: true }));";
    browser.script(leave_and_return).await.unwrap();
    wait_for_state(&browser, "open").await;
    browser.click("#apply").await.unwrap();
    wait_for_state(&browser, "waiting").await;
}
