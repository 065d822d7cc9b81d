//! Applications: numbers, secrets and refusals.

use std::collections::BTreeSet;

use domain::EventState;
use queue::{LeaderError, QueueError, QueueState};

use crate::harness::{CLOSES, FENCE, OPENS, QueueHarness, applicant, arming, event, key, number, secret};

pub(crate) async fn numbers_are_given_in_order_and_once_per_applicant(harness: &mut QueueHarness) {
    harness.fill(3).await;
    let repeated = harness.apply(2).await.unwrap();
    assert_eq!(
        (repeated.number, repeated.already_applied, repeated.state),
        (number(2), true, QueueState::Waiting)
    );
    assert_eq!(harness.snapshot().await.seq, 3);
    let entries = harness.queue().entries(&event(), 1, 1).await.unwrap();
    assert_eq!(entries.iter().map(|e| (e.number, e.app_key)).collect::<Vec<_>>(), [(number(2), key(2))]);
    assert_eq!(harness.queue().app_key_of(&event(), number(3)).await, Ok(Some(key(3))));
    assert_eq!(harness.queue().app_key_of(&event(), number(4)).await, Ok(None));
}

pub(crate) async fn two_thousand_simultaneous_applications_get_dense_numbers(harness: &mut QueueHarness) {
    harness.project(|p| p.number_limit = 10_000).await;
    let mut all = tokio::task::JoinSet::new();
    for i in 0..2_000 {
        let queue = harness.queue().clone();
        // Every tenth repeats the one before.
        let person = if i % 10 == 9 { i - 1 } else { i };
        all.spawn(async move { (person, queue.apply(&event(), applicant(person)).await.unwrap()) });
    }
    let acks = all.join_all().await;
    let new_numbers: BTreeSet<_> =
        acks.iter().filter(|(_, a)| !a.already_applied).map(|(_, a)| a.number.get()).collect();
    assert_eq!(new_numbers, (1..=1_800).collect());
    assert_eq!(acks.iter().filter(|(_, a)| a.already_applied).count(), 200);
    for (person, applied) in acks {
        assert_eq!(harness.entry(person).await.number, applied.number);
    }
    assert_eq!(harness.snapshot().await.seq, 1_800);
}

pub(crate) async fn only_the_secret_of_the_application_proves_it(harness: &mut QueueHarness) {
    let none = domain::ReqHash::NONE;
    let apply = async |person, req_hash| {
        let applicant = queue::Applicant { req_hash, ..applicant(person) };
        harness.queue().apply(&event(), applicant).await.unwrap().proven
    };
    assert!(apply(1, secret(1)).await);
    assert!(apply(1, secret(1)).await);
    assert!(!apply(1, secret(2)).await);
    assert!(!apply(1, none).await);
    assert!(!apply(2, none).await);
    assert!(!apply(2, none).await);
}

pub(crate) async fn a_refused_application_uses_no_number(harness: &mut QueueHarness) {
    harness.fill(2).await;
    harness.set_clock(OPENS - 1);
    assert_eq!(harness.apply(9).await, Err(QueueError::NotOpen { opens_at: OPENS }));
    harness.set_clock(OPENS);
    harness.project(|p| (p.rev, p.settings.intake) = (3, false)).await;
    assert_eq!(harness.apply(9).await, Err(QueueError::OnHold));
    harness.project(|p| (p.rev, p.settings.applications_max) = (4, 2)).await;
    assert_eq!(harness.apply(9).await, Err(QueueError::Full));
    harness.project(|p| (p.rev, p.number_limit) = (5, 1_000)).await;
    harness.queue().arm(&event(), FENCE, arming(2, 0)).await.unwrap();
    assert_eq!(harness.apply(9).await, Err(QueueError::AtLimit));
    harness.set_clock(CLOSES);
    assert_eq!(harness.apply(9).await, Err(QueueError::Closed { closed_at: CLOSES }));
    let snapshot = harness.snapshot().await;
    assert_eq!((snapshot.seq, snapshot.gaps.count(0, snapshot.seq)), (1_000, 998));
    assert_eq!(harness.queue().entries(&event(), 0, 10).await.unwrap().len(), 2);
}

pub(crate) async fn a_repeated_application_gets_its_number_in_every_state(harness: &mut QueueHarness) {
    harness.fill(1).await;
    harness.project(|p| (p.rev, p.settings.intake, p.settings.applications_max) = (3, false, 1)).await;
    assert_eq!(harness.apply(1).await.unwrap().number, number(1));
    harness.set_clock(CLOSES + 1);
    assert_eq!(harness.apply(1).await.unwrap().number, number(1));
    harness.project(|p| (p.state, p.settled_seq) = (EventState::Settled, Some(1))).await;
    assert!(harness.apply(1).await.unwrap().already_applied);
    harness.cancel(1).await;
    assert_eq!(harness.apply(1).await.unwrap().state, QueueState::Waiting);
}

pub(crate) async fn an_event_is_unknown_only_once_the_catalogue_is_published(harness: &mut QueueHarness) {
    let other = "other".parse().unwrap();
    assert_eq!(harness.queue().catalogue().await, Ok(vec![event()]));
    assert_eq!(harness.queue().apply(&other, applicant(1)).await, Err(QueueError::UnknownEvent));
    assert_eq!(harness.queue().snapshot(&other).await, Err(QueueError::UnknownEvent));
    assert_eq!(harness.queue().entry(&other, key(1)).await, Err(QueueError::UnknownEvent));
    assert_eq!(harness.queue().settle(&other, FENCE).await, Err(LeaderError::UnknownEvent));
    harness.restart().await;
    assert_eq!(harness.queue().catalogue().await, Err(QueueError::NotArmed));
    assert_eq!(harness.queue().apply(&other, applicant(1)).await, Err(QueueError::NotArmed));
    assert_eq!(harness.queue().snapshot(&other).await, Err(QueueError::NotArmed));
    harness.queue().publish(std::slice::from_ref(&other)).await.unwrap();
    assert_eq!(harness.queue().catalogue().await, Ok(vec![other]));
    assert_eq!(harness.apply(1).await, Err(QueueError::UnknownEvent));
}
