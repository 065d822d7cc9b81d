//! Servers that are late or silent, and connections that deliver the reply to another call.

use std::time::Duration;

use queue::{Queue, QueueError};
use testkit::RedisKind;

use super::proxy::{Proxy, ProxyMode};
use super::{both, harness};
use crate::harness::{QueueHarness, applicant, event, key, number};

both! {
    an_application_whose_reply_was_lost_is_found_again
    a_reply_to_another_call_is_never_accepted
    a_call_to_a_frozen_server_is_unknown_and_gives_one_number
    a_paused_server_registers_no_application
    a_call_to_a_stopped_server_has_no_effect
}

const RESPONSE_TIMEOUT: Duration = Duration::from_millis(200);

async fn through(harness: &mut QueueHarness, proxy: &Proxy) -> Queue {
    let url = harness.server().url();
    harness
        .another_handle(|options| {
            options.url = proxy.url(&url);
            options.response_timeout = RESPONSE_TIMEOUT;
        })
        .await
}

/// Opens every connection for applications, which take turns.
async fn open_connections(queue: &Queue, person: u32) {
    for _ in 0..16 {
        queue.apply(&event(), applicant(person)).await.unwrap();
    }
}

fn is_unknown<T>(result: &Result<T, QueueError>) -> bool {
    matches!(result, Err(QueueError::Unknown(_)))
}

async fn an_application_whose_reply_was_lost_is_found_again(kind: RedisKind) {
    let mut harness = harness(kind).await;
    let proxy = Proxy::before(harness.server().socket()).await;
    let queue = through(&mut harness, &proxy).await;
    open_connections(&queue, 0).await;
    proxy.set(ProxyMode::DropsReplies);
    let result = queue.apply(&event(), applicant(1)).await;
    assert!(is_unknown(&result), "{result:?}");
    let cancelled = queue.cancel(&event(), key(1), number(2)).await;
    // The pool checks a connection before its next use, so the call may not have been sent at all.
    assert!(matches!(cancelled, Err(QueueError::Unknown(_) | QueueError::Unavailable(_))), "{cancelled:?}");
    proxy.set(ProxyMode::Transparent);
    let repeated = queue.apply(&event(), applicant(1)).await.unwrap();
    assert_eq!((repeated.number, repeated.already_applied, repeated.proven), (number(2), true, true));
    assert_eq!(harness.snapshot().await.seq, 2);
}

async fn a_reply_to_another_call_is_never_accepted(kind: RedisKind) {
    let mut harness = harness(kind).await;
    let proxy = Proxy::before(harness.server().socket()).await;
    let queue = through(&mut harness, &proxy).await;
    // Every connection has had one reply, which it can deliver to the next call.
    for person in 0..40 {
        queue.apply(&event(), applicant(person)).await.unwrap();
        queue.entry(&event(), key(person)).await.unwrap().unwrap();
    }
    proxy.set(ProxyMode::OneReplyBehind);
    let result = queue.apply(&event(), applicant(100)).await;
    assert!(is_unknown(&result), "the number of another applicant: {result:?}");
    assert!(queue.entry(&event(), key(7)).await.is_err(), "the entry of another applicant");
    proxy.set(ProxyMode::Transparent);
    // The connections that were behind are closed.
    for person in (0..40).chain([100]) {
        let expected = harness.entry(person).await.number;
        assert_eq!(queue.apply(&event(), applicant(person)).await.unwrap().number, expected);
        assert_eq!(queue.entry(&event(), key(person)).await.unwrap().unwrap().number, expected);
    }
}

async fn a_call_to_a_frozen_server_is_unknown_and_gives_one_number(kind: RedisKind) {
    let mut harness = harness(kind).await;
    let queue = harness.another_handle(|options| options.response_timeout = RESPONSE_TIMEOUT).await;
    open_connections(&queue, 1).await;
    harness.server().freeze().unwrap();
    let result = queue.apply(&event(), applicant(2)).await;
    assert!(is_unknown(&result), "{result:?}");
    harness.server().thaw().unwrap();
    assert_eq!(queue.apply(&event(), applicant(2)).await.unwrap().number, number(2));
    assert_eq!(harness.snapshot().await.seq, 2);
}

async fn a_paused_server_registers_no_application(kind: RedisKind) {
    let mut harness = harness(kind).await;
    let queue = harness.another_handle(|options| options.response_timeout = RESPONSE_TIMEOUT).await;
    open_connections(&queue, 1).await;
    harness.raw_command::<()>(&["CLIENT", "PAUSE", "600000", "WRITE"]).await;
    let result = queue.apply(&event(), applicant(2)).await;
    assert!(is_unknown(&result), "{result:?}");
    harness.raw_command::<()>(&["CLIENT", "UNPAUSE"]).await;
    assert_eq!(queue.apply(&event(), applicant(2)).await.unwrap().number, number(2));
}

async fn a_call_to_a_stopped_server_has_no_effect(kind: RedisKind) {
    let mut harness = harness(kind).await;
    let queue = harness.another_handle(|options| options.response_timeout = RESPONSE_TIMEOUT).await;
    harness.server().kill().await.unwrap();
    // Each open connection may break under one application; none is opened anew.
    let mut result = queue.apply(&event(), applicant(1)).await;
    for _ in 0..8 {
        if !is_unknown(&result) {
            break;
        }
        result = queue.apply(&event(), applicant(1)).await;
    }
    assert!(matches!(result, Err(QueueError::Unavailable(_))), "{result:?}");
}
