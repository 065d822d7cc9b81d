//! A queue whose server is killed, wiped, put back to an older copy, reloaded or full.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::{Gap, Number};
use queue::{LeaderError, Queue, QueueError, QueueState, RedisRole};
use testkit::{RedisKind, RedisServer, TempFolder};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{as_user, both, harness, installed, meddle, open_for_long};
use crate::harness::{FENCE, QueueHarness, applicant, arming, contact, event, key, number, restored};

both! {
    a_restart_of_any_kind_on_the_shipped_files_keeps_every_application
    an_old_users_file_is_repaired_by_the_commands_of_the_refusal
    nothing_acknowledged_is_lost_when_the_server_is_killed_mid_batches
    a_wiped_server_is_filled_again_above_every_number
    a_server_put_back_to_an_older_copy_is_noticed_by_who_knew_more
    a_queue_that_lost_writes_disarms_itself_for_all_roles
    loading_the_functions_again_disarms_and_installing_does_not
    a_full_server_refuses_applications_whole_and_still_drains
    two_signups_give_each_person_one_number
}

/// How a server ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Killed,
    Stopped,
    PowerCut,
}

/// A queue of 20 applications, made by the shipped users on the shipped files.
async fn filled_by_roles(kind: RedisKind) -> RedisServer {
    let server = installed(kind).await;
    let worker = Queue::open_redis(as_user(&server, "worker", RedisRole::Worker)).await.unwrap();
    let signup = Queue::open_redis(as_user(&server, "signup", RedisRole::Signup)).await.unwrap();
    open_for_long(&worker).await;
    for who in 1..=20 {
        assert_eq!(signup.apply(&event(), applicant(who)).await.unwrap().number, number(who));
    }
    server
}

/// After a restart, each role finds all 20 applications.
async fn keeps_all_20(server: &RedisServer, why: &str) {
    assert!(!server.log().contains("CRITICAL"), "{why}: {}", server.log());
    for (user, role) in
        [("worker", RedisRole::Worker), ("signup", RedisRole::Signup), ("verify", RedisRole::Verify)]
    {
        let queue = Queue::open_redis(as_user(server, user, role)).await.unwrap();
        let view = queue.snapshot(&event()).await.unwrap();
        assert_eq!((view.seq, view.armed), (20, false), "{why}: {user}");
        for who in 1..=20 {
            let place = queue.entry(&event(), key(who)).await.unwrap().unwrap();
            assert_eq!(place.number, number(who), "{why}: {user}");
        }
    }
}

async fn a_restart_of_any_kind_on_the_shipped_files_keeps_every_application(kind: RedisKind) {
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
        keeps_all_20(&server, &format!("{end:?}")).await;
    }
}

/// Runs the commands that the refusal names, as an administrator would, and nothing else.
async fn an_old_users_file_is_repaired_by_the_commands_of_the_refusal(kind: RedisKind) {
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
    keeps_all_20(&server, &why).await;
}

async fn run(server: &RedisServer, command: &str) {
    let words: Vec<_> = command.split(' ').collect();
    meddle::<()>(&server.url(), &words).await.unwrap();
}

/// Applies for one after the other while the server lives; who is told to press again does.
async fn press_until(
    down: Arc<AtomicBool>,
    queue: Queue,
    people: std::ops::Range<u32>,
    told: mpsc::Sender<(u32, Number)>,
) {
    for who in people {
        let applied = loop {
            match queue.apply(&event(), applicant(who)).await {
                Ok(applied) => break applied,
                Err(QueueError::Unavailable(_) | QueueError::Unknown(_)) if !down.load(Ordering::SeqCst) => {
                    tokio::task::yield_now().await;
                }
                Err(_) => return,
            }
        };
        told.send((who, applied.number)).await.unwrap();
    }
}

async fn nothing_acknowledged_is_lost_when_the_server_is_killed_mid_batches(kind: RedisKind) {
    let mut harness = harness(kind).await;
    harness.project(|p| p.number_limit = 100_000).await;
    let mut acknowledged = BTreeMap::new();
    for round in 0..3u32 {
        let (told, mut heard) = mpsc::channel(10_000);
        let (mut signups, down) = (JoinSet::new(), Arc::new(AtomicBool::new(false)));
        for signup in 0..64 {
            let start = round * 1_000_000 + signup * 10_000;
            let people = start..start + 10_000;
            signups.spawn(press_until(Arc::clone(&down), harness.queue().clone(), people, told.clone()));
        }
        drop(told);
        for _ in 0..300 {
            let (who, number) = heard.recv().await.unwrap();
            acknowledged.insert(who, number);
        }
        harness.server().kill().await.unwrap();
        down.store(true, Ordering::SeqCst);
        signups.join_all().await;
        while let Some((who, number)) = heard.recv().await {
            acknowledged.insert(who, number);
        }
        harness.server().restart().await.unwrap();
        assert!(!harness.view_when_back().await.armed);
        harness.queue().publish(&[event()]).await.unwrap();
        let limit = harness.snapshot().await.number_limit;
        let armed = harness.queue().arm(&event(), FENCE, arming(round + 2, limit)).await.unwrap();
        assert_eq!((armed.seq, harness.snapshot().await.gaps.ranges().last().unwrap().to), (limit, limit));
        harness.project(|p| p.number_limit = limit + 100_000).await;
    }
    assert!(acknowledged.len() >= 900);
    for (who, number) in &acknowledged {
        assert_eq!(harness.place(*who).await.number, *number);
    }
}

impl QueueHarness {
    /// Applies as people do: told to press again, they press again.
    async fn press(&self, who: u32) -> Number {
        loop {
            match self.apply(who).await {
                Err(QueueError::Unavailable(_) | QueueError::Unknown(_)) => {}
                applied => return applied.unwrap().number,
            }
        }
    }

    /// The first question after a restart may find its connection broken.
    async fn view_when_back(&self) -> queue::QueueSnapshot {
        loop {
            match self.queue().snapshot(&event()).await {
                Ok(view) => return view,
                Err(QueueError::Unavailable(_) | QueueError::Unknown(_)) => {}
                Err(other) => panic!("{other}"),
            }
        }
    }
}

async fn a_wiped_server_is_filled_again_above_every_number(kind: RedisKind) {
    let mut harness = harness(kind).await;
    harness.fill(3).await;
    harness.server().kill().await.unwrap();
    harness.server().wipe().unwrap();
    harness.server().restart().await.unwrap();
    let told = loop {
        match harness.queue().catalogue().await {
            Err(QueueError::Unavailable(why)) if why.contains("firstcome migrate") => break why,
            Err(QueueError::Unavailable(_) | QueueError::Unknown(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(told.contains("lacks the functions of this version"));
    drop(harness.another_store_installs().await);
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
    for who in 1..=3 {
        assert_eq!(harness.place(who).await.number, number(who));
    }
    assert_eq!(harness.press(4).await, number(1_001));
    assert_eq!(harness.head(9).await.0, [1, 2, 3, 1_001]);
    assert_eq!(harness.queue().head(&event(), 1).await.unwrap().waiting[0].contact, contact(1));
}

async fn a_server_put_back_to_an_older_copy_is_noticed_by_who_knew_more(kind: RedisKind) {
    let (mut harness, copies) = (harness(kind).await, TempFolder::new("copies"));
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
    assert!(!harness.view_when_back().await.armed);
    // The ledger went back, too, and knows no better.
    harness.queue().publish(&[event()]).await.unwrap();
    assert_eq!(harness.queue().arm(&event(), FENCE, arming(2, 0)).await.unwrap().seq, 1_000);
    harness.project(|p| p.number_limit = 3_000).await;
    assert!(!harness.snapshot().await.armed, "this process was told 1,001");
    harness.queue().arm(&event(), FENCE, arming(3, 3_000)).await.unwrap();
    harness.project(|p| p.number_limit = 4_000).await;
    assert_eq!(harness.press(4).await, number(3_001));
    assert_eq!(harness.snapshot().await.gaps.ranges(), [Gap { from: 3, to: 3_000 }]);
    // The ledger keeps its position in the inbox, so a request must never come at or below it.
    harness.cancel(2).await;
    assert_eq!(harness.queue().inbox(&event(), position, 9).await.unwrap().len(), 1);
}

async fn a_queue_that_lost_writes_disarms_itself_for_all_roles(kind: RedisKind) {
    let mut harness = harness(kind).await;
    let other = harness.another_handle(|_| {}).await;
    harness.fill(3).await;
    harness.meddle::<()>(&["HSET", "q:{spring}:m", "seq", "2"]).await;
    assert_eq!(other.apply(&event(), applicant(1)).await.unwrap().number, number(1));
    assert!(other.snapshot(&event()).await.unwrap().armed, "it knows no more than the queue");
    assert_eq!(harness.apply(1).await.unwrap().number, number(1));
    assert_eq!(harness.apply(4).await, Err(QueueError::Regressed));
    assert_eq!(harness.apply(4).await, Err(QueueError::NotArmed));
    assert_eq!(other.apply(&event(), applicant(4)).await, Err(QueueError::NotArmed));
}

async fn loading_the_functions_again_disarms_and_installing_does_not(kind: RedisKind) {
    let mut harness = harness(kind).await;
    harness.fill(1).await;
    drop(harness.another_store_installs().await);
    assert!(harness.apply(2).await.is_ok(), "they were there, so nothing was loaded");
    let dump: Vec<u8> = harness.meddle(&["FUNCTION", "DUMP"]).await;
    let client = redis::Client::open(harness.server().url()).unwrap();
    let mut conn = client.get_multiplexed_async_connection().await.unwrap();
    let mut restore = redis::cmd("FUNCTION");
    restore.arg("RESTORE").arg(dump).arg("REPLACE").exec_async(&mut conn).await.unwrap();
    assert_eq!(harness.apply(3).await, Err(QueueError::NotArmed));
    assert_eq!(harness.queue().catalogue().await, Err(QueueError::NotArmed));
    assert_eq!(harness.place(1).await.number, number(1));
}

impl QueueHarness {
    /// Another process starts, and installs first.
    async fn another_store_installs(&mut self) -> Queue {
        let mut options = queue::RedisOptions::new(self.server().url(), queue::RedisRole::Worker);
        options.hand_clock = Some(self.now());
        Queue::install_redis(&options).await.unwrap();
        Queue::open_redis(options).await.unwrap()
    }
}

async fn a_full_server_refuses_applications_whole_and_still_drains(kind: RedisKind) {
    let mut harness = harness(kind).await;
    harness.fill(3).await;
    harness.meddle::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let told = harness.apply(4).await;
    assert!(matches!(&told, Err(QueueError::Unavailable(why)) if why.contains("maxmemory")), "{told:?}");
    assert_eq!((harness.snapshot().await.seq, harness.head(9).await.0), (3, vec![1, 2, 3]));
    harness.admitted(2, &[1, 2]).await;
    assert_eq!(harness.cancel(3).await.unwrap().state, QueueState::Withdrawn);
    let entry = harness.inbox().await[0].id;
    harness.queue().acknowledge(&event(), FENCE, entry).await.unwrap();
    harness
        .project(|p| p.outcomes = vec![(number(1), crate::harness::shown(domain::Outcome::Ordered))])
        .await;
    assert_eq!(harness.snapshot().await.admitted_through, 2);
    harness.meddle::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    assert_eq!(harness.apply(4).await.unwrap().number, number(4));
}

async fn two_signups_give_each_person_one_number(kind: RedisKind) {
    let mut harness = harness(kind).await;
    harness.project(|p| p.number_limit = 10_000).await;
    let signups = [harness.another_handle(|_| {}).await, harness.another_handle(|_| {}).await];
    let mut all = JoinSet::new();
    for who in 0..1_500 {
        // Every third person presses at both signup services at once.
        for signup in signups.iter().take(if who % 3 == 0 { 2 } else { 1 }) {
            let signup = signup.clone();
            all.spawn(async move { (who, signup.apply(&event(), applicant(who)).await.unwrap()) });
        }
    }
    let mut numbers: BTreeMap<u32, Vec<Number>> = BTreeMap::new();
    for (who, applied) in all.join_all().await {
        numbers.entry(who).or_default().push(applied.number);
    }
    assert!(numbers.values().all(|told| told.iter().all(|number| *number == told[0])));
    let mut given: Vec<_> = numbers.values().map(|told| told[0].get()).collect();
    given.sort_unstable();
    assert_eq!(given, (1..=1_500).collect::<Vec<_>>());
    assert_eq!(signups[0].entry(&event(), key(3)).await.unwrap().unwrap().number, numbers[&3][0]);
}
