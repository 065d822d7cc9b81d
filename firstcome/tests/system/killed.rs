//! A crowd applies while the process is killed three times.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::crowd::Crowd;
use crate::harness::{ProcessHarness, event, verify};

const SEATS: u32 = 300;
const PEOPLE: u32 = 3000;
const KILLS: u32 = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_three_times_loses_no_application() {
    let mut process = ProcessHarness::build(&event(SEATS, 0));
    process.start().await;
    let crowd = Crowd::before(&process.url(), "spring");
    let pressing = tokio::task::JoinSet::from_iter([{
        let crowd = crowd.clone();
        async move { crowd.apply(0..PEOPLE).await }
    }]);
    for kill in 1..=KILLS {
        // Each kill comes with a further part of the crowd in line, and the last one while orders are made.
        let reached = kill * PEOPLE / 6;
        crowd.until("the crowd to come in", |p| p["last_number"].as_u64() >= Some(u64::from(reached))).await;
        process.kill().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        process.start().await;
    }
    let acks = pressing.join_all().await.remove(0);

    let numbers: BTreeSet<u32> = acks.iter().map(|ack| ack.number).collect();
    assert_eq!(numbers.len(), PEOPLE as usize, "no number twice");
    let progress = crowd.until("the last seat to be sold", |p| p["sold"] == SEATS).await;
    let gaps: Vec<_> = progress["gaps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|gap| (gap["from"].as_u64().unwrap(), gap["to"].as_u64().unwrap()))
        .collect();
    let skipped = |n: u32| gaps.iter().any(|(from, to)| (*from..=*to).contains(&u64::from(n)));
    let last = *numbers.last().unwrap();
    assert!(
        (1..=last).all(|n| numbers.contains(&n) != skipped(n)),
        "every number is assigned or listed as skipped: {gaps:?}"
    );
    for ack in crowd.apply(0..200).await {
        let first = acks.iter().find(|first| first.person == ack.person).unwrap();
        assert_eq!(ack.number, first.number, "the number of person {} changed", ack.person);
    }

    let lowest: Vec<u32> = numbers.into_iter().take(SEATS as usize).collect();
    assert_eq!(crowd.ends(&acks).await["ordered"], lowest);
    process.stop().await;
    let report = verify(&process.data(), &acks);
    assert_eq!(report["sold"].as_u64(), Some(u64::from(SEATS)));
}
