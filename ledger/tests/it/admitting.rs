//! Events, leadership and admission.

use domain::{Fence, Number, Release, ReqHash};
use ledger::{Admission, Candidate, CreateResult, Error, QueueReading};

use crate::harness::{LedgerHarness, NOON, Store, candidates, key, settings};

pub(crate) async fn an_event_is_created_once_with_all_its_seats(store: Store) {
    let harness = LedgerHarness::open(store, 100).await;
    assert_eq!(harness.ledger.create_event(&settings(500), "again").await.unwrap(), CreateResult::Exists(1));
    assert_eq!(harness.seats().await, (100, 0, 0));
    let event = harness.ledger.event(&harness.event).await.unwrap();
    assert_eq!((event.settings, event.rev, event.number_limit), (settings(100), 1, 0));
    assert_eq!(harness.ledger.events().await.unwrap().len(), 1);
}

pub(crate) async fn invalid_settings_are_refused_with_every_mistake(store: Store) {
    let harness = LedgerHarness::open(store, 1).await;
    let mut invalid = settings(0);
    invalid.id = "summer".parse().unwrap();
    invalid.in_flight_max = 0;
    let refused = harness.ledger.create_event(&invalid, "test").await.unwrap_err().to_string();
    assert!(refused.contains("capacity") && refused.contains("in_flight_max"), "{refused}");
}

pub(crate) async fn a_leader_whose_lease_expired_is_refused_after_the_next_one(store: Store) {
    let harness = LedgerHarness::open(store, 10).await;
    assert_eq!(harness.ledger.acquire_leadership(&harness.event).await.unwrap(), None);
    harness.clock.advance(3001);
    let next_leader = harness.ledger.acquire_leadership(&harness.event).await.unwrap().unwrap();
    assert_eq!(next_leader.fence, Fence(harness.fence.0 + 1));
    let outdated =
        harness.ledger.admit(&harness.event, harness.fence, &candidates([1]), QueueReading::default()).await;
    assert!(matches!(outdated, Err(Error::Lost)), "{outdated:?}");
    assert_eq!(harness.seats().await, (10, 0, 0));
}

pub(crate) async fn an_extended_lease_lasts_and_a_released_one_is_free_at_once(store: Store) {
    let harness = LedgerHarness::open(store, 10).await;
    for _ in 0..5 {
        harness.clock.advance(2000);
        harness.ledger.extend_leadership(&harness.event, harness.fence).await.unwrap();
    }
    assert_eq!(harness.ledger.acquire_leadership(&harness.event).await.unwrap(), None);
    harness.ledger.step_down(&harness.event, harness.fence).await.unwrap();
    assert!(harness.ledger.acquire_leadership(&harness.event).await.unwrap().is_some());
}

pub(crate) async fn an_epoch_is_never_reused_and_the_number_limit_never_falls(store: Store) {
    let harness = LedgerHarness::open(store, 10).await;
    let first = harness.ledger.start_epoch(&harness.event, harness.fence).await.unwrap();
    harness.ledger.raise_number_limit(&harness.event, harness.fence, 1000).await.unwrap();
    harness.ledger.raise_number_limit(&harness.event, harness.fence, 400).await.unwrap();
    let second = harness.ledger.start_epoch(&harness.event, harness.fence).await.unwrap();
    assert_eq!((first.epoch.0, first.number_limit), (1, 0));
    assert_eq!((second.epoch.0, second.number_limit), (2, 1000));
    let lost = harness.ledger.start_epoch(&harness.event, Fence(harness.fence.0 - 1)).await;
    assert!(matches!(lost, Err(Error::Lost)));
}

pub(crate) async fn seats_go_to_the_lowest_numbers_up_to_the_capacity(store: Store) {
    let harness = LedgerHarness::open(store, 3).await;
    let admission = harness.admit(1..=5).await;
    assert_eq!(
        admission,
        Admission {
            known: vec![key(1), key(2), key(3)],
            seated: 3,
            all: false,
            changes: harness.fence.0 << 32
        }
    );
    assert_eq!(harness.seats().await, (0, 3, 0));
    let seats = harness.ledger.seat_rows(&harness.event).await.unwrap();
    assert_eq!(
        seats.iter().map(|seat| seat.app_key).collect::<Vec<_>>(),
        [Some(key(1)), Some(key(2)), Some(key(3))]
    );
}

pub(crate) async fn a_repeated_admission_seats_no_application_twice(store: Store) {
    let harness = LedgerHarness::open(store, 10).await;
    harness.admit(1..=3).await;
    let admission = harness.admit(1..=4).await;
    let changes = (harness.fence.0 << 32) + 1;
    assert_eq!(admission, Admission { known: (1..=4).map(key).collect(), seated: 1, all: true, changes });
    assert_eq!(harness.seats().await, (6, 4, 0));
}

pub(crate) async fn a_queue_that_contradicts_the_ledger_freezes_the_event(store: Store) {
    for contradiction in [
        Candidate {
            number: Number::new(2).unwrap(),
            app_key: key(9),
            req_hash: ReqHash::NONE,
            contact: String::new(),
        },
        Candidate {
            number: Number::new(9).unwrap(),
            app_key: key(2),
            req_hash: ReqHash::NONE,
            contact: String::new(),
        },
    ] {
        let harness = LedgerHarness::open(store, 10).await;
        harness.admit(1..=3).await;
        let mut head = candidates([4]);
        head.push(contradiction);
        let frozen =
            harness.ledger.admit(&harness.event, harness.fence, &head, QueueReading::default()).await;
        assert!(matches!(frozen, Err(Error::Frozen(_))), "{frozen:?}");
        assert_eq!(harness.state_of(4).await, "absent", "the whole round is rolled back");
        let event = harness.ledger.event(&harness.event).await.unwrap();
        assert!(event.frozen.as_ref().unwrap().contains("earlier state"));
        assert_eq!(harness.ledger.admissible(&event).await.unwrap(), 0);
        assert!(matches!(
            harness
                .ledger
                .admit(&harness.event, harness.fence, &candidates([4]), QueueReading::default())
                .await,
            Err(Error::Frozen(_))
        ));
        assert_eq!(harness.domain_events().await, ["event.frozen"]);
    }
}

pub(crate) async fn admissible_is_limited_by_free_seats_and_in_flight_max(store: Store) {
    let mut limited = settings(100);
    limited.in_flight_max = 5;
    let harness = LedgerHarness::open_with(store, limited).await;
    let event = harness.ledger.event(&harness.event).await.unwrap();
    assert_eq!(harness.ledger.admissible(&event).await.unwrap(), 5);
    harness.admit(1..=3).await;
    assert_eq!(harness.ledger.admissible(&event).await.unwrap(), 2);
    for release in [Release::Paused, Release::Draining] {
        let mut stopped = event.clone();
        stopped.settings.release = release;
        assert_eq!(harness.ledger.admissible(&stopped).await.unwrap(), 0);
    }
    let harness = LedgerHarness::open(store, 2).await;
    harness.admit(1..=1).await;
    assert_eq!(
        harness.ledger.admissible(&harness.ledger.event(&harness.event).await.unwrap()).await.unwrap(),
        1
    );
}

pub(crate) async fn a_reopened_ledger_has_all_committed_rows(store: Store) {
    let harness = LedgerHarness::open(store, 10).await;
    harness.admit(1..=3).await;
    harness.ledger.close().await;
    let reopened = harness.reopened().await;
    assert_eq!(reopened.applications(&harness.event, 0, 10).await.unwrap().len(), 3);
    assert_eq!(reopened.event(&harness.event).await.unwrap().settings.opens_at, NOON);
}

pub(crate) async fn no_order_call_is_due_before_the_queue_has_the_application_as_admitted(store: Store) {
    let harness = LedgerHarness::open(store, 3).await;
    let (ledger, event) = (&harness.ledger, &harness.event);
    let head = candidates(1..=3);
    let admission = ledger.admit(event, harness.fence, &head, QueueReading::default()).await.unwrap();
    harness.clock.advance(2000);
    assert!(ledger.lease_calls(event, 9).await.unwrap().calls.is_empty());
    assert_eq!(ledger.not_due(event).await.unwrap(), admission.known);

    ledger.make_due(event, &admission.known[..1]).await.unwrap();
    assert_eq!(harness.lease_one().await.number.get(), 1);
    assert_eq!(ledger.not_due(event).await.unwrap(), admission.known[1..]);
}

pub(crate) async fn counts_of_changes_rise_above_those_of_every_lower_fence(store: Store) {
    let harness = LedgerHarness::open(store, 3).await;
    let first = harness.admit([1]).await.changes;
    let second = harness.admit([2]).await.changes;
    assert_eq!(second, first + 1);
    harness.clock.advance(10_000);
    let next = harness.ledger.acquire_leadership(&harness.event).await.unwrap().unwrap().fence;
    let head = candidates([3]);
    let later = harness.ledger.admit(&harness.event, next, &head, QueueReading::default()).await.unwrap();
    assert!(later.changes >= next.0 << 32 && second < next.0 << 32, "{second}, {}", later.changes);
}
