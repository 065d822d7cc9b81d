//! The pages without script, and the regular checkout.

use shop::Config;
use testkit::{HttpClient, HttpResponse};
use tokio::task::JoinSet;

use crate::harness::{ShopHarness, key, order_no, quick};

async fn get_in(http: &HttpClient, path: &str, language: &str) -> HttpResponse {
    http.send(hyper::Method::GET, path, &[("accept-language", language)], bytes::Bytes::new()).await.unwrap()
}

/// The value of a hidden field.
fn field(page: &str, name: &str) -> String {
    let rest = page.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("{page}")).1;
    rest.split_once('"').unwrap().0.to_owned()
}

async fn stock(harness: &ShopHarness, product: u32) -> u32 {
    let page = harness.http.get(&format!("/products/{product}")).await.unwrap().text();
    match page.split_once("id=\"stock\">") {
        Some((_, rest)) => rest.split_once('<').unwrap().0.parse().unwrap(),
        None => 0,
    }
}

#[tokio::test]
async fn every_page_is_served_in_korean_and_english() {
    let harness = ShopHarness::open().await;
    for (path, korean, english) in [
        ("/", "많이 찾는 상품", "Popular"),
        ("/products/4", "봄맞이 특가 세트", "Spring special set"),
        ("/orders/new?product=4", "주문서", "Your order"),
    ] {
        for (language, text, tag) in [("ko-KR", korean, "ko"), ("en-US,en;q=0.9", english, "en")] {
            let page = get_in(&harness.http, path, language).await;
            assert_eq!((page.status, page.header("content-language")), (200, Some(tag)), "{path}");
            assert!(page.text().contains(text) && page.text().contains(&format!("<html lang=\"{tag}\">")));
            assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
            assert!(!page.text().contains("<script"), "a page needs no script");
        }
    }
    let explicit = harness.http.get("/?lang=en").await.unwrap();
    assert!(
        explicit.text().contains("Popular") && explicit.header("set-cookie").unwrap().starts_with("lang=en;")
    );
    let form = harness.http.get("/orders/new?product=4&lang=en").await.unwrap().text();
    assert!(form.contains("?product=4&#38;lang=ko"), "the other language keeps the product: {form}");
}

#[tokio::test]
async fn every_link_of_the_main_page_resolves() {
    let harness = ShopHarness::open().await;
    let page = harness.http.get("/").await.unwrap().text();
    let links = page
        .split(['"', ' ', '>'])
        .filter(|part| part.starts_with("/assets/") || part.starts_with("/products/"));
    let links: Vec<_> = links.collect();
    assert!(links.len() >= 17, "{links:?}");
    for link in links {
        assert_eq!(harness.http.get(link).await.unwrap().status, 200, "{link}");
    }
    let style = harness.http.get("/assets/shop.css").await.unwrap();
    assert_eq!(style.header("content-type"), Some("text/css; charset=utf-8"));
    assert_eq!(style.header("cache-control"), Some("public, max-age=3600"));
}

#[tokio::test]
async fn a_form_submitted_twice_buys_once() {
    let harness = ShopHarness::open_with(Config { stock: 10, ..quick() }).await;
    let form = harness.http.get("/orders/new?product=3").await.unwrap().text();
    let fields = [("product", "3"), ("pieces", "2"), ("key", &field(&form, "key"))];
    let first = harness.http.post_form("/orders", &fields).await.unwrap();
    assert_eq!(first.status, 303);
    let again = harness.http.post_form("/orders", &fields).await.unwrap();
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(stock(&harness, 3).await, 8);
    let order = get_in(&harness.http, first.header("location").unwrap(), "en").await.text();
    assert!(order.contains("Brass bookmark × 2") && order.contains("R-000001"), "{order}");
    let popular = harness.http.get("/").await.unwrap().text();
    let first_product = popular.split_once("/products/").unwrap().1;
    assert!(first_product.starts_with("3\""), "the best-selling product is first");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_checkouts_never_sell_more_than_the_stock() {
    let harness = ShopHarness::open_with(Config { stock: 25, ..quick() }).await;
    let mut buys = JoinSet::new();
    for nth in 0..40 {
        let http = harness.http.clone();
        buys.spawn(async move {
            let fields = [("product", "1"), ("pieces", "2"), ("key", &*key(nth))];
            http.post_form("/orders", &fields).await.unwrap().status
        });
    }
    let statuses = buys.join_all().await;
    let count = |wanted| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!((count(303), count(409)), (12, 28));
    assert_eq!(stock(&harness, 1).await, 1);
    let last = [("product", "1"), ("pieces", "1"), ("key", &*key(99))];
    assert_eq!(harness.http.post_form("/orders", &last).await.unwrap().status, 303);
    let page = get_in(&harness.http, "/products/1", "en").await.text();
    assert!(page.contains("Sold out") && !page.contains("/orders/new"), "{page}");
}

#[tokio::test]
async fn an_invalid_form_gets_a_422_page_and_buys_nothing() {
    let harness = ShopHarness::open_with(Config { stock: 5, ..quick() }).await;
    let key = key(1);
    for fields in [
        vec![],
        vec![("product", "1"), ("pieces", "1")],
        vec![("product", "99"), ("pieces", "1"), ("key", &key)],
        vec![("product", "1"), ("pieces", "0"), ("key", &key)],
        vec![("product", "1"), ("pieces", "10"), ("key", &key)],
        vec![("product", "1"), ("pieces", "-1"), ("key", &key)],
        vec![("product", "1; DROP TABLE sale"), ("pieces", "1"), ("key", &key)],
        vec![("product", "1"), ("pieces", "1"), ("key", "'><script>alert(1)</script>")],
    ] {
        let page = harness.http.post_form("/orders", &fields).await.unwrap();
        assert_eq!(
            (page.status, page.header("content-type")),
            (422, Some("text/html; charset=utf-8")),
            "{fields:?}"
        );
        assert!(!page.text().contains("<script>"));
    }
    let json = harness.http.post_json("/orders", &serde_json::json!({ "product": 1 }), &[]).await.unwrap();
    assert_eq!(json.status, 422);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    for body in ["%", "%ff=%ff", "product=%00", "=&=&="] {
        let page = harness.http.send(hyper::Method::POST, "/orders", &form, body.into()).await.unwrap();
        assert_eq!(page.status, 422, "{body}");
    }
    assert_eq!(stock(&harness, 1).await, 5);
}

#[tokio::test]
async fn an_unknown_path_gets_a_404_page() {
    let harness = ShopHarness::open().await;
    for path in [
        "/nothing",
        "/products/99",
        "/products/0",
        "/products/-1",
        "/products/x",
        "/products/%ff",
        "/products/99999999999999999999",
        "/orders/new",
        "/orders/new?product=99",
        "/orders/R-000001",
        "/orders/E-1",
        "/orders/R-",
        "/orders/X-1",
        "/orders/R-99999999999999999999",
        "/orders/%3Cscript%3E",
    ] {
        let page = get_in(&harness.http, path, "en").await;
        assert_eq!(
            (page.status, page.header("content-type")),
            (404, Some("text/html; charset=utf-8")),
            "{path}"
        );
        assert!(page.text().contains("Page not found") && !page.text().contains("<script"), "{path}");
    }
    for path in ["/assets/nothing.css", "/assets/product-99.svg", "/assets/..%2fCargo.toml"] {
        assert_eq!(harness.http.get(path).await.unwrap().status, 404, "{path}");
    }
}

#[tokio::test]
async fn an_event_order_has_a_page_without_personal_data_until_deleted() {
    let harness = ShopHarness::open().await;
    let path = format!("/orders/{}", order_no(&harness.put("spring", &key(1)).await));
    let page = get_in(&harness.http, &path, "en").await;
    assert!(page.status == 200 && page.text().contains("Event spring"), "{}", page.text());
    assert!(!page.text().contains("홍길동") && !page.text().contains("8210"), "{}", page.text());
    harness.delete("spring", &key(1)).await;
    assert_eq!(harness.http.get(&path).await.unwrap().status, 404);
}
