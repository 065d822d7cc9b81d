//! The layout of the pages: one column on a phone, two on a wide screen, and nothing sticks out on either.

use serde_json::Value;
use testkit::Browser;
use testkit::browser::Options;

use crate::browser::serve;
use crate::harness::{CLOSES, SignupHarness};

/// The boxes of heading and form, or of the two cards: `[left, right, top, bottom]` in CSS pixels.
const BOXES: &str = "return ['#lead', '.act .card, .more .card'].map(css => {
    const box = [...document.querySelectorAll(css)].find(e => e.checkVisibility()).getBoundingClientRect();
    return [box.left, box.right, box.top, box.bottom];
})";

async fn boxes(browser: &Browser) -> [[f64; 4]; 2] {
    let boxes = browser.script(BOXES).await.unwrap();
    serde_json::from_value(boxes).unwrap()
}

async fn assert_fits(browser: &Browser, page: &str) {
    let widths = browser.script("return [document.documentElement.scrollWidth, innerWidth]").await.unwrap();
    let width = |i: usize| widths.get(i).and_then(Value::as_i64).unwrap();
    assert!(width(0) <= width(1), "{page}: {widths}");
}

/// The pages with a card: open, receipt, view and closed. The clock stands after the closing at the end.
async fn visit(harness: &SignupHarness, browser: &Browser, check: impl Fn(&str, [[f64; 4]; 2])) {
    let at = serve(harness);
    let phone = "010-8888-7777";
    let full = harness.apply(phone, Some("k")).await.json();
    let view = harness.apply(phone, None).await.json();
    let receipt = |applied: &Value| format!("/a/{}", applied["receipt"].as_str().unwrap());
    for (page, closes) in [
        ("/e/spring".to_owned(), false),
        (receipt(&full), false),
        (receipt(&view), false),
        ("/e/spring".to_owned(), true),
    ] {
        if closes {
            harness.clock.set(CLOSES);
            harness.signup.refresh().await;
        }
        for language in ["ko", "en"] {
            browser.open(&format!("http://{at}{page}?lang={language}")).await.unwrap();
            assert_fits(browser, &page).await;
            check(&page, boxes(browser).await);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_smallest_phone_has_one_column_that_fits() {
    let harness = SignupHarness::open().await;
    let browser = Browser::start(Options { width: 320, height: 640, ..Options::default() }).await.unwrap();
    visit(&harness, &browser, |page, [lead, card]| {
        assert!(card[2] >= lead[3], "{page}: the card is below the heading");
        assert!(card[1] - card[0] >= 270.0, "{page}: the card uses the width");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wide_screen_has_the_card_beside_the_heading() {
    let harness = SignupHarness::open().await;
    let options = Options { width: 1280, height: 800, mobile: false, ..Options::default() };
    let browser = Browser::start(options).await.unwrap();
    visit(&harness, &browser, |page, [lead, card]| {
        assert!(card[0] >= lead[1] && card[2] < lead[3], "{page}: {card:?} is not beside {lead:?}");
        assert!(card[1] - lead[0] >= 900.0, "{page}: the page uses the width");
    })
    .await;
}
