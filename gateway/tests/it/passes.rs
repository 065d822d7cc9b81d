//! Passes: a protected path is reached with a valid pass of its event only, and a verified pass makes a request an order.

use std::net::{IpAddr, Ipv4Addr};

use domain::{Pass, PassSigner};
use testkit::TempFolder;

use crate::client::{Client, ClientResponse};
use crate::harness::{GatewayHarness, OPENS, keys, until};

/// `/orders` needs a pass of the event `spring`.
const PROTECTED: [(&str, &str); 3] =
    [("route.2.prefix", "/orders"), ("route.2.upstream", "shop"), ("route.2.pass", "spring")];

/// A pass of an event, valid for a minute.
pub(crate) fn pass_of(event: &str) -> String {
    signed(event, "k1", 1, OPENS + 60_000)
}

fn signed(event: &str, kid: &str, root: u8, expires_at: i64) -> String {
    PassSigner::new(&keys(kid, root)).sign(&Pass {
        event: event.parse().unwrap(),
        application: "0123456789ab8def8123456789abcdef".into(),
        number: domain::Number::new(41_207).unwrap(),
        issued_at: OPENS - 1000,
        expires_at,
    })
}

/// The same pass with another signature.
pub(crate) fn forged(pass: &str) -> String {
    let end = if pass.ends_with("AAAA") { "BBBA" } else { "AAAA" };
    format!("{}{end}", &pass[..pass.len() - 4])
}

pub(crate) fn cookie(pass: &str) -> String {
    format!("cookie: a=b; firstcome_pass={pass}\r\n")
}

/// The reason of a refusal of a program's read.
fn reason(response: &ClientResponse) -> String {
    let (status, code) = response.problem();
    assert_eq!(status, 403, "{response:?}");
    assert!(response.body.contains("\"link\":\"/e/spring\""), "{response:?}");
    code
}

#[tokio::test]
async fn a_protected_path_is_reached_with_a_valid_pass_only() {
    let harness = GatewayHarness::with(&PROTECTED).await;
    let mut client = harness.client().await;
    let pass = pass_of("spring");
    for headers in [
        cookie(&pass),
        format!("x-firstcome-pass: {pass}\r\n"),
        format!("authorization: Bearer {pass}\r\n"),
        format!("cookie: firstcome_pass={}; firstcome_pass={pass}\r\n", forged(&pass)),
    ] {
        assert_eq!(client.get_with("/orders/echo", &headers).await.status, 200, "{headers}");
    }
    let none = |alg: &str| {
        let header = data_encoding::BASE64URL_NOPAD
            .encode(format!("{{\"alg\":\"{alg}\",\"kid\":\"k1\",\"typ\":\"JWT\"}}").as_bytes());
        format!("{header}.{}", pass.split_once('.').unwrap().1)
    };
    for (headers, expected) in [
        (String::new(), "pass-required"),
        (cookie(""), "pass-invalid"),
        (cookie("x"), "pass-invalid"),
        (cookie(&signed("spring", "k1", 1, OPENS - 1000)), "pass-expired"),
        (cookie(&pass_of("autumn")), "pass-wrong-event"),
        (cookie(&signed("spring", "k9", 1, OPENS + 60_000)), "pass-invalid"),
        (cookie(&signed("spring", "k1", 9, OPENS + 60_000)), "pass-invalid"),
        (cookie(&forged(&pass)), "pass-invalid"),
        (cookie(&none("none")), "pass-invalid"),
        (cookie(&none("HS256")), "pass-invalid"),
        (cookie(&format!("{pass}{}", "A".repeat(600))), "pass-invalid"),
        ("authorization: Bearer eyJhbGciOiJIUzI1NiJ9.e30.x\r\n".to_owned(), "pass-required"),
        (
            "x-class: order\r\nx-firstcome-event: spring\r\nx-firstcome-number: 1\r\n".to_owned(),
            "pass-required",
        ),
    ] {
        assert_eq!(reason(&client.get_with("/orders/new", &headers).await), expected, "{headers}");
    }
    assert_eq!(harness.shop.count("/orders/new"), 0);
    assert_eq!(client.get("/products").await.status, 200);
}

#[tokio::test]
async fn a_browser_without_a_pass_is_led_to_the_event() {
    let harness = GatewayHarness::with(&PROTECTED).await;
    let mut client = harness.client().await;
    let page = client.get_with("/orders/1", "accept: text/html\r\n").await;
    assert_eq!((page.status, page.header("location")), (303, Some("/e/spring")));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    client.send("POST /orders HTTP/1.1\r\nhost: shop\r\naccept: text/html\r\naccept-language: en\r\ncontent-length: 0\r\n\r\n").await;
    let page = client.response().await;
    assert_eq!((page.status, page.header("content-type")), (403, Some("text/html; charset=utf-8")));
    assert!(page.body.contains("<a href=\"/e/spring\">"), "{page:?}");
    assert!(page.body.contains("opens when it is your turn"), "{page:?}");
}

#[tokio::test]
async fn the_shop_is_told_whose_pass_it_is_and_no_client_can_claim_it() {
    let harness = GatewayHarness::with(&PROTECTED).await;
    let mut client = harness.client().await;
    let claims = "x-firstcome-event: autumn\r\nX-Firstcome-Number: 1\r\nx_firstcome_application: x\r\n";
    client.get_with("/orders/1", &format!("{claims}{}", cookie(&pass_of("spring")))).await;
    client.get_with("/products", claims).await;
    let received = harness.shop.received();
    let told = |at: usize| {
        ["x-firstcome-event", "x-firstcome-number", "x-firstcome-application", "x_firstcome_application"]
            .map(|name| received[at].headers(name).join(","))
    };
    assert_eq!(told(0), ["spring", "41207", "0123456789ab8def8123456789abcdef", ""]);
    assert_eq!(told(1), [""; 4]);
}

#[tokio::test]
async fn a_pass_makes_a_request_an_order_and_a_forged_one_does_not() {
    let mut flags = PROTECTED.to_vec();
    flags.extend([("upstream.shop.connections_max", "1"), ("upstream.shop.order_wait", "10s")]);
    let harness = GatewayHarness::with(&flags).await;
    let mut held = harness.client().await;
    held.send("GET /gate HTTP/1.1\r\nhost: shop\r\n\r\n").await;
    until(async || harness.shop.count("/gate") > 0).await;
    let pass = pass_of("spring");
    let mut order = harness.client().await;
    order.send(format!("GET /echo/buy HTTP/1.1\r\nhost: shop\r\n{}\r\n", cookie(&pass))).await;
    let browse = harness.client().await.get_with("/echo/see", &cookie(&forged(&pass))).await;
    assert_eq!(browse.problem(), (503, "upstream-full".into()));
    assert_eq!(harness.shop.count("/echo/buy"), 0);
    harness.shop.let_through(1);
    assert_eq!(held.response().await.status, 200);
    assert_eq!(order.response().await.status, 200);
}

#[tokio::test]
async fn a_forged_pass_costs_its_client_twenty_one_requests() {
    let mut flags = PROTECTED.to_vec();
    flags.extend([("limit.browse.burst", "100"), ("limit.browse.per_client", "1/m")]);
    let harness = GatewayHarness::with(&flags).await;
    let requests_until_429 = async |client: u8, pass: &str| {
        let source = IpAddr::V4(Ipv4Addr::new(127, 0, 0, client));
        let mut client = Client::from(source, harness.address).await;
        for nth in 0..=100 {
            if client.get_with("/echo/1", &cookie(pass)).await.status == 429 {
                return nth;
            }
        }
        panic!("no limit");
    };
    let pass = pass_of("spring");
    assert_eq!(requests_until_429(2, &forged(&pass)).await, 5);
    assert_eq!(requests_until_429(3, &pass).await, 100);
    // An honest client whose pass has expired, or whose key was removed, pays nothing.
    assert_eq!(requests_until_429(4, &signed("spring", "k1", 1, OPENS - 1000)).await, 100);
    assert_eq!(requests_until_429(5, &signed("spring", "k0", 1, OPENS + 60_000)).await, 100);
}

#[tokio::test]
async fn other_proxies_can_check_a_pass() {
    let harness = GatewayHarness::with(&[]).await;
    let mut client = Client::to(harness.internal).await;
    let pass = cookie(&pass_of("spring"));
    for path in ["", "/spring", "/spring/", "/spring/orders/7?x=1"] {
        let response = client.get_with(&format!("/gateway/int/v1/check/pass{path}"), &pass).await;
        let told = ["x-firstcome-event", "x-firstcome-number", "x-firstcome-application", "cache-control"];
        let told = told.map(|name| response.header(name).unwrap());
        assert_eq!(
            (response.status, told),
            (200, ["spring", "41207", "0123456789ab8def8123456789abcdef", "no-store"]),
            "{path}"
        );
    }
    client.send(format!("POST /gateway/int/v1/check/pass/spring/orders HTTP/1.1\r\nhost: x\r\n{pass}content-length: 0\r\n\r\n")).await;
    assert_eq!(client.response().await.status, 200, "Envoy sends the method of the request");
    for (event, headers, expected) in [
        ("/spring", "", "pass-required"),
        ("", "", "pass-required"),
        ("/autumn", &*pass, "pass-wrong-event"),
        ("/Autumn!", &*pass, "pass-wrong-event"),
        ("/spring", "x-firstcome-pass: x\r\n", "pass-invalid"),
    ] {
        let response = client.get_with(&format!("/gateway/int/v1/check/pass{event}"), headers).await;
        assert_eq!(response.problem(), (401, expected.into()));
        assert_eq!(response.header("x-firstcome-reason"), Some(expected));
        assert_eq!(response.header("www-authenticate"), Some("Bearer"));
    }
    let mut public = harness.client().await;
    assert_eq!(public.get_with("/gateway/int/v1/check/pass", &pass).await.status, 404);
}

#[tokio::test]
async fn keys_in_a_file_are_replaced_without_a_restart() {
    let folder = TempFolder::new("gateway-pass-keys");
    let file = folder.path().join("passes.json");
    let write =
        |kid, root| std::fs::write(&file, domain::PassVerifier::of(&keys(kid, root)).to_jwks()).unwrap();
    write("k2", 2);
    let path = file.to_str().unwrap().to_owned();
    let mut flags = PROTECTED.to_vec();
    flags.push(("pass_keys", &path));
    let harness = GatewayHarness::with(&flags).await;
    let mut client = harness.client().await;
    let (second, third) =
        (signed("spring", "k2", 2, OPENS + 60_000), signed("spring", "k3", 3, OPENS + 60_000));
    assert_eq!(client.get_with("/orders/1", &cookie(&second)).await.status, 200);
    assert_eq!(reason(&client.get_with("/orders/1", &cookie(&third)).await), "pass-invalid");
    write("k3", 3);
    until(async || client.get_with("/orders/1", &cookie(&third)).await.status == 200).await;
    assert_eq!(reason(&client.get_with("/orders/1", &cookie(&second)).await), "pass-invalid");
    std::fs::write(&file, "{}").unwrap();
    until(async || harness.ctx.health.readiness().report.contains("last content stays in use")).await;
    assert_eq!(client.get_with("/orders/1", &cookie(&third)).await.status, 200);
}
