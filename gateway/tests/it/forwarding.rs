//! What reaches the shop of a request, and the client of an answer.

use crate::harness::{GatewayHarness, until};

const POST: &str = "POST /x HTTP/1.1\r\nhost: shop\r\n";

#[tokio::test]
async fn a_request_and_its_answer_pass_through() {
    let harness = GatewayHarness::with(&[]).await;
    let mut client = harness.client().await;
    client
        .send(format!("{POST}content-length: 5\r\nauthorization: Bearer x\r\ncookie: a=1\r\n\r\nhello"))
        .await;
    let answer = client.response().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
    let received = harness.shop.received().remove(0);
    assert_eq!(
        (received.method.as_str(), received.path.as_str(), received.body.as_slice()),
        ("POST", "/x", &b"hello"[..])
    );
    assert_eq!(received.headers("host"), ["shop"]);
    assert_eq!(received.headers("authorization"), ["Bearer x"]);
    assert_eq!(received.headers("cookie"), ["a=1"]);
    // One connection on either side carries many.
    for _ in 0..5 {
        assert_eq!(client.get("/y?q=%2F%00;&&x").await.status, 200);
    }
    assert_eq!(harness.shop.connections(), 1);
    assert_eq!(harness.shop.count("/y?q=%2F%00;&&x"), 5);
}

#[tokio::test]
async fn client_headers_about_the_client_are_ignored() {
    let harness = GatewayHarness::with(&[]).await;
    let forged = "x-forwarded-for: 6.6.6.6\r\nx_forwarded_for: 6.6.6.6\r\nx-real-ip: 6.6.6.6\r\n\
        forwarded: for=6.6.6.6\r\nx-forwarded-proto: https\r\nx-forwarded-host: evil\r\nx-forwarded-user: root\r\n\
        x-original-url: /admin\r\nx-internal-role: admin\r\n";
    harness.client().await.get_with("/", forged).await;
    let received = harness.shop.received().remove(0);
    assert_eq!(received.headers("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(received.headers("x-real-ip"), ["127.0.0.1"]);
    assert_eq!(received.headers("forwarded"), ["for=127.0.0.1;proto=http"]);
    assert_eq!(received.headers("x-forwarded-proto"), ["http"]);
    assert_eq!(received.headers("x-forwarded-host"), ["shop"]);
    for evil in ["6.6.6.6", "evil", "root", "admin"] {
        assert!(!received.head.contains(evil), "{received:?}");
    }
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_from_the_right() {
    let harness = GatewayHarness::with(&[("trusted_proxies", "127.0.0.0/8")]).await;
    let headers = "x-forwarded-for: 6.6.6.6, 198.51.100.7\r\nx-forwarded-proto: https\r\n";
    harness.client().await.get_with("/", headers).await;
    let received = harness.shop.received().remove(0);
    assert_eq!(received.headers("x-forwarded-for"), ["198.51.100.7"]);
    assert_eq!(received.headers("x-forwarded-proto"), ["https"]);
    assert_eq!(received.headers("forwarded"), ["for=198.51.100.7;proto=https"]);
}

#[tokio::test]
async fn what_is_about_one_connection_stays_there() {
    let harness = GatewayHarness::with(&[]).await;
    let own = "connection: close, x-secret, host\r\nx-secret: 1\r\nkeep-alive: 5\r\nte: trailers\r\n\
        proxy-authorization: x\r\nproxy-connection: x\r\nexpect: 100-continue\r\n";
    let mut client = harness.client().await;
    let answer = client.get_with("/own", own).await;
    let received = harness.shop.received().remove(0);
    for name in
        ["connection", "x-secret", "keep-alive", "te", "proxy-authorization", "proxy-connection", "expect"]
    {
        assert!(received.headers(name).is_empty(), "{name}: {received:?}");
    }
    assert_eq!(received.headers("host"), ["shop"]);
    for name in ["x-secret", "keep-alive", "proxy-authenticate"] {
        assert_eq!(answer.header(name), None, "{answer:?}");
    }
    // The client asked for the connection to be closed.
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn what_the_shop_says_is_passed_as_it_is() {
    let harness = GatewayHarness::with(&[]).await;
    let answer = harness.client().await.get("/own").await;
    assert_eq!((answer.status, answer.body.as_str()), (503, "our page"));
    assert_eq!(answer.header("server"), Some("shop"));
    assert!(answer.head.contains("a=1") && answer.head.contains("b=2"), "{answer:?}");
    for name in ["content-security-policy", "x-frame-options", "cache-control", "retry-after"] {
        assert_eq!(answer.header(name), None, "{answer:?}");
    }
    let mut client = harness.client().await;
    client.send("HEAD / HTTP/1.1\r\nhost: shop\r\n\r\n").await;
    assert!(client.rest_of_head().await.contains("content-length: 2"));
}

#[tokio::test]
async fn a_request_carries_one_trace_and_the_gateway_s_name() {
    let harness = GatewayHarness::with(&[]).await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let mut client = harness.client().await;
    client.get_with("/", &format!("traceparent: {trace}\r\nvia: 1.1 other\r\n")).await;
    client.get_with("/", "traceparent: junk\r\n").await;
    let received = harness.shop.received();
    assert_eq!(received[0].headers("traceparent"), [trace]);
    let made = received[1].headers("traceparent");
    assert!(made.len() == 1 && made[0].len() == 55 && made[0].starts_with("00-"), "{made:?}");
    let via = received[0].headers("via");
    assert!(via.len() == 2 && via[0] == "1.1 other" && via[1].starts_with("1.1 firstcome-"), "{via:?}");
    // What comes back to the very same gateway would go round for ever.
    let answer = client.get_with("/", &format!("via: {}\r\n", via[1])).await;
    assert_eq!(answer.problem(), (508, "loop".into()));
}

#[tokio::test]
async fn an_answer_passes_while_it_is_made() {
    let harness = GatewayHarness::with(&[]).await;
    let mut client = harness.client().await;
    client.send("GET /pieces HTTP/1.1\r\nhost: shop\r\n\r\n").await;
    assert_eq!(client.response().await.header("transfer-encoding"), Some("chunked"));
    assert_eq!(client.bytes(10).await, b"5\r\nfirst\r\n");
    // Only now does the shop go on.
    harness.shop.let_through(1);
    assert_eq!(client.bytes(14).await, b"4\r\nlast\r\n0\r\n\r\n");
    assert_eq!(client.get("/").await.status, 200);
}

#[tokio::test]
async fn a_request_passes_while_it_is_sent() {
    let mut harness = GatewayHarness::with(&[]).await;
    let mut client = harness.client().await;
    // The first 64 KiB are read before the shop gets any of it.
    let start = "x".repeat(64 * 1024);
    client.send(format!("{POST}transfer-encoding: chunked\r\n\r\n10000\r\n{start}\r\n")).await;
    client.send("5\r\nfirst\r\n").await;
    let mut received = Vec::new();
    while received.len() < start.len() + 5 {
        received.extend(harness.shop.pieces.recv().await.unwrap());
    }
    assert!(received.ends_with(b"xfirst"));
    client.send("4\r\nlast\r\n0\r\n\r\n").await;
    assert_eq!(harness.shop.pieces.recv().await.unwrap(), b"last");
    assert_eq!(client.response().await.status, 200);
}

#[tokio::test]
async fn an_answer_that_comes_before_the_request_is_through_is_passed() {
    let harness = GatewayHarness::with(&[]).await;
    let mut client = harness.client().await;
    let half = "x".repeat(100_000);
    client.send(format!("POST /early HTTP/1.1\r\nhost: shop\r\ncontent-length: 200000\r\n\r\n{half}")).await;
    assert_eq!(client.response().await.body, "early");
}

#[tokio::test]
async fn an_old_client_and_an_old_shop_are_understood() {
    let harness = GatewayHarness::with(&[]).await;
    let mut old = harness.client().await;
    old.send("GET / HTTP/1.0\r\n\r\n").await;
    assert!(old.rest().await.ends_with("\r\n\r\nok"));
    let own = harness.shop.address.to_string();
    assert_eq!(harness.shop.received()[0].headers("host"), [own.as_str()], "HTTP/1.1 needs a host");
    let mut client = harness.client().await;
    client.send("GET /old HTTP/1.1\r\nhost: shop\r\n\r\n").await;
    assert_eq!(client.response().await.header("transfer-encoding"), Some("chunked"));
    assert_eq!(client.bytes(8 + 5).await, b"3\r\nold\r\n0\r\n\r\n");
}

#[tokio::test]
async fn other_protocols_and_methods_about_the_connection_are_refused() {
    let harness = GatewayHarness::with(&[]).await;
    for (request, status, code) in [
        (
            "GET / HTTP/1.1\r\nhost: shop\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
            501,
            "upgrade-not-supported",
        ),
        ("TRACE / HTTP/1.1\r\nhost: shop\r\n\r\n", 405, "method-not-allowed"),
        ("CONNECT shop:80 HTTP/1.1\r\nhost: shop:80\r\n\r\n", 405, "method-not-allowed"),
        ("OPTIONS * HTTP/1.1\r\nhost: shop\r\n\r\n", 400, "ambiguous-path"),
        ("GET / HTTP/1.1\r\nhost: user@shop\r\n\r\n", 400, "bad-host"),
        ("GET / HTTP/1.1\r\nhost: shop/x\r\n\r\n", 400, "bad-host"),
    ] {
        let mut client = harness.client().await;
        client.send(request).await;
        assert_eq!(client.response().await.problem(), (status, code.into()), "{request}");
    }
    assert!(harness.shop.received().is_empty());
    // Some clients offer HTTP/2 with every request; that does not request an upgrade.
    let offer = "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n";
    assert_eq!(harness.client().await.get_with("/", offer).await.status, 200);
    assert!(harness.shop.received()[0].headers("upgrade").is_empty());
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_request_along() {
    let harness = GatewayHarness::with(&[]).await;
    let mut client = harness.client().await;
    client.send("GET /silent HTTP/1.1\r\nhost: shop\r\n\r\n").await;
    until(async || harness.shop.count("/silent") == 1).await;
    drop(client);
    until(async || harness.shop.open() == 0).await;
}

#[tokio::test]
async fn what_the_operators_and_the_services_use_is_never_forwarded() {
    let harness = GatewayHarness::with(&[]).await;
    let mut client = harness.client().await;
    for path in [
        "/livez",
        "/readyz",
        "/metrics",
        "/Metrics",
        "/event/adm/v1/list/event",
        "/event//adm/v1/x",
        "/event/%61dm/v1/x",
        "/x/../event/adm/v1/x",
        "/event;x/adm;y/v1",
        "/event/INT/v1/x",
        "/order/int/v1/create",
    ] {
        assert_eq!(client.get(path).await.problem(), (404, "not-found".into()), "{path}");
    }
    assert!(harness.shop.received().is_empty());
}
