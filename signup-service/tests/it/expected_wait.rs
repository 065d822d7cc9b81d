//! The expected wait on the page of a receipt: the same with and without JavaScript, by the pace that admission really has.

use std::time::Duration;

use domain::Release;
use serde_json::{Value, json};
use signup_service::Config;
use testkit::Browser;
use testkit::browser::Options;

use crate::browser::{serve, wait_for_state};
use crate::harness::{PROGRESS, SignupHarness};

const TIMEOUT: Duration = Duration::from_secs(10);

/// An event in which 239 are ahead of the applicant, and the path of the applicant's page.
async fn with_239_ahead() -> (SignupHarness, String) {
    let mut harness =
        SignupHarness::open_with(Config { poll_near_ms: 100, poll_far_ms: 200, ..Config::default() }).await;
    harness.project(|p| p.settings.capacity = 500).await;
    let applied = harness.apply_many(240).await.json();
    harness.signup.refresh().await;
    (harness, format!("/a/{}", applied["receipt"].as_str().unwrap()))
}

async fn set_pace(harness: &mut SignupHarness, pace: &str) {
    harness.project(|p| p.settings.pace = pace.parse().unwrap()).await;
}

/// The expected wait of a page as the server renders it; none if the row is hidden.
async fn rendered(harness: &SignupHarness, page: &str, language: &str) -> Option<String> {
    let html = harness.get_in(page, language).await.text();
    let row = html.split("<div id=\"eta-row\"").nth(1).unwrap().split("</div>").next().unwrap().to_owned();
    let text = row.split("<dd id=\"eta\">").nth(1).unwrap().trim_end_matches("</dd>").to_owned();
    assert_eq!(row.starts_with(" hidden"), text.is_empty(), "{row}");
    Some(text).filter(|text| !text.is_empty())
}

#[tokio::test]
async fn almost_your_turn_is_said_only_when_it_is() {
    let (mut harness, page) = with_239_ahead().await;
    for (pace, admitted, expected) in [
        ("100", 0, Some("약 2~4초")),
        ("4", 0, Some("약 55초~2분")),
        ("0.1", 0, Some("약 35분~1시간")),
        ("0.001", 0, None),
        ("4", 200, Some("약 9~15초")),
        ("4", 229, Some("곧 차례예요")),
        ("0.1", 236, Some("약 30초~1분")),
        ("0.1", 239, Some("15초 이내")),
    ] {
        set_pace(&mut harness, pace).await;
        harness.admit_through(admitted).await;
        assert_eq!(rendered(&harness, &page, "ko").await.as_deref(), expected, "{pace}/s after {admitted}");
    }
}

#[tokio::test]
async fn the_expected_wait_follows_the_admissions_and_not_the_pace_as_set() {
    let (mut harness, page) = with_239_ahead().await;
    set_pace(&mut harness, "100").await;
    let step = async |through: u32| {
        harness.clock.advance(1000);
        harness.admit_through(through).await;
    };
    for second in 1..=20 {
        step(second * 2).await;
    }
    // 199 are left at 2 per second: the measured rate is from 1.68 to 2.32.
    assert_eq!(rendered(&harness, &page, "en").await.as_deref(), Some("about 1–2\u{a0}min"));
    let progress = harness.get(PROGRESS).await.json();
    assert_eq!(progress["admission_rate"], json!({ "low": 1.68, "high": 2.32 }));
}

#[tokio::test]
async fn the_expected_wait_is_hidden_while_the_release_is_paused_or_stalls() {
    let (mut harness, page) = with_239_ahead().await;
    assert!(rendered(&harness, &page, "ko").await.is_some());
    harness.project(|p| p.settings.release = Release::Paused).await;
    assert_eq!(rendered(&harness, &page, "ko").await, None);
    assert_eq!(harness.get(PROGRESS).await.json()["admission_rate"], Value::Null);
    harness.project(|p| p.settings.release = Release::Running).await;
    assert!(rendered(&harness, &page, "ko").await.is_some());
    for _ in 0..11 {
        harness.clock.advance(1000);
        harness.signup.refresh().await;
    }
    assert_eq!(
        rendered(&harness, &page, "ko").await,
        None,
        "nothing was admitted for 11 s at a pace of 5 per second"
    );
    harness.admit_through(20).await;
    harness.clock.advance(1000);
    harness.signup.refresh().await;
    assert!(rendered(&harness, &page, "ko").await.is_some());
    harness.project(|p| p.figures.free = 0).await;
    assert_eq!(rendered(&harness, &page, "ko").await, None, "no seat is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_shows_the_same_wait_as_the_server() {
    let (mut harness, page) = with_239_ahead().await;
    let at = serve(&harness);
    let browser = Browser::start(Options::default()).await.unwrap();
    browser.open(&format!("http://{at}{page}")).await.unwrap();
    wait_for_state(&browser, "waiting").await;
    for admitted in [0, 77, 200, 228, 229, 235, 238, 239] {
        harness.admit_through(admitted).await;
        for pace in ["0.001", "0.01", "0.037", "0.25", "1", "3", "7.7", "50", "1000"] {
            set_pace(&mut harness, pace).await;
            let rate = harness.get(PROGRESS).await.json()["admission_rate"].clone();
            let script = format!("return expectedWait({}, {rate})", 239 - admitted);
            let text = browser.script(&script).await.unwrap();
            let expected = rendered(&harness, &page, "ko").await.unwrap_or_default();
            assert_eq!(text, expected, "{pace}/s after {admitted}");
        }
    }
    // The page itself follows the document that it polls.
    set_pace(&mut harness, "0.1").await;
    browser.wait_for_text("15초 이내", TIMEOUT).await.unwrap();
    harness.project(|p| p.settings.release = Release::Paused).await;
    browser.wait_for("#eta-row[hidden]", TIMEOUT).await.unwrap();
    harness
        .project(|p| (p.settings.release, p.settings.pace) = (Release::Running, "5".parse().unwrap()))
        .await;
    browser.wait_for("#eta-row:not([hidden])", TIMEOUT).await.unwrap();
    assert_eq!(browser.text("#eta").await.unwrap(), "곧 차례예요");
}
