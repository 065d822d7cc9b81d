//! The keys in Redis: interrupted steps, queues of many blocks, numbers without an application.

use std::collections::BTreeSet;

use queue::{QueueEntry, QueueError, QueueState, RedisRole};
use testkit::{RedisKind, RedisServer};
use tokio::task::JoinSet;

use super::{both, harness};
use crate::harness::{FENCE, QueueHarness, applicant, arming, contact, event, key, number, restored};

both! {
    an_application_without_its_commit_gets_a_new_number
    a_slot_above_the_last_number_is_overwritten
    a_queue_of_many_blocks_is_admitted_completely_and_in_order
    a_block_takes_no_more_memory_than_its_numbers
    the_product_takes_its_time_from_the_server_only
    applying_again_repairs_an_application_that_failed_midway
    a_contact_is_deleted_once_it_is_not_needed
    adjacent_gaps_are_stored_as_one
    a_repeated_application_waits_for_durability_too
    a_cancel_that_failed_midway_is_written_when_repeated
}

impl QueueHarness {
    async fn keys(&mut self, pattern: &str) -> Vec<String> {
        self.raw_command(&["KEYS", pattern]).await
    }
}

async fn an_application_without_its_commit_gets_a_new_number(kind: RedisKind) {
    let mut harness = harness(kind).await;
    harness.fill(1).await;
    let bucket = harness.keys("q:{spring}:a:*").await.remove(0);
    harness.raw_command::<u32>(&["UNLINK", &bucket]).await;
    assert_eq!(harness.queue().entry(&event(), key(1)).await, Ok(None));
    assert_eq!(harness.queue().app_key_of(&event(), number(1)).await, Ok(None));
    assert_eq!(harness.head(9).await, (vec![], 1));
    // A caller that was acknowledged the number would disarm the queue. For any other, the number was never given.
    let other = harness.another_handle(|_| {}).await;
    let repeated = other.apply(&event(), applicant(1)).await.unwrap();
    assert_eq!((repeated.number, repeated.already_applied), (number(2), false));
    assert_eq!(
        harness.queue().app_key_of(&event(), number(1)).await,
        Ok(None),
        "its key is under another number"
    );
    assert_eq!(harness.head(9).await, (vec![2], 2));
    let entries = harness.queue().entries(&event(), 0, 9).await.unwrap();
    assert_eq!(
        entries,
        [QueueEntry {
            number: number(2),
            app_key: key(1),
            state: QueueState::Waiting,
            outcome: None,
            called: None,
            cancel_requested: false
        }]
    );
}

async fn a_slot_above_the_last_number_is_overwritten(kind: RedisKind) {
    let mut harness = harness(kind).await;
    harness.fill(2).await;
    harness.raw_command::<u32>(&["SETRANGE", "q:{spring}:w:0", "32", "sixteen letters!"]).await;
    assert_eq!(harness.head(9).await, (vec![1, 2], 2));
    assert_eq!(harness.apply(3).await.unwrap().number, number(3));
    assert_eq!(harness.queue().app_key_of(&event(), number(3)).await, Ok(Some(key(3))));
}

async fn a_queue_of_many_blocks_is_admitted_completely_and_in_order(kind: RedisKind) {
    const PEOPLE: u32 = 9_000;
    let harness = harness(kind).await;
    harness.project(|p| p.number_limit = 10_000).await;
    let mut all = JoinSet::new();
    for person in 0..PEOPLE {
        let queue = harness.queue().clone();
        all.spawn(async move {
            // More applications than may wait at once.
            loop {
                match queue.apply(&event(), applicant(person)).await {
                    Err(QueueError::Unavailable(_)) => tokio::task::yield_now().await,
                    applied => return applied.unwrap().number.get(),
                }
            }
        });
    }
    let numbers: BTreeSet<_> = all.join_all().await.into_iter().collect();
    assert_eq!(numbers, (1..=PEOPLE).collect());
    // A gap that begins in the third block and ends in the fourth.
    harness.queue().arm(&event(), FENCE, arming(2, 12_500)).await.unwrap();
    harness.project(|p| p.number_limit = 13_000).await;
    assert_eq!(harness.apply(PEOPLE).await.unwrap().number, number(12_501));
    let entries = harness.queue().entries(&event(), 0, 20_000).await.unwrap();
    assert_eq!(entries.len(), 9_001);
    assert!(entries.is_sorted_by_key(|entry| entry.number));
    let withdrawn: BTreeSet<_> = (1..=PEOPLE).step_by(17).collect();
    for entry in entries.iter().filter(|entry| withdrawn.contains(&entry.number.get())) {
        harness.queue().cancel(&event(), entry.app_key, entry.number).await.unwrap();
    }
    let mut admitted = Vec::new();
    loop {
        let head = harness.queue().head(&event(), 700).await.unwrap();
        let keys: Vec<_> = head.waiting.iter().map(|waiting| waiting.app_key).collect();
        admitted.extend(head.waiting.iter().map(|waiting| waiting.number.get()));
        harness.queue().admitted(&event(), FENCE, head.through, &keys, 0).await.unwrap();
        if head.through == 12_501 {
            break;
        }
    }
    let expected: Vec<_> = (1..=PEOPLE).filter(|n| !withdrawn.contains(n)).chain([12_501]).collect();
    assert_eq!(admitted, expected);
    let left = harness.queue().entries(&event(), 0, 20_000).await.unwrap();
    assert!(left.iter().all(|entry| entry.state != QueueState::Waiting));
}

async fn a_block_takes_no_more_memory_than_its_numbers(kind: RedisKind) {
    let mut harness = harness(kind).await;
    harness.fill(5).await;
    let bytes: u64 = harness.raw_command(&["MEMORY", "USAGE", "q:{spring}:w:0"]).await;
    assert!(bytes < 90_000, "{bytes} bytes for a block of 65,536");
}

async fn the_product_takes_its_time_from_the_server_only(kind: RedisKind) {
    let server = RedisServer::start(kind).await;
    let options = queue::RedisOptions::new(server.url(), queue::RedisRole::Worker);
    queue::Queue::install_redis(&options).await.unwrap();
    let queue = queue::Queue::open_redis(options).await.unwrap();
    super::open_for_long(&queue).await;
    let first = queue.snapshot(&event()).await.unwrap().now;
    assert!((1_700_000_000_000..4_102_444_800_000).contains(&first), "{first}");
    let acl = queue::redis_acl();
    let apply = acl.split_whitespace().find_map(|word| word.strip_prefix("+fcall|apply")).unwrap();
    let forged = ["FCALL", &format!("apply{apply}"), "2", "q:catalogue", "q:{spring}:m", "1", "5000", "0"];
    let error = super::raw_command::<redis::Value>(&server.url(), &forged).await.unwrap_err().to_string();
    assert!(error.contains("takes its time from the server"), "{error}");
}

async fn a_cancel_that_failed_midway_is_written_when_repeated(kind: RedisKind) {
    let mut harness = harness(kind).await;
    harness.fill(2).await;
    // The inbox cannot be written, since its key has another type.
    harness.raw_command::<()>(&["SET", "q:{spring}:i", "no stream"]).await;
    let result = harness.queue().cancel(&event(), key(2), number(2)).await;
    assert!(matches!(result, Err(QueueError::Unknown(_))), "{result:?}");
    assert_eq!(
        harness.entry(2).await.state,
        QueueState::Waiting,
        "an application withdrawn without a request would never get an outcome"
    );
    harness.raw_command::<u32>(&["DEL", "q:{spring}:i"]).await;
    assert_eq!(harness.cancel(2).await.unwrap().state, QueueState::Withdrawn);
    assert_eq!(harness.inbox().await.len(), 1);
}

/// Denies each write of an application in turn: applying again makes the application, once.
async fn applying_again_repairs_an_application_that_failed_midway(kind: RedisKind) {
    let mut harness = harness(kind).await;
    let parts = ["m", "b", "w:*", "c", "a:*"];
    // Only the write of the application itself comes after the number is used for good.
    for (person, denied, expected) in [(1, "w:*", 1), (2, "c", 2), (3, "m", 3), (4, "a:*", 5), (5, "b", 6)] {
        let keys = parts.map(|part| {
            let right = if part == denied { "%R~" } else { "~" };
            format!("{right}q:{{spring}}:{part}")
        });
        let mut user = vec!["ACL", "SETUSER", "half", "reset", "on", ">pw", "+@all", "~q:{!canary}:*"];
        user.push("~q:catalogue");
        user.extend(keys.iter().map(String::as_str));
        harness.raw_command::<()>(&user).await;
        let url = harness.server().url_as("half", "pw");
        let half =
            harness.another_handle(|options| (options.url, options.role) = (url, RedisRole::Signup)).await;
        let result = half.apply(&event(), applicant(person)).await;
        assert!(
            matches!(&result, Err(QueueError::Unavailable(why)) if why.contains("lacks a right")),
            "{result:?}"
        );
        assert_eq!(harness.queue().entry(&event(), key(person)).await, Ok(None), "{denied}");
        let applied = harness.apply(person).await.unwrap();
        assert_eq!((applied.number, applied.already_applied), (number(expected), false), "{denied}");
    }
    let waiting = harness.queue().head(&event(), 9).await.unwrap().waiting;
    let waiting: Vec<_> = waiting.into_iter().map(|w| (w.number.get(), w.app_key, w.contact)).collect();
    assert_eq!(
        waiting,
        [(1, 1), (2, 2), (3, 3), (5, 4), (6, 5)].map(|(n, person)| (n, key(person), contact(person)))
    );
    assert_eq!(harness.snapshot().await.waiting, 5);
}

async fn a_contact_is_deleted_once_it_is_not_needed(kind: RedisKind) {
    let mut harness = harness(kind).await;
    harness.fill(4).await;
    harness.admitted(1, &[1]).await;
    harness.cancel(2).await;
    let rows = [
        restored(4, 4, QueueState::Admitted),
        restored(7, 7, QueueState::Admitted),
        restored(8, 8, QueueState::Withdrawn),
        restored(9, 9, QueueState::Waiting),
    ];
    harness.queue().restore(&event(), FENCE, &rows).await.unwrap();
    let contacts: BTreeSet<Vec<u8>> = harness.raw_command(&["HKEYS", "q:{spring}:c"]).await;
    assert_eq!(contacts, [3, 9].map(|person| key(person).0.to_vec()).into());
}

async fn adjacent_gaps_are_stored_as_one(kind: RedisKind) {
    let mut harness = harness(kind).await;
    harness.fill(2).await;
    for (epoch, limit) in [(2, 0), (3, 3_000), (4, 4_000)] {
        harness.queue().arm(&event(), FENCE, arming(epoch, limit)).await.unwrap();
    }
    harness.project(|p| p.number_limit = 5_000).await;
    harness.apply(3).await.unwrap();
    harness.queue().arm(&event(), FENCE, arming(5, 0)).await.unwrap();
    let stored: String = harness.raw_command(&["HGET", "q:{spring}:m", "gaps"]).await;
    assert_eq!(stored, "3-4000,4002-5000");
}

async fn a_repeated_application_waits_for_durability_too(kind: RedisKind) {
    let mut harness = harness(kind).await;
    harness.fill(1).await;
    let barrier = ["HGET", "q:{spring}:m", "barrier"];
    let before: u32 = harness.raw_command(&barrier).await;
    harness.apply(1).await.unwrap();
    assert_eq!(harness.raw_command::<u32>(&barrier).await, before + 1);
    harness.apply(2).await.unwrap();
    assert_eq!(harness.raw_command::<u32>(&barrier).await, before + 1, "a new application is a write itself");
}
