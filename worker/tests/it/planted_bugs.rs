//! Bugs as they would appear in the stores, each with the invariants that must report it and a sentence that must be in the report.

use domain::{AppKey, Number};
use ledger::OrderRow;
use worker::verify::Witness;

use crate::applicants::key;
use crate::stores::Stage::{self, Running, Settled};

/// A bug, planted by SQL or by changed evidence.
pub(crate) struct PlantedBug {
    pub(crate) stage: Stage,
    pub(crate) what: &'static str,
    pub(crate) queue: String,
    pub(crate) ledger: String,
    pub(crate) witness: fn(&mut Witness),
    pub(crate) breaks: &'static [&'static str],
    pub(crate) sentence: &'static str,
}

impl PlantedBug {
    fn queue(self, sql: &str) -> Self {
        Self { queue: format!("{sql}; {RECOUNT_QUEUE}"), ..self }
    }
    /// Changes the queue and leaves its count as it is.
    fn uncounted_queue(self, sql: &str) -> Self {
        Self { queue: sql.to_owned(), ..self }
    }
    fn ledger(self, sql: &str) -> Self {
        Self { ledger: format!("{sql}; {RECOUNT}"), ..self }
    }
    /// Changes the ledger and leaves its counters as they are.
    fn uncounted_ledger(self, sql: &str) -> Self {
        Self { ledger: sql.to_owned(), ..self }
    }
    /// Changes a table of the queue without its constraints.
    fn loose_queue(self, table: &str, sql: &str) -> Self {
        Self { queue: format!("{}; {RECOUNT_QUEUE}", loose(table, sql)), ..self }
    }
    /// Changes a table of the ledger without its constraints.
    fn loose_ledger(self, table: &str, sql: &str) -> Self {
        Self { ledger: format!("{}; {RECOUNT}", loose(table, sql)), ..self }
    }
    fn witness(self, witness: fn(&mut Witness)) -> Self {
        Self { witness, ..self }
    }
    /// Exactly these invariants must report it, one of them with this sentence.
    fn breaks(self, breaks: &'static [&'static str], sentence: &'static str) -> Self {
        Self { breaks, sentence, ..self }
    }
}

/// Counts the waiting applications anew, so that a bug in the queue is not found by the count alone.
const RECOUNT_QUEUE: &str = "UPDATE queue SET waiting = (SELECT COUNT(*) FROM application WHERE state = 'W')";
/// Counts the seats anew, so that a bug in the seats is not found by the counters alone.
const RECOUNT: &str = "DELETE FROM seat_count;
    INSERT INTO seat_count SELECT event, 0, SUM(state = 'free'), SUM(state = 'held'), SUM(state = 'sold') FROM seat GROUP BY event";

fn loose(table: &str, sql: &str) -> String {
    format!(
        "CREATE TABLE loose AS SELECT * FROM {table}; DROP TABLE {table}; ALTER TABLE loose RENAME TO {table}; {sql}"
    )
}

fn bug(stage: Stage, what: &'static str) -> PlantedBug {
    PlantedBug {
        stage,
        what,
        queue: String::new(),
        ledger: String::new(),
        witness: |_| {},
        breaks: &[],
        sentence: "",
    }
}

fn order_of(witness: &mut Witness, n: u32) -> &mut OrderRow {
    witness.orders.as_mut().unwrap().iter_mut().find(|order| order.app_key == key(n)).unwrap()
}

fn unknown_order(nth: u8) -> OrderRow {
    OrderRow { app_key: AppKey([nth; 16]), order_no: format!("X-{nth}"), live: true }
}

/// I1 to I4: applications and their numbers.
pub(crate) fn in_numbers() -> Vec<PlantedBug> {
    vec![
        bug(Running, "an application is lost, and its number passed off as skipped")
            .queue(
                r#"DELETE FROM application WHERE number = 11;
                   UPDATE queue SET gaps = '[{"from":11,"to":11},{"from":13,"to":20}]'"#,
            )
            .breaks(&["I1"], "number 11 ("),
        bug(Running, "a waiting application is not counted")
            .uncounted_queue("UPDATE queue SET waiting = waiting - 1")
            .breaks(&["I9"], "applications wait, and the queue counts"),
        bug(Running, "an application is lost, and a hole is left")
            .queue("DELETE FROM application WHERE number = 11")
            .breaks(&["I1", "I9"], "number 11 belongs to no application and is in no gap"),
        bug(Running, "one applicant is in the queue twice")
            .loose_queue(
                "application",
                "INSERT INTO application SELECT queue, 22, app_key, state, req_hash, contact, cancel_requested FROM application WHERE number = 12;
                 UPDATE queue SET seq = 22",
            )
            .breaks(&["I2"], "number 12 is in the queue again, as number 22"),
        bug(Running, "two applications have one number in the queue")
            .loose_queue(
                "application",
                "INSERT INTO application SELECT queue, number, zeroblob(16), state, req_hash, contact, cancel_requested FROM application WHERE number = 12",
            )
            .breaks(&["I2"], "number 12 is in the queue twice"),
        bug(Running, "two applications have one number in the ledger")
            .loose_ledger(
                "application",
                "INSERT INTO application SELECT event, 'ffffffffffffffffffffffffffffffff', number, state, undo, undo_by, seat, called_until, extended, fence, lease_until,
                   next_try_at, attempts, outcome, order_no, contact, req_hash, admitted_at, ended_at, projected_epoch FROM application WHERE number = 3;
                 INSERT INTO outbox VALUES ('spring', 'ffffffffffffffffffffffffffffffff', 0, 'application.cancelled', 0, '{}', NULL)",
            )
            .breaks(&["I2"], "number 3 is in the ledger twice"),
        bug(Running, "one applicant has two seats")
            .loose_ledger(
                "seat",
                "UPDATE seat SET state = 'sold', app_key = (SELECT app_key FROM application WHERE number = 1)
                 WHERE app_key = (SELECT app_key FROM application WHERE number = 9)",
            )
            .breaks(&["I2", "I7"], "number 1 has two seats"),
        bug(Running, "one applicant has two live orders")
            .witness(|witness| {
                let again = OrderRow { order_no: "AGAIN".into(), ..order_of(witness, 6).clone() };
                witness.orders.as_mut().unwrap().push(again);
            })
            .breaks(&["I2"], "number 6 has two live orders"),
        bug(Running, "two applications swapped numbers in the queue")
            .queue(
                "UPDATE application SET number = 1000 WHERE number = 10; UPDATE application SET number = 10 WHERE number = 11;
                 UPDATE application SET number = 11 WHERE number = 1000",
            )
            .breaks(&["I3"], "number 10 was acknowledged and is now number 11"),
        bug(Running, "two applications swapped numbers in the ledger")
            .ledger(
                "UPDATE application SET number = 1000 WHERE number = 5; UPDATE application SET number = 5 WHERE number = 7;
                 UPDATE application SET number = 7 WHERE number = 1000",
            )
            .breaks(&["I3"], "number 5 of the queue is number 7 in the ledger"),
        bug(Running, "a receipt has another number")
            .witness(|witness| witness.acks.as_mut().unwrap()[11].number = Number::new(4).unwrap())
            .breaks(&["I3"], "number 4 was acknowledged and is now number 12"),
        bug(Running, "an application was skipped")
            .queue("UPDATE application SET state = 'W' WHERE number = 3; DELETE FROM outcome WHERE number = 3")
            .ledger(
                "DELETE FROM outbox WHERE app_key = (SELECT app_key FROM application WHERE number = 3);
                 DELETE FROM application WHERE number = 3",
            )
            .breaks(&["I4"], "number 3 waits, and number 5 was given a seat"),
    ]
}

/// I5 and I7: seats and orders.
pub(crate) fn in_seats() -> Vec<PlantedBug> {
    vec![
        bug(Running, "there is one seat too many")
            .ledger("INSERT INTO seat (event, n) VALUES ('spring', 7)")
            .breaks(&["I5"], "7 seats exist, the capacity is 6"),
        bug(Running, "a seat was sold and not counted")
            .uncounted_ledger("UPDATE seat_count SET held = held + 1, sold = sold - 1 WHERE shard = 0")
            .breaks(&["I5"], "are free, held and sold, and"),
        bug(Running, "an assigned seat is gone")
            .ledger("DELETE FROM seat WHERE app_key = (SELECT app_key FROM application WHERE number = 9)")
            .breaks(&["I5", "I7"], "number 9 is ordering with seat"),
        bug(Running, "the capacity was raised and no seat was added")
            .ledger("UPDATE event SET settings = json_set(settings, '$.capacity', 7)")
            .breaks(&["I5"], "6 seats exist, the capacity is 7"),
        bug(Running, "there are more live orders than seats")
            .witness(|witness| witness.orders.as_mut().unwrap().extend([1, 2].map(unknown_order)))
            .breaks(&["I5", "I7"], "7 live orders for 6 seats"),
        bug(Running, "an ordered application has no order")
            .witness(|witness| witness.orders.as_mut().unwrap().retain(|order| order.app_key != key(5)))
            .breaks(&["I7"], "number 5 is ordered and the order service has no order"),
        bug(Running, "an order was deleted at the order service, and its seat is still sold")
            .witness(|witness| order_of(witness, 5).live = false)
            .breaks(&["I7"], "number 5 is ordered and the order service has no order"),
        bug(Running, "the order of a cancelled application was made again")
            .witness(|witness| order_of(witness, 4).live = true)
            .breaks(&["I7"], "of number 4 is live without a seat"),
        bug(Running, "a rejected application has an order")
            .witness(|witness| {
                let order = OrderRow { app_key: key(2), ..unknown_order(2) };
                witness.orders.as_mut().unwrap().push(order);
            })
            .breaks(&["I7"], "the order X-2 of number 2 is live without a seat"),
        bug(Running, "the order service has the order under another order number")
            .witness(|witness| order_of(witness, 5).order_no = "OTHER".into())
            .breaks(&["I7"], "number 5 is ordered as SPRING-000005, the order service has OTHER"),
        bug(Running, "a seat is held for no application")
            .ledger("UPDATE seat SET app_key = NULL WHERE app_key = (SELECT app_key FROM application WHERE number = 9)")
            .breaks(&["I7"], "is held for no application"),
        bug(Running, "a seat is held for an application that the ledger does not have")
            .ledger("UPDATE seat SET app_key = 'ffffffffffffffffffffffffffffffff' WHERE app_key = (SELECT app_key FROM application WHERE number = 9)")
            .breaks(&["I7"], "is held for the unknown application ffffffffffffffffffffffffffffffff"),
        bug(Running, "a seat was freed while its order lives")
            .ledger(
                "UPDATE seat SET state = 'free', app_key = NULL WHERE app_key = (SELECT app_key FROM application WHERE number = 5)",
            )
            .breaks(&["I7"], "number 5 is ordered with seat"),
        bug(Running, "a seat is only held though its order is made")
            .ledger("UPDATE seat SET state = 'held' WHERE app_key = (SELECT app_key FROM application WHERE number = 5)")
            .breaks(&["I7"], "is held for number 5"),
        bug(Running, "a free seat kept its owner")
            .ledger("UPDATE seat SET state = 'free' WHERE app_key = (SELECT app_key FROM application WHERE number = 9)")
            .breaks(&["I7"], "is free for number 9"),
        bug(Running, "two applications have one seat")
            .ledger("UPDATE application SET seat = (SELECT seat FROM application WHERE number = 5) WHERE number = 7")
            .breaks(&["I7"], "number 7 is ordered with seat"),
        bug(Running, "a rejected application kept its seat")
            .ledger("UPDATE application SET seat = (SELECT seat FROM application WHERE number = 9) WHERE number = 2")
            .breaks(&["I7"], "number 2 is rejected with seat"),
        bug(Running, "an application is ordering without a seat")
            .ledger("UPDATE application SET seat = NULL WHERE number = 9")
            .breaks(&["I7"], "number 9 is ordering with no seat"),
    ]
}

/// I6 and I8: outcomes and domain events.
pub(crate) fn in_outcomes() -> Vec<PlantedBug> {
    vec![
        bug(Running, "an outcome is shown that the ledger does not have")
            .queue("INSERT INTO outcome SELECT queue, number, 'rejected', NULL FROM application WHERE number = 10")
            .breaks(&["I6"], "number 10 is shown as rejected, the ledger has no outcome"),
        bug(Running, "an ordered application is shown as sold out")
            .queue("UPDATE outcome SET outcome = 'sold_out', order_no = NULL WHERE number = 5")
            .breaks(&["I6"], "number 5 is shown as sold_out, the ledger has ordered with order number SPRING-000005"),
        bug(Running, "the order number of another is shown")
            .queue("UPDATE outcome SET order_no = 'SPRING-000007' WHERE number = 5")
            .breaks(&["I6"], "number 5 is shown as ordered with order number SPRING-000007, the ledger has ordered with order number SPRING-000005"),
        bug(Running, "an application is shown as called that is not")
            .queue("INSERT INTO called SELECT queue, number, 1000, 0, 0, 0 FROM application WHERE number = 9")
            .breaks(&["I6"], "number 9 is shown as called until 1000, the ledger has ordering"),
        bug(Running, "an application has an outcome and is still ordering")
            .ledger(
                "UPDATE application SET outcome = 'rejected' WHERE number = 9;
                 INSERT INTO outbox SELECT event, app_key, 99, 'application.rejected', 0, '{}', NULL FROM application WHERE number = 9",
            )
            .breaks(&["I6"], "number 9 is ordering with the outcome rejected"),
        bug(Settled, "the event is settled and a request to cancel was lost")
            .queue("DELETE FROM outcome WHERE number = 3")
            .ledger(
                "DELETE FROM outbox WHERE app_key = (SELECT app_key FROM application WHERE number = 3);
                 DELETE FROM application WHERE number = 3",
            )
            .breaks(&["I6"], "the event is settled and number 3 has no outcome"),
        bug(Settled, "the event is settled without the last applications")
            .queue("UPDATE queue SET settled_seq = 12")
            .ledger("UPDATE event SET settled_seq = 12")
            .breaks(&["I6"], "the event is settled and number 21 has no outcome"),
        bug(Settled, "the event is settled while an order is under way")
            .queue("DELETE FROM outcome WHERE number = 9")
            .ledger(
                "UPDATE application SET state = 'ordering', outcome = NULL, order_no = NULL WHERE number = 9;
                 UPDATE seat SET state = 'held' WHERE app_key = (SELECT app_key FROM application WHERE number = 9);
                 DELETE FROM outbox WHERE app_key = (SELECT app_key FROM application WHERE number = 9)",
            )
            .breaks(&["I6"], "the event is settled and number 9 has no outcome"),
        bug(Running, "applications are shown as sold out before the event is settled")
            .queue("UPDATE queue SET ending = 'settled', settled_seq = 10")
            .breaks(&["I6"], "number 10 is shown as sold_out, the ledger has no outcome"),
        bug(Running, "a domain event is missing")
            .ledger("DELETE FROM outbox WHERE app_key = (SELECT app_key FROM application WHERE number = 5)")
            .breaks(&["I8"], "number 5 is ordered and has no domain event for it"),
        bug(Running, "the second domain event of a cancelled order is missing")
            .ledger(
                "DELETE FROM outbox WHERE type = 'application.cancelled'
                 AND app_key = (SELECT app_key FROM application WHERE number = 4)",
            )
            .breaks(&["I8"], "number 4 is cancelled and has no domain event for it"),
        bug(Running, "a domain event reports an outcome that does not exist")
            .ledger("INSERT INTO outbox SELECT event, app_key, 99, 'application.ordered', 0, '{}', NULL FROM application WHERE number = 9")
            .breaks(&["I8"], "a domain event reports number 9 as ordered, the ledger has no outcome"),
        bug(Running, "a domain event reports another outcome")
            .ledger("INSERT INTO outbox SELECT event, app_key, 99, 'application.rejected', 0, '{}', NULL FROM application WHERE number = 5")
            .breaks(&["I8"], "a domain event reports number 5 as rejected, the ledger has ordered"),
        bug(Settled, "the domain event of settling is missing")
            .ledger("DELETE FROM outbox WHERE type = 'event.settled'")
            .breaks(&["I8"], "the event is settled and has no domain event event.settled"),
        bug(Running, "the domain event of settling is published too early")
            .ledger("INSERT INTO outbox VALUES ('spring', '', 99, 'event.settled', 0, '{}', NULL)")
            .breaks(&["I8"], "the event is not settled and has a domain event event.settled"),
    ]
}

/// I9: the queue's own state, and against the ledger.
pub(crate) fn in_the_queue() -> Vec<PlantedBug> {
    vec![
        bug(Running, "skipped numbers are in no gap")
            .queue("UPDATE queue SET gaps = '[]'")
            .breaks(&["I9"], "number 13 belongs to no application and is in no gap"),
        bug(Running, "a waiting application is in a gap")
            .queue(r#"UPDATE queue SET gaps = '[{"from":12,"to":20}]'"#)
            .breaks(&["I9"], "number 12 belongs to an application and is in a gap"),
        bug(Running, "the queue was admitted through numbers that were never given")
            .queue("UPDATE queue SET admitted_through = 99")
            .breaks(&["I9"], "the queue was admitted through number 99, above its last"),
        bug(Running, "an admitted application is not in the ledger")
            .queue("UPDATE application SET state = 'A' WHERE number = 10")
            .breaks(&["I9"], "number 10 is marked admitted and is not in the ledger"),
        bug(Running, "an application is in the ledger and still waits")
            .queue("UPDATE application SET state = 'W' WHERE number = 5")
            .breaks(&["I9"], "number 5 is in the ledger and still waits in the queue"),
        bug(Running, "the queue's last number went back")
            .queue("UPDATE queue SET seq = 12")
            .breaks(&["I9"], "number 21 was given, above the queue's last number"),
        bug(Running, "numbers were given above the limit")
            .queue("UPDATE queue SET number_limit = 20")
            .breaks(&["I9"], "numbers were given above the queue's limit 20"),
        bug(Running, "the queue's limit is above the ledger's")
            .queue("UPDATE queue SET number_limit = 1001")
            .breaks(&["I9"], "the queue's limit 1001 is above the limit in the ledger"),
        bug(Running, "the ledger was put back to an older state")
            .queue("UPDATE queue SET ledger_changes = 999999999999")
            .breaks(&["I9"], "and the queue was told of 999999999999"),
    ]
}
