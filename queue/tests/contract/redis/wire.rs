//! What a queue makes of a server that is late, silent, or answers another's question.

use std::time::Duration;

use queue::{Queue, QueueError};
use testkit::RedisKind;

use super::proxy::{Proxy, Wire};
use super::{both, harness};
use crate::harness::{QueueHarness, applicant, event, key, number};

both! {
    an_application_whose_reply_was_lost_is_found_again
    an_answer_to_another_question_is_never_believed
    a_frozen_server_leaves_it_open_and_gives_one_number
    a_paused_server_registers_no_application
    a_server_that_is_away_was_asked_for_nothing
}

const PATIENCE: Duration = Duration::from_millis(200);

async fn through(harness: &mut QueueHarness, proxy: &Proxy) -> Queue {
    let url = harness.server().url();
    harness
        .another_handle(|options| {
            options.url = proxy.url(&url);
            options.response_timeout = PATIENCE;
        })
        .await
}

/// Lets every connection for applications be opened and logged in: they take turns.
async fn open_connections(queue: &Queue, who: u32) {
    for _ in 0..16 {
        queue.apply(&event(), applicant(who)).await.unwrap();
    }
}

fn is_unknown<T>(told: &Result<T, QueueError>) -> bool {
    matches!(told, Err(QueueError::Unknown(_)))
}

async fn an_application_whose_reply_was_lost_is_found_again(kind: RedisKind) {
    let mut harness = harness(kind).await;
    let proxy = Proxy::before(harness.server().socket()).await;
    let queue = through(&mut harness, &proxy).await;
    open_connections(&queue, 0).await;
    proxy.set(Wire::LosesReplies);
    let told = queue.apply(&event(), applicant(1)).await;
    assert!(is_unknown(&told), "{told:?}");
    let asked = queue.cancel(&event(), key(1), number(2)).await;
    // The pool checks a connection before it is used again, so that here nothing may have been asked at all.
    assert!(matches!(asked, Err(QueueError::Unknown(_) | QueueError::Unavailable(_))), "{asked:?}");
    proxy.set(Wire::Honest);
    let again = queue.apply(&event(), applicant(1)).await.unwrap();
    assert_eq!((again.number, again.already_applied, again.proven), (number(2), true, true));
    assert_eq!(harness.snapshot().await.seq, 2);
}

async fn an_answer_to_another_question_is_never_believed(kind: RedisKind) {
    let mut harness = harness(kind).await;
    let proxy = Proxy::before(harness.server().socket()).await;
    let queue = through(&mut harness, &proxy).await;
    // Every connection has answered once, so that each has something to be behind with.
    for who in 0..40 {
        queue.apply(&event(), applicant(who)).await.unwrap();
        queue.entry(&event(), key(who)).await.unwrap().unwrap();
    }
    proxy.set(Wire::OneBehind);
    let told = queue.apply(&event(), applicant(100)).await;
    assert!(is_unknown(&told), "the number of another applicant: {told:?}");
    assert!(queue.entry(&event(), key(7)).await.is_err(), "the place of another applicant");
    proxy.set(Wire::Honest);
    // The connections that were out of step are gone.
    for who in (0..40).chain([100]) {
        let (given, told) =
            (queue.apply(&event(), applicant(who)).await, queue.entry(&event(), key(who)).await);
        let seen = harness.place(who).await.number;
        assert_eq!((given.unwrap().number, told.unwrap().unwrap().number), (seen, seen));
    }
}

async fn a_frozen_server_leaves_it_open_and_gives_one_number(kind: RedisKind) {
    let mut harness = harness(kind).await;
    let queue = harness.another_handle(|options| options.response_timeout = PATIENCE).await;
    open_connections(&queue, 1).await;
    harness.server().freeze().unwrap();
    let told = queue.apply(&event(), applicant(2)).await;
    assert!(is_unknown(&told), "{told:?}");
    harness.server().thaw().unwrap();
    assert_eq!(queue.apply(&event(), applicant(2)).await.unwrap().number, number(2));
    assert_eq!(harness.snapshot().await.seq, 2);
}

async fn a_paused_server_registers_no_application(kind: RedisKind) {
    let mut harness = harness(kind).await;
    let queue = harness.another_handle(|options| options.response_timeout = PATIENCE).await;
    open_connections(&queue, 1).await;
    harness.meddle::<()>(&["CLIENT", "PAUSE", "600000", "WRITE"]).await;
    let told = queue.apply(&event(), applicant(2)).await;
    assert!(is_unknown(&told), "{told:?}");
    harness.meddle::<()>(&["CLIENT", "UNPAUSE"]).await;
    assert_eq!(queue.apply(&event(), applicant(2)).await.unwrap().number, number(2));
}

async fn a_server_that_is_away_was_asked_for_nothing(kind: RedisKind) {
    let mut harness = harness(kind).await;
    let queue = harness.another_handle(|options| options.response_timeout = PATIENCE).await;
    harness.server().kill().await.unwrap();
    // Each connection that was open may break under one application; no new one is made.
    let mut told = queue.apply(&event(), applicant(1)).await;
    for _ in 0..8 {
        if !is_unknown(&told) {
            break;
        }
        told = queue.apply(&event(), applicant(1)).await;
    }
    assert!(matches!(told, Err(QueueError::Unavailable(_))), "{told:?}");
}
