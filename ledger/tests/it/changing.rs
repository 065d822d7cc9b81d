//! Changing an event: which changes its state allows, and that each has a row in the audit.

use domain::event::{BadSettings, Text};
use domain::{EventSettings, EventState, Outcome, Release};
use ledger::{
    AuditCursor, AuditRow, CallResult, Change, ChangeError, ChangeResult, ChangedBy, CreateResult, Error,
    EventPatch, EventRow, EventTimes, OpenApplications, OrderResponse,
};
use serde_json::json;

use crate::harness::{LedgerHarness, NOON, Store, execute_sql, key, settings};

const HOUR: i64 = 3_600_000;
pub(crate) const KIM: ChangedBy<'_> = ChangedBy { actor: "kim", reason: "rehearsal" };

impl LedgerHarness {
    async fn scheduled(store: Store) -> Self {
        let later = EventSettings { opens_at: NOON + HOUR, closes_at: NOON + 2 * HOUR, ..settings(3) };
        Self::open_with(store, later).await
    }

    pub(crate) async fn change(&self, change: Change) -> Result<ChangeResult, ChangeError> {
        self.ledger.change(&self.event, None, &change, KIM).await
    }

    pub(crate) async fn changed(&self, change: Change) -> AuditRow {
        self.change(change).await.unwrap().change.unwrap()
    }

    async fn now(&self) -> EventRow {
        self.ledger.event(&self.event).await.unwrap()
    }

    async fn audited(&self) -> Vec<&'static str> {
        let rows = self.ledger.audit(Some(&self.event), None, 100).await.unwrap();
        rows.into_iter().map(|row| row.action.as_str()).collect()
    }

    /// Makes a change that must be refused, and returns the state and the reason.
    async fn refused(&self, change: Change) -> (EventState, &'static str) {
        match self.change(change).await {
            Err(ChangeError::NotNow { state, why }) => (state, why),
            other => panic!("{other:?}"),
        }
    }

    async fn settle_event(&self) {
        self.clock.advance(2 * HOUR);
        let fence = self.ledger.acquire_leadership(&self.event).await.unwrap().unwrap().fence;
        self.changed(Change::Settle).await;
        self.ledger.record_closed_seq(&self.event, fence, 0).await.unwrap();
        self.ledger.settle(&self.event, fence, false).await.unwrap();
    }

    /// Returns the numbers of the seats.
    async fn seat_numbers(&self) -> Vec<i64> {
        self.ledger.seat_rows(&self.event).await.unwrap().iter().map(|seat| seat.n).collect()
    }
}

fn patch(patch: EventPatch) -> Change {
    Change::Update(patch)
}

fn opens_at(time: i64) -> Change {
    patch(EventPatch { opens_at: Some(time), ..EventPatch::default() })
}

fn closes_at(time: i64) -> Change {
    patch(EventPatch { closes_at: Some(time), ..EventPatch::default() })
}

fn text(ko: &str) -> Text {
    Text { ko: ko.into(), en: "slow".into() }
}

pub(crate) async fn a_change_raises_the_rev_and_audits_the_changed_fields(store: Store) {
    let harness = LedgerHarness::open(store, 3).await;
    let ChangeResult { event, change } = harness
        .ledger
        .change(&harness.event, Some(1), &Change::Pace("2.5".parse().unwrap()), KIM)
        .await
        .unwrap();
    assert_eq!((&event, event.rev, event.settings.pace.to_string()), (&harness.now().await, 2, "2.5".into()));
    let row = change.unwrap();
    let audited = (row.event.as_str(), row.rev, row.actor.as_str(), row.action.as_str(), row.reason.as_str());
    assert_eq!(audited, ("spring", 2, "kim", "pace", "rehearsal"));
    assert_eq!((&row.before, &row.after), (&json!({ "pace": "1000" }), &json!({ "pace": "2.5" })));
    assert_eq!(harness.ledger.audit(None, None, 1).await.unwrap(), [row]);
    harness.changed(Change::InFlightMax(7)).await;
    harness.changed(Change::Announcement(text("느려요"))).await;
    let all = EventPatch {
        title: Some(text("봄 행사")),
        opens_at: None,
        closes_at: Some(NOON + 2 * HOUR),
        applications_max: Some(50),
        settle_after_close: Some(false),
        diverts: Some(vec!["/p/spring".into()]),
        intake: Some(false),
    };
    let row = harness.changed(patch(all)).await;
    let fields: Vec<_> = row.after.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["applications_max", "closes_at", "diverts", "intake", "settle_after_close", "title"]);
    let now = harness.now().await;
    let kept = (now.rev, now.settings.in_flight_max, now.settings.announcement, now.settings.opens_at);
    assert_eq!(kept, (5, 7, text("느려요"), NOON));
    assert_eq!((now.settings.intake, now.settings.title), (false, text("봄 행사")));
}

pub(crate) async fn a_change_to_the_current_value_writes_nothing(store: Store) {
    let harness = LedgerHarness::open(store, 3).await;
    harness.changed(Change::Pause).await;
    let now = harness.now().await;
    let same = EventPatch { intake: Some(true), opens_at: Some(NOON), ..EventPatch::default() };
    let none = [
        Change::Pause,
        Change::Capacity(3),
        Change::InFlightMax(50),
        Change::Unfreeze,
        Change::AcceptRecovery,
        patch(same),
        patch(EventPatch::default()),
    ];
    for change in none {
        let changed = harness.change(change.clone()).await.unwrap();
        assert_eq!(changed, ChangeResult { event: now.clone(), change: None }, "{change:?}");
    }
    assert_eq!((harness.now().await, harness.audited().await), (now, vec!["pause", "create"]));
}

pub(crate) async fn of_concurrent_changes_at_one_rev_one_succeeds_and_the_rest_are_stale(store: Store) {
    let harness = LedgerHarness::open(store, 3).await;
    let mut tasks = tokio::task::JoinSet::new();
    for max in 1..=6 {
        let (ledger, event) = (harness.ledger.clone(), harness.event.clone());
        tasks.spawn(async move { ledger.change(&event, Some(1), &Change::InFlightMax(max), KIM).await });
    }
    let (succeeded, refused): (Vec<_>, Vec<_>) = tasks.join_all().await.into_iter().partition(Result::is_ok);
    assert_eq!((succeeded.len(), refused.len()), (1, 5));
    assert!(
        refused.iter().all(|refused| matches!(refused, Err(ChangeError::Stale { rev: 2 }))),
        "{refused:?}"
    );
    assert_eq!(harness.audited().await, ["in_flight_max", "create"]);
    // A change to the current value is refused as well if the rev is another.
    let stale = harness.ledger.change(&harness.event, Some(9), &Change::Resume, KIM).await;
    assert!(matches!(stale, Err(ChangeError::Stale { rev: 2 })), "{stale:?}");
    let unknown_event = harness.ledger.change(&"autumn".parse().unwrap(), None, &Change::Pause, KIM).await;
    assert!(matches!(unknown_event, Err(ChangeError::Ledger(Error::UnknownEvent(_)))), "{unknown_event:?}");
}

pub(crate) async fn a_change_that_cannot_be_audited_changes_nothing(store: Store) {
    let harness = LedgerHarness::open(store, 3).await;
    harness.admit([1]).await;
    let before = harness.now().await;
    let (url, schema) = harness.address();
    execute_sql(&url, &format!("ALTER TABLE {schema}audit RENAME TO away")).await.unwrap();
    for change in [Change::Pause, Change::Capacity(9), Change::Capacity(1), Change::Close] {
        let failed = harness.change(change.clone()).await;
        assert!(matches!(failed, Err(ChangeError::Ledger(Error::Unavailable(_)))), "{failed:?}");
        assert_eq!((harness.now().await, harness.seats().await), (before.clone(), (2, 1, 0)), "{change:?}");
    }
    execute_sql(&url, &format!("ALTER TABLE {schema}away RENAME TO audit")).await.unwrap();
    harness.changed(Change::Pause).await;
}

pub(crate) async fn invalid_settings_change_nothing(store: Store) {
    let harness = LedgerHarness::open(store, 3).await;
    let before = harness.now().await;
    for (change, mistake) in [
        (Change::InFlightMax(0), BadSettings::InFlight),
        (Change::Capacity(0), BadSettings::Capacity),
        (Change::Announcement(text(&"가".repeat(201))), BadSettings::Text),
        (patch(EventPatch { applications_max: Some(2), ..EventPatch::default() }), BadSettings::Applications),
        (
            patch(EventPatch { diverts: Some(vec!["/".into()]), ..EventPatch::default() }),
            BadSettings::Diverts,
        ),
    ] {
        match harness.change(change).await {
            Err(ChangeError::Ledger(Error::Settings(mistakes))) => assert_eq!(mistakes, [mistake]),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((harness.now().await, harness.seats().await), (before, (3, 0, 0)));
}

pub(crate) async fn opens_at_moves_until_two_seconds_before(store: Store) {
    let harness = LedgerHarness::scheduled(store).await;
    harness.changed(opens_at(NOON + HOUR / 2)).await;
    assert_eq!(
        harness.refused(opens_at(NOON)).await.0,
        EventState::Scheduled,
        "a time in the past is refused"
    );
    assert!(matches!(
        harness.change(opens_at(NOON + 2 * HOUR)).await,
        Err(ChangeError::Ledger(Error::Settings(_)))
    ));
    harness.clock.advance(HOUR / 2 - 2000);
    harness.changed(opens_at(NOON + HOUR / 2 + 1000)).await;
    harness.changed(opens_at(NOON + HOUR / 2)).await;
    harness.clock.advance(1);
    for late in [Change::Open, opens_at(NOON + HOUR)] {
        let (state, why) = harness.refused(late).await;
        assert_eq!((state, why), (EventState::Scheduled, "it opens at its time within two seconds"));
    }
    harness.clock.advance(1999);
    let now = harness.now().await;
    for late in [Change::Open, opens_at(NOON + HOUR)] {
        assert_eq!(
            harness.refused(late).await.0,
            EventState::Open,
            "the state follows the clock, although no leader has recorded it"
        );
    }
    assert_eq!(harness.now().await, now);
}

pub(crate) async fn an_operator_opens_and_closes_an_event_once(store: Store) {
    let harness = LedgerHarness::scheduled(store).await;
    let (state, why) = harness.refused(Change::Close).await;
    assert!(state == EventState::Scheduled && why.contains("hold its intake"), "{why}");
    let row = harness.changed(Change::Open).await;
    assert_eq!((row.before, row.after), (json!({ "opens_at": NOON + HOUR }), json!({ "opens_at": NOON })));
    assert_eq!(harness.refused(Change::Open).await.0, EventState::Open);
    harness.clock.advance(5000);
    let row = harness.changed(Change::Close).await;
    assert_eq!(row.after, json!({ "closes_at": NOON + 5000 }));
    for late in [Change::Close, Change::Open, closes_at(NOON + 3 * HOUR), opens_at(NOON + HOUR)] {
        assert_eq!(harness.refused(late).await.0, EventState::Closed);
    }
    // A state that the leader has recorded counts even if the ledger's clock is behind it.
    let harness = LedgerHarness::scheduled(store).await;
    harness.ledger.advance(&harness.event, harness.fence, EventState::Open).await.unwrap();
    assert_eq!(harness.refused(Change::Open).await.0, EventState::Open);
    harness.ledger.advance(&harness.event, harness.fence, EventState::Closed).await.unwrap();
    assert_eq!(harness.refused(closes_at(NOON + 3 * HOUR)).await.0, EventState::Closed);
}

pub(crate) async fn closes_at_moves_until_two_seconds_before(store: Store) {
    let harness = LedgerHarness::open(store, 3).await;
    harness.changed(closes_at(NOON + 2 * HOUR)).await;
    assert_eq!(harness.refused(closes_at(NOON - 1)).await.0, EventState::Open);
    harness.clock.advance(2 * HOUR - 1999);
    for late in [Change::Close, closes_at(NOON + 3 * HOUR)] {
        let (state, why) = harness.refused(late).await;
        assert_eq!((state, why), (EventState::Open, "it closes at its time within two seconds"));
    }
}

pub(crate) async fn an_operator_settles_only_a_closed_unfrozen_event_after_recovery(store: Store) {
    let harness =
        LedgerHarness::open_with(store, EventSettings { settle_after_close: false, ..settings(3) }).await;
    assert_eq!(harness.refused(Change::Settle).await.0, EventState::Open);
    harness.ledger.hold_release(&harness.event, harness.fence, 2 * HOUR).await.unwrap();
    harness.clock.advance(HOUR);
    assert!(harness.refused(Change::Settle).await.1.contains("accept the recovery"));
    let recovery = harness.changed(Change::AcceptRecovery).await;
    assert_eq!(recovery.before, json!({ "recover_until": NOON + 2 * HOUR }));
    let event = harness.now().await;
    assert_eq!(event.recover_until, NOON + HOUR, "recovery has ended, and the time of it is kept");
    let (url, schema) = harness.address();
    execute_sql(&url, &format!("UPDATE {schema}event SET frozen = 'examined'")).await.unwrap();
    assert!(harness.refused(Change::Settle).await.1.contains("unfreeze"));
    let unfrozen = harness.changed(Change::Unfreeze).await;
    assert_eq!(
        (unfrozen.before, unfrozen.after),
        (json!({ "frozen": "examined" }), json!({ "frozen": null }))
    );
    let settling = harness.changed(Change::Settle).await;
    assert_eq!(settling.after, json!({ "state": "settling" }));
    assert_eq!(harness.change(Change::Settle).await.unwrap().change, None);
    assert_eq!(harness.domain_events().await, ["event.closed", "event.settling"]);
    assert_eq!(harness.now().await.state, EventState::Settling);
}

pub(crate) async fn a_settled_event_changes_only_its_title_and_announcement(store: Store) {
    let harness = LedgerHarness::open(store, 3).await;
    harness.settle_event().await;
    let late = [
        Change::Open,
        Change::Close,
        Change::Pause,
        Change::Drain,
        Change::Pace("1".parse().unwrap()),
        Change::InFlightMax(1),
        Change::Capacity(9),
        Change::Capacity(1),
        patch(EventPatch { intake: Some(false), ..EventPatch::default() }),
        patch(EventPatch { title: Some(text("새")), intake: Some(false), ..EventPatch::default() }),
    ];
    for change in late {
        assert_eq!(harness.refused(change).await.0, EventState::Settled);
    }
    assert_eq!(
        (harness.change(Change::Settle).await.unwrap().change, harness.seats().await),
        (None, (3, 0, 0))
    );
    harness.changed(Change::Announcement(text("끝났어요"))).await;
    harness.changed(patch(EventPatch { title: Some(text("새")), ..EventPatch::default() })).await;
}

pub(crate) async fn raising_the_capacity_adds_seats_and_lowering_deletes_free_ones(store: Store) {
    let harness = LedgerHarness::open_with(store, EventSettings { applications_max: 5, ..settings(3) }).await;
    let row = harness.changed(Change::Capacity(6)).await;
    assert_eq!(
        (row.before, row.after),
        (json!({ "applications_max": 5, "capacity": 3 }), json!({ "applications_max": 6, "capacity": 6 }))
    );
    harness.admit(1..=5).await;
    let calls = [harness.lease_one().await, harness.lease_one().await, harness.lease_one().await];
    harness.record(&calls[2], OrderResponse::Created("O-3".into())).await;
    // Number 2 frees its seat: seats 2 and 6 are free, 3 is sold, 1, 4 and 5 are held.
    harness.record(&calls[1], OrderResponse::Rejected).await;
    match harness.change(Change::Capacity(3)).await {
        Err(ChangeError::TooSmall { least }) => assert_eq!(least, 4),
        other => panic!("{other:?}"),
    }
    assert_eq!((harness.seats().await, harness.now().await.settings.capacity), ((2, 3, 1), 6));
    harness.changed(Change::Capacity(4)).await;
    assert_eq!((harness.seats().await, harness.seat_numbers().await), ((0, 3, 1), vec![1, 3, 4, 5]));
    harness.changed(Change::Capacity(6)).await;
    assert_eq!(harness.seat_numbers().await, [1, 3, 4, 5, 6, 7]);
    assert_eq!(harness.admit([6, 7, 8]).await.seated, 2, "the new seats are for the next numbers");
    assert_eq!(
        harness.now().await.settings.applications_max,
        6,
        "the limit rises with the capacity and does not fall with it"
    );
}

pub(crate) async fn a_capacity_that_the_seats_do_not_match_is_not_committed(store: Store) {
    let harness = LedgerHarness::open(store, 3).await;
    // Triggers delete one more seat with every change of the capacity.
    let triggers = match store {
        Store::Sqlite => {
            "CREATE TRIGGER lowered AFTER DELETE ON seat WHEN OLD.n = 3 BEGIN DELETE FROM seat WHERE n = 2; END;
             CREATE TRIGGER raised AFTER INSERT ON seat WHEN NEW.n = 5 BEGIN DELETE FROM seat WHERE n = 2; END"
        }
        Store::Postgres => {
            "CREATE FUNCTION ledger.one_more() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM ledger.seat WHERE n = 2; RETURN NULL; END $$;
             CREATE TRIGGER lowered AFTER DELETE ON ledger.seat FOR EACH ROW WHEN (OLD.n = 3) EXECUTE FUNCTION ledger.one_more();
             CREATE TRIGGER raised AFTER INSERT ON ledger.seat FOR EACH ROW WHEN (NEW.n = 5) EXECUTE FUNCTION ledger.one_more()"
        }
    };
    execute_sql(&harness.address().0, triggers).await.unwrap();
    let before = harness.now().await;
    for capacity in [2, 5] {
        let failed = harness.change(Change::Capacity(capacity)).await;
        assert!(matches!(failed, Err(ChangeError::Ledger(Error::Inconsistent(_)))), "{failed:?}");
        assert_eq!((harness.now().await, harness.seats().await), (before.clone(), (3, 0, 0)));
    }
}

pub(crate) async fn the_capacity_changes_while_orders_are_created(store: Store) {
    let harness = LedgerHarness::open(store, 10).await;
    let (ledger, event) = (&harness.ledger, &harness.event);
    let resize = async {
        for round in 0..30 {
            let capacity = if round % 2 == 0 { 30 } else { 5 };
            match harness.change(Change::Capacity(capacity)).await {
                Ok(_) | Err(ChangeError::TooSmall { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    };
    let admit = async {
        for n in 1..=40 {
            harness.admit([n]).await;
        }
    };
    let order = async {
        for n in 0..60 {
            harness.clock.advance(50);
            for call in ledger.lease_calls(event, 8).await.unwrap().calls {
                let answer = if n % 3 == 0 {
                    OrderResponse::Rejected
                } else {
                    OrderResponse::Created(format!("O-{}", call.number))
                };
                ledger.record_response(&call, &answer).await.unwrap();
            }
        }
    };
    tokio::join!(resize, admit, order);
    let (free, held, sold) = harness.seats().await;
    assert_eq!(free + held + sold, harness.now().await.settings.capacity);
    let rows = harness.ledger.applications(&harness.event, 0, 100).await.unwrap();
    let seated = rows.iter().filter(|row| row.seat.is_some()).count();
    assert_eq!(seated, (held + sold) as usize, "every held or sold seat has its application");
}

pub(crate) async fn an_event_resumes_without_a_burst_after_a_pause_of_any_length(store: Store) {
    let harness =
        LedgerHarness::open_with(store, EventSettings { pace: "100".parse().unwrap(), ..settings(50) }).await;
    harness.admit(1..=50).await;
    harness.clock.advance(250);
    harness.changed(Change::Pause).await;
    assert!(harness.ledger.lease_calls(&harness.event, 50).await.unwrap().calls.is_empty());
    harness.clock.advance(400);
    harness.changed(Change::Resume).await;
    assert!(
        harness.ledger.lease_calls(&harness.event, 50).await.unwrap().calls.is_empty(),
        "the pause accumulates no tokens"
    );
    harness.clock.advance(100);
    assert_eq!(harness.ledger.lease_calls(&harness.event, 50).await.unwrap().calls.len(), 10);
    // The event is paused and resumed between two leases.
    harness.clock.advance(250);
    harness.changed(Change::Pause).await;
    harness.changed(Change::Resume).await;
    assert!(harness.ledger.lease_calls(&harness.event, 50).await.unwrap().calls.is_empty());
    harness.changed(Change::Drain).await;
    harness.clock.advance(100);
    assert_eq!(
        harness.ledger.lease_calls(&harness.event, 50).await.unwrap().calls.len(),
        10,
        "draining continues order calls"
    );
    let event = harness.now().await;
    assert_eq!(
        (event.settings.release, harness.ledger.admissible(&event).await.unwrap()),
        (Release::Draining, 0)
    );
}

pub(crate) async fn a_new_pace_applies_from_the_moment_of_the_change(store: Store) {
    let harness =
        LedgerHarness::open_with(store, EventSettings { pace: "10".parse().unwrap(), ..settings(200) }).await;
    harness.admit(1..=200).await;
    let leased = async |after| {
        harness.clock.advance(after);
        harness.ledger.lease_calls(&harness.event, 200).await.unwrap().calls.len()
    };
    assert_eq!(leased(200).await, 2);
    // 100 ms at 10/s and 100 ms at 1000/s: the time before the change does not count at the new pace.
    harness.clock.advance(100);
    harness.changed(Change::Pace("1000".parse().unwrap())).await;
    assert_eq!((leased(0).await, leased(100).await), (1, 100));
    harness.clock.advance(20);
    harness.changed(Change::Pace("1".parse().unwrap())).await;
    // The slow pace keeps at most 1.25 of the 20 tokens.
    assert_eq!((leased(0).await, leased(700).await, leased(100).await), (1, 0, 1));
}

pub(crate) async fn the_ledger_adopts_the_times_that_the_queue_kept(store: Store) {
    let harness = LedgerHarness::scheduled(store).await;
    harness.changed(opens_at(NOON + HOUR + 60_000)).await;
    let rev = harness.now().await.rev;
    let kept = EventTimes { opens_at: NOON + HOUR, closes_at: NOON + 2 * HOUR };
    let keep = async |rev| harness.ledger.keep_times(&harness.event, harness.fence, rev, kept).await.unwrap();
    keep(rev - 1).await;
    assert_eq!(harness.now().await.rev, rev, "times of an older rev are ignored");
    keep(rev).await;
    let now = harness.now().await;
    assert_eq!(
        (now.rev, now.settings.opens_at, now.settings.closes_at),
        (rev + 1, kept.opens_at, kept.closes_at)
    );
    keep(rev + 1).await;
    assert_eq!(harness.audited().await, ["keep_times", "update", "create"]);
    let lost = harness.ledger.keep_times(&harness.event, domain::Fence(0), rev, kept).await;
    assert!(matches!(lost, Err(Error::Lost)), "{lost:?}");
}

pub(crate) async fn a_clone_is_a_new_event_with_the_same_settings(store: Store) {
    let from = EventSettings {
        release: Release::Paused,
        intake: false,
        announcement: text("느려요"),
        ..settings(4)
    };
    let harness = LedgerHarness::open_with(store, from.clone()).await;
    let to: domain::EventId = "summer".parse().unwrap();
    let opens = NOON + 10 * HOUR;
    let closes = NOON + 11 * HOUR;
    let clone = async |opens, closes| {
        harness.ledger.clone_event(&harness.event, to.clone(), opens, closes, KIM).await
    };
    let invalid = clone(closes, opens).await;
    assert!(matches!(invalid, Err(ChangeError::Ledger(Error::Settings(_)))), "{invalid:?}");
    assert_eq!(clone(opens, closes).await.unwrap(), CreateResult::Created);
    assert_eq!(clone(opens, closes).await.unwrap(), CreateResult::Exists(1));
    let cloned = harness.ledger.event(&to).await.unwrap();
    let expected = EventSettings {
        id: to.clone(),
        opens_at: opens,
        closes_at: closes,
        release: Release::Running,
        intake: true,
        announcement: Text::default(),
        ..from
    };
    assert_eq!((cloned.settings, cloned.rev, cloned.state), (expected, 1, EventState::Scheduled));
    assert_eq!(harness.ledger.seats(&to).await.unwrap().free, 4);
    let row = harness.ledger.audit(Some(&to), None, 9).await.unwrap().remove(0);
    assert_eq!((row.action.as_str(), row.reason.as_str()), ("clone", "rehearsal"));
    assert_eq!((&row.before, &row.after["capacity"]), (&json!({ "id": "spring" }), &json!(4)));
    let unknown_event = harness.ledger.clone_event(&"autumn".parse().unwrap(), to, opens, closes, KIM).await;
    assert!(matches!(unknown_event, Err(ChangeError::Ledger(Error::UnknownEvent(_)))), "{unknown_event:?}");
}

pub(crate) async fn the_audit_is_paged_newest_first(store: Store) {
    let harness = LedgerHarness::open(store, 3).await;
    // All changes happen within one millisecond of the ledger's clock.
    for n in 1..=4 {
        harness.changed(Change::InFlightMax(n)).await;
        let to = format!("event-{n}").parse().unwrap();
        harness.ledger.clone_event(&harness.event, to, NOON + HOUR, NOON + 2 * HOUR, KIM).await.unwrap();
    }
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = harness.ledger.audit(None, before, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(AuditCursor { at: last.at, rev: last.rev });
        seen.extend(page.into_iter().map(|row| format!("{} {} {}", row.event, row.action.as_str(), row.rev)));
    }
    let expected = [
        "event-4 clone 1",
        "spring in_flight_max 5",
        "event-3 clone 1",
        "spring in_flight_max 4",
        "event-2 clone 1",
        "spring in_flight_max 3",
        "event-1 clone 1",
        "spring in_flight_max 2",
        "spring create 1",
    ];
    assert_eq!(seen, expected);
    assert_eq!(harness.audited().await.len(), 5);
}

pub(crate) async fn concurrent_changes_have_rising_audit_times(store: Store) {
    let harness = LedgerHarness::open(store, 1).await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 1..=10 {
        let (ledger, event, to) =
            (harness.ledger.clone(), harness.event.clone(), format!("event-{n}").parse().unwrap());
        tasks.spawn(async move {
            ledger.clone_event(&event, to, NOON + HOUR, NOON + 2 * HOUR, KIM).await.unwrap()
        });
    }
    tasks.join_all().await;
    let mut times: Vec<_> =
        harness.ledger.audit(None, None, 100).await.unwrap().iter().map(|row| row.at).collect();
    assert!(times.is_sorted_by(|newer, older| newer > older), "{times:?}");
    times.dedup();
    assert_eq!(times.len(), 11);
}

pub(crate) async fn a_retried_application_may_already_have_an_order(store: Store) {
    let harness = LedgerHarness::open(store, 3).await;
    harness.admit(1..=3).await;
    harness.park(&[1, 2]).await;
    let parked = harness.ledger.parked(&harness.event, 10).await.unwrap();
    assert_eq!(parked.iter().map(|row| row.number.get()).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(harness.ledger.parked(&harness.event, 1).await.unwrap().len(), 1);
    let rev = harness.now().await.rev;
    let end = async |n, end| harness.ledger.end_parked(&harness.event, key(n), end, KIM).await.unwrap();
    let row = end(1, ledger::EndParked::Retry).await.unwrap();
    let audited = |state: &str| json!({ "application": key(1).guid(), "number": 1, "state": state });
    assert_eq!(
        (row.action.as_str(), row.before, row.after),
        ("retry", audited("parked"), audited("ordering"))
    );
    assert_eq!((row.rev, harness.now().await.rev), (rev, rev));
    assert_eq!(end(1, ledger::EndParked::Retry).await, None, "it is no longer parked");
    assert_eq!(end(3, ledger::EndParked::Reject).await, None, "it was never parked");
    assert_eq!(end(9, ledger::EndParked::Reject).await, None, "it does not exist");
    // A rejection is not the end: one of the earlier calls may have created an order.
    let call = harness.lease_one().await;
    assert_eq!(
        (call.number.get(), harness.record(&call, OrderResponse::Rejected).await),
        (1, CallResult::Continues)
    );
    let call = harness.lease_one().await;
    assert_eq!(call.kind, ledger::CallKind::Delete);
    assert_eq!(harness.record(&call, OrderResponse::Deleted).await, CallResult::Ended(Outcome::Rejected));
    // The other application is undone, and its seat stays held until the order is deleted.
    end(2, ledger::EndParked::Reject).await.unwrap();
    assert_eq!((harness.state_of(2).await, harness.seats().await), ("undoing".into(), (1, 2, 0)));
    let call = harness.lease_one().await;
    assert_eq!((call.number.get(), call.kind), (2, ledger::CallKind::Delete));
    assert_eq!(harness.record(&call, OrderResponse::Deleted).await, CallResult::Ended(Outcome::Rejected));
    assert_eq!(
        (harness.seats().await, harness.ledger.open_applications(&harness.event).await.unwrap()),
        ((2, 1, 0), OpenApplications { under_way: 1, parked: 0 })
    );
    assert_eq!(harness.audited().await, ["reject", "retry", "create"]);
}

pub(crate) async fn an_application_parked_while_undoing_is_still_cancelled(store: Store) {
    let harness = LedgerHarness::open(store, 1).await;
    harness.order(1).await;
    harness.cancel(1).await;
    harness.park(&[1]).await;
    harness.ledger.end_parked(&harness.event, key(1), ledger::EndParked::Reject, KIM).await.unwrap().unwrap();
    let call = harness.lease_one().await;
    assert_eq!(harness.record(&call, OrderResponse::Deleted).await, CallResult::Ended(Outcome::Cancelled));
    assert_eq!(harness.seats().await, (1, 0, 0));
}
