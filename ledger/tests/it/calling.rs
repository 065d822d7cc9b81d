//! Called applicants: who confirms in time, who does not, and what becomes of the seat.

use domain::{ApplicationState, EventSettings, Kind, Number};
use ledger::{
    Admission, Change, ChangeError, ChangedBy, Error, InboxAction, InboxRequest, OrderResponse, QueueReading,
    SettleResult,
};

use crate::harness::{LedgerHarness, NOON, Store, candidates, key, settings};

const CALLED_FOR: i64 = 600_000;
const EXTENSION: i64 = 300_000;
const UNTIL: i64 = NOON + CALLED_FOR;

async fn open(store: Store, capacity: u32) -> LedgerHarness {
    let settings = EventSettings { kind: Kind::Confirm, ..settings(capacity) };
    LedgerHarness::open_with(store, settings).await
}

impl LedgerHarness {
    /// Calls these numbers at this time of the queue's clock.
    async fn call(&self, numbers: impl IntoIterator<Item = u32>, now: i64) -> Admission {
        let queue = QueueReading { now, changes: 0 };
        self.ledger.admit(&self.event, self.fence, &candidates(numbers), queue).await.unwrap()
    }

    /// Handles one request that the queue wrote at this time.
    async fn request(&self, id: i64, number: u32, action: InboxAction, at: i64) {
        let number = Number::new(number).unwrap();
        let request = InboxRequest { id, at, action, app_key: key(number.get()), number };
        self.ledger.handle_inbox(&self.event, self.fence, &[request], id, 0).await.unwrap();
    }

    async fn expire(&self, handled_until: i64) -> Vec<u32> {
        let queue = QueueReading { now: handled_until, changes: 0 };
        let expired = self.ledger.expire_called(&self.event, self.fence, handled_until, queue).await;
        expired.unwrap().into_iter().map(Number::get).collect()
    }

    async fn called_until(&self, number: u32) -> Option<(i64, bool)> {
        let rows = self.ledger.applications(&self.event, number - 1, 1).await.unwrap();
        match rows[0].state {
            ApplicationState::Called { until, extended } => Some((until, extended)),
            _ => None,
        }
    }
}

pub(crate) async fn a_called_applicant_has_a_seat_and_the_order_is_made_once_confirmed(store: Store) {
    let harness = open(store, 2).await;
    let event = harness.ledger.event(&harness.event).await.unwrap();
    assert_eq!(harness.ledger.admissible(&event).await.unwrap(), 2, "all seats at once");
    let admission = harness.call(1..=3, NOON).await;
    assert_eq!((admission.seated, admission.all), (2, false));
    assert_eq!((harness.state_of(1).await, harness.seats().await), ("called".into(), (0, 2, 0)));
    assert_eq!(harness.domain_events().await, ["application.called", "application.called"]);
    harness.clock.advance(2000);
    assert_eq!(
        harness.ledger.lease_calls(&harness.event, 9).await.unwrap().calls,
        [],
        "no applicant confirmed"
    );
    for id in 1..=2 {
        harness.request(id, 2, InboxAction::Confirm, NOON + id).await;
    }
    let call = harness.lease_one().await;
    assert_eq!((call.number.get(), call.attempts), (2, 1));
    harness.record(&call, OrderResponse::Created("O-2".into())).await;
    assert_eq!((harness.state_of(2).await, harness.seats().await), ("ordered".into(), (0, 1, 1)));
    let confirmed = harness.domain_events().await.into_iter().filter(|kind| kind == "application.confirmed");
    assert_eq!(confirmed.count(), 1);
}

pub(crate) async fn a_request_counts_by_when_the_queue_wrote_it(store: Store) {
    let harness = open(store, 3).await;
    harness.call(1..=3, NOON).await;
    harness.clock.advance(10 * CALLED_FOR);
    harness.request(1, 1, InboxAction::Confirm, UNTIL - 1).await;
    harness.request(2, 2, InboxAction::Confirm, UNTIL).await;
    harness.request(3, 3, InboxAction::Extend, UNTIL).await;
    assert_eq!(harness.state_of(1).await, "ordering");
    assert_eq!(harness.called_until(2).await, Some((UNTIL, false)));
    assert_eq!(harness.called_until(3).await, Some((UNTIL, false)));
}

pub(crate) async fn the_time_is_extended_once(store: Store) {
    let harness = open(store, 1).await;
    harness.call([1], NOON).await;
    harness.request(1, 1, InboxAction::Extend, UNTIL - 1).await;
    harness.request(2, 1, InboxAction::Extend, UNTIL - 1).await;
    assert_eq!(harness.called_until(1).await, Some((UNTIL + EXTENSION, true)));
    assert_eq!(harness.expire(UNTIL + EXTENSION - 1).await, [0_u32; 0]);
    harness.request(3, 1, InboxAction::Confirm, UNTIL + EXTENSION - 1).await;
    assert_eq!(harness.state_of(1).await, "ordering");
}

pub(crate) async fn an_expired_seat_is_free_for_the_next_number(store: Store) {
    let harness = open(store, 2).await;
    harness.call(1..=2, NOON).await;
    assert_eq!(harness.expire(UNTIL - 1).await, [0_u32; 0]);
    harness.request(1, 2, InboxAction::Confirm, UNTIL - 1).await;
    assert_eq!(harness.expire(UNTIL).await, [1]);
    assert_eq!(harness.expire(UNTIL).await, [0_u32; 0], "once");
    assert_eq!((harness.state_of(1).await, harness.seats().await), ("expired".into(), (1, 1, 0)));
    let kinds = ["application.called", "application.called", "application.confirmed", "application.expired"];
    assert_eq!(harness.domain_events().await, kinds);
    harness.request(2, 1, InboxAction::Confirm, UNTIL - 1).await;
    assert_eq!(harness.state_of(1).await, "expired", "final");
    assert_eq!(harness.call([3], UNTIL).await.seated, 1);
    assert_eq!(harness.called_until(3).await, Some((UNTIL + CALLED_FOR, false)));
}

pub(crate) async fn a_called_applicant_who_cancels_frees_the_seat_at_once(store: Store) {
    let harness = open(store, 1).await;
    harness.call([1], NOON).await;
    harness.cancel(1).await;
    assert_eq!((harness.state_of(1).await, harness.seats().await), ("cancelled".into(), (1, 0, 0)));
    harness.request(2, 1, InboxAction::Confirm, NOON + 1).await;
    assert_eq!(harness.state_of(1).await, "cancelled");
}

pub(crate) async fn settling_waits_for_called_applicants(store: Store) {
    let harness = open(store, 1).await;
    harness.call([1], NOON).await;
    for state in [domain::EventState::Closed, domain::EventState::Settling] {
        harness.ledger.advance(&harness.event, harness.fence, state).await.unwrap();
    }
    harness.ledger.record_closed_seq(&harness.event, harness.fence, 1).await.unwrap();
    let settle = async || harness.ledger.settle(&harness.event, harness.fence, 0).await.unwrap();
    assert_eq!(settle().await, SettleResult::NotYet);
    assert_eq!(harness.expire(UNTIL).await, [1]);
    assert_eq!(settle().await, SettleResult::Settled);
}

pub(crate) async fn the_capacity_is_not_lowered_below_the_called_applicants(store: Store) {
    let harness = open(store, 3).await;
    harness.call(1..=2, NOON).await;
    let lower = async |seats| {
        let by = ChangedBy { actor: "kim", reason: "" };
        harness.ledger.change(&harness.event, None, &Change::Capacity(seats), by).await
    };
    assert!(matches!(lower(1).await, Err(ChangeError::TooSmall { least: 2 })));
    lower(2).await.unwrap();
    assert_eq!(harness.expire(UNTIL).await, [1, 2]);
    lower(1).await.unwrap();
    assert_eq!((harness.call(3..=4, UNTIL).await.seated, harness.seats().await), (1, (0, 1, 0)));
}

pub(crate) async fn in_flight_max_limits_the_calls_and_not_the_called_applicants(store: Store) {
    let settings = EventSettings { kind: Kind::Confirm, in_flight_max: 2, ..settings(5) };
    let harness = LedgerHarness::open_with(store, settings).await;
    assert_eq!(harness.call(1..=5, NOON).await.seated, 5);
    for number in 1..=5 {
        harness.request(number.into(), number, InboxAction::Confirm, NOON).await;
    }
    harness.clock.advance(100);
    let lease = async || harness.ledger.lease_calls(&harness.event, 9).await.unwrap();
    let first = lease().await.calls;
    assert_eq!(first.iter().map(|call| call.number.get()).collect::<Vec<_>>(), [1, 2]);
    let full = lease().await;
    assert!(full.calls.is_empty() && full.next_token_in_ms.is_some_and(|ms| ms > 0));
    harness.record(&first[0], OrderResponse::Created("O-1".into())).await;
    assert_eq!(lease().await.calls[0].number.get(), 3);
}

pub(crate) async fn a_frozen_event_and_an_older_ledger_expire_no_application(store: Store) {
    let harness = open(store, 1).await;
    harness.call([1], NOON).await;
    let expire = async |changes| {
        let queue = QueueReading { now: UNTIL, changes };
        harness.ledger.expire_called(&harness.event, harness.fence, UNTIL, queue).await
    };
    let changes = harness.now().await.changes;
    assert!(matches!(expire(changes + 1).await, Err(Error::Behind)));
    let (url, schema) = harness.address();
    crate::harness::execute_sql(&url, &format!("UPDATE {schema}event SET frozen = 'why'")).await.unwrap();
    assert!(matches!(expire(0).await, Err(Error::Frozen(_))));
    assert_eq!(harness.state_of(1).await, "called");
}

pub(crate) async fn after_an_outage_of_the_queue_the_time_starts_again(store: Store) {
    let harness = open(store, 2).await;
    harness.call(1..=2, NOON).await;
    harness.request(1, 2, InboxAction::Extend, NOON).await;
    let back = UNTIL + 60_000;
    let judge = async |epoch, now| {
        harness.ledger.record_whole(&harness.event, harness.fence, domain::Epoch(epoch), now).await.unwrap();
    };
    judge(2, back).await;
    assert_eq!(harness.called_until(1).await, Some((back + CALLED_FOR, false)));
    assert_eq!(harness.called_until(2).await, Some((back + CALLED_FOR, true)));
    judge(2, back + 60_000).await;
    assert_eq!(harness.called_until(1).await, Some((back + CALLED_FOR, false)), "once for each epoch");
}

pub(crate) async fn each_change_of_a_called_applicant_is_projected_once(store: Store) {
    let harness = open(store, 2).await;
    let (event, epoch) = (&harness.event, domain::Epoch(1));
    harness.call(1..=2, NOON).await;
    let unprojected = async || harness.ledger.unprojected_called(event, epoch, 9).await.unwrap();
    let before = unprojected().await;
    assert_eq!(before.iter().map(|row| row.window.until).collect::<Vec<_>>(), [UNTIL, UNTIL]);
    harness.request(1, 1, InboxAction::Extend, NOON).await;
    harness.ledger.mark_called_projected(event, epoch, &before).await.unwrap();
    let changed = unprojected().await;
    assert_eq!((changed.len(), changed[0].number.get(), changed[0].window.extended), (1, 1, true));
    harness.ledger.mark_called_projected(event, epoch, &changed).await.unwrap();
    assert_eq!(unprojected().await, []);
    harness.request(2, 2, InboxAction::Confirm, NOON).await;
    let confirmed = unprojected().await;
    assert_eq!((confirmed[0].number.get(), confirmed[0].window.confirmed), (2, true));
    harness.ledger.mark_called_projected(event, epoch, &confirmed).await.unwrap();
    assert_eq!(harness.expire(UNTIL + EXTENSION).await, [1]);
    assert_eq!(unprojected().await, [], "the outcome is projected instead");
    assert_eq!(harness.ledger.unprojected_called(event, domain::Epoch(2), 9).await.unwrap().len(), 1);
}

async fn open_pass(store: Store, capacity: u32) -> LedgerHarness {
    let settings = EventSettings {
        kind: Kind::Pass,
        pass_target: "https://shop.example.com/order".into(),
        pace: "1".parse().unwrap(),
        ..settings(capacity)
    };
    let harness = LedgerHarness::open_with(store, settings).await;
    harness.clock.advance(2000);
    harness
}

fn ordered(order_no: &str) -> InboxAction {
    InboxAction::ReportOrdered { order_no: order_no.into() }
}

pub(crate) async fn a_pass_costs_a_token_of_the_pace(store: Store) {
    let harness = open_pass(store, 5).await;
    let event = harness.ledger.event(&harness.event).await.unwrap();
    let admissible = async || harness.ledger.admissible(&event).await.unwrap();
    assert_eq!(admissible().await, 1);
    let admission = harness.call(1..=5, NOON).await;
    assert_eq!((admission.seated, admission.all, admissible().await), (1, false, 0));
    assert_eq!(harness.call(1..=5, NOON).await.seated, 0, "number 1 is only reported");
    harness.clock.advance(1000);
    assert_eq!((admissible().await, harness.call(2..=5, NOON).await.seated), (1, 1));
    assert_eq!(harness.ledger.lease_calls(&harness.event, 9).await.unwrap().calls, []);
}

pub(crate) async fn the_shop_reports_an_order_or_none(store: Store) {
    let harness = open_pass(store, 2).await;
    harness.call([1], NOON).await;
    harness.request(1, 1, ordered("A-1"), NOON).await;
    harness.request(2, 1, ordered("A-1"), NOON).await;
    assert_eq!((harness.state_of(1).await, harness.seats().await), ("ordered".into(), (1, 0, 1)));
    harness.cancel(3).await;
    harness.request(4, 1, InboxAction::Cancel, NOON).await;
    assert_eq!(harness.state_of(1).await, "ordered", "only the shop can cancel it");
    harness.request(5, 1, InboxAction::ReportReleased, NOON).await;
    assert_eq!((harness.state_of(1).await, harness.seats().await), ("cancelled".into(), (2, 0, 0)));
    harness.clock.advance(1000);
    harness.call([2], NOON).await;
    harness.request(6, 2, InboxAction::Confirm, NOON).await;
    assert_eq!(harness.state_of(2).await, "called", "an applicant with a pass confirms nothing");
    harness.request(7, 2, InboxAction::ReportReleased, NOON).await;
    assert_eq!((harness.state_of(2).await, harness.seats().await), ("rejected".into(), (2, 0, 0)));
    assert!(!harness.domain_events().await.contains(&"application.order_refused".to_owned()));
}

pub(crate) async fn an_order_that_comes_too_late_is_refused_and_never_oversells(store: Store) {
    let harness = open_pass(store, 1).await;
    harness.call([1], NOON).await;
    assert_eq!(harness.expire(UNTIL).await, [1]);
    harness.clock.advance(1000);
    assert_eq!(harness.call([2], UNTIL).await.seated, 1);
    harness.request(1, 1, ordered("A-1"), UNTIL).await;
    assert_eq!((harness.state_of(1).await, harness.seats().await), ("expired".into(), (0, 1, 0)));
    harness.request(2, 9, ordered("A-9"), UNTIL).await;
    let refused = harness.domain_events().await;
    assert_eq!(
        refused.iter().filter(|kind| *kind == "application.order_refused").count(),
        1,
        "9 was not called"
    );
    harness.request(3, 2, ordered("A-2"), UNTIL).await;
    assert_eq!((harness.state_of(2).await, harness.seats().await), ("ordered".into(), (0, 0, 1)));
}
