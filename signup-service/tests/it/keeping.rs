//! What an applicant can take along: a calendar entry before the opening; the link and a printed copy of the receipt.

use serde_json::json;
use signup_service::Config;
use testkit::Browser;
use testkit::browser::Options;

use crate::browser::{serve, wait_for_state};
use crate::harness::{OPENS, PHONE, SignupHarness};

/// Whether each element is visible.
async fn are_visible<const N: usize>(browser: &Browser, ids: [&str; N]) -> [bool; N] {
    let script =
        format!("return {}.map(id => document.getElementById(id).checkVisibility())", json!(ids.as_slice()));
    let visible: Vec<bool> = serde_json::from_value(browser.script(&script).await.unwrap()).unwrap();
    visible.try_into().unwrap()
}

#[tokio::test]
async fn the_opening_is_a_calendar_entry() {
    let config = Config { public_url: "https://event.example.com".into(), ..Config::default() };
    let mut harness = SignupHarness::open_with(config).await;
    harness.clock.set(OPENS - 3_600_000);
    harness.project(|p| p.settings.title.en = "Spring, set; 1+1".into()).await;
    let entry = harness.get_in("/e/spring/calendar.ics", "en").await;
    assert_eq!((entry.status, entry.header("content-type")), (200, "text/calendar; charset=utf-8"));
    assert_eq!(entry.header("content-disposition"), "inline; filename=\"spring.ics\"");
    let text = entry.text();
    for line in [
        "BEGIN:VCALENDAR",
        "UID:spring@event.example.com",
        "SEQUENCE:3",
        "DTSTAMP:20261122T100000Z",
        "DTSTART:20261122T110000Z",
        "SUMMARY:Spring\\, set\\; 1+1: applications open",
        "URL:https://event.example.com/e/spring",
        "TRIGGER:-PT10M",
    ] {
        assert!(text.split("\r\n").any(|has| has == line), "{line} in {text}");
    }
    assert!(text.ends_with("END:VCALENDAR\r\n") && !text.replace("\r\n", "").contains('\n'));
    let korean = harness.get_in("/e/spring/calendar.ics", "ko").await;
    assert!(korean.text().contains("SUMMARY:봄맞이 특가 세트 신청 시작\r\n"));
    let unknown = harness.get("/e/none/calendar.ics").await;
    assert!(unknown.status == 404 && unknown.text().contains("data-state=\"unknown-event\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_calendar_entry_is_offered_until_the_opening() {
    let harness = SignupHarness::open().await;
    harness.clock.set(OPENS - 3000);
    harness.signup.refresh().await;
    let at = serve(&harness);
    for javascript in [true, false] {
        let browser = Browser::start(Options { javascript, ..Options::default() }).await.unwrap();
        browser.open(&format!("http://{at}/e/spring")).await.unwrap();
        assert_eq!(are_visible(&browser, ["calendar"]).await, [true], "JavaScript: {javascript}");
        if javascript {
            wait_for_state(&browser, "open").await;
            assert_eq!(are_visible(&browser, ["calendar"]).await, [false]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_of_a_receipt_can_be_copied_shared_and_printed() {
    let harness = SignupHarness::open().await;
    let receipt = harness.apply(PHONE, None).await.json()["receipt"].as_str().unwrap().to_owned();
    let link = format!("http://{}/a/{receipt}", serve(&harness));
    let browser = Browser::start(Options::default()).await.unwrap();
    let record = "window.calls = [];
        const record = name => value => { calls.push([name, value?.url ?? value ?? null]); return Promise.resolve(); };
        Object.defineProperty(navigator, 'clipboard', { value: { writeText: record('copy') } });
        navigator.share = record('share');
        window.print = record('print');";
    browser.run_before_pages(record).await.unwrap();
    browser.open(&format!("{link}?lang=ko")).await.unwrap();
    let code = browser.text("#code").await.unwrap();
    for button in ["#copy", "#copy-link", "#share", "#print"] {
        browser.click(button).await.unwrap();
    }
    let calls = browser.script("return calls").await.unwrap();
    assert_eq!(calls, json!([["copy", code], ["copy", link], ["share", link], ["print", null]]));
    assert_eq!(browser.text("#copy-link").await.unwrap(), "복사했어요");

    browser.show_as_printed().await.unwrap();
    let on_paper = ["number", "code", "link", "support", "head"];
    assert_eq!(are_visible(&browser, on_paper).await, [true; 5]);
    let on_screen = ["language", "copy", "copy-link", "share", "print", "cancel-box"];
    assert_eq!(are_visible(&browser, on_screen).await, [false; 6]);
    assert_eq!(browser.text("#link").await.unwrap(), link);
}

#[tokio::test(flavor = "multi_thread")]
async fn buttons_that_the_browser_cannot_serve_are_not_shown() {
    let config = Config { public_url: "https://event.example.com".into(), ..Config::default() };
    let harness = SignupHarness::open_with(config).await;
    let receipt = harness.apply(PHONE, None).await.json()["receipt"].as_str().unwrap().to_owned();
    let path = format!("/a/{receipt}");
    let browser = Browser::start(Options { javascript: false, ..Options::default() }).await.unwrap();
    browser.open(&format!("http://{}{path}", serve(&harness))).await.unwrap();
    assert_eq!(are_visible(&browser, ["copy", "copy-link", "share", "print", "link"]).await, [false; 5]);
    browser.show_as_printed().await.unwrap();
    assert_eq!(browser.text("#link").await.unwrap(), format!("https://event.example.com{path}"));
}
