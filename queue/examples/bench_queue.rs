//! The benchmark of the queue: memory and CPU time of Redis for each application, and applications per second on each store.
//! `cargo xtask bench queue` runs it; it is no part of the product and no test.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use domain::event::Text;
use domain::{AppKey, Epoch, EventId, EventSettings, EventState, ReqHash};
use queue::{Applicant, ArmRequest, Continuity, Projection, Queue, RedisOptions, RedisRole, SeatFigures};
use serde_json::{Value, json};
use testkit::{RedisKind, RedisServer, TempFolder};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Simultaneous applications: enough that every batch is full.
const CONCURRENCY: u32 = 2_048;
const SMALL: u32 = 10_000;
/// A small queue is full soon, so several are measured.
const SMALL_QUEUES: u32 = 12;
const NEVER: i64 = 4_102_444_800_000;

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let out = args.next().context("give the file to write")?;
    let long = args.next().is_some_and(|arg| arg == "--long");
    let large = if long { 10_000_000 } else { 1_000_000 };
    let small = cost_of(SMALL, SMALL_QUEUES).await?;
    let large_cost = cost_of(large, 1).await?;
    let mut measures = Vec::new();
    for (n, cost) in [(SMALL, &small), (large, &large_cost)] {
        let name = format!("redis memory per waiting applicant, {n} in queue");
        measures.push(measure(&name, cost.bytes, "B", None, Bar::AtMost(80.0)));
    }
    let peer = format!("{SMALL} in queue");
    let name = format!("redis cpu per application, {large} in queue");
    measures.push(measure(&name, large_cost.cpu, "us", Some((&peer, small.cpu)), Bar::RatioAtMost(1.2)));
    measures.push(measure("applications durable in redis", large_cost.rate, "1/s", None, Bar::None));
    let sqlite = sqlite().await?;
    measures.push(measure(
        "applications durable in sqlite, 512 clients",
        sqlite,
        "1/s",
        None,
        Bar::AtLeast(10_000.0),
    ));
    let text = serde_json::to_string_pretty(&measures)?;
    std::fs::create_dir_all(Path::new(&out).parent().context("a file in a folder")?)?;
    std::fs::write(&out, text + "\n").with_context(|| format!("cannot write {out}"))
}

#[derive(Clone, Copy)]
enum Bar {
    AtMost(f64),
    AtLeast(f64),
    /// The ratio of the value to that of its peer.
    RatioAtMost(f64),
    None,
}

fn measure(name: &str, value: f64, unit: &str, peer: Option<(&str, f64)>, bar: Bar) -> Value {
    let ratio = peer.map(|(_, peer_value)| value / peer_value);
    let (bar, holds) = match bar {
        Bar::AtMost(bar) => (Some(format!("<= {bar} {unit}")), Some(value <= bar)),
        Bar::AtLeast(bar) => (Some(format!(">= {bar} {unit}")), Some(value >= bar)),
        Bar::RatioAtMost(bar) => (Some(format!("ratio <= {bar}")), ratio.map(|ratio| ratio <= bar)),
        Bar::None => (None, None),
    };
    let against = ratio.map(|ratio| format!(", {ratio:.2} of the peer's")).unwrap_or_default();
    let verdict = match (&bar, holds) {
        (Some(bar), Some(true)) => format!("  ({bar}: holds)"),
        (Some(bar), _) => format!("  ({bar}: MISSED)"),
        _ => String::new(),
    };
    println!("{name}: {value:.2} {unit}{against}{verdict}");
    json!({
        "name": name, "value": value, "unit": unit, "peer": peer.map(|p| p.0), "peer_value": peer.map(|p| p.1),
        "ratio": ratio, "bar": bar, "holds": holds,
    })
}

struct Cost {
    bytes: f64,
    cpu: f64,
    rate: f64,
}

/// Fills queues of `n` applications on a new server. CPU time is measured over the last applications of each.
async fn cost_of(n: u32, queues: u32) -> Result<Cost> {
    // A rewrite of the append-only file would be measured as the queue's own.
    let server = RedisServer::start_with(RedisKind::Redis, &["--auto-aof-rewrite-percentage", "0"]).await;
    let options = RedisOptions::new(server.url(), RedisRole::Worker);
    Queue::install_redis(&options).await?;
    let queue = Queue::open_redis(options).await?;
    let events: Vec<EventId> =
        (0..=queues).map(|nth| format!("spring-{nth}").parse()).collect::<Result<_, _>>()?;
    queue.publish(&events).await?;
    let (warm_up, events) = (&events[0], &events[1..]);
    open(&queue, warm_up, SMALL).await?;
    apply_for(&queue, warm_up, 0..SMALL, CONCURRENCY).await?;
    let empty = memory(&server).await?;
    let last = n - (n / 4).min(50_000);
    let mut cpu_used = 0.0;
    let mut elapsed = 0.0;
    for event in events {
        open(&queue, event, n).await?;
        apply_for(&queue, event, 0..last, CONCURRENCY).await?;
        let before = cpu(&server).await?;
        let start = Instant::now();
        apply_for(&queue, event, last..n, CONCURRENCY).await?;
        elapsed += start.elapsed().as_secs_f64();
        cpu_used += cpu(&server).await? - before;
        ensure!(queue.snapshot(event).await?.seq == n, "not every application has a number");
    }
    let applications = f64::from(n * queues);
    let measured = f64::from((n - last) * queues);
    Ok(Cost {
        bytes: (memory(&server).await? - empty) / applications,
        cpu: cpu_used * 1e6 / measured,
        rate: measured / elapsed,
    })
}

/// Applies for all persons in the range, `concurrency` at once.
async fn apply_for(queue: &Queue, event: &EventId, people: Range<u32>, concurrency: u32) -> Result<()> {
    let mut tasks = JoinSet::new();
    for lane in 0..concurrency {
        let (queue, event, people) = (queue.clone(), event.clone(), people.clone());
        tasks.spawn(async move {
            for person in people.skip(lane as usize).step_by(concurrency as usize) {
                queue.apply(&event, applicant(person)).await?;
            }
            Ok::<_, queue::QueueError>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

async fn sqlite() -> Result<f64> {
    const PEOPLE: u32 = 100_000;
    let folder = TempFolder::new("bench");
    let queue = Queue::open_sqlite(&folder.path().join("queue.db"), Arc::new(|| 1_000)).await?;
    let event = "spring".parse()?;
    queue.publish(std::slice::from_ref(&event)).await?;
    open(&queue, &event, PEOPLE).await?;
    apply_for(&queue, &event, 0..10_000, 512).await?;
    let start = Instant::now();
    apply_for(&queue, &event, 10_000..PEOPLE, 512).await?;
    Ok(f64::from(PEOPLE - 10_000) / start.elapsed().as_secs_f64())
}

async fn info(server: &RedisServer, field: &str) -> Result<f64> {
    let client = redis::Client::open(server.url())?;
    let mut conn = client.get_multiplexed_async_connection().await?;
    let info: String = redis::cmd("INFO").arg("everything").query_async(&mut conn).await?;
    let line = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.with_context(|| format!("no {field}"))?.parse().with_context(|| format!("{field} is no number"))
}

/// The memory of the queue, without the buffers of connections and of the append-only file, which do not depend on its length.
async fn memory(server: &RedisServer) -> Result<f64> {
    let buffers = info(server, "mem_clients_normal").await? + info(server, "mem_aof_buffer").await?;
    Ok(info(server, "used_memory").await? - buffers)
}

async fn cpu(server: &RedisServer) -> Result<f64> {
    Ok(info(server, "used_cpu_user").await? + info(server, "used_cpu_sys").await?)
}

async fn open(queue: &Queue, event: &EventId, n: u32) -> Result<()> {
    let settings = EventSettings {
        capacity: n / 10,
        pace: "5".parse()?,
        in_flight_max: 10,
        applications_max: n,
        settle_after_close: false,
        ..EventSettings::new(event.clone(), Text::new("봄", "Spring"), 0, NEVER)
    };
    let request = ArmRequest {
        epoch: Epoch(1),
        number_limit: 0,
        continuity: Continuity::Unknown,
        settings: settings.clone(),
        rev: 1,
    };
    queue.arm(event, 1, request).await?;
    let projection = Projection {
        rev: 1,
        settings,
        state: EventState::Open,
        number_limit: n,
        round: 1,
        figures: SeatFigures::default(),
        settled_seq: None,
        judged_epoch: Epoch(0),
        lost_epoch: Epoch(0),
        called: Vec::new(),
        outcomes: Vec::new(),
    };
    Ok(queue.project(event, 1, projection).await?)
}

/// An applicant without a contact, whose size depends on the event and not on the queue.
fn applicant(person: u32) -> Applicant {
    let spread = (u128::from(person) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let secret = (u64::from(person) + 1).to_be_bytes();
    Applicant { app_key: AppKey(spread.to_be_bytes()), req_hash: ReqHash(secret), contact: Vec::new() }
}
