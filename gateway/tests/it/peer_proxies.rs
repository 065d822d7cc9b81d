//! The recipes of docs/gateway.md by which other proxies ask the gateway whether a request has a pass, each run on the proxy itself.

use std::net::SocketAddr;

use testkit::free_port;
use testkit::peer_proxy::{PeerProxy, PeerProxyKind, nginx_asking, recipe, replaced};

use crate::client::{Client, ClientResponse};
use crate::harness::GatewayHarness;
use crate::passes::{cookie, forged, pass_of};

const DOCS: &str = include_str!("../../../docs/gateway.md");

/// What every proxy must do with the recipe: `/orders` needs a pass of `spring`.
async fn protects_orders(harness: &GatewayHarness, proxy: SocketAddr) {
    let mut client = Client::to(proxy).await;
    let pass = pass_of("spring");
    let claims = "x-firstcome-event: autumn\r\nx-firstcome-number: 1\r\nx-firstcome-application: x\r\n";
    for path in ["/orders", "/orders/7?x=1"] {
        assert_eq!(client.get_with(path, &format!("{claims}{}", cookie(&pass))).await.status, 200, "{path}");
    }
    assert_eq!(client.get_with("/orders/8", &format!("x-firstcome-pass: {pass}\r\n")).await.status, 200);
    assert_eq!(client.get_with("/products/1", &format!("{claims}{}", cookie(&pass))).await.status, 200);
    let is_led_away = |response: &ClientResponse| {
        response.status == 303 && response.header("location").is_some_and(|to| to.ends_with("/e/spring"))
    };
    for path in ["/orders/no", "/Orders/no", "//orders/no", "/x/../orders/no", "/orders;x/no"] {
        for headers in [
            claims.to_owned(),
            cookie(&forged(&pass)),
            cookie(&pass_of("autumn")),
            "authorization: Bearer x\r\n".into(),
        ] {
            let response = client.get_with(path, &format!("accept: text/html\r\n{headers}")).await;
            assert!(is_led_away(&response), "{path} {headers}: {response:?}");
            if response.header("connection") == Some("close") {
                client = Client::to(proxy).await;
            }
        }
    }
    client
        .send(format!(
            "POST /orders/new HTTP/1.1\r\nhost: shop\r\n{}content-length: 3\r\n\r\na=b",
            cookie(&pass)
        ))
        .await;
    assert_eq!(client.response().await.status, 200);
    let received = harness.shop.received();
    let paths: Vec<_> = received.iter().map(|request| request.path.as_str()).collect();
    assert_eq!(paths, ["/orders", "/orders/7?x=1", "/orders/8", "/products/1", "/orders/new"]);
    let told = |at: usize| {
        ["x-firstcome-event", "x-firstcome-number", "x-firstcome-application"]
            .map(|name| received[at].headers(name).join(","))
    };
    for at in [0, 1, 2, 4] {
        assert_eq!(told(at), ["spring", "41207", "0123456789ab8def8123456789abcdef"], "{at}");
    }
    assert_eq!(told(3), [""; 3]);
    assert_eq!(received[4].body, b"a=b");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_asks_by_auth_request() {
    let harness = GatewayHarness::with(&[]).await;
    let port = free_port();
    let settings = nginx_asking(DOCS, port, harness.internal, harness.shop.address);
    let Some(_nginx) = PeerProxy::start(PeerProxyKind::Nginx, &settings, port).unwrap() else { return };
    protects_orders(&harness, ([127, 0, 0, 1], port).into()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn envoy_asks_by_ext_authz() {
    let harness = GatewayHarness::with(&[]).await;
    let port = free_port();
    let mut settings = recipe(DOCS, "Envoy asks the gateway", "yaml");
    let socket = |address: SocketAddr| format!("address: {}, port_value: {}", address.ip(), address.port());
    for (from, to) in [
        ("address: 0.0.0.0, port_value: 8443", socket(([127, 0, 0, 1], port).into())),
        ("address: 10.0.0.8, port_value: 9093", socket(harness.internal)),
        ("address: 10.0.0.20, port_value: 8080", socket(harness.shop.address)),
    ] {
        settings = replaced(&settings, from, &to);
    }
    let Some(_envoy) = PeerProxy::start(PeerProxyKind::Envoy, &settings, port).unwrap() else { return };
    protects_orders(&harness, ([127, 0, 0, 1], port).into()).await;
}
