//! Events, leads and the mover's transaction.

use domain::{Fence, Number, Release};
use orders::{BookError, Created, Newcomer, Taken};

use crate::desk::{Desk, NOON, Store, key, newcomers, settings};

pub(crate) async fn an_event_is_made_once_with_all_its_seats(store: Store) {
    let desk = Desk::open(store, 100).await;
    assert_eq!(desk.book.create_event(&settings(500), "again").await.unwrap(), Created::Known(1));
    assert_eq!(desk.seats().await, (100, 0, 0));
    let event = desk.book.event(&desk.event).await.unwrap();
    assert_eq!((event.settings, event.rev, event.line_limit), (settings(100), 1, 0));
    assert_eq!(desk.book.events().await.unwrap().len(), 1);
}

pub(crate) async fn wrong_settings_are_refused_with_every_mistake(store: Store) {
    let desk = Desk::open(store, 1).await;
    let mut wrong = settings(0);
    (wrong.id, wrong.in_flight_max) = ("summer".parse().unwrap(), 0);
    let refused = desk.book.create_event(&wrong, "test").await.unwrap_err().to_string();
    assert!(refused.contains("capacity") && refused.contains("in_flight_max"), "{refused}");
}

pub(crate) async fn one_leads_at_a_time_and_who_stood_still_is_refused_afterwards(store: Store) {
    let desk = Desk::open(store, 10).await;
    assert_eq!(desk.book.lead(&desk.event).await.unwrap(), None);
    desk.clock.advance(3001);
    let next = desk.book.lead(&desk.event).await.unwrap().unwrap();
    assert_eq!(next.fence, Fence(desk.fence.0 + 1));
    let late = desk.book.take(&desk.event, desk.fence, &newcomers([1])).await;
    assert!(matches!(late, Err(BookError::Lost)), "{late:?}");
    assert_eq!(desk.seats().await, (10, 0, 0));
}

pub(crate) async fn a_lead_that_is_used_lasts_and_one_given_back_is_free_at_once(store: Store) {
    let desk = Desk::open(store, 10).await;
    for _ in 0..5 {
        desk.clock.advance(2000);
        desk.book.extend(&desk.event, desk.fence).await.unwrap();
    }
    assert_eq!(desk.book.lead(&desk.event).await.unwrap(), None);
    desk.book.step_down(&desk.event, desk.fence).await.unwrap();
    assert!(desk.book.lead(&desk.event).await.unwrap().is_some());
}

pub(crate) async fn an_era_is_never_used_twice_and_the_limit_never_falls(store: Store) {
    let desk = Desk::open(store, 10).await;
    let first = desk.book.start_era(&desk.event, desk.fence).await.unwrap();
    desk.book.raise_limit(&desk.event, desk.fence, 1000).await.unwrap();
    desk.book.raise_limit(&desk.event, desk.fence, 400).await.unwrap();
    let second = desk.book.start_era(&desk.event, desk.fence).await.unwrap();
    assert_eq!((first.epoch.0, first.line_limit), (1, 0));
    assert_eq!((second.epoch.0, second.line_limit), (2, 1000));
    let lost = desk.book.start_era(&desk.event, Fence(desk.fence.0 - 1)).await;
    assert!(matches!(lost, Err(BookError::Lost)));
}

pub(crate) async fn seats_go_to_the_lowest_numbers_and_end_with_the_capacity(store: Store) {
    let desk = Desk::open(store, 3).await;
    let taken = desk.take(1..=5).await;
    assert_eq!(taken, Taken { known: vec![key(1), key(2), key(3)], seated: 3, all: false });
    assert_eq!(desk.seats().await, (0, 3, 0));
    let seats = desk.book.seat_rows(&desk.event).await.unwrap();
    assert_eq!(
        seats.iter().map(|seat| seat.app_key).collect::<Vec<_>>(),
        [Some(key(1)), Some(key(2)), Some(key(3))]
    );
}

pub(crate) async fn a_round_that_is_repeated_takes_nobody_twice(store: Store) {
    let desk = Desk::open(store, 10).await;
    desk.take(1..=3).await;
    let taken = desk.take(1..=4).await;
    assert_eq!(taken, Taken { known: (1..=4).map(key).collect(), seated: 1, all: true });
    assert_eq!(desk.seats().await, (6, 4, 0));
}

pub(crate) async fn a_line_that_contradicts_the_book_freezes_the_event(store: Store) {
    for contradiction in [
        Newcomer { number: Number::new(2).unwrap(), app_key: key(9), contact: String::new() },
        Newcomer { number: Number::new(9).unwrap(), app_key: key(2), contact: String::new() },
    ] {
        let desk = Desk::open(store, 10).await;
        desk.take(1..=3).await;
        let mut head = newcomers([4]);
        head.push(contradiction);
        let frozen = desk.book.take(&desk.event, desk.fence, &head).await;
        assert!(matches!(frozen, Err(BookError::Frozen(_))), "{frozen:?}");
        assert_eq!(desk.state_of(4).await, "absent", "nothing of that round stays");
        let event = desk.book.event(&desk.event).await.unwrap();
        assert!(event.frozen.as_ref().unwrap().contains("earlier state"));
        assert_eq!(desk.book.room(&event).await.unwrap(), 0);
        assert!(matches!(
            desk.book.take(&desk.event, desk.fence, &newcomers([4])).await,
            Err(BookError::Frozen(_))
        ));
        assert_eq!(desk.notices().await, ["event.frozen"]);
    }
}

pub(crate) async fn room_is_what_seats_and_orders_under_way_leave(store: Store) {
    let mut few = settings(100);
    few.in_flight_max = 5;
    let desk = Desk::open_with(store, few).await;
    let event = desk.book.event(&desk.event).await.unwrap();
    assert_eq!(desk.book.room(&event).await.unwrap(), 5);
    desk.take(1..=3).await;
    assert_eq!(desk.book.room(&event).await.unwrap(), 2);
    for release in [Release::Paused, Release::Draining] {
        let mut stopped = event.clone();
        stopped.settings.release = release;
        assert_eq!(desk.book.room(&stopped).await.unwrap(), 0);
    }
    let desk = Desk::open(store, 2).await;
    desk.take(1..=1).await;
    assert_eq!(desk.book.room(&desk.book.event(&desk.event).await.unwrap()).await.unwrap(), 1);
}

pub(crate) async fn what_was_written_is_there_for_the_next_process(store: Store) {
    let desk = Desk::open(store, 10).await;
    desk.take(1..=3).await;
    desk.book.close().await;
    let again = desk.reopened().await;
    assert_eq!(again.rows(&desk.event, 0, 10).await.unwrap().len(), 3);
    assert_eq!(again.event(&desk.event).await.unwrap().settings.opens_at, NOON);
}
