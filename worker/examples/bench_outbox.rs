//! The benchmark of the outbox: outcomes per second of a worker on Postgres, without a target, with one and with three.
//! `cargo xtask bench outbox` runs it; it is no part of the product and no test.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use domain::event::Text;
use domain::keys::Root;
use domain::{AppKey, EventId, EventSettings, Keyring, Kid, ReqHash};
use ledger::{Change, ChangedBy, Ledger};
use messaging::Target;
use queue::{Applicant, Queue, QueueError};
use serde_json::{Value, json};
use service::Context;
use testkit::{Postgres, TempFolder};
use tokio::time::Instant;
use worker::{Config, OrderService};

/// Applications of one round, all of which are ordered.
const APPLICATIONS: u32 = 6000;
/// Applicants that fill the queue at once.
const APPLICANTS: u32 = 256;
/// Rounds of each number of targets; they take turns, so that a slow minute meets all of them.
const ROUNDS: usize = 3;
const TARGETS: [usize; 3] = [0, 1, 3];
/// Three targets may cost this part of the outcomes.
const COST_MAX: f64 = 0.1;
const DAY_MS: i64 = 86_400_000;

#[tokio::main]
async fn main() -> Result<()> {
    let out = std::env::args().nth(1).context("give the file to write")?;
    let mut rates = [const { Vec::new() }; TARGETS.len()];
    for round in 0..ROUNDS {
        for (targets, rates) in TARGETS.into_iter().zip(&mut rates) {
            let rate = outcomes_per_second(targets).await?;
            println!("round {}: {targets} targets, {rate:.0} outcomes/s", round + 1);
            rates.push(rate);
        }
    }
    let medians = rates.map(median);
    let measures: Vec<Value> =
        TARGETS.into_iter().zip(medians).map(|(targets, rate)| measure(targets, rate, medians[0])).collect();
    std::fs::create_dir_all(Path::new(&out).parent().context("a file in a folder")?)?;
    std::fs::write(&out, serde_json::to_string_pretty(&measures)? + "\n")
        .with_context(|| format!("cannot write {out}"))
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

fn measure(targets: usize, rate: f64, without: f64) -> Value {
    let name = format!("outcomes with {targets} targets, Postgres");
    let ratio = rate / without;
    let is_barred = targets == 3;
    let holds = !is_barred || ratio >= 1.0 - COST_MAX;
    let verdict = if !is_barred {
        ""
    } else if holds {
        "  (ratio >= 0.9: holds)"
    } else {
        "  (ratio >= 0.9: MISSED)"
    };
    println!("{name}: {rate:.0} 1/s, {ratio:.2} of those without a target{verdict}");
    json!({
        "name": name, "value": rate.round(), "unit": "1/s", "peer": "no target", "peer_value": without.round(),
        "ratio": (ratio * 100.0).round() / 100.0, "bar": is_barred.then_some("ratio >= 0.9"), "holds": holds,
    })
}

/// Fills a queue, then measures how long a worker takes to order every application.
async fn outcomes_per_second(targets: usize) -> Result<f64> {
    let (folder, postgres) = (TempFolder::new("bench"), Postgres::start().await);
    Ledger::migrate(&postgres.url()).await?;
    let ledger = Ledger::open_postgres(&postgres.url(), 16).await?;
    let context = Context::system();
    let queue = Queue::open_sqlite(&folder.path().join("queue.db"), context.now.clone()).await?;
    let opened = (context.now)() - 1000;
    let settings = EventSettings {
        capacity: APPLICATIONS,
        pace: "100000".parse()?,
        in_flight_max: 1000,
        release: domain::Release::Paused,
        ..EventSettings::new(event(), Text::new("봄", "Spring"), opened, opened + DAY_MS)
    };
    let mut config = Config { numbers_ahead_min: APPLICATIONS, ..Config::default() };
    let log = |nth: usize| Target::Log { name: format!("log-{nth}") };
    config.messaging.targets = (0..targets).map(log).collect();
    let orders = OrderService::Embedded(ledger.clone());
    worker::start(config, (queue.clone(), ledger.clone()), orders, keyring()?, &[settings], &context).await?;
    fill(&queue).await?;
    let by = ChangedBy { actor: "bench", reason: "" };
    ledger.change(&event(), None, &Change::Resume, by).await?;
    let started = Instant::now();
    while ledger.seats(&event()).await?.sold < APPLICATIONS {
        ensure!(started.elapsed() < Duration::from_mins(5), "the orders take too long");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let rate = f64::from(APPLICATIONS) / started.elapsed().as_secs_f64();
    until_delivered(&ledger, targets).await?;
    context.tasks.shut_down(Duration::from_secs(10)).await;
    ledger.close().await;
    Ok(rate)
}

/// Waits until every target has every domain event: the rate counts only if the targets keep up.
async fn until_delivered(ledger: &Ledger, targets: usize) -> Result<()> {
    let started = Instant::now();
    loop {
        let statuses = ledger.target_statuses(None).await?;
        let has_all = statuses
            .iter()
            .all(|status| status.seq == status.last_seq && status.seq > i64::from(APPLICATIONS));
        if statuses.len() == targets && has_all {
            return Ok(());
        }
        ensure!(started.elapsed() < Duration::from_secs(10), "a target does not keep up: {statuses:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn fill(queue: &Queue) -> Result<()> {
    let mut applying = tokio::task::JoinSet::new();
    for first in 1..=APPLICANTS {
        let queue = queue.clone();
        applying.spawn(async move {
            for n in (first..=APPLICATIONS).step_by(APPLICANTS as usize) {
                apply(&queue, n).await?;
            }
            Ok::<_, QueueError>(())
        });
    }
    while let Some(applied) = applying.join_next().await {
        applied??;
    }
    Ok(())
}

/// Applies once the worker has armed the queue.
async fn apply(queue: &Queue, n: u32) -> Result<(), QueueError> {
    let mut app_key = [0; 16];
    app_key[..4].copy_from_slice(&n.to_be_bytes());
    loop {
        let applicant = Applicant { app_key: AppKey(app_key), req_hash: ReqHash::NONE, contact: Vec::new() };
        match queue.apply(&event(), applicant).await {
            Ok(_) => return Ok(()),
            Err(QueueError::NotArmed | QueueError::AtLimit | QueueError::UnknownEvent) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => return Err(error),
        }
    }
}

fn event() -> EventId {
    "spring".parse().unwrap_or_else(|_| unreachable!("it is an event ID"))
}

fn keyring() -> Result<Arc<Keyring>> {
    let kid = Kid::new("k1").context("a key ID")?;
    Ok(Arc::new(Keyring::new(kid.clone(), [(kid, Root::new([7; 32]))])?))
}
