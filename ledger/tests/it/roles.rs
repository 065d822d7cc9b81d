//! The Postgres roles and their rights.

use ledger::{Change, EndParked, EventTimes, Ledger, OrderResponse, QueueReading};
use testkit::Postgres;

use crate::changing::KIM;
use crate::harness::{LedgerHarness, NOON, Store, execute_sql};

const DENIED: &str = "42501";
const TABLES: [&str; 12] = [
    "event",
    "seat",
    "application",
    "audit",
    "outbox",
    "outbox_cursor",
    "outbox_dead",
    "webhook_endpoint",
    "webhook_delivery",
    "placed_order",
    "queue_status",
    "_sqlx_migrations",
];

/// The rights of each role on each table: SELECT, INSERT, UPDATE, DELETE.
const MATRIX: [(&str, [&str; 12]); 4] = [
    ("a_worker", ["SIU", "SIU", "SIU", "SI", "SIUD", "SIU", "SIU", "SU", "SIUD", "SIU", "SIU", "S"]),
    ("an_operator", ["SIU", "SIUD", "SU", "SI", "SI", "SIUD", "S", "SIUD", "SIUD", "S", "S", "S"]),
    ("a_verifier", ["S"; 12]),
    ("a_stranger", [""; 12]),
];

async fn open_with_roles() -> LedgerHarness {
    let harness = LedgerHarness::open(Store::Postgres, 2).await;
    let url = server(&harness).url();
    for _ in 0..2 {
        Ledger::grant_roles(&url).await.unwrap();
    }
    let logins = "CREATE ROLE a_worker LOGIN IN ROLE firstcome_worker; CREATE ROLE an_operator LOGIN IN ROLE firstcome_operator;
        CREATE ROLE a_verifier LOGIN IN ROLE firstcome_verify; CREATE ROLE a_stranger LOGIN";
    execute_sql(&url, logins).await.unwrap();
    // The manual clock of these tests reads a file.
    execute_sql(
        &url,
        "GRANT pg_read_server_files TO a_worker, an_operator; GRANT EXECUTE ON FUNCTION pg_read_file(TEXT) TO a_worker, an_operator",
    )
    .await
    .unwrap();
    harness
}

fn server(harness: &LedgerHarness) -> &Postgres {
    harness.postgres.as_ref().unwrap()
}

/// Runs a statement that changes nothing, and returns whether it is allowed.
async fn is_allowed(url: &str, sql: &str) -> bool {
    match execute_sql(url, sql).await {
        Ok(()) => true,
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(DENIED) => false,
        Err(error) => panic!("{sql}: {error}"),
    }
}

#[tokio::test]
async fn each_role_has_exactly_the_rights_of_the_matrix() {
    let harness = open_with_roles().await;
    for (role, rights) in MATRIX {
        let url = server(&harness).url_as(role);
        for (table, rights) in TABLES.iter().zip(rights) {
            let column = if *table == "_sqlx_migrations" {
                "version"
            } else if ["event", "webhook_endpoint"].contains(table) {
                "id"
            } else {
                "event"
            };
            for (right, sql) in [
                ('S', format!("SELECT 1 FROM ledger.{table}")),
                ('I', format!("INSERT INTO ledger.{table} SELECT * FROM ledger.{table} WHERE false")),
                ('U', format!("UPDATE ledger.{table} SET {column} = {column} WHERE false")),
                ('D', format!("DELETE FROM ledger.{table} WHERE false")),
            ] {
                // INSERT .. SELECT and UPDATE need the right to read as well.
                assert_eq!(is_allowed(&url, &sql).await, rights.contains(right), "{role}: {sql}");
            }
            assert!(
                !is_allowed(&url, &format!("TRUNCATE ledger.{table}")).await,
                "{role} may truncate {table}"
            );
        }
        for change in [
            "CREATE TABLE ledger.mine (a INT)",
            "CREATE FUNCTION ledger.now_ms(x INT) RETURNS BIGINT LANGUAGE sql AS 'SELECT 0'",
            "DROP SCHEMA ledger CASCADE",
            "ALTER TABLE ledger.seat DROP COLUMN state",
        ] {
            let denied = execute_sql(&url, change).await.unwrap_err();
            let code = denied.as_database_error().and_then(|error| error.code().map(Into::into));
            assert_eq!(code, Some(DENIED.to_owned()), "{role}: {change}: {denied}");
        }
    }
}

#[tokio::test]
async fn the_worker_role_is_sufficient_for_a_worker() {
    let harness = open_with_roles().await;
    harness.ledger.step_down(&harness.event, harness.fence).await.unwrap();
    let ledger = Ledger::open_postgres(&server(&harness).url_as("a_worker"), 4).await.unwrap();
    let fence = ledger.acquire_leadership(&harness.event).await.unwrap().unwrap().fence;
    ledger.start_epoch(&harness.event, fence).await.unwrap();
    ledger.raise_number_limit(&harness.event, fence, 10).await.unwrap();
    ledger.write_queue_status(&harness.event, fence, &crate::queue_status::status()).await.unwrap();
    let times = EventTimes { opens_at: NOON, closes_at: NOON + 1 };
    ledger.keep_times(&harness.event, fence, 1, times).await.unwrap();
    let head = crate::harness::candidates([1]);
    let admission = ledger.admit(&harness.event, fence, &head, QueueReading::default()).await.unwrap();
    ledger.make_due(&harness.event, &admission.known).await.unwrap();
    harness.clock.advance(2000);
    let call = ledger.lease_calls(&harness.event, 1).await.unwrap().calls.remove(0);
    let created = ledger.put_order(&harness.event, call.app_key, call.number).await.unwrap();
    assert!(matches!(created, OrderResponse::Created(_)));
    ledger.record_response(&call, &created).await.unwrap();
    let outcomes = ledger.unprojected_outcomes(&harness.event, domain::Epoch(1), 9).await.unwrap();
    ledger.mark_projected(&harness.event, domain::Epoch(1), &outcomes).await.unwrap();
    ledger.add_target(&harness.event, fence, "log").await.unwrap();
    let numbered = i64::from(ledger.number_domain_events(&harness.event, fence, 9).await.unwrap());
    assert!(ledger.bury_domain_event("log", &harness.event, 0, 1, "too large").await.unwrap());
    assert!(ledger.acknowledge_domain_events("log", &harness.event, 1, numbered).await.unwrap());
    ledger.record_target_failure("log", &harness.event, "no response", 1).await.unwrap();
    assert_eq!(ledger.purge_domain_events(&harness.event, 0).await.unwrap(), 0, "the event is not settled");
    crate::webhooks::deliver_to_an_endpoint_that_is_gone(&harness, &ledger).await;
    assert_eq!(harness.seats().await, (1, 0, 1));
}

#[tokio::test]
async fn the_operator_role_is_sufficient_for_the_operator_api() {
    let harness = open_with_roles().await;
    harness.admit([1]).await;
    harness.park(&[1]).await;
    let ledger = Ledger::open_postgres(&server(&harness).url_as("an_operator"), 4).await.unwrap();
    for capacity in [5, 3] {
        ledger.change(&harness.event, None, &Change::Capacity(capacity), KIM).await.unwrap();
    }
    for change in [Change::Pause, Change::Close] {
        ledger.change(&harness.event, None, &change, KIM).await.unwrap();
    }
    ledger.change(&harness.event, None, &Change::Settle, KIM).await.unwrap();
    let later = NOON + 9_000_000;
    let key = crate::harness::key(1);
    ledger.clone_event(&harness.event, "summer".parse().unwrap(), later, later + 1, KIM).await.unwrap();
    assert_eq!(ledger.parked(&harness.event, 9).await.unwrap().len(), 1);
    ledger.end_parked(&harness.event, key, EndParked::Reject, KIM).await.unwrap().unwrap();
    assert_eq!(ledger.queue_status(&harness.event).await.unwrap(), None);
    harness.ledger.number_domain_events(&harness.event, harness.fence, 9).await.unwrap();
    harness.ledger.add_target(&harness.event, harness.fence, "log").await.unwrap();
    ledger.replay("log", &harness.event, 1, KIM).await.unwrap().unwrap();
    assert_eq!(ledger.audit(None, None, 20).await.unwrap().len(), 9);
    crate::webhooks::change_endpoints(&ledger).await;
    assert_eq!(harness.seats().await, (2, 1, 0));
}

#[tokio::test]
async fn the_verify_role_reads_the_whole_ledger() {
    let harness = open_with_roles().await;
    harness.admit([1]).await;
    let ledger = Ledger::open_postgres(&server(&harness).url_as("a_verifier"), 2).await.unwrap();
    assert_eq!(ledger.applications(&harness.event, 0, 9).await.unwrap().len(), 1);
    assert_eq!(ledger.seat_rows(&harness.event).await.unwrap().len(), 2);
    assert_eq!(ledger.domain_events(&harness.event).await.unwrap().len(), 1);
    assert!(ledger.target_statuses(None).await.unwrap().is_empty());
    assert!(ledger.order_rows(&harness.event).await.unwrap().is_empty());
}

#[tokio::test]
async fn roles_can_be_granted_concurrently() {
    let harness = LedgerHarness::open(Store::Postgres, 1).await;
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let url = server(&harness).url();
        all.spawn(async move { Ledger::grant_roles(&url).await });
    }
    for done in all.join_all().await {
        done.unwrap();
    }
}
