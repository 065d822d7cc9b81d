//! Changing an event: which changes its state allows, and that each has a row in the audit.

use domain::event::{BadSettings, Text};
use domain::{EventSettings, EventState, LookPatch, Release};
use ledger::{
    AuditRow, Change, ChangeError, ChangeResult, ChangedBy, CreateResult, Error, EventPatch, EventRow,
};
use serde_json::json;

use crate::harness::{LedgerHarness, NOON, Store, execute_sql, settings};

pub(crate) const HOUR: i64 = 3_600_000;
pub(crate) const KIM: ChangedBy<'_> = ChangedBy { actor: "kim", reason: "rehearsal" };

impl LedgerHarness {
    pub(crate) async fn scheduled(store: Store) -> Self {
        let later = EventSettings { opens_at: NOON + HOUR, closes_at: NOON + 2 * HOUR, ..settings(3) };
        Self::open_with(store, later).await
    }

    pub(crate) async fn change(&self, change: Change) -> Result<ChangeResult, ChangeError> {
        self.ledger.change(&self.event, None, &change, KIM).await
    }

    pub(crate) async fn changed(&self, change: Change) -> AuditRow {
        self.change(change).await.unwrap().change.unwrap()
    }

    pub(crate) async fn now(&self) -> EventRow {
        self.ledger.event(&self.event).await.unwrap()
    }

    pub(crate) async fn audited(&self) -> Vec<&'static str> {
        let rows = self.ledger.audit(Some(&self.event), None, 100).await.unwrap();
        rows.into_iter().map(|row| row.action.as_str()).collect()
    }

    /// Makes a change that must be refused, and returns the state and the reason.
    pub(crate) async fn refused(&self, change: Change) -> (EventState, &'static str) {
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
        self.ledger.settle(&self.event, fence, 0).await.unwrap();
    }

    /// Returns the numbers of the seats.
    pub(crate) async fn seat_numbers(&self) -> Vec<i64> {
        self.ledger.seat_rows(&self.event).await.unwrap().iter().map(|seat| seat.n).collect()
    }
}

pub(crate) fn patch(patch: EventPatch) -> Change {
    Change::Update(patch)
}

pub(crate) fn opens_at(time: i64) -> Change {
    patch(EventPatch { opens_at: Some(time), ..EventPatch::default() })
}

pub(crate) fn closes_at(time: i64) -> Change {
    patch(EventPatch { closes_at: Some(time), ..EventPatch::default() })
}

pub(crate) fn text(ko: &str) -> Text {
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
    let event = row.event.as_ref().unwrap();
    let audited = (event.as_str(), row.rev, row.actor.as_str(), row.action.as_str(), row.reason.as_str());
    assert_eq!(audited, ("spring", 2, "kim", "pace", "rehearsal"));
    assert_eq!((&row.before, &row.after), (&json!({ "pace": "1000" }), &json!({ "pace": "2.5" })));
    assert_eq!(harness.ledger.audit(None, None, 1).await.unwrap(), [row]);
    harness.changed(Change::InFlightMax(7)).await;
    harness.changed(Change::Announcement(text("느려요"))).await;
    let all = EventPatch {
        title: Some(text("봄 행사")),
        look: Box::new(LookPatch { color: Some("#1d4ed8".into()), ..LookPatch::default() }),
        opens_at: None,
        closes_at: Some(NOON + 2 * HOUR),
        applications_max: Some(50),
        settle_after_close: Some(false),
        diverts: Some(vec!["/p/spring".into()]),
        intake: Some(false),
        called_for_ms: Some(60_000),
        extension_ms: Some(0),
        pass_target: None,
    };
    let row = harness.changed(patch(all)).await;
    let fields: Vec<_> = row.after.as_object().unwrap().keys().map(String::as_str).collect();
    let changed =
        ["applications_max", "called_for_ms", "closes_at", "color", "diverts", "extension_ms", "intake"];
    assert_eq!(fields, [&changed[..], &["settle_after_close", "title"]].concat());
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

pub(crate) async fn a_settled_event_changes_only_its_texts_and_look(store: Store) {
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
    let look = Box::new(LookPatch { description: Some(text("고마워요")), ..LookPatch::default() });
    harness.changed(patch(EventPatch { title: Some(text("새")), look, ..EventPatch::default() })).await;
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

pub(crate) async fn a_preview_is_what_the_change_does(store: Store) {
    let harness = LedgerHarness::scheduled(store).await;
    let event = harness.now().await;
    let change = Change::Pace("2.5".parse().unwrap());
    let preview = event.preview(&change, NOON).unwrap();
    assert_eq!(harness.now().await, event, "a preview writes nothing");
    let made = harness.changed(change).await;
    assert_eq!((preview.before, preview.after), (made.before, made.after));
    assert_eq!(preview.event.settings, harness.now().await.settings);
    let refused = event.preview(&Change::Settle, NOON);
    assert!(matches!(refused, Err(ChangeError::NotNow { .. })), "{refused:?}");
}

pub(crate) async fn an_undo_restores_the_fields_before_a_change(store: Store) {
    let harness = LedgerHarness::scheduled(store).await;
    let before = harness.now().await.settings;
    for change in [
        Change::Pause,
        Change::Capacity(5),
        Change::Announcement(Text::new("늦어요", "Slower")),
        patch(EventPatch {
            look: Box::new(LookPatch {
                color: Some("#ffe600".into()),
                product_url: Some(String::new()),
                ..LookPatch::default()
            }),
            ..EventPatch::default()
        }),
        patch(EventPatch { intake: Some(false), closes_at: Some(NOON + 3 * HOUR), ..EventPatch::default() }),
    ] {
        let made = harness.changed(change).await;
        let undone = harness.changed(Change::Undo(made.before.as_object().unwrap().clone())).await;
        assert_eq!((undone.action.as_str(), &undone.after), ("undo", &made.before));
        assert_eq!(harness.now().await.settings, before);
    }
    assert_eq!(harness.seat_numbers().await.len(), 3);
    let opened = harness.changed(Change::Open).await;
    let undo = Change::Undo(opened.before.as_object().unwrap().clone());
    assert_eq!(harness.refused(undo).await.0, EventState::Open);
    let foreign = json!({ "pepper": "k9" });
    harness.refused(Change::Undo(foreign.as_object().unwrap().clone())).await;
}
