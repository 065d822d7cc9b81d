//! Every state of the pages in a real browser: accessible (WCAG 2.2 AA and the best practices of axe-core), still, and no wider than
//! the smallest phone. The states are those of the previews. A screenshot of each lands in target/screens.

use std::net::SocketAddr;

use domain::event::Text;
use serde_json::json;
use testkit::Browser;
use testkit::browser::{Options, screen_path};

use crate::browser::serve;
use crate::harness::{PHONE, SignupHarness};

const LIST: &str = "/signup/int/v1/list/preview";
/// The sum of all layout shifts since the page was opened.
pub(crate) const SHIFTS: &str = "return new Promise(done => new PerformanceObserver(list =>
    done(list.getEntries().reduce((sum, shift) => sum + shift.value, 0))).observe({ type: 'layout-shift', buffered: true })
    || setTimeout(() => done(0), 100))";

/// The names of all states.
async fn states(harness: &SignupHarness) -> Vec<String> {
    let list = harness.get(LIST).await.text();
    let names = list.split("<dt>").skip(1).map(|row| row.split('<').next().unwrap().to_owned());
    names.collect()
}

/// Checks all states in one color scheme on the smallest phone, and returns the problems.
async fn problems(at: SocketAddr, states: &[String], scheme: &str, voices: &[(&str, &str)]) -> Vec<String> {
    let options = Options { width: 320, height: 640, dark: scheme == "dark", ..Options::default() };
    let browser = Browser::start(options).await.unwrap();
    let mut problems = Vec::new();
    for state in states {
        for (language, tone) in voices {
            let page = format!("{state}?lang={language}&tone={tone}");
            browser.open(&format!("http://{at}/signup/int/v1/get/preview/{page}")).await.unwrap();
            let found = testkit::axe::violations(&browser).await.unwrap();
            problems.extend(found.into_iter().map(|violation| format!("{page} ({scheme}): {violation}")));
            let shifts = browser.script(SHIFTS).await.unwrap();
            if shifts != json!(0) {
                problems.push(format!("{page} ({scheme}): the layout shifts by {shifts}"));
            }
            let width = browser.script("return document.documentElement.scrollWidth").await.unwrap();
            if width != json!(320) {
                problems.push(format!("{page} ({scheme}): {width} pixels wide"));
            }
            let height = browser.script("return document.documentElement.scrollHeight").await.unwrap();
            let name = format!("page-{state}-{language}-{tone}-{scheme}");
            browser.screenshot_of_height(&screen_path(&name), height.as_u64().unwrap()).await.unwrap();
        }
    }
    problems
}

/// A picture of all states side by side: `target/screens/states-*.webp`, as in `docs/pictures`.
async fn contact_sheet(states: &[String], voice: &str) {
    let options = Options { width: 1280, height: 1000, mobile: false, ..Options::default() };
    let browser = Browser::start(options).await.unwrap();
    let figure = |state: &String| {
        format!("<figure><figcaption>{state}</figcaption><img src=\"page-{state}-{voice}.png\"></figure>")
    };
    let figures: String = states.iter().map(figure).collect();
    let style = "body{margin:12px;columns:6;column-gap:12px;font:13px sans-serif}
        figure{margin:0 0 12px;break-inside:avoid}img{width:100%;border:1px solid #999}";
    let path = screen_path(&format!("states-{voice}")).with_extension("webp");
    let html = path.with_extension("html");
    std::fs::write(&html, format!("<!doctype html><style>{style}</style>{figures}")).unwrap();
    browser.open(&format!("file://{}", html.canonicalize().unwrap().display())).await.unwrap();
    let height = browser.script("return Math.ceil(document.body.getBoundingClientRect().bottom) + 12").await;
    browser.screenshot_of_height(&path, height.unwrap().as_u64().unwrap()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_state_is_accessible_and_still_in_both_languages_and_color_schemes() {
    let harness = SignupHarness::open().await;
    let at = serve(&harness);
    let states = states(&harness).await;
    assert!(states.len() >= 30, "{states:?}");
    let voices = [("ko", "friendly"), ("en", "friendly")];
    let (light, dark) =
        tokio::join!(problems(at, &states, "light", &voices), problems(at, &states, "dark", &voices));
    for (voice, scheme) in [("ko-friendly", "light"), ("ko-friendly", "dark"), ("en-friendly", "light")] {
        contact_sheet(&states, &format!("{voice}-{scheme}")).await;
    }
    let problems: Vec<_> = light.into_iter().chain(dark).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_formal_tone_fits_and_is_accessible_too() {
    let harness = SignupHarness::open().await;
    let at = serve(&harness);
    let states = states(&harness).await;
    let problems = problems(at, &states, "light", &[("ko", "formal")]).await;
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_themselves_are_accessible_and_do_not_shift_when_their_scripts_run() {
    let harness = SignupHarness::open().await;
    let applied = harness.apply(PHONE, None).await.json();
    let at = serve(&harness);
    let browser = Browser::start(Options::default()).await.unwrap();
    for page in
        ["/e/spring".to_owned(), format!("/a/{}", applied["receipt"].as_str().unwrap()), LIST.to_owned()]
    {
        for scheme in ["light", "dark"] {
            browser.prefer(&[("prefers-color-scheme", scheme)]).await.unwrap();
            browser.open(&format!("http://{at}{page}")).await.unwrap();
            let violations = testkit::axe::violations(&browser).await.unwrap();
            assert!(violations.is_empty(), "{page} ({scheme}):\n{}", violations.join("\n"));
            assert_eq!(browser.script(SHIFTS).await.unwrap(), json!(0), "{page}");
        }
    }
}

#[tokio::test]
async fn a_preview_has_the_texts_of_the_event_and_sends_nothing() {
    let mut harness = SignupHarness::open().await;
    harness.project(|p| p.settings.title = Text::new("가을 세일", "Autumn sale")).await;
    let page =
        harness.get("/signup/int/v1/get/preview/waiting?event=spring&lang=ko&tone=formal&scheme=dark").await;
    let text = page.text();
    assert!(text.contains("가을 세일") && text.contains("신청이 접수되었습니다"), "{text}");
    assert!(text.contains("@media all{:root") && !text.contains("prefers-color-scheme"));
    let policy = page.header("content-security-policy");
    assert!(policy.contains("connect-src 'none'") && policy.contains("form-action 'none'"), "{policy}");
    assert_eq!(harness.get("/signup/int/v1/get/preview/nothing").await.status, 404);
}
