//! The crowd through the gateway: everything that stands before and behind an event in production, a spike by Goose with the
//! gateway's limits in force, shoppers beside it, and an operator who changes things meanwhile.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::AppKey;
use loadtest::{Browse, LoadReport, Spike};
use serde_json::Value;
use shop::capacity::Capacity;
use testkit::HttpClient;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cluster::{PRODUCT, TestCluster};
use crate::crowd::{Ack, Crowd};
use crate::harness::receipts;
use crate::pace::{Starts, WINDOW_MS, Watch};

/// Bears some 800 order calls a second: the pace is the limit, not the shop.
fn roomy() -> Capacity {
    Capacity { work_ms: 20, concurrency: 16, ..Capacity::default() }
}

/// Half of the people come to each gateway.
fn spike(cluster: &TestCluster, people: u32, users: u16) -> impl Future<Output = Vec<LoadReport>> + use<> {
    let (gateways, half) = (cluster.gateway_urls(), people / 2);
    let send = move |nth: usize, first_person| Spike {
        gateway: gateways[nth].clone(),
        event: "spring".into(),
        people: half,
        users,
        first_person,
        page_every: 10,
    };
    let (one, other) = (send(0, 0), send(1, half));
    async move {
        let begin = Instant::now();
        let (one, other) = tokio::join!(one.run(), other.run());
        println!("{people} people through the gateways in {:?}", begin.elapsed());
        vec![one.unwrap(), other.unwrap()]
    }
}

async fn shoppers(cluster: &TestCluster, time: Duration) -> LoadReport {
    // None of them requests the event's product.
    let products = ["/products/1", "/products/2", "/products/7"].map(str::to_owned).to_vec();
    Browse { gateway: cluster.gateway_urls()[0].clone(), users: 12, time, products }.run().await.unwrap()
}

/// People who come with the crowd: the first stay, and all others leave right away.
async fn leavers(crowd: &Crowd, stay: u32, leave: u32) -> (Vec<Ack>, Vec<Ack>) {
    let stayed = crowd.apply(0..stay).await;
    let mut left = Vec::new();
    for person in stay..stay + leave {
        let ack = crowd.apply_one(person).await;
        crowd.cancel(&ack).await;
        left.push(ack);
    }
    (stayed, left)
}

/// The product page before the event: the shop's; and while it runs: the event's.
async fn product_leads_to(http: &HttpClient) -> Option<String> {
    let answer = http.get(PRODUCT).await.unwrap();
    let to = answer.header("location").map(str::to_owned);
    assert_eq!(answer.status, if to.is_some() { 303 } else { 200 }, "{}", answer.text());
    to
}

async fn until_diverted(http: &HttpClient, to: Option<&str>) {
    for _ in 0..100 {
        if product_leads_to(http).await.as_deref() == to {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{PRODUCT} does not lead to {to:?}");
}

/// Makes the event, opens it, and waits until every gateway knows.
async fn open_event(cluster: &TestCluster, seats: u32, pace: u32) -> Crowd {
    let crowd = Crowd::before_all(&cluster.gateway_urls(), "spring");
    cluster.create_event(seats, pace, 40);
    crowd.until("the signup services to know the event", |p| p["state"] == "scheduled").await;
    for gateway in cluster.gateway_urls() {
        until_diverted(&HttpClient::new(&gateway), None).await;
    }
    cluster.operate(&["event", "open", "spring"]);
    crowd.until("the event to be open", |p| p["state"] == "open").await;
    for gateway in cluster.gateway_urls() {
        until_diverted(&HttpClient::new(&gateway), Some("/e/spring")).await;
    }
    crowd
}

/// No request failed: each response is by the contract, and each applicant has a number.
fn all_served(report: &LoadReport) {
    println!("{report}");
    assert!(report.passed(), "{report}");
    let people = report.people.as_ref().unwrap();
    assert_eq!(people.numbers, people.came as usize, "{report}");
}

/// The orders in the end: those who have a receipt and did not leave, by number, as far as the seats reach.
fn lowest(cluster: &TestCluster, receipts: &str, left: &[Ack], seats: usize) -> Vec<AppKey> {
    let by_number = cluster.by_number(receipts);
    let left: BTreeSet<u32> = left.iter().map(|ack| ack.number).collect();
    by_number.iter().filter(|(number, _)| !left.contains(number)).map(|(_, key)| *key).take(seats).collect()
}

/// What an operator did while the crowd came in, and when, by the machine's clock.
struct Raised {
    /// From here on a long line waits. Before, people came one by one, and no pace can order who is not there.
    ahead: i64,
    /// The higher pace was asked for,
    asked: i64,
    /// is surely in force,
    quick: i64,
    /// and has sold all seats but the last.
    sold: i64,
}

/// How many wait.
fn waiting(progress: &Value) -> u64 {
    let figure = |name: &str| progress[name].as_u64().unwrap();
    figure("last_number").saturating_sub(figure("admitted_through"))
}

/// Lets two windows pass at the first pace, raises it, and measures until nearly all seats are sold. Applications wait all the time.
async fn raise_pace(cluster: &TestCluster, crowd: &Crowd, seats: u32, quick_pace: u32) -> Raised {
    let now = service::clock::system();
    crowd.until("a long queue", |p| waiting(p) >= 200).await;
    // What the pace had saved up before is spent by then.
    let ahead = now() + 1000;
    let queue_lasts =
        |p: &Value| assert!(waiting(p) > 0, "no application waits, so the pace cannot be judged: {p}");
    crowd
        .until("two windows to pass", |p| {
            queue_lasts(p);
            now() >= ahead + 2 * WINDOW_MS
        })
        .await;
    let asked = now();
    cluster.operate(&["pace", "set", "spring", &quick_pace.to_string(), "--reason", "the shop is quiet"]);
    let quick = now() + 1500;
    crowd
        .until("the last seats to be sold", |p| {
            queue_lasts(p);
            p["sold"].as_u64() >= Some(u64::from(seats) - 30)
        })
        .await;
    Raised { ahead, asked, quick, sold: now() }
}

/// Each ten seconds are within 1 % or one order, where the machine allowed an even pace. Prints the windows that it judged.
fn keeps_pace(starts: &Starts, (from_ms, to_ms): (i64, i64), pace: u32, late: &[(i64, i64)]) -> usize {
    let exact = pace * 10;
    let mut judged = 0;
    let mut begin = from_ms;
    while begin + WINDOW_MS <= to_ms {
        let window = (begin, begin + WINDOW_MS);
        let count = starts.within(window);
        begin = window.1;
        if late.iter().any(|(from, to)| *from < window.1 && window.0 - 1000 < *to) {
            println!("{count} order calls in 10 s; invalid: the machine was late");
            continue;
        }
        println!("{count} order calls in 10 s at a pace of {pace}/s");
        assert!(count.abs_diff(exact) <= (exact / 100).max(1), "{count} order calls instead of {exact}");
        judged += 1;
    }
    judged
}

/// In no ten seconds more than the pace, with a second for calls that a busy machine delivers late.
fn never_above(starts: &Starts, span: (i64, i64), pace: u32) {
    let most = starts.most(span.0, span.1);
    println!("at most {most} order calls in any 10 s at a pace of {pace}/s");
    assert!(most <= pace * 11, "{most} order calls in 10 s at a pace of {pace}/s");
}

/// One client that sends without pause gets its own rate and no more; the others keep theirs.
async fn greedy(gateway: &str) {
    let http = HttpClient::new(gateway);
    let mut asking = JoinSet::new();
    for _ in 0..600 {
        let http = http.clone();
        asking.spawn(async move { http.get("/no-such-page").await.unwrap().status });
    }
    let answers = asking.join_all().await;
    let refused = answers.iter().filter(|status| **status == 429).count();
    println!("one greedy client: {refused} of {} requests refused", answers.len());
    assert!(refused > 0, "the limits are not in force");
    assert!(answers.iter().all(|status| matches!(status, 404 | 429)), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_through_the_gateway_leave_a_thousand_orders_and_a_quiet_shop() {
    const SEATS: u32 = 1000;
    const SLOW: u32 = 20;
    const QUICK: u32 = 30;
    let (cluster, now) = (TestCluster::open(roomy()).await, service::clock::system());
    let watch = Watch::begin(cluster.folder());
    let crowd = open_event(&cluster, SEATS, SLOW).await;
    let opened = now();
    let (reports, browsed, (mut stayed, mut left), raised) = tokio::join!(
        spike(&cluster, 20_000, 60),
        shoppers(&cluster, Duration::from_secs(20)),
        leavers(&crowd, 20, 40),
        raise_pace(&cluster, &crowd, SEATS, QUICK),
    );
    println!("shoppers meanwhile:\n{browsed}");
    assert!(browsed.passed(), "no shopper noticed the event: {browsed}");
    reports.iter().for_each(all_served);
    greedy(&cluster.gateway_urls()[1]).await;
    crowd.until("the last seat to be sold", |p| p["sold"] == SEATS).await;

    // Some leave with an order in hand: their seats go to the next in line.
    for ack in stayed.drain(..10) {
        assert_eq!(crowd.status(&ack).await["state"], "ordered", "number {}", ack.number);
        crowd.cancel(&ack).await;
        left.push(ack);
    }
    let all: String =
        reports.iter().map(LoadReport::acks).chain([receipts(&stayed), receipts(&left)]).collect();
    let wanted = lowest(&cluster, &all, &left, SEATS as usize);
    cluster.until_ordered(&wanted).await;
    crowd.until("the freed seats to be sold again", |p| p["sold"] == SEATS).await;

    let starts = Starts::of(&cluster.figure().await);
    never_above(&starts, (opened, raised.asked), SLOW);
    never_above(&starts, (raised.asked, now()), QUICK);
    let late = watch.end();
    let judged = keeps_pace(&starts, (raised.ahead, raised.asked), SLOW, &late)
        + keeps_pace(&starts, (raised.quick, raised.sold), QUICK, &late);
    println!("{} order calls in all; {judged} windows of 10 s judged", starts.total());
    cluster.settle().await;
    until_diverted(&HttpClient::new(&cluster.gateway_urls()[0]), None).await;
    let report = cluster.stop_and_verify(&all).await;
    assert_eq!(report["sold"].as_u64(), Some(u64::from(SEATS)));
}

/// Waits until no order call came for half a second: those that had begun when the pause was asked for are through. How many
/// there were.
async fn calls_when_quiet(cluster: &TestCluster) -> u32 {
    let mut before = 0;
    for _ in 0..40 {
        let starts = Starts::of(&cluster.figure().await).total();
        if starts == before {
            return starts;
        }
        before = starts;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("the pause does not hold: {before} order calls");
}

/// A gateway dies in the spike, and the operator slows down, pauses, goes on and adds seats meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_gateway_and_an_operator_at_work_leave_the_orders_exact() {
    const SEATS: u32 = 300;
    const MORE: u32 = 400;
    let mut cluster = TestCluster::open(roomy()).await;
    let crowd = open_event(&cluster, SEATS, 20).await;
    let pressing = JoinSet::from_iter([spike(&cluster, 3000, 30)]);
    crowd.until("a fifth to be in line", |p| p["last_number"].as_u64() >= Some(600)).await;
    let killed = Instant::now();
    cluster.kill_gateway(0).await;
    crowd.until("the gateway to be back", |_| true).await;
    println!("gateway killed: requests pass again after {:?}", killed.elapsed());
    cluster.operate(&["pace", "set", "spring", "60", "--reason", "too slow"]);
    cluster.operate(&["release", "pause", "spring", "--reason", "the shop asks for it"]);
    let before = calls_when_quiet(&cluster).await;
    cluster.operate(&["capacity", "set", "spring", "400", "--reason", "a hundred more came in"]);
    crowd.until("the page to tell of it", |p| p["capacity"] == MORE && p["paused"] == true).await;
    assert_eq!(Starts::of(&cluster.figure().await).total(), before, "no order call in a pause");
    cluster.operate(&["release", "resume", "spring"]);
    let reports = pressing.join_all().await.remove(0);

    let all: String = reports.iter().map(LoadReport::acks).collect();
    for report in &reports {
        println!("{report}");
        let people = report.people.as_ref().unwrap();
        assert_eq!((people.broken_count, people.gave_up, people.numbers), (0, 0, 1500), "{report}");
    }
    crowd.until("the last seat to be sold", |p| p["sold"] == MORE).await;
    cluster.until_ordered(&lowest(&cluster, &all, &[], MORE as usize)).await;
    cluster.settle().await;
    let report = cluster.stop_and_verify(&all).await;
    assert_eq!(report["sold"].as_u64(), Some(u64::from(MORE)));
}
