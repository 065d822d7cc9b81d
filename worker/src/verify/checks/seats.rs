//! Seats and orders: as many as there are (I5), and each somebody's (I7).

use std::collections::HashMap;

use domain::{ApplicationState, Outcome};
use ledger::{ApplicationRow, OrderRow, SeatRow, SeatState};

use super::Violations;
use crate::verify::Witness;
use crate::verify::gather::Facts;

pub(super) fn within_capacity(facts: &Facts, witness: &Witness) -> Violations {
    let capacity = facts.event.settings.capacity as usize;
    let mut broken = Vec::new();
    if facts.seats.len() != capacity {
        broken.push(format!("{} seats exist, the capacity is {capacity}", facts.seats.len()));
    }
    let live = witness.orders.iter().flatten().filter(|order| order.live).count();
    if live > capacity {
        broken.push(format!("{live} live orders for {capacity} seats"));
    }
    broken
}

pub(super) fn no_orphans(facts: &Facts, witness: &Witness) -> Violations {
    let mut broken: Violations = facts.seats.iter().filter_map(|seat| misheld(facts, seat)).collect();
    broken.extend(facts.rows.iter().filter_map(|row| misseated(facts, row)));
    if let Some(orders) = &witness.orders {
        broken.extend(orphan_orders(facts, orders));
    }
    broken
}

/// A seat that is taken, but not by somebody who has it like this.
fn misheld(facts: &Facts, seat: &SeatRow) -> Option<String> {
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
        let whose = seat.app_key.map_or_else(|| "nobody".to_owned(), |key| facts.who(key));
        let booked = owner.map_or_else(
            || "the ledger has nobody there".to_owned(),
            |row| format!("the ledger has it {} with {}", row.state.as_str(), seat_of(row)),
        );
        format!("seat {} is {} for {whose}, and {booked}", seat.n, seat.state.as_str())
    })
}

/// Somebody whose seat is missing, not theirs, or kept past the end.
fn misseated(facts: &Facts, row: &ApplicationRow) -> Option<String> {
    let fits = match row.seat {
        Some(n) => {
            let seat = facts.seats.binary_search_by_key(&n, |seat| seat.n).ok().map(|at| &facts.seats[at]);
            row.state.has_seat() && seat.is_some_and(|seat| seat.app_key == Some(row.app_key))
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
    let mut broken: Violations = live
        .values()
        .filter(|order| !facts.row(order.app_key).is_some_and(|row| row.state.has_seat()))
        .map(|order| {
            format!("the order {} of {} is live and nobody's", order.order_no, facts.who(order.app_key))
        })
        .collect();
    for row in facts.rows.iter().filter(|row| row.state == ApplicationState::Ended(Outcome::Ordered)) {
        let booked = row.order_no.as_deref().unwrap_or_default();
        match live.get(&row.app_key) {
            None => {
                broken.push(format!("number {} is ordered and the order service has no order", row.number));
            }
            Some(order) if order.order_no != booked => broken.push(format!(
                "number {} is ordered as {booked}, the order service says {}",
                row.number, order.order_no
            )),
            Some(_) => {}
        }
    }
    broken.sort_unstable();
    broken
}
