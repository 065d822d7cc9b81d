//! The crowd against a stub signup service that keeps its promises, and against stubs that break them: a load test that does not
//! detect those would prove nothing.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use loadtest::{Browse, LoadReport, Spike};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Stands for a response that is cut off in the middle.
const CUT: u16 = 0;

/// The status and number that a stub responds with, by the count of earlier requests and the applicant.
type SignupStub = fn(earlier: u32, person: u32) -> (u16, u32);

#[tokio::test]
async fn a_correct_signup_service_passes_and_each_applicant_gets_a_receipt() {
    let report = spike(|_, person| (201, person + 1)).await;
    assert!(report.passed(), "{report}");
    let people = report.people.as_ref().unwrap();
    assert_eq!((people.came, people.numbers, people.broken_count), (25, 25, 0));
    let mut acks: Vec<_> = report.acks().lines().map(str::to_owned).collect();
    acks.sort();
    acks.dedup();
    assert_eq!(acks.len(), 25);
}

#[tokio::test]
async fn an_applicant_that_is_put_off_retries_with_the_same_key() {
    let report =
        spike(|earlier, person| if earlier.is_multiple_of(2) { (503, 0) } else { (201, person + 1) }).await;
    assert!(report.passed(), "{report}");
    let people = report.people.unwrap();
    assert_eq!(people.numbers, 25);
    assert!(people.put_off > 0);
}

#[tokio::test]
async fn a_cut_off_response_is_retried_and_is_no_violation() {
    let report =
        spike(|earlier, person| if person == 5 && earlier < 15 { (CUT, 0) } else { (201, person + 1) }).await;
    let people = report.people.unwrap();
    assert_eq!((people.numbers, people.broken_count, people.put_off), (25, 0, 1), "{:?}", people.broken);
}

#[tokio::test]
async fn a_number_that_changes_is_a_contract_violation() {
    let report = spike(|earlier, _| (201, earlier + 1)).await;
    assert!(!report.passed());
    let people = report.people.unwrap();
    assert!(people.broken.iter().any(|text| text.contains("and then got")), "{:?}", people.broken);
}

#[tokio::test]
async fn a_response_outside_the_contract_is_a_failure() {
    let report = spike(|earlier, person| if earlier == 3 { (500, 0) } else { (201, person + 1) }).await;
    assert!(!report.passed(), "{report}");
}

#[tokio::test]
async fn an_applicant_that_is_too_late_is_counted_and_is_no_failure() {
    let report = spike(|_, _| (410, 0)).await;
    assert!(report.passed(), "{report}");
    let people = report.people.unwrap();
    assert_eq!((people.numbers, people.too_late), (0, 25));
}

#[tokio::test]
async fn the_report_on_shoppers_has_each_kind_of_page() {
    let gateway = start_stub(|_, _| (201, 1)).await;
    let products = vec!["/products/1".to_owned()];
    let report = Browse { gateway, users: 5, time: Duration::from_secs(5), products }.run().await.unwrap();
    assert!(report.passed(), "{report}");
    for name in ["GET main", "GET product", "POST /orders"] {
        assert!(report.requests.iter().any(|kind| kind.name == name && kind.sent > 0), "{name}: {report}");
    }
}

async fn spike(stub: SignupStub) -> LoadReport {
    let gateway = start_stub(stub).await;
    let spike = Spike { gateway, event: "e".into(), people: 25, users: 4, first_person: 0, page_every: 1 };
    spike.run().await.unwrap()
}

/// Starts a stub signup service, which ends with the runtime of the test.
async fn start_stub(stub: SignupStub) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let earlier = Arc::new(AtomicU32::new(0));
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            assert_ne!(peer.ip(), std::net::Ipv4Addr::LOCALHOST, "each user has its own address");
            tokio::spawn(serve(stream, stub, Arc::clone(&earlier)));
        }
    });
    format!("http://{address}")
}

async fn serve(mut stream: TcpStream, stub: SignupStub, earlier: Arc<AtomicU32>) {
    let mut text = String::new();
    loop {
        let mut bytes = [0; 4096];
        let Ok(read @ 1..) = stream.read(&mut bytes).await else { return };
        text.push_str(&String::from_utf8_lossy(&bytes[..read]));
        while let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = header(head, "content-length").map_or(0, |length| length.parse().unwrap());
            if body.len() < length {
                break;
            }
            let (status, reply) = reply(head, &body[..length], stub, &earlier);
            let rest = body[length..].to_owned();
            if status == CUT {
                let half = "HTTP/1.1 201 X\r\ncontent-length: 100\r\n\r\n{\"number\":";
                stream.write_all(half.as_bytes()).await.unwrap();
                return;
            }
            let response = format!(
                "HTTP/1.1 {status} X\r\nretry-after: 0\r\ncontent-length: {}\r\n\r\n{reply}",
                reply.len()
            );
            stream.write_all(response.as_bytes()).await.unwrap();
            text = rest;
        }
    }
}

fn reply(head: &str, body: &str, stub: SignupStub, earlier: &AtomicU32) -> (u16, String) {
    if head.starts_with("GET /orders/new") {
        return (200, r#"<input type="hidden" name="key" value="k1">"#.into());
    }
    if head.starts_with("POST /orders") {
        return (if body == "key=k1" { 303 } else { 422 }, String::new());
    }
    if !head.starts_with("POST /application") {
        return (200, "page".into());
    }
    let key = header(head, "idempotency-key").unwrap();
    let person = key.strip_prefix("goose-").unwrap().parse().unwrap();
    let (status, number) = stub(earlier.fetch_add(1, Ordering::Relaxed), person);
    (status, format!(r#"{{"number":{number},"receipt":"r.{person}"}}"#))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, v)| v)
}
