//! An event whose applicants confirm: in time with more time, too late, and without scripts.

use std::time::Duration;

use domain::Kind;
use testkit::Browser;

use crate::stage::{Play, SOON, Stage, fill_in, fits, phone, picture, wait};

async fn called_in(called_for_ms: i64, language: &str, javascript: bool) -> (Stage, Browser) {
    let play = Play { kind: Kind::Confirm, called_for_ms, capacity: 1, ..Play::default() };
    let stage = Stage::open(play).await;
    let browser = phone(language, javascript).await;
    browser.open(&stage.event_page()).await.unwrap();
    fill_in(&browser, "홍길동", "010-1234-5678").await;
    browser.click("#apply").await.unwrap();
    wait(&browser, "#number").await;
    (stage, browser)
}

/// Reloads a page without scripts until it has this state.
pub(crate) async fn reload_until(browser: &Browser, state: &str) {
    let css = format!("[data-state={state}]");
    for _ in 0..60 {
        if browser.exists(&css).await.unwrap() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
        browser.reload().await.unwrap();
    }
    panic!("the state {state} was never shown");
}

pub(crate) async fn minutes_left(browser: &Browser) -> u32 {
    browser.text("#left").await.unwrap().split(':').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_called_applicant_takes_more_time_once_and_then_orders_without_a_reload() {
    let (_stage, browser) = called_in(110_000, "ko", true).await;
    browser.script("window.neverReloaded = true").await.unwrap();
    wait(&browser, "[data-state=called]").await;
    assert_eq!(browser.text("#head").await.unwrap(), "차례가 됐어요");
    assert_eq!(minutes_left(&browser).await, 1);
    let title = browser.script("return document.title").await.unwrap();
    assert!(title.as_str().unwrap().starts_with("(01:"), "{title}");
    let focused = browser.script(
        "return ['head', 'BODY'].includes(document.activeElement.id || document.activeElement.tagName)",
    );
    assert_eq!(focused.await.unwrap(), true);
    picture(&browser, "confirming-called-ko").await;
    fits(&browser).await;
    let violations = testkit::axe::violations(&browser).await.unwrap();
    assert!(violations.is_empty(), "{violations:?}");

    browser.click("#extend").await.unwrap();
    wait(&browser, "#extend-form[hidden]").await;
    assert_eq!(minutes_left(&browser).await, 6);
    browser.click("#confirm").await.unwrap();
    wait(&browser, "[data-state=ordered]").await;
    assert_eq!(browser.text("#order-no").await.unwrap(), "SPRING-000001");
    assert_eq!(browser.script("return window.neverReloaded").await.unwrap(), true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_applicant_expires_and_the_next_one_is_called() {
    let (stage, late) = called_in(4000, "en", true).await;
    let next = phone("en", true).await;
    next.open(&stage.event_page()).await.unwrap();
    fill_in(&next, "Kim", "010-2222-3333").await;
    next.click("#apply").await.unwrap();
    wait(&next, "#number").await;
    late.wait_for("[data-state=expired]", SOON).await.unwrap();
    picture(&late, "confirming-expired-en").await;
    wait(&next, "[data-state=called]").await;
    picture(&next, "confirming-called-en").await;
    next.click("#confirm").await.unwrap();
    wait(&next, "[data-state=ordered]").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_scripts_a_called_applicant_orders_too() {
    let (_stage, browser) = called_in(110_000, "ko", false).await;
    reload_until(&browser, "called").await;
    picture(&browser, "confirming-called-no-script-ko").await;
    browser.click("#extend").await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    browser.reload().await.unwrap();
    assert_eq!(minutes_left(&browser).await, 6);
    assert!(!browser.exists("#extend-form:not([hidden])").await.unwrap(), "more time is given once");
    browser.click("#confirm").await.unwrap();
    reload_until(&browser, "ordered").await;
    assert_eq!(browser.text("#order-no").await.unwrap(), "SPRING-000001");
}
