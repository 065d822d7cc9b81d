//! The page's script in a real browser, before the real signup service: it does the server's sums, and needs no reload.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::{Gaps, Number, Outcome, Position, Release};
use serde_json::{Value, json};
use signup_service::{Config, SignupHandler};
use testkit::Browser;
use testkit::browser::Options;

use crate::harness::{OPENS, PHONE, SignupHarness};

const SOON: Duration = Duration::from_secs(10);

fn quick() -> Config {
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

pub(crate) async fn state(browser: &Browser, state: &str) {
    let css = format!("main[data-state={state}]");
    if let Err(error) = browser.wait_for(&css, SOON).await {
        let page = browser.source().await.unwrap();
        panic!("{error}: {}", &page[page.find("<body").unwrap()..].split("<script").next().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn from_before_the_opening_to_the_order_without_a_reload() {
    let mut harness = SignupHarness::open_with(quick()).await;
    harness.clock.set(OPENS - 3000);
    harness.signup.refresh().await;
    let at = serve(&harness);
    let browser = Browser::start(Options::default()).await.unwrap();
    browser.open(&format!("http://{at}/e/spring")).await.unwrap();
    state(&browser, "before").await;
    assert_eq!(browser.attribute("#apply", "aria-disabled").await.unwrap().as_deref(), Some("true"));
    fill_in(&browser).await;
    harness.clock.set(OPENS);
    state(&browser, "open").await;
    browser.click("#apply").await.unwrap();
    state(&browser, "waiting").await;
    assert_eq!(browser.text("#number").await.unwrap(), "1");
    assert_eq!(browser.text("#ahead").await.unwrap(), "0명");
    browser.script("window.stillHere = true; return 1").await.unwrap();
    harness.project(|p| p.settings.release = Release::Paused).await;
    state(&browser, "paused").await;
    harness.project(|p| p.settings.release = Release::Running).await;
    state(&browser, "waiting").await;
    harness.admitted(1).await;
    state(&browser, "ordering").await;
    harness.shown(1, Outcome::Ordered, Some("20261122-1")).await;
    state(&browser, "ordered").await;
    assert_eq!(browser.text("#order-no").await.unwrap(), "20261122-1");
    assert_eq!(browser.script("return window.stillHere").await.unwrap(), json!(true));
    let wide = browser.script("return document.documentElement.scrollWidth").await.unwrap();
    assert!(wide.as_i64().unwrap() <= 360, "{wide}");
    // The event's page knows the way back, and a second application is the first one.
    browser.open(&format!("http://{at}/e/spring")).await.unwrap();
    browser.wait_for("#mine:not([hidden])", SOON).await.unwrap();
    fill_in(&browser).await;
    browser.click("#apply").await.unwrap();
    state(&browser, "ordered").await;
    assert!(browser.exists("#code").await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_shed_is_tried_again_with_the_same_key_until_there_is_a_number() {
    let harness = SignupHarness::unarmed_with(quick()).await;
    harness.arm("spring").await;
    harness.queue.publish(&[crate::harness::spring()]).await.unwrap();
    harness.signup.refresh().await;
    let mut harness = harness;
    let at = serve(&harness);
    let browser = Browser::start(Options::default()).await.unwrap();
    browser.open(&format!("http://{at}/e/spring")).await.unwrap();
    fill_in(&browser).await;
    browser.click("#apply").await.unwrap();
    state(&browser, "shed").await;
    assert!(browser.text("#lede").await.unwrap().contains("아직 접수되지 않았어요"));
    harness.project(|_| ()).await;
    state(&browser, "waiting").await;
    assert_eq!(browser.text("#number").await.unwrap(), "1");
    // Cancelling asks once more, then is done.
    browser.click("#cancel-box summary").await.unwrap();
    browser.click("#cancel").await.unwrap();
    state(&browser, "cancelled").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_script_the_forms_do_all_of_it() {
    let mut harness = SignupHarness::open().await;
    let at = serve(&harness);
    let browser = Browser::start(Options { javascript: false, ..Options::default() }).await.unwrap();
    browser.open(&format!("http://{at}/e/spring?lang=en")).await.unwrap();
    fill_in(&browser).await;
    browser.click("#apply").await.unwrap();
    browser.wait_for_text("We have your application", SOON).await.unwrap();
    harness.admitted(1).await;
    harness.shown(1, Outcome::Ordered, Some("A-1")).await;
    browser.reload().await.unwrap();
    browser.wait_for_text("A-1", SOON).await.unwrap();
    browser.click("#cancel-box summary").await.unwrap();
    browser.click("#cancel").await.unwrap();
    state(&browser, "cancelling").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_s_sums_are_the_server_s_own() {
    let harness = SignupHarness::open_with(quick()).await;
    let applied = harness.apply(PHONE, None).await.json();
    let at = serve(&harness);
    let browser = Browser::start(Options::default()).await.unwrap();
    browser.open(&format!("http://{at}/a/{}", applied["receipt"].as_str().unwrap())).await.unwrap();
    state(&browser, "waiting").await;
    let mut seed = 1u32;
    let mut any = |most: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) % most
    };
    let cases: Vec<(u32, u32, Gaps)> = (0..500)
        .map(|_| {
            let (mut gaps, mut end) = (Gaps::default(), 0);
            for _ in 0..any(6) {
                let from = end + 1 + any(20);
                end = from + any(20);
                gaps.push(from, end);
            }
            (1 + any(200), any(200), gaps)
        })
        .filter(|(number, _, gaps)| !gaps.holds(*number))
        .collect();
    assert!(cases.len() > 100);
    let given: Vec<Value> = cases.iter().map(|(n, moved, gaps)| json!([n, moved, gaps])).collect();
    let sums = format!("return {}.map(([n, m, g]) => position(n, m, g))", json!(given));
    let sums = browser.script(&sums).await.unwrap();
    for (sum, (n, moved, gaps)) in sums.as_array().unwrap().iter().zip(&cases) {
        let place = Position::of(Number::new(*n).unwrap(), *moved, gaps);
        assert_eq!(*sum, json!({ "ahead": place.ahead, "rank": place.rank }), "{n} {moved} {gaps:?}");
    }
}
