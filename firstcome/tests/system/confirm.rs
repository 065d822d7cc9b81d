//! Events whose applicants have to confirm, or to order with a pass, over the production stores: some do, some too late, some ask for
//! more time, some leave, and a third never come back.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::{EventSettings, Kind};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::crowd::{Ack, Crowd};
use crate::harness::event;
use crate::processes::ProcessHandles;

const SEATS: u32 = 300;
const LONG: i64 = 60_000;
const PEOPLE: u32 = 3000;
const CALLED_FOR: i64 = 3_000;
const EXTENSION: i64 = 2_000;
/// How late an applicant is who is late.
const LATE_MS: u64 = 150;
/// More than `worker.report_grace`.
const REPORT_GRACE: Duration = Duration::from_millis(1500);

/// What an applicant does once called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Habit {
    GoesOn,
    ExtendsAndGoesOn,
    GoesOnLate,
    Leaves,
    NeverComesBack,
}

impl Habit {
    fn of(number: u32) -> Self {
        match number % 12 {
            0 | 3 | 6 | 9 => Self::NeverComesBack,
            2 => Self::ExtendsAndGoesOn,
            5 => Self::GoesOnLate,
            10 => Self::Leaves,
            _ => Self::GoesOn,
        }
    }

    /// Acts once called. Returns whether that leads to an order.
    async fn act(self, kind: Kind, crowd: &Crowd, ack: &Ack, called: &Value) -> bool {
        match self {
            Self::GoesOn => go_on(kind, crowd, ack).await,
            Self::ExtendsAndGoesOn => {
                if crowd.request("extend", ack).await != 202 {
                    return false;
                }
                let until = called["called_until_ms"].as_i64().unwrap() + EXTENSION;
                let extended = crowd.until_status(ack, |now| now["called_until_ms"] == until).await;
                assert_eq!(extended["extension_ms"], 0, "once");
                tokio::time::sleep(until_end(called)).await;
                go_on(kind, crowd, ack).await
            }
            Self::GoesOnLate => go_on_late(kind, crowd, ack, called).await,
            Self::Leaves => {
                crowd.cancel(ack).await;
                false
            }
            Self::NeverComesBack => false,
        }
    }
}

/// The time until the called time has ended, and a moment more.
fn until_end(called: &Value) -> Duration {
    let left = called["called_until_ms"].as_i64().unwrap() - called["server_time_ms"].as_i64().unwrap();
    Duration::from_millis(u64::try_from(left).unwrap_or(0) + LATE_MS)
}

/// Confirms, or orders at the shop with a pass. On a busy machine the applicant may be too late, and then the answer says so.
async fn go_on(kind: Kind, crowd: &Crowd, ack: &Ack) -> bool {
    if kind == Kind::Pass {
        let Some(pass) = crowd.take_pass(ack).await else { return false };
        return crowd.report(&pass, Some(&format!("A-{}", ack.number))).await == "ordered";
    }
    match crowd.request("confirm", ack).await {
        202 => true,
        410 => false,
        other => panic!("confirmation of {}: {other}", ack.number),
    }
}

/// Confirms after the end of the time, or orders with a pass that has ended. The report on such an order counts as long as the ledger
/// has not given the seat to another, as while no worker leads.
async fn go_on_late(kind: Kind, crowd: &Crowd, ack: &Ack, called: &Value) -> bool {
    if kind == Kind::Pass {
        let pass = crowd.take_pass(ack).await;
        tokio::time::sleep(until_end(called) + REPORT_GRACE).await;
        assert!(crowd.take_pass(ack).await.is_none(), "{} is late", ack.number);
        let Some(pass) = pass else { return false };
        return crowd.report(&pass, Some(&format!("A-{}", ack.number))).await == "ordered";
    }
    tokio::time::sleep(until_end(called)).await;
    assert_eq!(crowd.request("confirm", ack).await, 410, "{} is late", ack.number);
    false
}

impl Crowd {
    /// Waits for the turn, acts by habit, and returns the number and whether that led to an order.
    async fn take_turn(self, kind: Kind, ack: Ack) -> (u32, bool) {
        let turn =
            self.until_status(&ack, |now| now["state"] != "waiting" && now["state"] != "ordering").await;
        let is_called = turn["state"] == "called";
        (ack.number, is_called && Habit::of(ack.number).act(kind, &self, &ack, &turn).await)
    }
}

/// Has all applicants take their turns, in the order in which the queue moves, until every seat is sold. Kills a worker meanwhile.
async fn take_turns(
    processes: &mut ProcessHandles,
    kind: Kind,
    crowd: &Crowd,
    acks: &[Ack],
) -> BTreeMap<u32, bool> {
    let (mut turns, mut begun, mut is_killed) = (JoinSet::new(), 0, false);
    for _ in 0..1200 {
        if let Some(progress) = crowd.progress().await {
            let through = progress["admitted_through"].as_u64().unwrap();
            let next = acks[begun..].iter().take_while(|ack| u64::from(ack.number) <= through);
            for ack in next.cloned().collect::<Vec<_>>() {
                turns.spawn(crowd.clone().take_turn(kind, ack));
                begun += 1;
            }
            if progress["sold"] == SEATS {
                return turns.join_all().await.into_iter().collect();
            }
            if progress["sold"].as_u64() >= Some(u64::from(SEATS / 2)) && !is_killed {
                is_killed = true;
                processes.restart_worker(0).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the seats were not sold within two minutes: {:?}", crowd.progress().await);
}

/// An event whose applicants are called.
fn calling(kind: Kind, capacity: u32, called_for_ms: i64) -> EventSettings {
    let pass_target = if kind == Kind::Pass { "https://shop.example.com/order" } else { "" };
    let pass_target = pass_target.to_owned();
    EventSettings { kind, pass_target, called_for_ms, extension_ms: EXTENSION, ..event(capacity, 0) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_seats_go_strictly_by_number_to_those_who_confirm() {
    sell_by_number(Kind::Confirm).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_seats_go_strictly_by_number_to_those_who_order_with_a_pass() {
    sell_by_number(Kind::Pass).await;
}

async fn sell_by_number(kind: Kind) {
    let mut processes = ProcessHandles::build(&calling(kind, SEATS, CALLED_FOR)).await;
    processes.start().await;
    let crowd = Crowd::before_all(&processes.urls(), "spring");
    crowd.until("the event to be open", |p| p["state"] == "open").await;
    let acks = crowd.apply(0..PEOPLE).await;
    assert_eq!(acks.last().unwrap().number, PEOPLE);

    let turns = take_turns(&mut processes, kind, &crowd, &acks).await;
    let ordering: Vec<u32> = turns.iter().filter(|(_, accepted)| **accepted).map(|(n, _)| *n).collect();
    assert_eq!(ordering.len(), SEATS as usize, "as many applicants went on as there are seats");
    crowd.until_ends(&acks, |ends| ends.get("ordered") == Some(&ordering)).await;

    // Every number up to the last one that was called had its turn, and no number above it.
    let ends = crowd.ends(&acks).await;
    let last = *turns.keys().next_back().unwrap();
    let waiting = ends["waiting"].clone();
    assert_eq!(waiting, (last + 1..=PEOPLE).collect::<Vec<_>>(), "no number was skipped");
    let left: Vec<u32> = turns.keys().copied().filter(|n| Habit::of(*n) == Habit::Leaves).collect();
    let counts: BTreeMap<_, _> = ends.iter().map(|(end, numbers)| (end, numbers.len())).collect();
    println!("{} were called for {SEATS} seats: {counts:?}", turns.len());
    assert!(ends["cancelled"].iter().all(|n| left.contains(n)));
    assert!(ends["expired"].len() > SEATS as usize / 2, "{counts:?}");
    let report = stop_and_verify(&mut processes, kind, &acks, &ordering).await;
    assert_eq!(report["sold"].as_u64(), Some(u64::from(SEATS)));
}

/// The confirmation is in the journal of the signup service and nowhere else: no worker runs, and Redis loses everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_confirmation_survives_a_wiped_redis_and_who_did_not_confirm_is_called_again() {
    lose_redis_after_the_first_went_on(Kind::Confirm).await;
}

/// The same with the shop's report on an order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_of_the_shop_survives_a_wiped_redis() {
    lose_redis_after_the_first_went_on(Kind::Pass).await;
}

async fn lose_redis_after_the_first_went_on(kind: Kind) {
    let mut processes = ProcessHandles::build(&calling(kind, 2, LONG)).await;
    processes.start().await;
    let crowd = Crowd::before_all(&processes.urls(), "spring");
    crowd.until("the event to be open", |p| p["state"] == "open").await;
    let acks = crowd.apply(0..4).await;
    let is_called = |now: &Value| now["state"] == "called";
    for ack in &acks[..2] {
        crowd.until_status(ack, is_called).await;
    }
    processes.kill_workers().await;
    if kind == Kind::Pass {
        let pass = crowd.take_pass(&acks[0]).await.unwrap();
        assert_eq!(crowd.report_once(&pass, Some("A-1")).await, "called", "no worker decides it");
    } else {
        assert_eq!(crowd.request("confirm", &acks[0]).await, 202);
    }
    processes.redis.kill().await.unwrap();
    processes.redis.wipe().unwrap();
    processes.redis.restart().await.unwrap();
    processes.migrate();
    processes.start_workers().await;
    crowd.until_ends(&acks[..1], |ends| ends.get("ordered") == Some(&vec![1])).await;
    crowd.until_status(&acks[1], is_called).await;
    assert_eq!(crowd.status(&acks[2]).await["state"], "waiting");
    assert!(go_on(kind, &crowd, &acks[1]).await);
    crowd.until_ends(&acks, |ends| ends.get("ordered") == Some(&vec![1, 2])).await;
    stop_and_verify(&mut processes, kind, &acks, &[1, 2]).await;
}

/// Without a shop, the ledger has the orders of those who confirmed. The orders of passes are the shop's.
async fn stop_and_verify(processes: &mut ProcessHandles, kind: Kind, acks: &[Ack], ordered: &[u32]) -> Value {
    match kind {
        Kind::Pass => processes.stop_and_verify_passes(acks, ordered).await,
        Kind::Order | Kind::Confirm => processes.stop_and_verify(acks).await,
    }
}
