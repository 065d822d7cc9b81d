//! Seats and orders: within the capacity (I5), and each of exactly one application (I7).

use std::collections::HashMap;

use domain::{ApplicationState, Outcome};
use ledger::{ApplicationRow, OrderRow, SeatRow, SeatState};

use crate::verify::facts::{Facts, Witness};
use crate::verify::report::Violations;

pub(super) fn within_capacity(facts: &Facts, witness: &Witness) -> Violations {
    let capacity = facts.event.settings.capacity as usize;
    let mut violations = Vec::new();
    if facts.seats.len() != capacity {
        violations.push(format!("{} seats exist, the capacity is {capacity}", facts.seats.len()));
    }
    let of = |state| facts.seats.iter().filter(|seat| seat.state == state).count();
    let rows = [SeatState::Free, SeatState::Held, SeatState::Sold].map(of);
    let counted = [facts.counted.free, facts.counted.held, facts.counted.sold].map(|seats| seats as usize);
    if rows != counted {
        violations.push(format!("{rows:?} seats are free, held and sold, and {counted:?} are counted"));
    }
    let live = witness.orders.iter().flatten().filter(|order| order.live).count();
    if live > capacity {
        violations.push(format!("{live} live orders for {capacity} seats"));
    }
    violations
}

pub(super) fn no_orphans(facts: &Facts, witness: &Witness) -> Violations {
    let mut violations: Violations = facts.seats.iter().filter_map(|seat| wrong_owner(facts, seat)).collect();
    violations.extend(facts.rows.iter().filter_map(|row| wrong_seat(facts, row)));
    if let Some(orders) = &witness.orders {
        violations.extend(orphan_orders(facts, orders));
    }
    violations
}

/// A seat that is taken, but whose owner does not have it in this state.
fn wrong_owner(facts: &Facts, seat: &SeatRow) -> Option<String> {
    let owner = seat.app_key.and_then(|key| facts.row(key));
    let fits = match (seat.state, owner) {
        (SeatState::Free, _) => seat.app_key.is_none(),
        (state, Some(row)) => {
            let is_ordered = row.outcome == Some(Outcome::Ordered);
            let expected = if is_ordered { SeatState::Sold } else { SeatState::Held };
            row.seat == Some(seat.n) && state == expected
        }
        _ => false,
    };
    (!fits).then(|| {
        let application = seat.app_key.map_or_else(|| "no application".to_owned(), |key| facts.describe(key));
        let in_ledger = owner.map_or_else(
            || "the ledger has no such application".to_owned(),
            |row| format!("the ledger has it {} with {}", row.state.as_str(), seat_of(row)),
        );
        format!("seat {} is {} for {application}, and {in_ledger}", seat.n, seat.state.as_str())
    })
}

/// An application whose seat is missing, belongs to another, or was kept past the end.
fn wrong_seat(facts: &Facts, row: &ApplicationRow) -> Option<String> {
    let fits = match row.seat {
        Some(n) => {
            let index = facts.seats.binary_search_by_key(&n, |seat| seat.n).ok();
            let owner = index.and_then(|index| facts.seats[index].app_key);
            row.state.has_seat() && owner == Some(row.app_key)
        }
        None => !row.state.has_seat(),
    };
    (!fits).then(|| format!("number {} is {} with {}", row.number, row.state.as_str(), seat_of(row)))
}

fn seat_of(row: &ApplicationRow) -> String {
    row.seat.map_or_else(|| "no seat".to_owned(), |n| format!("seat {n}"))
}

fn orphan_orders(facts: &Facts, orders: &[OrderRow]) -> Violations {
    let live: HashMap<_, _> =
        orders.iter().filter(|order| order.live).map(|order| (order.app_key, order)).collect();
    let mut violations: Violations = live
        .values()
        .filter(|order| !facts.row(order.app_key).is_some_and(|row| row.state.has_seat()))
        .map(|order| {
            let application = facts.describe(order.app_key);
            format!("the order {} of {application} is live without a seat", order.order_no)
        })
        .collect();
    for row in facts.rows.iter().filter(|row| row.state == ApplicationState::Ended(Outcome::Ordered)) {
        let order_no = row.order_no.as_deref().unwrap_or_default();
        match live.get(&row.app_key) {
            None => violations
                .push(format!("number {} is ordered and the order service has no order", row.number)),
            Some(order) if order.order_no != order_no => violations.push(format!(
                "number {} is ordered as {order_no}, the order service has {}",
                row.number, order.order_no
            )),
            Some(_) => {}
        }
    }
    violations.sort_unstable();
    violations
}
