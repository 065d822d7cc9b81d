//! The console in a real browser: what two tired people do at night, by mouse and by keyboard, on a phone and on a screen.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ledger::{CallActivity, Ledger};
use serde_json::json;
use testkit::Browser;
use testkit::browser::{ENTER, Options, TAB, screen_path};

use crate::harness::{GET, HOUR, NOW, OPERATOR, OperatorHarness, PACE, VIEWER, spring};
use crate::live::report;

const SOON: Duration = Duration::from_secs(10);
const RELEASE: &str = "#controls .card:nth-child(1)";

fn serve(harness: &OperatorHarness, ledger: Ledger) -> SocketAddr {
    let listener = service::http::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    operator::start(crate::harness::config(), ledger, listener, &harness.ctx).unwrap()
}

fn screen(language: &str, dark: bool) -> Options {
    let language = language.to_owned();
    Options { language, width: 1280, height: 1000, mobile: false, dark, ..Options::default() }
}

/// A browser that logged in with the link of this token.
async fn log_in(options: Options, address: SocketAddr, token: &str) -> Browser {
    let browser = Browser::start(options).await.unwrap();
    let token = token.replace(' ', "%20");
    browser.open(&format!("http://{address}/login#token={token}")).await.unwrap();
    browser.wait_for(".events, .soft", SOON).await.unwrap();
    browser.wait_for("form[action='/logout']", SOON).await.unwrap();
    assert_eq!(browser.url().await.unwrap(), format!("http://{address}/"));
    browser
}

/// An event with ten minutes behind it.
async fn busy_event(harness: &OperatorHarness) {
    harness.clock.set(NOW + HOUR + 1000);
    harness.change("PUT", PACE, "*", &json!({"pace": "8", "reason": "the measured pace"})).await;
    for second in 0..600_u32 {
        harness.clock.advance(1000);
        let slow = (420..480).contains(&second);
        let mut calls = CallActivity::default();
        for call in 0..if slow { 3 } else { 7 + second % 2 } {
            calls.count_call(i64::from(if slow { 900 + 300 * call } else { 60 + 15 * (call + second % 5) }));
        }
        calls.ordered = calls.calls() - u32::from(second % 9 == 0);
        calls.rejected = u32::from(second % 9 == 0);
        calls.unclear = u32::from(slow && second % 4 == 0);
        harness.ledger.record_calls(&spring(), &calls).await.unwrap();
        let applied = 12_000 - 12_000 * 90 / (second + 90);
        report(harness, applied + 1, applied.saturating_sub(second * 7)).await;
        if second == 450 {
            let slower = json!({"pace": "4", "reason": "the order service is slow"});
            harness.change("PUT", PACE, "*", &slower).await;
        }
        if second == 520 {
            harness.change("PUT", PACE, "*", &json!({"pace": "8", "reason": "it has recovered"})).await;
        }
    }
    harness.clock.advance(1000);
}

async fn assert_accessible(browser: &Browser, page: &str) {
    let violations = testkit::axe::violations(browser).await.unwrap();
    assert_eq!(violations, Vec::<String>::new(), "{page}");
    let width = browser.script("return document.documentElement.scrollWidth - innerWidth").await.unwrap();
    assert!(width.as_i64().unwrap() <= 0, "{page} is wider than the screen by {width}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_is_shown_within_a_second_and_undone() {
    let harness = OperatorHarness::open().await;
    harness.park(1).await;
    report(&harness, 40, 30).await;
    let address = serve(&harness, harness.ledger.clone());
    let browser = log_in(screen("ko-KR", false), address, OPERATOR).await;
    browser.click(".events a").await.unwrap();
    browser.wait_for("#charts:not([hidden]) canvas", SOON).await.unwrap();
    // An operator elsewhere pauses: this page shows it without a touch.
    harness.post_with_reason("/gate/adm/v1/pause/release/spring").await;
    let shown = browser.wait_for("#head .badge.warn", Duration::from_secs(3)).await;
    shown.unwrap();
    harness.clock.advance(1000);
    assert_eq!(
        harness.ledger.lease_calls(&spring(), 10).await.unwrap().calls,
        [],
        "no order call is started"
    );
    assert!(browser.text("#head").await.unwrap().contains("일시정지"));
    browser.wait_for(&format!("{RELEASE} button.main"), SOON).await.unwrap();
    browser.click(&format!("{RELEASE} button.main")).await.unwrap();
    browser.wait_for_text("변경 후", SOON).await.unwrap();
    browser.click("#sheet button.main").await.unwrap();
    browser.wait_for_text("적용했습니다", SOON).await.unwrap();
    assert_eq!(harness.get(GET).await.json()["release"], "running");
    browser.click(".note.good button").await.unwrap();
    browser.wait_for_text("되돌리기: 처리", SOON).await.unwrap();
    assert_eq!(harness.get(GET).await.json()["release"], "paused");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_never_overwrite_each_other() {
    let harness = OperatorHarness::open().await;
    let address = serve(&harness, harness.ledger.clone());
    let browser = log_in(screen("en-US", false), address, OPERATOR).await;
    browser.open(&format!("http://{address}/console/spring")).await.unwrap();
    browser.fill("#pace", "50").await.unwrap();
    browser.click(".field button").await.unwrap();
    browser.wait_for("#reason", SOON).await.unwrap();
    let other = json!({"pace": "90", "reason": "<img src=x onerror=alert(1)>"});
    harness.change("PUT", PACE, "*", &other).await;
    browser.fill("#reason", "as planned").await.unwrap();
    browser.click("#sheet button.main").await.unwrap();
    browser.wait_for_text("Another operator changed the event meanwhile", SOON).await.unwrap();
    browser.wait_for_text("<img src=x onerror=alert(1)>", SOON).await.unwrap();
    assert!(!browser.exists("#sheet img").await.unwrap());
    browser.screenshot(&screen_path("console-conflict-en")).await.unwrap();
    assert_accessible(&browser, "conflict").await;
    browser.click("#sheet button.main").await.unwrap();
    browser.wait_for_text("Pace 90/s → 50/s", SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_suffices_to_log_in_pause_and_undo() {
    let harness = OperatorHarness::open().await;
    let address = serve(&harness, harness.ledger.clone());
    let browser = Browser::start(screen("ko-KR", false)).await.unwrap();
    browser.open(&format!("http://{address}/login")).await.unwrap();
    browser.press("wrong").await.unwrap();
    browser.press(ENTER).await.unwrap();
    browser.wait_for_text("등록되지 않은 토큰입니다", SOON).await.unwrap();
    browser.press(OPERATOR).await.unwrap();
    browser.press(ENTER).await.unwrap();
    browser.wait_for(".events", SOON).await.unwrap();
    tab_to(&browser, ".events a").await;
    browser.press(ENTER).await.unwrap();
    browser.wait_for("#controls", SOON).await.unwrap();
    tab_to(&browser, &format!("{RELEASE} button.stop")).await;
    browser.press(ENTER).await.unwrap();
    browser.wait_for("#sheet #reason", SOON).await.unwrap();
    // The reason has the focus; Enter applies.
    browser.press("점검").await.unwrap();
    browser.press(ENTER).await.unwrap();
    browser.wait_for_text("적용했습니다", SOON).await.unwrap();
    assert_eq!(harness.get(GET).await.json()["release"], "paused");
    tab_to(&browser, ".note.good button").await;
    browser.press(ENTER).await.unwrap();
    browser.wait_for_text("되돌리기: 처리", SOON).await.unwrap();
    assert_eq!(harness.get(GET).await.json()["release"], "running");
}

/// Presses Tab until this element has a visible focus.
async fn tab_to(browser: &Browser, css: &str) {
    let has_focus = format!("return document.activeElement === document.querySelector(\"{css}\")");
    for _ in 0..40 {
        browser.press(TAB).await.unwrap();
        if browser.script(&has_focus).await.unwrap() == true {
            let outline = "return getComputedStyle(document.activeElement).outlineStyle";
            assert_eq!(browser.script(outline).await.unwrap(), "solid", "{css}");
            return;
        }
    }
    panic!("{css} is not reached by Tab");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_watches_and_a_browser_without_scripts_changes() {
    let harness = OperatorHarness::open().await;
    let address = serve(&harness, harness.ledger.clone());
    let viewer = log_in(Options { width: 320, ..Options::default() }, address, VIEWER).await;
    viewer.open(&format!("http://{address}/console/spring")).await.unwrap();
    viewer.wait_for_text("보기 전용 토큰으로 로그인했습니다", SOON).await.unwrap();
    assert!(!viewer.exists("#controls form").await.unwrap());
    viewer.open(&format!("http://{address}/console/spring/review?action=pause")).await.unwrap();
    viewer.wait_for_text("이 토큰으로는 변경할 수 없습니다", SOON).await.unwrap();
    assert_accessible(&viewer, "wrong role").await;
    let plain = Browser::start(Options { javascript: false, ..screen("en-US", false) }).await.unwrap();
    plain.open(&format!("http://{address}/login")).await.unwrap();
    plain.fill("#token", OPERATOR).await.unwrap();
    plain.click("#login button").await.unwrap();
    plain.wait_for(".events", SOON).await.unwrap();
    plain.open(&format!("http://{address}/console/spring/review?rev=1&action=pause")).await.unwrap();
    plain.click("#sheet button.main").await.unwrap();
    plain.wait_for_text("Applied", SOON).await.unwrap();
    assert_eq!(harness.get(GET).await.json()["release"], "paused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_says_what_does_not_respond_and_recovers() {
    let harness = OperatorHarness::open().await;
    report(&harness, 40, 30).await;
    let postgres = testkit::Postgres::start().await;
    Ledger::migrate(&postgres.url()).await.unwrap();
    let proxy = testkit::BlackholeProxy::start(&postgres.url()).await;
    let remote = Ledger::open_postgres(&proxy.url(), 4).await.unwrap();
    remote.create_event(&crate::harness::settings(), "setup").await.unwrap();
    // The queue: its leader reports no more.
    let address = serve(&harness, harness.ledger.clone());
    let browser = log_in(screen("ko-KR", false), address, OPERATOR).await;
    browser.open(&format!("http://{address}/console/spring")).await.unwrap();
    browser.wait_for("#charts:not([hidden])", SOON).await.unwrap();
    harness.clock.advance(7000);
    browser.wait_for_text("대기열 소식이", SOON).await.unwrap();
    browser.screenshot(&screen_path("console-stale-ko")).await.unwrap();
    assert_accessible(&browser, "stale").await;
    report(&harness, 41, 31).await;
    browser.wait_for("#head:not(:has(.bad))", SOON).await.unwrap();
    // The ledger: its connections are dead.
    let address = serve(&harness, remote);
    let browser = log_in(screen("en-US", true), address, OPERATOR).await;
    browser.open(&format!("http://{address}/console/spring")).await.unwrap();
    browser.wait_for("#charts:not([hidden])", SOON).await.unwrap();
    proxy.drop_all();
    browser.wait_for_text("The ledger does not respond", SOON).await.unwrap();
    browser.screenshot(&screen_path("console-trouble-en")).await.unwrap();
    proxy.forward();
    browser.wait_for("#link[hidden]", Duration::from_mins(1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_accessible_and_fits_a_phone() {
    let harness = OperatorHarness::open().await;
    harness.park(3).await;
    busy_event(&harness).await;
    let address = serve(&harness, harness.ledger.clone());
    let keeps_reporting = keep_reporting(&harness);
    for (language, dark) in [("ko-KR", false), ("ko-KR", true), ("en-US", false), ("en-US", true)] {
        let name = format!("{}-{}", &language[..2], if dark { "dark" } else { "light" });
        let browser = log_in(screen(language, dark), address, OPERATOR).await;
        let phone = Options { width: 320, ..Options::default() };
        let small = log_in(Options { language: language.into(), dark, ..phone }, address, OPERATOR).await;
        for (page, path) in [
            ("events", "/"),
            ("event", "/console/spring"),
            ("pace", "/console/spring/review?rev=4&action=pace&pace=40"),
            ("capacity", "/console/spring/review?rev=4&action=capacity&capacity=5"),
            ("create", "/console/new"),
        ] {
            for (browser, size) in [(&browser, "screen"), (&small, "phone")] {
                browser.open(&format!("http://{address}{path}")).await.unwrap();
                if page == "event" {
                    browser.wait_for("#charts:not([hidden]) canvas", SOON).await.unwrap();
                    browser.wait_for("[data-f=p95]:not(:empty)", SOON).await.unwrap();
                    tokio::time::sleep(Duration::from_millis(1500)).await;
                }
                let shot = screen_path(&format!("console-{page}-{size}-{name}"));
                browser.screenshot(&shot).await.unwrap();
                assert_accessible(browser, &format!("{page} {size} {name}")).await;
            }
        }
        if name == "ko-light" {
            small.open(&format!("http://{address}/console/spring")).await.unwrap();
            for (nth, place) in ["#charts", "#controls", "#audit"].into_iter().enumerate() {
                small.script(&format!("document.querySelector('{place}').scrollIntoView()")).await.unwrap();
                small.screenshot(&screen_path(&format!("console-phone-{nth}"))).await.unwrap();
                browser.open(&format!("http://{address}/console/spring")).await.unwrap();
                browser.script(&format!("document.querySelector('{place}').scrollIntoView()")).await.unwrap();
                browser.screenshot(&screen_path(&format!("console-screen-{nth}"))).await.unwrap();
            }
        }
        browser.open(&format!("http://{address}/console/spring")).await.unwrap();
        browser.click("form[action='/logout'] button").await.unwrap();
        browser.wait_for("#login", SOON).await.unwrap();
        assert_accessible(&browser, "login").await;
    }
    keeps_reporting.store(false, Ordering::Relaxed);
}

/// The leader and a dispatcher go on, so that nothing is old.
fn keep_reporting(harness: &OperatorHarness) -> Arc<AtomicBool> {
    let goes_on = Arc::new(AtomicBool::new(true));
    let (flag, ledger, clock) = (Arc::clone(&goes_on), harness.ledger.clone(), harness.clock.clone());
    harness.ctx.tasks.spawn_isolated("reports", async move {
        let mut calls = CallActivity { ordered: 7, ..CallActivity::default() };
        for n in 0..7 {
            calls.count_call(60 + 25 * n);
        }
        let status = ledger.queue_status(&spring()).await.unwrap().unwrap();
        let fence = ledger.event(&spring()).await.unwrap().fence;
        while flag.load(Ordering::Relaxed) {
            ledger.record_calls(&spring(), &calls).await.unwrap();
            ledger.write_queue_status(&spring(), fence, &status).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
            clock.advance(1000);
        }
    });
    goes_on
}
