//! How the page behaves in a real browser: what it requests and when, with several tabs, without a network, by keyboard, and for
//! people who read it enlarged or have it read to them.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::browser::{ENTER, Options, TAB};
use testkit::{Browser, HttpClient};

use crate::stage::{Play, SOON, Stage, fill_in, fits, phone, picture, wait};

/// The requests of the page itself since it was opened, as `[path, start]`.
const REQUESTS: &str = "return performance.getEntriesByType('resource')
    .filter(entry => entry.initiatorType === 'fetch').map(entry => [new URL(entry.name).pathname, entry.startTime])";

async fn requests(browser: &Browser) -> Vec<(String, f64)> {
    serde_json::from_value(browser.script(REQUESTS).await.unwrap()).unwrap()
}

async fn polls(browser: &Browser) -> usize {
    requests(browser).await.iter().filter(|(path, _)| path.contains("/get/progress/")).count()
}

async fn pause(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// A page that waits behind 40 others, two of which are admitted per second.
async fn waiting() -> (Stage, Browser) {
    let stage = Stage::open(Play { capacity: 200, pace: "2", in_flight_max: 1, ..Play::default() }).await;
    stage.others_apply(60).await;
    let browser = phone("ko", true).await;
    browser.open(&stage.event_page()).await.unwrap();
    fill_in(&browser, "홍길동", "010-1234-5678").await;
    browser.click("#apply").await.unwrap();
    wait(&browser, "[data-state=waiting]").await;
    (stage, browser)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_opening_is_on_time_and_makes_no_request_but_the_application() {
    let stage = Stage::open(Play { opens_in_ms: 12_000, ..Play::default() }).await;
    let browser = phone("ko", true).await;
    browser.open(&stage.event_page()).await.unwrap();
    fill_in(&browser, "홍길동", "010-1234-5678").await;
    let record = "window.neverReloaded = true; window.openedAt = 0; new MutationObserver(() => {
        if (!window.openedAt && document.getElementById('main').dataset.state === 'open') window.openedAt = Date.now();
    }).observe(document.getElementById('main'), { attributes: true })";
    browser.script(record).await.unwrap();
    wait(&browser, "[data-state=open]").await;
    let opened_at = browser.script("return window.openedAt").await.unwrap().as_i64().unwrap();
    let late = opened_at - stage.opens_at;
    assert!((-50..=200).contains(&late), "the button was enabled {late} ms after the opening");
    pause(3).await;
    let opening = browser.script("return window.openedAt - performance.timeOrigin").await.unwrap();
    let opening = opening.as_f64().unwrap();
    let near: Vec<_> =
        requests(&browser).await.into_iter().filter(|(_, at)| *at > opening - 4000.0).collect();
    assert!(near.is_empty(), "around the opening at {opening}: {near:?}");
    assert_eq!(browser.script("return window.neverReloaded").await.unwrap(), json!(true));
    let sent = "const send = fetch; window.fetch = (...all) => { sessionStorage.sent = (sessionStorage.sent || '') + all[0] + ' '; return send(...all) }";
    browser.script(sent).await.unwrap();
    browser.click("#apply").await.unwrap();
    wait(&browser, "#number").await;
    let sent = browser.script("return sessionStorage.sent").await.unwrap();
    assert_eq!(sent, json!("/application/com/v1/create/application/spring "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hidden_tab_requests_nothing_and_is_fresh_within_a_second_when_shown() {
    let (_stage, browser) = waiting().await;
    let receipt = browser.tab().await.unwrap();
    let other = browser.open_tab().await.unwrap();
    pause(8).await;
    browser.show_tab(&receipt).await.unwrap();
    pause(1).await;
    let shown = "const shown = performance.getEntriesByType('visibility-state');
        return [shown.at(-2).startTime, shown.at(-1).startTime, shown.at(-1).name]";
    let shown = browser.script(shown).await.unwrap();
    let (hidden_at, shown_at) = (shown[0].as_f64().unwrap(), shown[1].as_f64().unwrap());
    assert_eq!(shown[2], "visible");
    assert!(shown_at - hidden_at > 7000.0, "{shown}");
    let requests = requests(&browser).await;
    let while_hidden = |at: f64| at > hidden_at && at < shown_at;
    assert!(!requests.iter().any(|(_, at)| while_hidden(*at)), "{requests:?} between {shown}");
    assert!(requests.iter().any(|(_, at)| (shown_at..shown_at + 1000.0).contains(at)), "{requests:?}");
    browser.show_tab(&other).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_windows_of_one_receipt_share_their_polls() {
    let (_stage, browser) = waiting().await;
    let first = browser.tab().await.unwrap();
    let address = browser.url().await.unwrap();
    let second = browser.open_window().await.unwrap();
    browser.open(&address).await.unwrap();
    wait(&browser, "[data-state=waiting]").await;
    let both = async || {
        browser.switch_to(&first).await.unwrap();
        let hidden = browser.script("return document.hidden").await.unwrap();
        let of_first = polls(&browser).await;
        browser.switch_to(&second).await.unwrap();
        (of_first + polls(&browser).await, hidden)
    };
    let (before, _) = both().await;
    pause(10).await;
    let (after, hidden) = both().await;
    let polled = after - before;
    // One alone polls 8 to 12 times in 10 s.
    assert!((1..=14).contains(&polled), "{polled} polls of both windows; the first one is hidden: {hidden}");
    let text = browser.text("#ahead").await.unwrap();
    browser.switch_to(&first).await.unwrap();
    wait(&browser, "[data-state=waiting]").await;
    assert!(browser.text("#ahead").await.unwrap().ends_with('명') && text.ends_with('명'));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_is_cut_for_thirty_seconds_costs_no_place() {
    let (_stage, browser) = waiting().await;
    let number = browser.text("#number").await.unwrap();
    let ahead = browser.text("#ahead").await.unwrap();
    browser.set_offline(true).await.unwrap();
    browser.wait_for("#offline:not([hidden])", Duration::from_secs(5)).await.unwrap();
    assert!(browser.text("#offline").await.unwrap().contains("번호는 그대로예요"));
    picture(&browser, "behaviour-offline-ko").await;
    pause(30).await;
    browser.set_offline(false).await.unwrap();
    browser.wait_for("#offline[hidden]", Duration::from_secs(2)).await.unwrap();
    assert_eq!(browser.text("#number").await.unwrap(), number);
    assert_ne!(browser.text("#ahead").await.unwrap(), ahead, "the page goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn double_clicks_tabs_back_and_replays_are_one_application() {
    let stage = Stage::open(Play { capacity: 200, pace: "0.001", in_flight_max: 1, ..Play::default() }).await;
    stage.others_apply(2).await;
    let browser = phone("ko", true).await;
    browser.open(&stage.event_page()).await.unwrap();
    fill_in(&browser, "홍길동", "010-1234-5678").await;
    let key = browser.script("return document.getElementById('form').key.value").await.unwrap();
    browser.script("const b = document.getElementById('apply'); b.click(); b.click()").await.unwrap();
    wait(&browser, "#number").await;
    assert_eq!(browser.text("#number").await.unwrap(), "3");
    let receipt = browser.url().await.unwrap();

    browser.back().await.unwrap();
    wait(&browser, "#mine:not([hidden])").await;
    fill_in_again(&browser).await;
    browser.click("#apply").await.unwrap();
    wait(&browser, "#number").await;
    assert_eq!(browser.url().await.unwrap(), receipt);

    browser.open_tab().await.unwrap();
    browser.open(&stage.event_page()).await.unwrap();
    fill_in(&browser, "홍길동", "010-1234-5678").await;
    browser.click("#apply").await.unwrap();
    wait(&browser, "#number").await;
    assert_eq!(browser.url().await.unwrap(), receipt);

    let http = HttpClient::new(&stage.base);
    let body = json!({ "name": "홍길동", "phone": "010-1234-5678", "consent": true });
    let headers = [("idempotency-key", key.as_str().unwrap())];
    let path = "/application/com/v1/create/application/spring";
    let replayed = http.post_json(path, &body, &headers).await.unwrap();
    assert_eq!((replayed.status, replayed.json()["number"].clone()), (200, json!(3)));
    assert_eq!(stage.progress().await["last_number"], 3);
}

/// The browser may have kept what was typed before it went back.
async fn fill_in_again(browser: &Browser) {
    browser.fill("#name", "홍길동").await.unwrap();
    browser.fill("#phone", "010-1234-5678").await.unwrap();
    if !browser.exists("#consent:checked").await.unwrap() {
        browser.click("#consent").await.unwrap();
    }
}

/// The id of the focused element, or its tag; and whether its focus is visible.
async fn focus(browser: &Browser) -> (String, bool) {
    let focus = "const e = document.activeElement; return [e.id || e.tagName, getComputedStyle(e).outlineStyle !== 'none']";
    serde_json::from_value(browser.script(focus).await.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_whole_journey_goes_by_keyboard_with_a_visible_focus() {
    let stage = Stage::open(Play { capacity: 200, pace: "0.001", in_flight_max: 1, ..Play::default() }).await;
    stage.others_apply(2).await;
    let options = Options { width: 1280, height: 800, mobile: false, ..Options::default() };
    let browser = Browser::start(options).await.unwrap();
    browser.open(&stage.event_page()).await.unwrap();
    let mut order = Vec::new();
    for (id, keys) in [
        ("language", ""),
        ("name", "홍길동"),
        ("phone", "01012345678"),
        ("consent", " "),
        ("SUMMARY", ""),
        ("apply", ENTER),
    ] {
        browser.press(TAB).await.unwrap();
        let (focused, visible) = focus(&browser).await;
        assert!(visible, "the focus on {focused} is not visible");
        order.push(focused.clone());
        assert_eq!(focused, id, "{order:?}");
        if !keys.is_empty() {
            browser.press(keys).await.unwrap();
        }
    }
    wait(&browser, "[data-state=waiting]").await;
    for _ in 0..12 {
        browser.press(TAB).await.unwrap();
        if browser.script("return document.activeElement.parentElement.id === 'cancel-box'").await.unwrap()
            == true
        {
            break;
        }
    }
    browser.press(ENTER).await.unwrap();
    browser.press(TAB).await.unwrap();
    assert_eq!(focus(&browser).await, ("cancel".to_owned(), true));
    browser.press(ENTER).await.unwrap();
    wait(&browser, "[data-state=cancelled]").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_focus_goes_to_the_heading_when_the_state_changes() {
    let stage = Stage::open(Play { capacity: 50, pace: "1", ..Play::default() }).await;
    stage.others_apply(5).await;
    let browser = phone("ko", true).await;
    browser.open(&stage.event_page()).await.unwrap();
    fill_in(&browser, "홍길동", "010-1234-5678").await;
    browser.click("#apply").await.unwrap();
    wait(&browser, "[data-state=ordered]").await;
    assert_eq!(focus(&browser).await.0, "head");
    assert_eq!(browser.text("#status").await.unwrap_or_default(), "주문이 접수됐어요");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_scripts_the_journey_ends_with_a_cancellation() {
    let stage = Stage::open(Play { capacity: 50, pace: "2", ..Play::default() }).await;
    let browser = phone("en", false).await;
    browser.open(&stage.event_page()).await.unwrap();
    fill_in(&browser, "Hong", "010-1234-5678").await;
    browser.click("#apply").await.unwrap();
    wait(&browser, "#number").await;
    for state in ["ordered", "cancelled"] {
        for _ in 0..40 {
            if browser.exists(&format!("[data-state={state}]")).await.unwrap() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
            browser.reload().await.unwrap();
        }
        wait(&browser, &format!("[data-state={state}]")).await;
        if state == "ordered" {
            browser.click("#cancel-box summary").await.unwrap();
            browser.click("#cancel").await.unwrap();
        }
    }
    picture(&browser, "behaviour-cancelled-no-script-en").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_is_announced_at_most_once_in_thirty_seconds() {
    let (_stage, browser) = waiting().await;
    let record = "window.announced = []; new MutationObserver(() =>
        window.announced.push(document.getElementById('status').textContent))
        .observe(document.getElementById('status'), { childList: true, characterData: true, subtree: true })";
    browser.script(record).await.unwrap();
    let before = browser.text("#ahead").await.unwrap();
    pause(12).await;
    assert_ne!(browser.text("#ahead").await.unwrap(), before);
    let announced = browser.script("return window.announced").await.unwrap();
    assert!(announced.as_array().unwrap().len() <= 1, "{announced}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_stands_twice_the_text_forced_colors_and_reduced_motion() {
    let (_stage, browser) = waiting().await;
    // All text twice as large, and nothing else.
    let enlarge = "for (const e of document.querySelectorAll('body *')) e.dataset.size = 2 * parseFloat(getComputedStyle(e).fontSize);
        for (const e of document.querySelectorAll('body *')) e.style.fontSize = e.dataset.size + 'px'";
    browser.script(enlarge).await.unwrap();
    picture(&browser, "behaviour-large-text-ko").await;
    fits(&browser).await;
    let cut = "return [...document.querySelectorAll('h1,p,dt,dd,span,button,a,summary')].filter(e => e.checkVisibility()
        && !e.classList.contains('unseen') && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== 'inline').map(e => e.id || e.outerHTML)";
    assert_eq!(browser.script(cut).await.unwrap(), json!([]), "text is cut off");
    browser.reload().await.unwrap();
    browser.prefer(&[("forced-colors", "active"), ("prefers-reduced-motion", "reduce")]).await.unwrap();
    let seen = "const border = id => getComputedStyle(document.querySelector(id)).borderStyle;
        return [border('.card'), border('#standing'), document.getAnimations().length]";
    assert_eq!(browser.script(seen).await.unwrap(), json!(["solid", "solid", 0]));
    picture(&browser, "behaviour-forced-colors-ko").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_view_is_one_request_of_eight_kilobytes_and_paints_soon_on_a_slow_network() {
    let stage = Stage::open(Play::default()).await;
    let browser = phone("ko", true).await;
    // "Slow 4G" of the tools of browsers.
    browser.throttle(150, 200_000).await.unwrap();
    browser.open(&stage.event_page()).await.unwrap();
    let seen = "const [page] = performance.getEntriesByType('navigation');
        return new Promise(done => new PerformanceObserver(list =>
            done([page.transferSize, performance.getEntriesByType('resource').length, list.getEntries().at(-1).startTime])
        ).observe({ type: 'largest-contentful-paint', buffered: true }))";
    let seen = browser.script(seen).await.unwrap();
    let [transferred, resources, paint] = [0, 1, 2].map(|i| seen[i].as_f64().unwrap_or(f64::MAX));
    assert!(transferred <= 8.0 * 1024.0 + 600.0, "{transferred} bytes with headers");
    assert_eq!(seen[1], Value::from(0), "{resources} further requests");
    println!("largest contentful paint on slow 4G: {paint:.0} ms");
    assert!(paint <= 5000.0, "the largest text stood after {paint} ms");
    browser.wait_for("[data-state=open]", SOON).await.unwrap();
}
