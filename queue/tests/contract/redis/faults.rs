//! Servers that are killed, wiped, put back to an older copy, reloaded or full.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::{Gap, Number};
use queue::{LeaderError, Queue, QueueError, QueueState, RedisRole};
use testkit::{RedisKind, RedisServer, TempFolder};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{as_user, both, harness, installed, open_for_long, raw_command};
use crate::harness::{FENCE, QueueHarness, applicant, arming, contact, event, key, number, restored};

both! {
    a_restart_on_the_shipped_files_keeps_every_application
    the_commands_in_the_refusal_repair_an_old_users_file
    a_server_killed_during_batches_loses_nothing_acknowledged
    a_wiped_server_continues_above_every_number
    an_older_copy_is_detected_by_a_process_with_higher_numbers
    a_queue_that_lost_writes_disarms_itself_for_all_roles
    loading_the_functions_again_disarms_and_installing_does_not
    a_full_server_refuses_applications_and_still_drains
    two_signup_services_give_each_applicant_one_number
}

/// How a server ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Killed,
    Stopped,
    PowerCut,
}

/// A queue of 20 applications, made by the shipped users on a server with the shipped files.
async fn filled_by_roles(kind: RedisKind) -> RedisServer {
    let server = installed(kind).await;
    let worker = Queue::open_redis(as_user(&server, "worker", RedisRole::Worker)).await.unwrap();
    let signup = Queue::open_redis(as_user(&server, "signup", RedisRole::Signup)).await.unwrap();
    open_for_long(&worker).await;
    for person in 1..=20 {
        assert_eq!(signup.apply(&event(), applicant(person)).await.unwrap().number, number(person));
    }
    server
}

/// Asserts that each role finds all 20 applications after a restart.
async fn assert_all_20(server: &RedisServer, why: &str) {
    assert!(!server.log().contains("CRITICAL"), "{why}: {}", server.log());
    for (user, role) in
        [("worker", RedisRole::Worker), ("signup", RedisRole::Signup), ("verify", RedisRole::Verify)]
    {
        let queue = Queue::open_redis(as_user(server, user, role)).await.unwrap();
        let snapshot = queue.snapshot(&event()).await.unwrap();
        assert_eq!((snapshot.seq, snapshot.armed), (20, false), "{why}: {user}");
        for person in 1..=20 {
            let entry = queue.entry(&event(), key(person)).await.unwrap().unwrap();
            assert_eq!(entry.number, number(person), "{why}: {user}");
        }
    }
}

async fn a_restart_on_the_shipped_files_keeps_every_application(kind: RedisKind) {
    let mut server = filled_by_roles(kind).await;
    for end in [End::Killed, End::Stopped, End::PowerCut] {
        match end {
            End::Stopped => server.stop().await.unwrap(),
            End::Killed => server.kill().await.unwrap(),
            End::PowerCut => {
                server.kill().await.unwrap();
                server.tear_last_write().unwrap();
            }
        }
        server.restart().await.unwrap();
        assert_all_20(&server, &format!("{end:?}")).await;
    }
}

/// Runs only the commands that the refusal names, as an administrator would.
async fn the_commands_in_the_refusal_repair_an_old_users_file(kind: RedisKind) {
    let mut server = filled_by_roles(kind).await;
    let old = "ACL SETUSER default off resetpass resetkeys resetchannels -@all";
    for command in [old, "ACL SAVE"] {
        run(&server, command).await;
    }
    let opened = Queue::open_redis(as_user(&server, "worker", RedisRole::Worker)).await;
    let why = opened.unwrap_err().to_string();
    for command in why.split('`').filter(|word| word.starts_with("ACL ")) {
        run(&server, command).await;
    }
    server.kill().await.unwrap();
    server.restart().await.unwrap();
    assert_all_20(&server, &why).await;
}

async fn run(server: &RedisServer, command: &str) {
    let words: Vec<_> = command.split(' ').collect();
    raw_command::<()>(&server.url(), &words).await.unwrap();
}

/// Applies for each person in turn until the server is down, and repeats what has no certain result.
async fn apply_until(
    down: Arc<AtomicBool>,
    queue: Queue,
    people: std::ops::Range<u32>,
    acks: mpsc::Sender<(u32, Number)>,
) {
    for person in people {
        let applied = loop {
            match queue.apply(&event(), applicant(person)).await {
                Ok(applied) => break applied,
                Err(QueueError::Unavailable(_) | QueueError::Unknown(_)) if !down.load(Ordering::SeqCst) => {
                    tokio::task::yield_now().await;
                }
                Err(_) => return,
            }
        };
        acks.send((person, applied.number)).await.unwrap();
    }
}

async fn a_server_killed_during_batches_loses_nothing_acknowledged(kind: RedisKind) {
    let mut harness = harness(kind).await;
    harness.project(|p| p.number_limit = 100_000).await;
    let mut acknowledged = BTreeMap::new();
    for round in 0..3u32 {
        let (acks, mut received) = mpsc::channel(10_000);
        let mut signups = JoinSet::new();
        let down = Arc::new(AtomicBool::new(false));
        for signup in 0..64 {
            let start = round * 1_000_000 + signup * 10_000;
            let people = start..start + 10_000;
            signups.spawn(apply_until(Arc::clone(&down), harness.queue().clone(), people, acks.clone()));
        }
        drop(acks);
        for _ in 0..300 {
            let (person, number) = received.recv().await.unwrap();
            acknowledged.insert(person, number);
        }
        harness.server().kill().await.unwrap();
        down.store(true, Ordering::SeqCst);
        signups.join_all().await;
        while let Some((person, number)) = received.recv().await {
            acknowledged.insert(person, number);
        }
        harness.server().restart().await.unwrap();
        assert!(!harness.snapshot_when_back().await.armed);
        harness.queue().publish(&[event()]).await.unwrap();
        let limit = harness.snapshot().await.number_limit;
        let armed = harness.queue().arm(&event(), FENCE, arming(round + 2, limit)).await.unwrap();
        assert_eq!((armed.seq, harness.snapshot().await.gaps.ranges().last().unwrap().to), (limit, limit));
        harness.project(|p| p.number_limit = limit + 100_000).await;
    }
    assert!(acknowledged.len() >= 900);
    for (person, number) in &acknowledged {
        assert_eq!(harness.entry(*person).await.number, *number);
    }
}

impl QueueHarness {
    /// Applies, and repeats what has no certain result.
    async fn apply_until_acknowledged(&self, person: u32) -> Number {
        loop {
            match self.apply(person).await {
                Err(QueueError::Unavailable(_) | QueueError::Unknown(_)) => {}
                applied => return applied.unwrap().number,
            }
        }
    }

    /// The snapshot after a restart: the first calls may find their connections broken.
    async fn snapshot_when_back(&self) -> queue::QueueSnapshot {
        loop {
            match self.queue().snapshot(&event()).await {
                Ok(snapshot) => return snapshot,
                Err(QueueError::Unavailable(_) | QueueError::Unknown(_)) => {}
                Err(other) => panic!("{other}"),
            }
        }
    }
}

async fn a_wiped_server_continues_above_every_number(kind: RedisKind) {
    let mut harness = harness(kind).await;
    harness.fill(3).await;
    harness.server().kill().await.unwrap();
    harness.server().wipe().unwrap();
    harness.server().restart().await.unwrap();
    let refusal = loop {
        match harness.queue().catalogue().await {
            Err(QueueError::Unavailable(why)) if why.contains("firstcome migrate") => break why,
            Err(QueueError::Unavailable(_) | QueueError::Unknown(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(refusal.contains("lacks the functions of this version"));
    drop(harness.another_process_installs().await);
    assert_eq!(harness.queue().snapshot(&event()).await, Err(QueueError::NotArmed));
    assert_eq!(
        harness.queue().project(&event(), FENCE, crate::harness::projection()).await,
        Err(LeaderError::UnknownEvent)
    );
    harness.queue().publish(&[event()]).await.unwrap();
    harness.queue().arm(&event(), FENCE, arming(2, 1_000)).await.unwrap();
    let rows: Vec<_> = (1..=3).map(|n| restored(n, n, QueueState::Waiting)).collect();
    harness.queue().restore(&event(), FENCE, &rows).await.unwrap();
    harness.project(|p| p.number_limit = 2_000).await;
    for person in 1..=3 {
        assert_eq!(harness.entry(person).await.number, number(person));
    }
    assert_eq!(harness.apply_until_acknowledged(4).await, number(1_001));
    assert_eq!(harness.head(9).await.0, [1, 2, 3, 1_001]);
    assert_eq!(harness.queue().head(&event(), 1).await.unwrap().waiting[0].contact, contact(1));
}

async fn an_older_copy_is_detected_by_a_process_with_higher_numbers(kind: RedisKind) {
    let mut harness = harness(kind).await;
    let copies = TempFolder::new("copies");
    harness.fill(2).await;
    let copy = copies.path().join("older");
    harness.server().copy_data(&copy).unwrap();
    harness.queue().arm(&event(), FENCE, arming(2, 0)).await.unwrap();
    harness.project(|p| p.number_limit = 3_000).await;
    assert_eq!(harness.apply(3).await.unwrap().number, number(1_001));
    harness.cancel(1).await;
    let position = harness.inbox().await[0].id;
    harness.server().kill().await.unwrap();
    harness.server().put_back(&copy).unwrap();
    harness.server().restart().await.unwrap();
    assert!(!harness.snapshot_when_back().await.armed);
    // The ledger was put back, too, and has the same epoch.
    harness.queue().publish(&[event()]).await.unwrap();
    assert_eq!(harness.queue().arm(&event(), FENCE, arming(2, 0)).await.unwrap().seq, 1_000);
    harness.project(|p| p.number_limit = 3_000).await;
    assert!(!harness.snapshot().await.armed, "this process was acknowledged 1,001");
    harness.queue().arm(&event(), FENCE, arming(3, 3_000)).await.unwrap();
    harness.project(|p| p.number_limit = 4_000).await;
    assert_eq!(harness.apply_until_acknowledged(4).await, number(3_001));
    assert_eq!(harness.snapshot().await.gaps.ranges(), [Gap { from: 3, to: 3_000 }]);
    // The ledger keeps its position in the inbox, so no later request may have a position at or below it.
    harness.cancel(2).await;
    assert_eq!(harness.queue().inbox(&event(), position, 9).await.unwrap().len(), 1);
}

async fn a_queue_that_lost_writes_disarms_itself_for_all_roles(kind: RedisKind) {
    let mut harness = harness(kind).await;
    let other = harness.another_handle(|_| {}).await;
    harness.fill(3).await;
    harness.raw_command::<()>(&["HSET", "q:{spring}:m", "seq", "2"]).await;
    assert_eq!(other.apply(&event(), applicant(1)).await.unwrap().number, number(1));
    assert!(
        other.snapshot(&event()).await.unwrap().armed,
        "it was acknowledged no number that the queue lacks"
    );
    assert_eq!(harness.apply(1).await.unwrap().number, number(1));
    assert_eq!(harness.apply(4).await, Err(QueueError::Regressed));
    assert_eq!(harness.apply(4).await, Err(QueueError::NotArmed));
    assert_eq!(other.apply(&event(), applicant(4)).await, Err(QueueError::NotArmed));
}

async fn loading_the_functions_again_disarms_and_installing_does_not(kind: RedisKind) {
    let mut harness = harness(kind).await;
    harness.fill(1).await;
    drop(harness.another_process_installs().await);
    assert!(harness.apply(2).await.is_ok(), "the functions were loaded already");
    let dump: Vec<u8> = harness.raw_command(&["FUNCTION", "DUMP"]).await;
    let client = redis::Client::open(harness.server().url()).unwrap();
    let mut conn = client.get_multiplexed_async_connection().await.unwrap();
    let mut restore = redis::cmd("FUNCTION");
    restore.arg("RESTORE").arg(dump).arg("REPLACE").exec_async(&mut conn).await.unwrap();
    assert_eq!(harness.apply(3).await, Err(QueueError::NotArmed));
    assert_eq!(harness.queue().catalogue().await, Err(QueueError::NotArmed));
    assert_eq!(harness.entry(1).await.number, number(1));
}

impl QueueHarness {
    /// Another process starts and installs the functions.
    async fn another_process_installs(&mut self) -> Queue {
        let mut options = queue::RedisOptions::new(self.server().url(), queue::RedisRole::Worker);
        options.hand_clock = Some(self.now());
        Queue::install_redis(&options).await.unwrap();
        Queue::open_redis(options).await.unwrap()
    }
}

async fn a_full_server_refuses_applications_and_still_drains(kind: RedisKind) {
    let mut harness = harness(kind).await;
    harness.fill(3).await;
    harness.raw_command::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let result = harness.apply(4).await;
    assert!(matches!(&result, Err(QueueError::Unavailable(why)) if why.contains("maxmemory")), "{result:?}");
    assert_eq!((harness.snapshot().await.seq, harness.head(9).await.0), (3, vec![1, 2, 3]));
    harness.admitted(2, &[1, 2]).await;
    assert_eq!(harness.cancel(3).await.unwrap().state, QueueState::Withdrawn);
    let entry = harness.inbox().await[0].id;
    harness.queue().acknowledge(&event(), FENCE, entry, 0).await.unwrap();
    harness
        .project(|p| p.outcomes = vec![(number(1), crate::harness::projected(domain::Outcome::Ordered))])
        .await;
    assert_eq!(harness.snapshot().await.admitted_through, 2);
    harness.raw_command::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    assert_eq!(harness.apply(4).await.unwrap().number, number(4));
}

async fn two_signup_services_give_each_applicant_one_number(kind: RedisKind) {
    let mut harness = harness(kind).await;
    harness.project(|p| p.number_limit = 10_000).await;
    let signups = [harness.another_handle(|_| {}).await, harness.another_handle(|_| {}).await];
    let mut all = JoinSet::new();
    for person in 0..1_500 {
        // Every third person applies at both signup services at once.
        for signup in signups.iter().take(if person % 3 == 0 { 2 } else { 1 }) {
            let signup = signup.clone();
            all.spawn(async move { (person, signup.apply(&event(), applicant(person)).await.unwrap()) });
        }
    }
    let mut numbers: BTreeMap<u32, Vec<Number>> = BTreeMap::new();
    for (person, applied) in all.join_all().await {
        numbers.entry(person).or_default().push(applied.number);
    }
    assert!(numbers.values().all(|acks| acks.iter().all(|number| *number == acks[0])));
    let mut distinct: Vec<_> = numbers.values().map(|acks| acks[0].get()).collect();
    distinct.sort_unstable();
    assert_eq!(distinct, (1..=1_500).collect::<Vec<_>>());
    assert_eq!(signups[0].entry(&event(), key(3)).await.unwrap().unwrap().number, numbers[&3][0]);
}
