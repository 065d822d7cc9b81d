//! An event whose applicants order at the shop with a pass: on another site, and on the same one without scripts.

use domain::Kind;
use serde_json::{Value, json};
use testkit::order_stub::{Behavior, ReceivedCall};
use testkit::{Browser, HttpClient, OrderStub, until_some};

use crate::confirming::{minutes_left, reload_until};
use crate::stage::{Play, SHOP_TOKEN, Stage, fill_in, fits, phone, picture, wait};

/// A shop whose only page is the one for applicants with a pass.
async fn open_shop() -> OrderStub {
    let shop = OrderStub::start().await;
    shop.behave(|_| Behavior::Respond {
        executes: false,
        status: 200,
        kind: "text/html",
        body: "<!doctype html><title>Shop</title><h1 id=shop>Order</h1>".into(),
    });
    shop
}

/// An applicant of an event that leads to the shop's host under this name.
async fn apply(shop: &OrderStub, host: &str, play: Play, javascript: bool) -> (Stage, Browser) {
    let pass_target = format!("http://{host}:{}/order?from=event", shop.address().port());
    let stage = Stage::open(Play { kind: Kind::Pass, capacity: 1, pass_target, ..play }).await;
    let browser = phone("ko", javascript).await;
    browser.open(&stage.event_page()).await.unwrap();
    fill_in(&browser, "홍길동", "010-1234-5678").await;
    browser.click("#apply").await.unwrap();
    wait(&browser, "#number").await;
    (stage, browser)
}

/// The call of the shop's page, as the browser sent it.
async fn page_call(shop: &OrderStub) -> ReceivedCall {
    let is_page = |call: &ReceivedCall| call.path == "/order?from=event";
    until_some("the shop's page", async || shop.received().into_iter().find(is_page)).await
}

/// The shop reports the order of the pass, and deletes nothing: the applicant has the seat.
async fn report(stage: &Stage, token: &str) {
    let claims = data_encoding::BASE64URL_NOPAD.decode(token.split('.').nth(1).unwrap().as_bytes()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    let report =
        json!({ "number": claims["number"], "guid": claims["sub"], "result": "ordered", "order_no": "A-1" });
    let bearer = format!("Bearer {SHOP_TOKEN}");
    let path = "/application/int/v1/create/result/spring";
    let http = HttpClient::new(&stage.base);
    let answer = http.post_json(path, &report, &[("authorization", &bearer)]).await.unwrap();
    assert_eq!(answer.status, 202, "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_called_applicant_orders_at_a_shop_of_another_site_and_comes_back() {
    let shop = open_shop().await;
    let play = Play { called_for_ms: 110_000, ..Play::default() };
    let (stage, browser) = apply(&shop, "localhost", play, true).await;
    wait(&browser, "[data-state=called]").await;
    assert_eq!(browser.text("#to-shop").await.unwrap(), "쇼핑몰로 가기");
    picture(&browser, "passes-called-ko").await;
    fits(&browser).await;
    let violations = testkit::axe::violations(&browser).await.unwrap();
    assert!(violations.is_empty(), "{violations:?}");
    browser.click("#extend").await.unwrap();
    wait(&browser, "#extend-form[hidden]").await;
    assert!(minutes_left(&browser).await >= 5);

    browser.click("#to-shop").await.unwrap();
    wait(&browser, "#shop").await;
    let call = page_call(&shop).await;
    let body = String::from_utf8(call.body.clone()).unwrap();
    assert_eq!((call.method.as_str(), call.header("origin")), ("POST", &*stage.base));
    let whole = format!("{}/", stage.base);
    assert_eq!(call.header("referer"), whole, "neither the receipt nor the pass");
    assert!(!call.header("cookie").contains("firstcome_pass"));
    report(&stage, body.strip_prefix("pass=").unwrap()).await;

    browser.script("history.back()").await.unwrap();
    wait(&browser, "[data-state=ordered]").await;
    assert_eq!(browser.text("#order-no").await.unwrap(), "A-1");
    assert!(!browser.exists("#cancel-box[open]").await.unwrap());
    let hidden = "return getComputedStyle(document.getElementById('cancel-box')).display";
    assert_eq!(browser.script(hidden).await.unwrap(), "none", "the shop cancels it");
    picture(&browser, "passes-ordered-ko").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_scripts_a_called_applicant_orders_at_a_shop_of_the_same_site() {
    let shop = open_shop().await;
    let play = Play { called_for_ms: 110_000, public_url: "http://127.0.0.1", ..Play::default() };
    let (stage, browser) = apply(&shop, "127.0.0.1", play, false).await;
    reload_until(&browser, "called").await;
    let page = browser.url().await.unwrap();
    browser.click("#to-shop").await.unwrap();
    wait(&browser, "#shop").await;
    let call = page_call(&shop).await;
    assert_eq!((call.method.as_str(), call.header("referer")), ("GET", ""));
    let cookie = call.header("cookie").split("; ").find_map(|pair| pair.strip_prefix("firstcome_pass="));
    report(&stage, cookie.unwrap()).await;
    browser.open(&page).await.unwrap();
    reload_until(&browser, "ordered").await;
    assert_eq!(browser.text("#order-no").await.unwrap(), "A-1");
}
