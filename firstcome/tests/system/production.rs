//! A crowd with the production stores, two signup services and two workers, during failures of each.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use crate::crowd::{Ack, Crowd};
use crate::harness::event;
use crate::processes::ProcessHandles;

const SEATS: u32 = 300;
const PEOPLE: u32 = 3000;

async fn start_processes(seats: u32) -> (ProcessHandles, Crowd) {
    let mut processes = ProcessHandles::build(&event(seats, 0)).await;
    processes.start().await;
    let crowd = Crowd::before_all(&processes.urls(), "spring");
    crowd.until("the event to be open", |p| p["state"] == "open").await;
    (processes, crowd)
}

/// Checks that each number is unique and that in the end the lowest numbers have orders.
async fn judge(processes: &mut ProcessHandles, crowd: &Crowd, acks: &[Ack], seats: u32) {
    let numbers: BTreeSet<u32> = acks.iter().map(|ack| ack.number).collect();
    assert_eq!(numbers.len(), acks.len(), "no number twice");
    crowd.until("the last seat to be sold", |p| p["sold"] == seats).await;
    let lowest: Vec<u32> = numbers.into_iter().take(seats as usize).collect();
    crowd.until_ends(acks, |ends| ends.get("ordered") == Some(&lowest)).await;
    let report = processes.stop_and_verify(acks).await;
    assert_eq!(report["sold"].as_u64(), Some(u64::from(seats)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_signups_and_two_workers_sell_every_seat_to_the_lowest_numbers() {
    let (mut processes, crowd) = start_processes(SEATS).await;
    let acks = crowd.apply(0..PEOPLE).await;
    let numbers: Vec<u32> = acks.iter().map(|ack| ack.number).collect();
    assert_eq!(numbers, (1..=PEOPLE).collect::<Vec<_>>(), "no number twice, none left out");
    judge(&mut processes, &crowd, &acks, SEATS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_in_one_burst_leave_a_thousand_orders() {
    let (mut processes, crowd) = start_processes(1000).await;
    let begin = Instant::now();
    let acks = crowd.apply(0..20_000).await;
    println!("20,000 applications acknowledged in {:?}", begin.elapsed());
    judge(&mut processes, &crowd, &acks, 1000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signups_and_workers_killed_three_times_lose_no_application() {
    let (mut processes, crowd) = start_processes(SEATS).await;
    let pressing = crowd.apply_meanwhile(0..PEOPLE);
    for kill in 0..3 {
        let reached = u64::from((kill + 1) * PEOPLE / 6);
        crowd.until("the crowd to come in", |p| p["last_number"].as_u64() >= Some(reached)).await;
        processes.restart_both(kill as usize % 2).await;
    }
    let acks = pressing.await;
    judge(&mut processes, &crowd, &acks, SEATS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_killed_in_the_spike_keeps_every_application() {
    let (mut processes, crowd) = start_processes(SEATS).await;
    let pressing = crowd.apply_meanwhile(0..PEOPLE);
    crowd.until("a third to be in line", |p| p["last_number"].as_u64() >= Some(1000)).await;
    processes.redis.kill().await.unwrap();
    let begin = Instant::now();
    processes.redis.restart().await.unwrap();
    crowd.apply_one(PEOPLE).await;
    println!("Redis killed: applying again after {:?}", begin.elapsed());
    let mut acks = pressing.await;
    acks.push(crowd.apply_one(PEOPLE).await);
    judge(&mut processes, &crowd, &acks, SEATS).await;
}

/// Both signup services report that they have nothing above the queue's last number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_of_redis_one_after_the_other_skip_no_number() {
    const RESTARTS: u32 = 6;
    let (mut processes, crowd) = start_processes(SEATS).await;
    let mut acks = Vec::new();
    for person in 0..RESTARTS {
        acks.push(crowd.apply_one(person).await);
        processes.redis.kill().await.unwrap();
        processes.redis.restart().await.unwrap();
    }
    acks.push(crowd.apply_one(RESTARTS).await);
    let numbers: Vec<u32> = acks.iter().map(|ack| ack.number).collect();
    assert_eq!(numbers, (1..=RESTARTS + 1).collect::<Vec<_>>());
    crowd.until_ends(&acks, |ends| ends.get("ordered").map(Vec::len) == Some(acks.len())).await;
    processes.stop_and_verify(&acks).await;
}

/// Without the report of a process, numbers above the queue's last one may have been given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_redis_while_a_signup_service_is_dead_skips_numbers() {
    let (mut processes, crowd) = start_processes(SEATS).await;
    let first = crowd.apply_one(0).await;
    processes.kill_signup(1).await;
    processes.redis.kill().await.unwrap();
    processes.redis.restart().await.unwrap();
    let skipped = crowd.until("the gap", |p| p["gaps"].as_array().is_some_and(|gaps| !gaps.is_empty())).await;
    processes.start_signup_again(1).await;
    let second = crowd.apply_one(1).await;
    assert!(u64::from(second.number) > skipped["last_number"].as_u64().unwrap(), "{skipped}");
    processes.stop_and_verify(&[first, second]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_wiped_in_the_spike_restores_admitted_and_shown_receipts() {
    let (mut processes, crowd) = start_processes(SEATS).await;
    let early = crowd.apply(0..PEOPLE / 2).await;
    crowd.until("some to be ordered", |p| p["sold"].as_u64() >= Some(50)).await;
    processes.redis.kill().await.unwrap();
    processes.redis.wipe().unwrap();
    let begin = Instant::now();
    processes.redis.restart().await.unwrap();
    processes.migrate();
    // Those who hold a receipt show it, as their pages do by polling; meanwhile others apply for the first time.
    let showing = crowd.show_meanwhile(early.clone());
    let late = crowd.apply(PEOPLE / 2..PEOPLE).await;
    showing.await;
    println!("Redis wiped: all applications restored after {:?}", begin.elapsed());
    let highest = early.iter().map(|ack| ack.number).max();
    assert!(late.iter().all(|ack| Some(ack.number) > highest), "new numbers go on above all old ones");
    judge(&mut processes, &crowd, &[early, late].concat(), SEATS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_copy_of_redis_put_back_is_noticed_and_made_whole() {
    let (mut processes, crowd) = start_processes(SEATS).await;
    let first = crowd.apply(0..PEOPLE / 3).await;
    let copy = processes.folder.path().join("copy");
    processes.redis.copy_data(&copy).unwrap();
    let second = crowd.apply(PEOPLE / 3..2 * PEOPLE / 3).await;
    processes.redis.kill().await.unwrap();
    processes.redis.put_back(&copy).unwrap();
    let begin = Instant::now();
    processes.redis.restart().await.unwrap();
    let early = [first, second].concat();
    let showing = crowd.show_meanwhile(early.clone());
    let late = crowd.apply(2 * PEOPLE / 3..PEOPLE).await;
    showing.await;
    println!("older copy put back: all applications restored after {:?}", begin.elapsed());
    judge(&mut processes, &crowd, &[early, late].concat(), SEATS).await;
}

/// The ledger's server goes away for a moment: applying goes on, orders go on afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_postgres_is_down_five_thousand_people_apply() {
    let (mut processes, crowd) = start_processes(SEATS).await;
    let early = crowd.apply(0..500).await;
    processes.postgres.kill().await.unwrap();
    // More than the leader would have allowed in a second, and more people than seats.
    let late = crowd.apply(500..5500).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    processes.postgres.restart().await.unwrap();
    let acks = [early, late, crowd.apply(5500..6000).await].concat();
    judge(&mut processes, &crowd, &acks, SEATS).await;
}
