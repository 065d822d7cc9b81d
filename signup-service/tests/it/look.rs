//! The look that an operator gives an event: escaped, readable, within the size, and never in the way of the first paint.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use axum::routing::get;
use domain::Look;
use domain::event::Text;
use serde_json::json;
use testkit::Browser;
use testkit::browser::{Options, screen_path};

use crate::accessibility::SHIFTS;
use crate::browser::serve;
use crate::harness::{PHONE, SignupHarness};
use crate::pages::longest;

fn look() -> Look {
    Look {
        description: Text::new("첫 줄\n둘째 줄", "First line\nSecond line"),
        color: "#ffe600".into(),
        picture_url: "https://cdn.example.com/spring.jpg?w=480&h=480".into(),
        product_name: Text::new("감귤 5kg", "Mandarins, 5 kg"),
        product_price: 39_900,
        product_url: "https://shop.example.com/products/4".into(),
    }
}

async fn with(look: Look) -> SignupHarness {
    let mut harness = SignupHarness::open().await;
    harness.project(|p| p.settings.look = look).await;
    harness
}

async fn receipt_path(harness: &SignupHarness) -> String {
    let applied = harness.apply(PHONE, Some("mine")).await.json();
    format!("/a/{}", applied["receipt"].as_str().unwrap())
}

#[tokio::test]
async fn the_event_shows_its_whole_look_and_the_receipt_color_and_product() {
    let mut harness = with(look()).await;
    let receipt = receipt_path(&harness).await;
    for (language, product, price, line) in
        [("ko", "감귤 5kg", "39,900원", "둘째 줄"), ("en", "Mandarins, 5 kg", "₩39,900", "Second line")]
    {
        for (path, is_event) in [("/e/spring", true), (receipt.as_str(), false)] {
            let page = harness.get_in(path, language).await;
            let text = page.text();
            for part in [product, price, "href=\"https://shop.example.com/products/4\"", "{--key:#"] {
                assert!(text.contains(part), "{path} in {language}: {part}");
            }
            assert_eq!(text.contains(&format!("\n{line}</p>")), is_event, "{path}");
            assert_eq!(text.contains("data-src=\"https://cdn.example.com/spring.jpg?w=480"), is_event);
            let images = if is_event { "img-src data: https://cdn.example.com ;" } else { "img-src data: " };
            let policy = page.header("content-security-policy");
            assert!(policy.contains(images) && policy.matches("'sha256-").count() == 3, "{policy}");
        }
    }
    // A refused form leads to the same page.
    let refused = harness.post_form(crate::harness::CREATE, &[("name", ""), ("lang", "en")]).await;
    assert!(
        refused.text().contains("Mandarins") && refused.header("content-security-policy").contains("cdn.")
    );

    harness.project(|p| p.settings.look.product_price = 29_900).await;
    assert!(
        harness.get_in("/e/spring", "ko").await.text().contains("29,900원"),
        "the next view has the change"
    );
    harness.project(|p| p.settings.look = Look::default()).await;
    let plain = harness.get_in("/e/spring", "ko").await;
    assert!(!plain.text().contains("id=\"look\""));
    assert_eq!(plain.header("content-security-policy").matches("'sha256-").count(), 2);
}

#[tokio::test]
async fn a_look_cannot_add_markup() {
    let script = "\"><script>alert(1)</script>";
    let text = || Text::new(script, script);
    // The ledger would refuse such an address; the page does not rely on that.
    let harness = with(Look {
        description: text(),
        product_name: text(),
        product_url: script.into(),
        picture_url: script.into(),
        color: "red}</style><script>alert(1)</script>".into(),
        ..look()
    })
    .await;
    for path in ["/e/spring".to_owned(), receipt_path(&harness).await] {
        let page = harness.get(&path).await;
        assert!(!page.text().contains("<script>alert"), "{path}");
        assert!(!page.header("content-security-policy").contains("alert"), "{path}");
    }
}

#[tokio::test]
async fn the_longest_look_adds_less_than_three_kilobytes() {
    let long = |first, step| longest(first, step);
    let harness = with(Look {
        description: Text::new(long('가', 37), long('Ā', 1)),
        product_name: Text::new(long('각', 53), long('Ѐ', 1)),
        picture_url: format!("https://cdn.example.com/{}", "0123456789abcdefghij".repeat(23)),
        ..look()
    })
    .await;
    let receipt = receipt_path(&harness).await;
    for path in ["/e/spring", receipt.as_str()] {
        for language in ["ko", "en"] {
            let request =
                Request::get(path).header("accept-encoding", "gzip").header("accept-language", language);
            let page = harness.send(request.body(Body::empty()).unwrap()).await;
            assert!(page.body.len() <= 11 * 1024, "{path} in {language}: {} bytes", page.body.len());
        }
    }
}

/// A server of one picture, on this machine.
fn picture_server(harness: &SignupHarness) -> String {
    let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 9 4\"><path fill=\"#f60\" d=\"M0 0h9v4H0z\"/></svg>";
    let router = Router::new()
        .route("/spring.svg", get(move || async move { ([(header::CONTENT_TYPE, "image/svg+xml")], svg) }));
    let listener = service::http::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let limits = service::http::Limits::default();
    let at = service::http::serve(listener, router, limits, &harness.ctx).unwrap();
    format!("http://{at}/spring.svg")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_requested_after_the_first_paint_and_shifts_nothing() {
    let mut harness = SignupHarness::open().await;
    let picture_url = picture_server(&harness);
    harness.project(|p| p.settings.look = Look { picture_url, ..look() }).await;
    let at = serve(&harness);
    let phone = Options::default();
    let screen = Options { width: 1280, height: 800, mobile: false, dark: true, ..Options::default() };
    for (name, options, side) in [("phone", phone, 96), ("screen", screen, 240)] {
        let browser = Browser::start(options).await.unwrap();
        browser.open(&format!("http://{at}/e/spring")).await.unwrap();
        browser.wait_for("#picture img", std::time::Duration::from_secs(10)).await.unwrap();
        let seen = "const img = document.querySelector('#picture img');
            return img.decode().then(() => [img.naturalWidth > 0, img.getBoundingClientRect().width,
                performance.getEntriesByType('resource')[0].startTime
                    >= performance.getEntriesByName('first-contentful-paint')[0].startTime])";
        assert_eq!(browser.script(seen).await.unwrap(), json!([true, side, true]), "{name}");
        assert_eq!(browser.script(SHIFTS).await.unwrap(), json!(0), "{name}");
        let violations = testkit::axe::violations(&browser).await.unwrap();
        assert!(violations.is_empty(), "{name}:\n{}", violations.join("\n"));
        browser.screenshot(&screen_path(&format!("page-with-look-{name}"))).await.unwrap();
    }
}
