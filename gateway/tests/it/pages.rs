//! The gateway's own page in a real browser, while the signup service is away: accessible, and gone once the service is back.

use std::time::Duration;

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use testkit::Browser;
use testkit::browser::{Options, screen_path};

use crate::harness::GatewayHarness;

#[tokio::test(flavor = "multi_thread")]
async fn a_page_stands_in_for_the_signup_service_until_that_is_back() {
    let port = testkit::free_port();
    let url = format!("http://127.0.0.1:{port}");
    let harness = GatewayHarness::with(&[("upstream.signup.url", &url)]).await;
    let page = format!("http://{}/e/spring", harness.address);
    for (language, promise) in
        [("ko", "이미 접수한 신청은 그대로예요"), ("en", "What you applied for is safe")]
    {
        let options = Options { width: 320, height: 640, language: language.into(), ..Options::default() };
        let browser = Browser::start(options).await.unwrap();
        for scheme in ["light", "dark"] {
            browser.prefer(&[("prefers-color-scheme", scheme)]).await.unwrap();
            browser.open(&page).await.unwrap();
            assert!(browser.text("main").await.unwrap().contains(promise), "{language}");
            let violations = testkit::axe::violations(&browser).await.unwrap();
            assert!(violations.is_empty(), "{language} ({scheme}):\n{}", violations.join("\n"));
            let width = browser.script("return document.documentElement.scrollWidth").await.unwrap();
            assert_eq!(width, 320);
            browser.screenshot(&screen_path(&format!("gateway-down-{language}-{scheme}"))).await.unwrap();
        }
        if language == "en" {
            let router = Router::new()
                .route("/e/spring", get(|| async { Html("<title>back</title><h1 id=\"back\">back</h1>") }));
            let listener = service::http::bind(format!("127.0.0.1:{port}").parse().unwrap()).unwrap();
            service::http::serve(listener, router, service::http::Limits::default(), &harness.ctx).unwrap();
            // The page names a wait of 5 to 11 s.
            browser.wait_for("#back", Duration::from_secs(40)).await.unwrap();
        }
    }
}
