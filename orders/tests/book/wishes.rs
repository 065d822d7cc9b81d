//! What a wish to cancel leads to, whenever it comes.

use domain::Number;
use orders::{Answer, BookError, CallKind, Recorded, Wish};

use crate::desk::{Desk, Store, key, newcomers};

fn wish(id: i64, number: u32) -> Wish {
    Wish { id, app_key: key(number), number: Number::new(number).unwrap() }
}

impl Desk {
    async fn hear(&self, wishes: &[Wish]) {
        let through = wishes.last().unwrap().id;
        self.book.hear(&self.event, self.fence, wishes, through).await.unwrap();
    }
}

pub(crate) async fn who_was_withdrawn_before_being_moved_needs_no_seat(store: Store) {
    let desk = Desk::open(store, 1).await;
    desk.hear(&[wish(1, 7)]).await;
    assert_eq!((desk.state_of(7).await.as_str(), desk.seats().await), ("cancelled", (1, 0, 0)));
    assert_eq!(desk.take([7]).await.seated, 0, "known, and never seated");
    assert_eq!(desk.book.event(&desk.event).await.unwrap().inbox_through, 1);
}

pub(crate) async fn a_wish_is_answered_once_however_often_it_is_read(store: Store) {
    let desk = Desk::open(store, 1).await;
    desk.order(1).await;
    desk.hear(&[wish(1, 1), wish(2, 1)]).await;
    desk.hear(&[wish(1, 1), wish(2, 1)]).await;
    let undo = desk.lease_one().await;
    assert_eq!(undo.kind, CallKind::Delete);
    assert!(desk.book.lease(&desk.event, 9).await.unwrap().calls.is_empty());
}

pub(crate) async fn before_the_first_order_call_the_seat_is_free_at_once(store: Store) {
    let desk = Desk::open(store, 1).await;
    desk.take([1]).await;
    desk.hear(&[wish(1, 1)]).await;
    assert_eq!((desk.state_of(1).await.as_str(), desk.seats().await), ("cancelled", (1, 0, 0)));
}

pub(crate) async fn an_order_call_under_way_is_taken_back_first_and_its_answer_is_stale(store: Store) {
    let desk = Desk::open(store, 1).await;
    desk.take([1]).await;
    let call = desk.lease_one().await;
    desk.hear(&[wish(1, 1)]).await;
    assert_eq!(desk.record(&call, Answer::Made("O-1".into())).await, Recorded::Stale);
    assert_eq!(desk.seats().await, (0, 1, 0), "an order may exist");
    let undo = desk.lease_one().await;
    desk.record(&undo, Answer::Gone).await;
    assert_eq!((desk.state_of(1).await.as_str(), desk.seats().await), ("cancelled", (1, 0, 0)));
}

pub(crate) async fn an_order_stays_an_order_until_it_is_taken_back_and_then_its_seat_goes_on(store: Store) {
    let desk = Desk::open(store, 1).await;
    desk.order(1).await;
    desk.hear(&[wish(1, 1)]).await;
    let row = desk.book.rows(&desk.event, 0, 1).await.unwrap().remove(0);
    assert_eq!((row.state.as_str(), row.outcome), ("undoing", Some(domain::Outcome::Ordered)));
    let undo = desk.lease_one().await;
    desk.record(&undo, Answer::Gone).await;
    assert_eq!(desk.notices().await, ["application.cancelled", "application.ordered"]);
    desk.order(2).await;
    assert_eq!(desk.seats().await, (0, 0, 1));
}

pub(crate) async fn what_has_ended_otherwise_stays_as_it_is(store: Store) {
    let desk = Desk::open(store, 1).await;
    desk.take([1]).await;
    let call = desk.lease_one().await;
    desk.record(&call, Answer::No).await;
    desk.hear(&[wish(1, 1)]).await;
    assert_eq!(desk.state_of(1).await, "rejected");
}

pub(crate) async fn a_wish_that_contradicts_the_book_freezes_the_event(store: Store) {
    let desk = Desk::open(store, 2).await;
    desk.take([1]).await;
    let other = Wish { id: 1, app_key: key(9), number: Number::new(1).unwrap() };
    let frozen = desk.book.hear(&desk.event, desk.fence, &[other], 1).await;
    assert!(matches!(frozen, Err(BookError::Frozen(_))));
    assert!(matches!(
        desk.book.take(&desk.event, desk.fence, &newcomers([2])).await,
        Err(BookError::Frozen(_))
    ));
}
