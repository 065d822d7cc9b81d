//! The accessibility of the pages (WCAG 2.2 AA and the best practices of axe-core).

use testkit::Browser;
use testkit::browser::Options;

use crate::browser::serve;
use crate::harness::{PHONE, SignupHarness};

#[tokio::test(flavor = "multi_thread")]
async fn axe_finds_nothing_on_the_form_and_on_a_receipt() {
    let harness = SignupHarness::open().await;
    let applied = harness.apply(PHONE, None).await.json();
    let at = serve(&harness);
    let browser = Browser::start(Options::default()).await.unwrap();
    for page in ["/e/spring".to_owned(), format!("/a/{}", applied["receipt"].as_str().unwrap())] {
        for scheme in ["light", "dark"] {
            browser.prefer(&[("prefers-color-scheme", scheme)]).await.unwrap();
            browser.open(&format!("http://{at}{page}")).await.unwrap();
            let violations = testkit::axe::violations(&browser).await.unwrap();
            assert!(violations.is_empty(), "{page} ({scheme}):\n{}", violations.join("\n"));
        }
    }
}
