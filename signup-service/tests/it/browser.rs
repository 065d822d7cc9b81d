//! The pages in a real browser: the scripts follow an application without a reload, and the forms work without scripts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::{Gaps, Number, Outcome, Position, Release};
use serde_json::{Value, json};
use signup_service::{Config, SignupHandler};
use testkit::Browser;
use testkit::browser::Options;

use crate::harness::{OPENS, PHONE, SignupHarness};

const TIMEOUT: Duration = Duration::from_secs(10);
/// Records the idempotency keys of the page's applications, where the next page still finds them.
const RECORD_KEYS: &str = "const send = fetch, keys = [];
    window.fetch = (url, options) => {
        if (options.method === 'POST') keys.push(options.headers['Idempotency-Key']);
        sessionStorage.keys = JSON.stringify(keys);
        return send(url, options);
    };";

fn fast_polling() -> Config {
    Config { poll_near_ms: 100, poll_far_ms: 200, ..Config::default() }
}

pub(crate) fn serve(harness: &SignupHarness) -> SocketAddr {
    let listener = service::http::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let handler = SignupHandler::new(Arc::clone(&harness.signup)).unwrap();
    service::http::serve_handler(listener, handler, service::http::Limits::default(), &harness.ctx).unwrap()
}

pub(crate) async fn fill_in(browser: &Browser) {
    browser.fill("#name", "홍길동").await.unwrap();
    browser.fill("#phone", PHONE).await.unwrap();
    browser.click("#consent").await.unwrap();
}

pub(crate) async fn wait_for_state(browser: &Browser, state: &str) {
    let css = format!("main[data-state={state}]");
    if let Err(error) = browser.wait_for(&css, TIMEOUT).await {
        let page = browser.source().await.unwrap();
        panic!("{error}: {}", &page[page.find("<body").unwrap()..].split("<script").next().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_goes_from_countdown_to_order_without_a_reload() {
    let mut harness = SignupHarness::open_with(fast_polling()).await;
    harness.clock.set(OPENS - 3000);
    harness.signup.refresh().await;
    let at = serve(&harness);
    let browser = Browser::start(Options::default()).await.unwrap();
    browser.open(&format!("http://{at}/e/spring")).await.unwrap();
    wait_for_state(&browser, "before").await;
    assert_eq!(browser.attribute("#apply", "aria-disabled").await.unwrap().as_deref(), Some("true"));
    fill_in(&browser).await;
    harness.clock.set(OPENS);
    wait_for_state(&browser, "open").await;
    browser.click("#apply").await.unwrap();
    wait_for_state(&browser, "waiting").await;
    assert_eq!(browser.text("#number").await.unwrap(), "1");
    assert_eq!(browser.text("#ahead").await.unwrap(), "0명");
    browser.script("window.notReloaded = true; return 1").await.unwrap();
    harness.project(|p| p.settings.release = Release::Paused).await;
    wait_for_state(&browser, "paused").await;
    harness.project(|p| p.settings.release = Release::Running).await;
    wait_for_state(&browser, "waiting").await;
    harness.admit_through(1).await;
    wait_for_state(&browser, "ordering").await;
    harness.project_outcome(1, Outcome::Ordered, Some("20261122-1")).await;
    wait_for_state(&browser, "ordered").await;
    assert_eq!(browser.text("#order-no").await.unwrap(), "20261122-1");
    assert_eq!(browser.script("return window.notReloaded").await.unwrap(), json!(true));
    let width = browser.script("return document.documentElement.scrollWidth").await.unwrap();
    assert!(width.as_i64().unwrap() <= 360, "{width}");
    // The page of the event links to the receipt, and a second application is the first one again.
    browser.open(&format!("http://{at}/e/spring")).await.unwrap();
    browser.wait_for("#mine:not([hidden])", TIMEOUT).await.unwrap();
    fill_in(&browser).await;
    browser.click("#apply").await.unwrap();
    wait_for_state(&browser, "ordered").await;
    assert!(browser.exists("#code").await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_retries_a_503_with_the_same_key_until_it_has_a_number() {
    let harness = SignupHarness::unarmed_with(fast_polling()).await;
    harness.arm("spring").await;
    harness.queue.publish(&[crate::harness::spring()]).await.unwrap();
    harness.signup.refresh().await;
    let mut harness = harness;
    let at = serve(&harness);
    let browser = Browser::start(Options::default()).await.unwrap();
    browser.open(&format!("http://{at}/e/spring")).await.unwrap();
    fill_in(&browser).await;
    browser.script(RECORD_KEYS).await.unwrap();
    browser.click("#apply").await.unwrap();
    // The queue is armed with the number limit 0, and refuses applications (`AtLimit`, 503) until the first projection raises it.
    wait_for_state(&browser, "shed").await;
    assert!(browser.text("#lede").await.unwrap().contains("아직 접수되지 않았어요"));
    harness.project(|_| ()).await;
    wait_for_state(&browser, "waiting").await;
    assert_eq!(browser.text("#number").await.unwrap(), "1");
    let keys = browser.script("return JSON.parse(sessionStorage.keys)").await.unwrap();
    let keys = keys.as_array().unwrap();
    assert!(keys.len() >= 2 && keys.iter().all(|key| key.is_string() && *key == keys[0]), "{keys:?}");
    // The button is hidden until the box that asks for confirmation is open.
    assert!(browser.click("#cancel").await.is_err());
    browser.click("#cancel-box summary").await.unwrap();
    browser.click("#cancel").await.unwrap();
    wait_for_state(&browser, "cancelled").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_forms_work_without_javascript() {
    let mut harness = SignupHarness::open().await;
    let at = serve(&harness);
    let browser = Browser::start(Options { javascript: false, ..Options::default() }).await.unwrap();
    browser.open(&format!("http://{at}/e/spring?lang=en")).await.unwrap();
    fill_in(&browser).await;
    browser.click("#apply").await.unwrap();
    browser.wait_for_text("We have your application", TIMEOUT).await.unwrap();
    harness.admit_through(1).await;
    harness.project_outcome(1, Outcome::Ordered, Some("A-1")).await;
    browser.reload().await.unwrap();
    browser.wait_for_text("A-1", TIMEOUT).await.unwrap();
    browser.click("#cancel-box summary").await.unwrap();
    browser.click("#cancel").await.unwrap();
    wait_for_state(&browser, "cancelling").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_calculates_the_same_position_as_the_server() {
    let harness = SignupHarness::open_with(fast_polling()).await;
    let applied = harness.apply(PHONE, None).await.json();
    let at = serve(&harness);
    let browser = Browser::start(Options::default()).await.unwrap();
    browser.open(&format!("http://{at}/a/{}", applied["receipt"].as_str().unwrap())).await.unwrap();
    wait_for_state(&browser, "waiting").await;
    let mut seed = 1u32;
    let mut random_below = |limit: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) % limit
    };
    let cases: Vec<(u32, u32, Gaps)> = (0..500)
        .map(|_| {
            let (mut gaps, mut end) = (Gaps::default(), 0);
            for _ in 0..random_below(6) {
                let from = end + 1 + random_below(20);
                end = from + random_below(20);
                gaps.push(from, end);
            }
            (1 + random_below(200), random_below(200), gaps)
        })
        .filter(|(number, _, gaps)| !gaps.contains(*number))
        .collect();
    assert!(cases.len() > 100);
    let arguments: Vec<Value> = cases.iter().map(|(n, through, gaps)| json!([n, through, gaps])).collect();
    let script = format!("return {}.map(([n, m, g]) => position(n, m, g))", json!(arguments));
    let results = browser.script(&script).await.unwrap();
    for (result, (n, through, gaps)) in results.as_array().unwrap().iter().zip(&cases) {
        let position = Position::of(Number::new(*n).unwrap(), *through, gaps);
        assert_eq!(
            *result,
            json!({ "ahead": position.ahead, "rank": position.rank }),
            "{n} {through} {gaps:?}"
        );
    }
}
