//! Diverted paths: from the opening on no spelling of a path reaches the product.

use std::time::Duration;

use domain::{EventSettings, EventState};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::client::Client;
use crate::harness::{CLOSES, GatewayHarness, OPENS, settings, until};
use crate::passes::{cookie, forged, pass_of};

const PATHS: [&str; 2] = ["/products/spring", "/order/create"];

fn spring() -> EventSettings {
    settings("spring", &PATHS)
}

/// An event of which the gateway knows; the clock stands a second before its opening.
async fn harness(flags: &[(&str, &str)]) -> GatewayHarness {
    let harness = GatewayHarness::unpublished(flags).await;
    harness.arm(spring()).await;
    harness.queue.publish(&[spring().id]).await.unwrap();
    harness
}

/// Lets the event open.
async fn open(harness: &GatewayHarness) -> Client {
    let mut client = harness.client().await;
    assert_eq!(client.get(PATHS[0]).await.status, 200);
    harness.clock.set(OPENS);
    assert_eq!(client.get(PATHS[0]).await.status, 303, "the opening is kept to the millisecond");
    client
}

#[tokio::test]
async fn from_the_opening_on_a_path_leads_to_the_event_s_page() {
    let harness = harness(&[]).await;
    let mut client = open(&harness).await;
    for path in [PATHS[0], "/products/spring/", "/products/spring/reviews?x=1", "/Products/SPRING"] {
        let answer = client.get(path).await;
        assert_eq!((answer.status, answer.header("location")), (303, Some("/e/spring")), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        client
            .send(format!("{method} /order/create HTTP/1.1\r\nhost: shop\r\ncontent-length: 0\r\n\r\n"))
            .await;
        let answer = client.response().await;
        assert_eq!(answer.problem(), (409, "event-diverted".into()), "{method}");
        assert!(answer.body.contains("\"link\":\"/e/spring\""), "{answer:?}");
    }
    for (language, text) in [("ko", "이벤트 페이지로 가기"), ("en", "Go to the event's page")] {
        client
            .send(format!(
                "POST /order/create HTTP/1.1\r\nhost: shop\r\naccept: text/html\r\naccept-language: {language}\r\ncontent-length: 0\r\n\r\n"
            ))
            .await;
        let page = client.response().await;
        assert_eq!((page.status, page.header("content-type")), (409, Some("text/html; charset=utf-8")));
        assert!(page.body.contains(&format!("<a href=\"/e/spring\">{text}</a>")), "{page:?}");
        assert!(
            !page.body.contains("refresh") && page.header("content-security-policy").is_some(),
            "{page:?}"
        );
    }
    for path in ["/", "/products/springtime", "/products/summer", "/e/spring", "/order"] {
        assert_eq!(client.get(path).await.status, 200, "{path}");
    }
    assert_eq!(harness.shop.count("/products/spring"), 1);
}

#[tokio::test]
async fn a_diverted_path_is_open_to_a_pass_of_its_event() {
    let harness = harness(&[]).await;
    let mut client = open(&harness).await;
    assert_eq!(client.get_with(PATHS[0], &cookie(&pass_of("spring"))).await.status, 200);
    for pass in [pass_of("autumn"), forged(&pass_of("spring"))] {
        assert_eq!(client.get_with(PATHS[0], &cookie(&pass)).await.status, 303);
    }
}

#[tokio::test]
async fn it_leads_there_until_the_event_is_settled() {
    let harness = harness(&[]).await;
    let mut client = open(&harness).await;
    harness.clock.set(CLOSES + 1);
    assert_eq!(client.get(PATHS[0]).await.status, 303);
    harness.queue.settle(&spring().id, 1).await.unwrap();
    harness.project(spring(), EventState::Settled, 2).await;
    until(async || client.get(PATHS[0]).await.status == 200).await;
}

#[tokio::test]
async fn a_path_that_an_operator_adds_is_known_within_a_second() {
    let harness = harness(&[]).await;
    let mut client = open(&harness).await;
    assert_eq!(client.get("/products/late").await.status, 200);
    harness.project(settings("spring", &["/products/late"]), EventState::Open, 2).await;
    until(async || client.get("/products/late").await.status == 303).await;
    assert_eq!(client.get(PATHS[0]).await.status, 200);
}

#[tokio::test]
async fn the_event_s_own_page_is_never_diverted() {
    let harness = GatewayHarness::unpublished(&[]).await;
    harness.arm(settings("spring", &["/e/spring", "/a"])).await;
    harness.queue.publish(&[spring().id]).await.unwrap();
    harness.clock.set(OPENS + 1);
    let mut client = harness.client().await;
    assert_eq!(client.get("/e/spring").await.status, 200);
    assert_eq!(client.get("/a/receipt").await.status, 200);
}

#[tokio::test]
async fn before_the_events_are_known_the_shop_s_requests_wait_and_the_signup_s_do_not() {
    let harness = GatewayHarness::unpublished(&[]).await;
    harness.clock.set(OPENS + 1);
    assert!(!harness.ctx.health.readiness().ready);
    assert_eq!(harness.client().await.get("/e/spring").await.status, 200);
    let mut early = harness.client().await;
    early.send(format!("GET {} HTTP/1.1\r\nhost: shop\r\n\r\n", PATHS[0])).await;
    harness.arm(spring()).await;
    harness.queue.publish(&[spring().id]).await.unwrap();
    assert_eq!(early.response().await.status, 303);
    assert!(harness.ctx.health.readiness().ready);
    assert_eq!(harness.shop.count(PATHS[0]), 0);
}

#[tokio::test]
async fn a_gateway_that_learns_nothing_serves_after_a_while_with_a_warning() {
    let harness = GatewayHarness::unpublished(&[("events_wait", "500ms")]).await;
    let mut client = harness.client().await;
    let begun = tokio::time::Instant::now();
    assert_eq!(client.get(PATHS[0]).await.status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(400));
    let readiness = harness.ctx.health.readiness();
    assert!(readiness.ready && readiness.report.contains("[!]gateway-events"), "{readiness:?}");
}

#[tokio::test]
async fn a_queue_that_cannot_be_reached_yet_keeps_the_shop_shut_for_a_while_only() {
    let (reach, reachable) = tokio::sync::oneshot::channel::<()>();
    let reached = async move { drop(reachable.await) };
    let harness = GatewayHarness::open(&[("events_wait", "300ms")], reached).await;
    harness.clock.set(OPENS + 1);
    harness.arm(spring()).await;
    harness.queue.publish(&[spring().id]).await.unwrap();
    let mut client = harness.client().await;
    assert_eq!(client.get(PATHS[0]).await.status, 200);
    reach.send(()).unwrap();
    until(async || client.get(PATHS[0]).await.status == 303).await;
    assert!(harness.ctx.health.readiness().ready);
}

#[tokio::test]
async fn an_event_that_cannot_be_read_holds_up_neither_the_shop_for_long_nor_the_other_events() {
    let harness = GatewayHarness::unpublished(&[("events_wait", "300ms")]).await;
    harness.clock.set(OPENS + 1);
    harness.arm(spring()).await;
    harness.queue.publish(&[spring().id, "ghost".parse().unwrap()]).await.unwrap();
    let mut client = harness.client().await;
    assert_eq!(client.get(PATHS[0]).await.status, 303);
    assert_eq!(client.get("/").await.status, 200);
    let readiness = harness.ctx.health.readiness();
    assert!(readiness.ready && readiness.report.contains("ghost"), "{readiness:?}");
}

/// One character of a path in some spelling.
fn spelled(c: char) -> impl Strategy<Value = String> {
    let byte = u32::from(c);
    prop_oneof![
        80 => Just(c.to_string()),
        6 => Just(format!("%{byte:02x}")),
        6 => Just(format!("%{byte:02X}")),
        1 => Just(format!("%25{byte:02x}")),
        6 => Just(c.to_ascii_uppercase().to_string()),
    ]
}

/// Separators of two segments that some server reads as a slash.
fn slash() -> impl Strategy<Value = String> {
    const SLASHES: [&str; 26] = [
        "/",
        "/",
        "/",
        "//",
        "/./",
        "/x/../",
        "/%2e/",
        "/;/",
        ";a=b/",
        "/%2f",
        "%2f",
        "%5c",
        "\\",
        "/.;/",
        "/x/..;/",
        "/x/%2e%2e/",
        "/x/.%2E/",
        "/%2e%2e/",
        "/..%2f",
        "/..",
        "/%00/",
        "%00",
        "/%c0%af",
        "//;//",
        "/%3b/",
        "/.//./",
    ];
    const KNOWN: [&str; 6] = ["/", "//", "/./", "/x/../", "/;/", ";a=b/"];
    prop_oneof![prop::sample::select(&KNOWN[..]), prop::sample::select(&SLASHES[..])].prop_map(str::to_owned)
}

/// The path of the event's product, in some spelling.
fn spelling() -> impl Strategy<Value = String> {
    let word = |word: &str| {
        let letters: Vec<_> = word.chars().map(spelled).collect();
        letters.prop_map(|letters| letters.concat())
    };
    let end = prop::sample::select(vec![
        "", "", "/", ";x", "/.", "//", "/x/..", "%00", "%2f", "?x", "#x", "/;", ";/",
    ]);
    (slash(), word("products"), slash(), word("spring"), end).prop_map(|(a, b, c, d, e)| {
        format!("{}{b}{c}{d}{e}", if a.starts_with('/') { a } else { format!("/{a}") })
    })
}

/// What a careless shop makes of a path: it decodes twice, takes backslashes for slashes, drops parameters and everything from
/// a NUL on, resolves dots, and knows no capitals.
fn as_a_careless_shop_reads(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap();
    let twice = decoded(&decoded(path.as_bytes()));
    let text = String::from_utf8_lossy(&twice).to_lowercase().replace('\\', "/");
    let mut read: Vec<&str> = Vec::new();
    for step in text.split('\0').next().unwrap().split('/') {
        match step.split(';').next().unwrap() {
            "" | "." => {}
            ".." => drop(read.pop()),
            name => read.push(name),
        }
    }
    format!("/{}", read.join("/"))
}

fn decoded(path: &[u8]) -> Vec<u8> {
    let (mut bytes, mut at) = (Vec::new(), 0);
    while at < path.len() {
        let hex = path.get(at + 1..at + 3).and_then(|two| std::str::from_utf8(two).ok());
        match (path[at], hex.and_then(|two| u8::from_str_radix(two, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                at += 3;
            }
            (byte, _) => {
                bytes.push(byte);
                at += 1;
            }
        }
    }
    bytes
}

#[tokio::test]
async fn no_spelling_of_a_diverted_path_reaches_the_shop() {
    let harness = harness(&[]).await;
    let mut client = open(&harness).await;
    let (mut runner, strategy) = (TestRunner::deterministic(), spelling());
    let (mut diverted, mut refused) = (0, 0);
    for _ in 0..3000 {
        let path = strategy.new_tree(&mut runner).unwrap().current();
        client.send(format!("GET {path} HTTP/1.1\r\nhost: shop\r\n\r\n")).await;
        let answer = client.response().await;
        match answer.status {
            303 => diverted += 1,
            400 => refused += 1,
            200 => {}
            other => panic!("{path}: {other}"),
        }
        if answer.header("connection") == Some("close") {
            client = harness.client().await;
        }
    }
    assert!(diverted > 300 && refused > 300, "{diverted} diverted, {refused} refused");
    let mut reached: Vec<String> =
        harness.shop.received().into_iter().map(|received| received.path).collect();
    // The one from before the opening.
    assert_eq!(reached.remove(0), PATHS[0]);
    for path in reached {
        assert_ne!(as_a_careless_shop_reads(&path), PATHS[0], "{path} reached the shop");
    }
}
