//! Changes of the capacity: seats are added and deleted in the same transaction.

use domain::EventSettings;
use ledger::{Change, ChangeError, Error, OrderResponse};
use serde_json::json;

use crate::harness::{LedgerHarness, Store, execute_sql, settings};

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
