//! Requests that are no HTTP, can be read two ways, are too large or too slow: none reaches the shop, and none hides another.

use crate::harness::GatewayHarness;

/// The status of the answer to these bytes, and what the shop saw of them.
async fn refused(harness: &GatewayHarness, bytes: &str) -> u16 {
    let before = harness.shop.received().len();
    let mut client = harness.client().await;
    client.send(bytes).await;
    let answer = client.response().await;
    assert_eq!(harness.shop.received().len(), before, "{bytes:?} reached the shop");
    assert_eq!(answer.header("connection"), Some("close"), "{bytes:?}: {answer:?}");
    assert_eq!(client.rest().await, "", "{bytes:?}");
    answer.status
}

#[tokio::test]
async fn what_is_no_http_or_can_be_read_two_ways_never_reaches_the_shop() {
    let harness = GatewayHarness::with(&[]).await;
    let post = "POST /x HTTP/1.1\r\nhost: shop\r\n";
    for case in [
        format!("{post}content-length: 2\r\ncontent-length: 3\r\n\r\nhi!"),
        format!("{post}content-length: 2, 3\r\n\r\nhi!"),
        format!("{post}content-length: +2\r\n\r\nhi"),
        format!("{post}content-length: 0x2\r\n\r\nhi"),
        format!("{post}content-length: -2\r\n\r\nhi"),
        format!("{post}content-length: 2 2\r\n\r\nhi"),
        format!("{post}content-length: 99999999999999999999\r\n\r\nhi"),
        format!("{post}transfer-encoding: gzip\r\n\r\n0\r\n\r\n"),
        format!("{post}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        format!("{post}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n"),
        format!("{post}transfer-encoding : chunked\r\n\r\n0\r\n\r\n"),
        "GET / HTTP/1.1\r\nhost : shop\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nhost: shop\r\na: b\r\n folded\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nhost: shop\r\na: b\0c\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nhost: shop\r\na: b\rc\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nhost: shop\r\n: nameless\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nhost: shop\r\na b: c\r\n\r\n".to_owned(),
        "GET  / HTTP/1.1\r\nhost: shop\r\n\r\n".to_owned(),
        "GET / HTTP/1.1 x\r\nhost: shop\r\n\r\n".to_owned(),
        "GET / HTTP/3.7\r\nhost: shop\r\n\r\n".to_owned(),
        "GET /a b HTTP/1.1\r\nhost: shop\r\n\r\n".to_owned(),
        "GET /\u{1} HTTP/1.1\r\nhost: shop\r\n\r\n".to_owned(),
        "G\0T / HTTP/1.1\r\nhost: shop\r\n\r\n".to_owned(),
        "POST /x HTTP/1.0\r\nhost: shop\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nhost: shop\r\nhost: other\r\n\r\n".to_owned(),
        "GET http://other/ HTTP/1.1\r\nhost: shop\r\n\r\n".to_owned(),
    ] {
        assert_eq!(refused(&harness, &case).await, 400, "{case:?}");
    }
}

#[tokio::test]
async fn a_transfer_coding_besides_chunked_is_501_and_never_reaches_the_shop() {
    let harness = GatewayHarness::with(&[]).await;
    for codings in ["gzip, chunked", "chunked, chunked", "gzip\r\ntransfer-encoding: chunked"] {
        let mut client = harness.client().await;
        let body = "2\r\nhi\r\n0\r\n\r\n";
        client
            .send(format!("POST /x HTTP/1.1\r\nhost: shop\r\ntransfer-encoding: {codings}\r\n\r\n{body}"))
            .await;
        assert_eq!(
            client.response().await.problem(),
            (501, "transfer-coding-not-supported".into()),
            "{codings}"
        );
    }
    assert_eq!(harness.shop.count("/x"), 0);
    let mut client = harness.client().await;
    client
        .send("POST /x HTTP/1.1\r\nhost: shop\r\ntransfer-encoding: Chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
        .await;
    assert_eq!(client.response().await.status, 200);
}

#[tokio::test]
async fn nothing_behind_a_request_with_two_lengths_is_taken_for_a_request() {
    let harness = GatewayHarness::with(&[]).await;
    for lengths in [
        "content-length: 4\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 4",
        "transfer-encoding: chunked\r\ncontent-length: 4\r\ntransfer-encoding: chunked",
    ] {
        let mut client = harness.client().await;
        let smuggled = "GET /smuggled HTTP/1.1\r\nhost: shop\r\n\r\n";
        client.send(format!("POST /x HTTP/1.1\r\nhost: shop\r\n{lengths}\r\n\r\n0\r\n\r\n{smuggled}")).await;
        assert_eq!(client.response().await.header("connection"), Some("close"), "{lengths}");
        assert_eq!(client.rest().await, "", "{lengths}");
    }
    assert_eq!(harness.shop.count("/smuggled"), 0);
    for received in harness.shop.received() {
        assert_eq!(
            received.headers("content-length").len() + received.headers("transfer-encoding").len(),
            1,
            "{received:?}"
        );
    }
}

#[tokio::test]
async fn lines_that_end_in_a_bare_feed_make_the_same_request_or_none() {
    let harness = GatewayHarness::with(&[]).await;
    let mut client = harness.client().await;
    client
        .send(
            "POST /one HTTP/1.1\nhost: shop\ncontent-length: 2\n\nhiGET /two HTTP/1.1\r\nhost: shop\r\n\r\n",
        )
        .await;
    let first = client.response().await.status;
    if first == 200 {
        assert_eq!(client.response().await.status, 200);
        let received = harness.shop.received();
        let seen: Vec<_> =
            received.iter().map(|received| (received.path.as_str(), received.body.as_slice())).collect();
        assert_eq!(seen, [("/one", &b"hi"[..]), ("/two", b"")]);
        assert!(
            received.iter().all(|received| !received.head.replace("\r\n", "").contains(['\r', '\n'])),
            "{received:?}"
        );
    } else {
        assert_eq!((first, harness.shop.received().len()), (400, 0));
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_the_connection_closed() {
    let harness = GatewayHarness::with(&[]).await;
    let large = format!("GET / HTTP/1.1\r\nhost: shop\r\nx: {}\r\n\r\n", "a".repeat(17 * 1024));
    assert_eq!(refused(&harness, &large).await, 431);
    let many = format!("GET / HTTP/1.1\r\nhost: shop\r\n{}\r\n", "a: b\r\n".repeat(64));
    assert_eq!(refused(&harness, &many).await, 431);
    let long = format!("GET /{} HTTP/1.1\r\nhost: shop\r\n\r\n", "a".repeat(5000));
    assert_eq!(refused(&harness, &long).await, 414);
    let body = "POST /x HTTP/1.1\r\nhost: shop\r\ncontent-length: 1048577\r\nexpect: 100-continue\r\n\r\n";
    assert_eq!(refused(&harness, body).await, 413);
}

#[tokio::test]
async fn a_body_that_turns_out_too_large_is_413_and_never_whole_at_the_shop() {
    let harness = GatewayHarness::with(&[("body_max", "1000")]).await;
    let mut client = harness.client().await;
    let piece = format!("1f4\r\n{}\r\n", "a".repeat(500));
    client
        .send(format!(
            "POST /x HTTP/1.1\r\nhost: shop\r\ntransfer-encoding: chunked\r\n\r\n{}",
            piece.repeat(3)
        ))
        .await;
    assert_eq!(client.response().await.problem(), (413, "body-too-large".into()));
    assert!(
        harness.shop.received().iter().all(|received| received.body.is_empty()),
        "the shop took a part for the whole"
    );
}

#[tokio::test]
async fn slow_headers_and_slow_bodies_are_cut_and_leave_the_shop_free() {
    let flags = [
        ("header_read_timeout", "300ms"),
        ("body_read_timeout", "300ms"),
        ("upstream.shop.connections_max", "1"),
    ];
    let harness = GatewayHarness::with(&flags).await;
    let mut slow = harness.client().await;
    slow.send("GET / HTTP/1.1\r\nhost:").await;
    assert_eq!(slow.rest().await, "");
    let mut slow = harness.client().await;
    slow.send("POST /x HTTP/1.1\r\nhost: shop\r\ncontent-length: 10\r\n\r\nhalf").await;
    assert_eq!(slow.response().await.problem(), (408, "body-too-slow".into()));
    assert_eq!(slow.rest().await, "");
    assert_eq!(harness.client().await.get("/").await.status, 200);
}
