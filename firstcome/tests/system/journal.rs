//! Journals of signup services: whatever Redis loses, no applicant needs to look again to keep the number.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::crowd::{Ack, Crowd};
use crate::harness::PROGRAM;
use crate::operator_process::OperatorProcess;
use crate::processes::ProcessHandles;

const SEATS: u32 = 300;

/// Two signup services, two workers and an operator API. No receipt is presented, so that only journals
/// and the ledger bring anything back.
async fn start(seats: u32) -> (ProcessHandles, Crowd, OperatorProcess) {
    let mut processes = ProcessHandles::with(&format!(
        "signup.trusted_proxies = \"127.0.0.1\"\nworker.recover_grace = \"5s\"\n{}",
        OperatorProcess::settings()
    ))
    .await;
    processes.start().await;
    let operator = OperatorProcess::start(&mut processes).await;
    let seats = seats.to_string();
    let names =
        ["event", "create", "spring", "--title-ko", "봄", "--title-en", "Spring", "--capacity", &seats];
    let rest = ["--opens-at", "+1s", "--closes-at", "+1h", "--pace", "400", "--in-flight-max", "40"];
    operator.run(&[&names[..], &rest].concat()).unwrap();
    let crowd = Crowd::before_all(&processes.urls(), "spring");
    crowd.until("the event to be open", |progress| progress["state"] == "open").await;
    (processes, crowd, operator)
}

async fn wipe(processes: &mut ProcessHandles) {
    processes.redis.kill().await.unwrap();
    processes.redis.wipe().unwrap();
    processes.redis.restart().await.unwrap();
    processes.migrate();
}

/// Redis loses all 400 applications while the first signup service is dead.
async fn wipe_without_a_signup_service(
    processes: &mut ProcessHandles,
    crowd: &Crowd,
    operator: &OperatorProcess,
) -> Vec<Ack> {
    operator.run(&["release", "pause", "spring"]).unwrap();
    let acks = crowd.apply(0..400).await;
    processes.kill_signup(0).await;
    wipe(processes).await;
    operator.run(&["release", "resume", "spring"]).unwrap();
    acks
}

fn event(operator: &OperatorProcess) -> Value {
    serde_json::from_str(&operator.run(&["event", "get", "spring", "--json"]).unwrap()).unwrap()
}

/// The count of numbers that are in use.
fn given(progress: &Value) -> u64 {
    let gaps = progress["gaps"].as_array().unwrap().iter();
    let skipped: u64 = gaps.map(|gap| 1 + gap["to"].as_u64().unwrap() - gap["from"].as_u64().unwrap()).sum();
    progress["last_number"].as_u64().unwrap() - skipped
}

/// Waits until the operator sees it so.
async fn until(operator: &OperatorProcess, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..300 {
        let event = event(operator);
        if is_so(&event) {
            return event;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what}: {}", event(operator));
}

/// Asserts that the lowest numbers have the orders, and every application has the number of its receipt.
async fn judge(processes: &mut ProcessHandles, crowd: &Crowd, acks: &[Ack], seats: usize) {
    let mut numbers: Vec<u32> = acks.iter().map(|ack| ack.number).collect();
    numbers.sort_unstable();
    let lowest: Vec<u32> = numbers.into_iter().take(seats).collect();
    crowd.until_ends(acks, |ends| ends.get("ordered") == Some(&lowest)).await;
    processes.stop_and_verify(acks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_redis_loses_none_of_twenty_thousand_who_never_look_again() {
    let (mut processes, crowd, operator) = start(1000).await;
    let early = crowd.apply(0..20_000).await;
    until(&operator, "some are ordered", |event| event["seats"]["sold"].as_u64() >= Some(100)).await;
    let epoch = crowd.progress().await.unwrap()["epoch"].as_u64();
    let begin = Instant::now();
    wipe(&mut processes).await;
    // The ranks count all who are back: without a recount, all would be within the seats.
    let is_back = |p: &Value| p["epoch"].as_u64() > epoch && given(p) == 20_000;
    let progress = crowd.until("all to be back", is_back).await;
    println!("Redis wiped: all 20,000 applications are back after {:?}", begin.elapsed());
    assert_eq!(progress["gaps"].as_array().map(Vec::len), Some(1), "none is missing in between: {progress}");
    // Who applies again gets the old number, and who applies for the first time one above all.
    for ack in early.iter().rev().take(20) {
        assert_eq!(
            crowd.apply_one(ack.person).await.number,
            ack.number,
            "the same number, and the full receipt"
        );
    }
    let late = crowd.apply_one(20_001).await;
    assert!(early.iter().all(|ack| ack.number < late.number));
    let acks = [early, vec![late]].concat();
    judge(&mut processes, &crowd, &acks, 1000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_copy_put_back_is_noticed_although_every_process_was_restarted() {
    let (mut processes, crowd, operator) = start(SEATS).await;
    let first = crowd.apply(0..1000).await;
    let copy = processes.folder.path().join("copy");
    processes.redis.copy_data(&copy).unwrap();
    let second = crowd.apply(1000..2000).await;
    until(&operator, "some are ordered", |event| event["seats"]["sold"].as_u64() >= Some(50)).await;
    processes.redis.kill().await.unwrap();
    processes.redis.put_back(&copy).unwrap();
    for nth in 0..2 {
        processes.kill_signup(nth).await;
    }
    processes.redis.restart().await.unwrap();
    for nth in 0..2 {
        processes.start_signup_again(nth).await;
        processes.restart_worker(nth).await;
    }
    let third = crowd.apply(2000..2500).await;
    let acks = [first, second, third].concat();
    judge(&mut processes, &crowd, &acks, SEATS as usize).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_journal_stops_admission_until_its_process_is_back() {
    let (mut processes, crowd, operator) = start(SEATS).await;
    let acks = wipe_without_a_signup_service(&mut processes, &crowd, &operator).await;
    let event = until(&operator, "one journal is missing", |event| {
        event["missing_journals"].as_array().is_some_and(|missing| missing.len() == 1)
    })
    .await;
    let summary =
        Command::new(PROGRAM).arg("journal").arg(processes.journal(0)).arg("--json").output().unwrap();
    let summary: Value = serde_json::from_slice(&summary.stdout).unwrap();
    assert_eq!(event["missing_journals"][0], summary["id"], "{summary}");
    // Longer than the grace period.
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(self::event(&operator)["seats"]["sold"], 0);
    let listed = operator.run(&["event", "list"]).unwrap();
    assert!(listed.contains("RECOVERING, journals missing: 1"), "{listed}");
    processes.start_signup_again(0).await;
    judge(&mut processes, &crowd, &acks, SEATS as usize).await;
}

/// The journal of one signup service has the applications, that of the other the cancel requests, and the ledger has neither.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_request_that_another_process_took_is_not_lost_with_redis() {
    let (mut processes, _, operator) = start(SEATS).await;
    operator.run(&["release", "pause", "spring"]).unwrap();
    let [first, second] = [0, 1].map(|nth| Crowd::before(&processes.urls()[nth], "spring"));
    let acks = first.apply(0..20).await;
    processes.postgres.kill().await.unwrap();
    for ack in &acks[..10] {
        second.cancel(ack).await;
    }
    processes.redis.kill().await.unwrap();
    processes.redis.wipe().unwrap();
    processes.postgres.restart().await.unwrap();
    processes.redis.restart().await.unwrap();
    processes.migrate();
    testkit::until("the release to resume", async || operator.run(&["release", "resume", "spring"]).is_ok())
        .await;
    let numbers = |acks: &[Ack]| acks.iter().map(|ack| ack.number).collect::<Vec<_>>();
    let (cancelled, ordered) = (numbers(&acks[..10]), numbers(&acks[10..]));
    first
        .until_ends(&acks, |ends| {
            ends.get("cancelled") == Some(&cancelled) && ends.get("ordered") == Some(&ordered)
        })
        .await;
    processes.stop_and_verify(&acks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_goes_on_without_a_journal_whose_disk_is_gone() {
    let (mut processes, crowd, operator) = start(SEATS).await;
    let acks = wipe_without_a_signup_service(&mut processes, &crowd, &operator).await;
    until(&operator, "one journal is missing", |event| event["missing_journals"] != Value::Array(Vec::new()))
        .await;
    operator.run(&["release", "accept", "spring", "--reason", "its disk is gone"]).unwrap();
    until(&operator, "admission goes on", |event| event["seats"]["sold"].as_u64() >= Some(10)).await;
    // The disk was only away. Those in its journal have the numbers of their receipts, after those who were admitted meanwhile.
    processes.start_signup_again(0).await;
    until(&operator, "all are back", |event| {
        event["seats"]["sold"] == SEATS && event["queue"]["waiting"] == 400 - SEATS
    })
    .await;
    for ack in &acks {
        assert_eq!(crowd.apply_again(ack.person).await, ack.number);
    }
    crowd.until_ends(&acks, |ends| ends.get("ordered").map(Vec::len) == Some(SEATS as usize)).await;
}
