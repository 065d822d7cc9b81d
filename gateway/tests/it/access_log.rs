//! The access log: a line for each request, and no secret in any.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use service::tasks::Shutdown;
use testkit::TempFolder;

use crate::harness::{GatewayHarness, until};

/// A gateway with an access log.
struct LoggedGateway {
    harness: GatewayHarness,
    file: PathBuf,
    _folder: TempFolder,
}

impl LoggedGateway {
    async fn with(flags: &[(&str, &str)]) -> Self {
        let folder = TempFolder::new("gateway-access-log");
        let file = folder.path().join("access.log");
        let path = file.to_str().unwrap().to_owned();
        let log = [("access_log.lines", "all"), ("access_log.file", path.as_str())];
        let harness = GatewayHarness::with(&[&log[..], flags].concat()).await;
        Self { harness, file, _folder: folder }
    }

    /// The lines, when there are so many.
    async fn lines(&self, count: usize) -> Vec<String> {
        let lines = || std::fs::read_to_string(&self.file).unwrap().lines().map(str::to_owned).collect();
        until(async || {
            let lines: Vec<String> = lines();
            lines.len() >= count
        })
        .await;
        let lines: Vec<String> = lines();
        assert_eq!(lines.len(), count, "{lines:#?}");
        lines
    }

    async fn entries(&self, count: usize) -> Vec<Value> {
        self.lines(count).await.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[tokio::test]
async fn a_line_says_what_became_of_a_request() {
    let gateway = LoggedGateway::with(&[]).await;
    let mut client = gateway.harness.client().await;
    let headers = "user-agent: test/1.0\r\nreferer: http://shop/products?token=abc\r\n";
    assert_eq!(client.get_with("/echo/1?id=7", headers).await.status, 200);
    assert_eq!(client.get("/away").await.status, 503);
    assert_eq!(client.get("/a%2fb").await.status, 400);
    client.send("HEAD / HTTP/1.1\r\nhost: shop\r\n\r\n").await;
    client.rest_of_head().await;
    let entries = gateway.entries(4).await;
    let first = &entries[0];
    for (key, value) in [
        ("client", "127.0.0.0"),
        ("method", "GET"),
        ("host", "shop"),
        ("path", "/echo/1?id=-"),
        ("protocol", "HTTP/1.1"),
        ("route", "/"),
        ("upstream", "shop"),
        ("class", "browse"),
        ("referer", "http://shop/products?token=-"),
        ("user_agent", "test/1.0"),
    ] {
        assert_eq!(first[key], value, "{key} of {first}");
    }
    // The stub echoes the path with its query.
    assert_eq!(
        (&first["status"], &first["bytes"], &first["complete"]),
        (&200.into(), &12.into(), &true.into())
    );
    let trace_id = first["trace_id"].as_str().unwrap();
    assert!(gateway.harness.shop.received()[0].headers("traceparent")[0].contains(trace_id));
    assert_eq!((&entries[1]["status"], &entries[1]["reason"]), (&503.into(), &"upstream-down".into()));
    assert_eq!((&entries[2]["status"], &entries[2]["path"]), (&400.into(), &"-".into()));
    assert_eq!(entries[3]["method"], "HEAD");
    assert!(entries.iter().all(|entry| entry["complete"] == true), "{entries:#?}");
}

#[tokio::test]
async fn no_line_has_a_receipt_or_a_value_of_a_query() {
    const RECEIPT: &str = "k1.AQEAAAABAAAAAV0cPjQyUu2mpcfwTg6VbQBzcHJpbmfmY2Pn-5QhvG1VTQ_0sXo1";
    for format in ["json", "combined"] {
        let gateway = LoggedGateway::with(&[("access_log.format", format)]).await;
        let mut client = gateway.harness.client().await;
        let paths = [
            "/a/{}",
            "//a//{}",
            "/%61/{}",
            "/a/;x/{}",
            "/x/../a/{}",
            "/A/{}",
            "/a%2f{}",
            "/a\\{}",
            "/a;{}",
            "/application/com/v1/get/application/{}",
            "/application/com/v1/cancel/application/{}?asked=cancel",
            "/application/com/{}",
            "/application/adm/v1/{}",
            "/products/{}",
            "/?receipt={}",
            "/?{}",
            "/e/spring?x=1&r={}",
        ];
        for path in paths {
            let path = path.replace("{}", RECEIPT);
            client.get_with(&path, &format!("referer: http://shop/a/{RECEIPT}?r={RECEIPT}\r\n")).await;
        }
        for line in gateway.lines(paths.len()).await {
            assert!(!line.contains("AQEAAAAB") && !line.contains("k1"), "{line}");
        }
    }
}

#[tokio::test]
async fn no_line_has_a_password_before_a_host() {
    let gateway = LoggedGateway::with(&[]).await;
    for (target, host) in [("/", "kim:secret@shop"), ("http://kim:secret@shop/", "kim:secret@shop")] {
        let mut client = gateway.harness.client().await;
        client.send(format!("GET {target} HTTP/1.1\r\nhost: {host}\r\n\r\n")).await;
        assert_eq!(client.response().await.status, 400);
    }
    for line in gateway.lines(2).await {
        assert!(!line.contains("secret"), "{line}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_has_a_line_too() {
    let gateway = LoggedGateway::with(&[]).await;
    let mut client = gateway.harness.client().await;
    client.send("GET /gate HTTP/1.1\r\nhost: shop\r\n\r\n").await;
    until(async || gateway.harness.shop.count("/gate") == 1).await;
    drop(client);
    let entry = gateway.entries(1).await.remove(0);
    assert_eq!((&entry["status"], &entry["reason"]), (&499.into(), &"client-left".into()));
    // A response that breaks off.
    let mut client = gateway.harness.client().await;
    client.send("GET /half HTTP/1.1\r\nhost: shop\r\n\r\n").await;
    client.rest().await;
    let entry = gateway.entries(2).await.remove(1);
    assert_eq!((&entry["status"], &entry["complete"]), (&200.into(), &false.into()));
}

#[tokio::test]
async fn what_the_listener_refuses_has_a_line_too() {
    let gateway = LoggedGateway::with(&[("body_max", "10")]).await;
    let mut client = gateway.harness.client().await;
    client.send("POST /x HTTP/1.1\r\nhost: shop\r\ncontent-length: 11\r\n\r\nhello world").await;
    assert_eq!(client.response().await.status, 413);
    let mut client = gateway.harness.client().await;
    client.send("POST /x HTTP/1.1\r\nhost: shop\r\ntransfer-encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n").await;
    assert_eq!(client.response().await.status, 413);
    let entries = gateway.entries(2).await;
    assert!(entries.iter().all(|entry| entry["status"] == 413), "{entries:#?}");
}

#[tokio::test]
async fn a_sample_has_one_line_of_so_many() {
    let gateway = LoggedGateway::with(&[("access_log.lines", "1/10")]).await;
    let mut client = gateway.harness.client().await;
    for _ in 0..100 {
        client.get("/").await;
    }
    let entries = gateway.entries(10).await;
    assert!(entries.iter().all(|entry| entry["sample"] == 10));
}

#[tokio::test]
async fn lines_of_requests_that_end_during_the_stop_are_written() {
    let gateway = LoggedGateway::with(&[]).await;
    let mut running = gateway.harness.client().await;
    running.send("GET /gate HTTP/1.1\r\nhost: shop\r\n\r\n").await;
    until(async || gateway.harness.shop.count("/gate") == 1).await;
    let tasks = &gateway.harness.ctx.tasks;
    let (ended, ()) = tokio::join!(tasks.shut_down(Duration::from_secs(10)), async {
        tasks.stopping().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        gateway.harness.shop.let_through(1);
        assert_eq!(running.response().await.body, "ok");
    });
    assert_eq!(ended, Shutdown::Clean);
    assert_eq!(gateway.entries(1).await[0]["status"], 200);
}
