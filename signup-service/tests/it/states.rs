//! States of the pages that other tests do not reach by their real flow, in a real browser.

use std::time::Duration;

use domain::Release;
use domain::event::Text;
use signup_service::Config;
use testkit::Browser;
use testkit::browser::Options;

use crate::browser::{fill_in, serve, wait_for_state};
use crate::harness::{PHONE, SignupHarness};

const TIMEOUT: Duration = Duration::from_secs(10);

async fn open(harness: &SignupHarness, page: &str) -> Browser {
    let browser = Browser::start(Options::default()).await.unwrap();
    browser.open(&format!("http://{}{page}", serve(harness))).await.unwrap();
    browser
}

fn fast_polling() -> Config {
    Config { poll_near_ms: 100, poll_far_ms: 200, ..Config::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intake_on_hold_resumes_on_the_open_page() {
    let mut harness = SignupHarness::open_with(fast_polling()).await;
    harness.project(|p| p.settings.intake = false).await;
    let browser = open(&harness, "/e/spring").await;
    wait_for_state(&browser, "hold").await;
    fill_in(&browser).await;
    harness.project(|p| p.settings.intake = true).await;
    wait_for_state(&browser, "open").await;
    browser.click("#apply").await.unwrap();
    wait_for_state(&browser, "waiting").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_shows_the_announcement_and_a_late_number_the_waitlist() {
    let mut harness = SignupHarness::open_with(fast_polling()).await;
    let applied = harness.apply_many(3).await.json();
    let browser = open(&harness, &format!("/a/{}", applied["receipt"].as_str().unwrap())).await;
    wait_for_state(&browser, "waitlisted").await;
    assert_eq!(browser.text("#standing").await.unwrap(), "예비 1번이에요");
    harness
        .project(|p| {
            p.settings.release = Release::Paused;
            p.settings.announcement = Text::new("8시 30분에 다시 시작해요.", "Back at 8:30 PM.");
        })
        .await;
    wait_for_state(&browser, "paused").await;
    browser.wait_for("#announcement:not([hidden])", TIMEOUT).await.unwrap();
    assert_eq!(browser.text("#announcement").await.unwrap(), "8시 30분에 다시 시작해요.");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_without_a_network_is_unknown_until_its_result_is_found() {
    let harness = SignupHarness::open().await;
    let browser = open(&harness, "/e/spring").await;
    fill_in(&browser).await;
    browser.set_offline(true).await.unwrap();
    browser.wait_for("#offline:not([hidden])", TIMEOUT).await.unwrap();
    browser.click("#apply").await.unwrap();
    wait_for_state(&browser, "unknown").await;
    let lede = browser.text("#lede").await.unwrap();
    assert!(!lede.contains("접수되지 않았어요"), "{lede}");
    browser.set_offline(false).await.unwrap();
    wait_for_state(&browser, "waiting").await;
    assert_eq!(browser.text("#number").await.unwrap(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_repeats_and_a_full_queue_say_so() {
    let mut harness = SignupHarness::open().await;
    harness.apply(PHONE, Some("mine")).await;
    while harness.apply(PHONE, None).await.status != 429 {}
    let browser = open(&harness, "/e/spring").await;
    fill_in(&browser).await;
    browser.click("#apply").await.unwrap();
    wait_for_state(&browser, "slow").await;
    assert!(browser.text("#lede").await.unwrap().contains("이미 접수한 신청은 그대로예요"));

    harness.project(|p| p.settings.applications_max = 1).await;
    browser.fill("#phone", "010-5555-6666").await.unwrap();
    browser.reload().await.unwrap();
    browser.fill("#name", "홍길동").await.unwrap();
    browser.fill("#phone", "010-5555-6666").await.unwrap();
    browser.click("#consent").await.unwrap();
    browser.click("#apply").await.unwrap();
    wait_for_state(&browser, "full").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_recovers_keeps_receipts_safe_and_a_wrong_one_is_not_found() {
    let applied = SignupHarness::open().await.apply(PHONE, None).await.json();
    let recovering = SignupHarness::unarmed().await;
    recovering.signup.refresh().await;
    let browser = open(&recovering, &format!("/a/{}", applied["receipt"].as_str().unwrap())).await;
    wait_for_state(&browser, "place-safe").await;
    let page = browser.text("body").await.unwrap();
    assert!(page.contains("번호는 그대로예요") && page.contains("자동으로 다시 확인할게요"), "{page}");

    let browser = open(&recovering, "/e/spring").await;
    wait_for_state(&browser, "temporarily-unavailable").await;
    let browser = open(&SignupHarness::open().await, "/a/k1.AAAA").await;
    wait_for_state(&browser, "not-found").await;
}
