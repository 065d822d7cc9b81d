//! The crowd against a signup service that keeps its promises, and against some that do not: a load test that finds nothing wrong with
//! those would prove nothing.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use loadtest::{Browse, Report, Spike};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Instead of a status: the answer is cut off in the middle.
const CUT: u16 = 0;

/// How a signup service answers an application: its status and number, by how many it has had and by whom it is asked.
type SignupState = fn(asked: u32, person: u32) -> (u16, u32);

#[tokio::test]
async fn a_signup_that_keeps_its_promises_passes_and_everybody_has_a_receipt() {
    let report = spike(|_, person| (201, person + 1)).await;
    assert!(report.holds(), "{report}");
    let people = report.people.as_ref().unwrap();
    assert_eq!((people.came, people.numbers, people.broken_count), (25, 25, 0));
    let mut acks: Vec<_> = report.acks().lines().map(str::to_owned).collect();
    acks.sort();
    acks.dedup();
    assert_eq!(acks.len(), 25);
}

#[tokio::test]
async fn who_is_put_off_comes_again_with_the_same_key() {
    let report =
        spike(|asked, person| if asked.is_multiple_of(2) { (503, 0) } else { (201, person + 1) }).await;
    assert!(report.holds(), "{report}");
    let people = report.people.unwrap();
    assert_eq!(people.numbers, 25);
    assert!(people.put_off > 0);
}

#[tokio::test]
async fn an_answer_that_is_cut_off_breaks_no_promise_and_the_same_key_finds_out() {
    let report =
        spike(|asked, person| if person == 5 && asked < 15 { (CUT, 0) } else { (201, person + 1) }).await;
    let people = report.people.unwrap();
    assert_eq!((people.numbers, people.broken_count, people.put_off), (25, 0, 1), "{:?}", people.broken);
}

#[tokio::test]
async fn a_number_that_changes_is_a_broken_promise() {
    let report = spike(|asked, _| (201, asked + 1)).await;
    assert!(!report.holds());
    let people = report.people.unwrap();
    assert!(people.broken.iter().any(|told| told.contains("was told")), "{:?}", people.broken);
}

#[tokio::test]
async fn an_answer_that_is_no_part_of_the_contract_is_a_failure() {
    let report = spike(|asked, person| if asked == 3 { (500, 0) } else { (201, person + 1) }).await;
    assert!(!report.holds(), "{report}");
}

#[tokio::test]
async fn who_comes_too_late_is_counted_and_is_no_failure() {
    let report = spike(|_, _| (410, 0)).await;
    assert!(report.holds(), "{report}");
    let people = report.people.unwrap();
    assert_eq!((people.numbers, people.too_late), (0, 25));
}

#[tokio::test]
async fn shoppers_report_every_kind_of_page() {
    let gateway = signup(|_, _| (201, 1)).await;
    let products = vec!["/products/1".to_owned()];
    let report = Browse { gateway, users: 5, time: Duration::from_secs(5), products }.run().await.unwrap();
    assert!(report.holds(), "{report}");
    for name in ["GET main", "GET product", "POST /orders"] {
        assert!(report.requests.iter().any(|kind| kind.name == name && kind.sent > 0), "{name}: {report}");
    }
}

async fn spike(answer: SignupState) -> Report {
    let gateway = signup(answer).await;
    let spike = Spike { gateway, event: "e".into(), people: 25, users: 4, first_person: 0, page_every: 1 };
    spike.run().await.unwrap()
}

/// A signup service of a few lines; it ends with the test's runtime.
async fn signup(answer: SignupState) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicU32::new(0));
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            assert_ne!(peer.ip(), std::net::Ipv4Addr::LOCALHOST, "every user has an address of its own");
            tokio::spawn(serve(stream, answer, Arc::clone(&asked)));
        }
    });
    format!("http://{address}")
}

async fn serve(mut stream: TcpStream, answer: SignupState, asked: Arc<AtomicU32>) {
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
            let (status, told) = reply(head, &body[..length], answer, &asked);
            let rest = body[length..].to_owned();
            if status == CUT {
                let half = "HTTP/1.1 201 X\r\ncontent-length: 100\r\n\r\n{\"number\":";
                stream.write_all(half.as_bytes()).await.unwrap();
                return;
            }
            let answer = format!(
                "HTTP/1.1 {status} X\r\nretry-after: 0\r\ncontent-length: {}\r\n\r\n{told}",
                told.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
            text = rest;
        }
    }
}

fn reply(head: &str, body: &str, answer: SignupState, asked: &AtomicU32) -> (u16, String) {
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
    let (status, number) = answer(asked.fetch_add(1, Ordering::Relaxed), person);
    (status, format!(r#"{{"number":{number},"receipt":"r.{person}"}}"#))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, v)| v)
}
