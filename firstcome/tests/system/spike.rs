//! Three thousand people at once for three hundred seats.

use std::collections::BTreeSet;

use tokio::task::JoinSet;

use crate::crowd::{Ack, Crowd};
use crate::harness::{SystemHarness, event};

const SEATS: u32 = 300;
const PEOPLE: u32 = 3000;

fn numbers(acks: &[Ack]) -> Vec<u32> {
    acks.iter().map(|ack| ack.number).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_thousand_for_three_hundred_seats_leave_exactly_the_lowest_numbers_with_orders() {
    let harness = SystemHarness::open(event(SEATS, 20_000)).await;
    let crowd = Crowd::before(&harness.url(), "spring");
    let acks = crowd.apply(0..PEOPLE).await;
    assert_eq!(numbers(&acks), (1..=PEOPLE).collect::<Vec<_>>(), "no number twice, none left out");
    let again = crowd.apply(0..100).await;
    for ack in &again {
        let first = acks.iter().find(|first| first.person == ack.person).unwrap();
        assert_eq!(ack.number, first.number, "pressed again");
    }

    crowd.until("the last seat to be sold", |p| p["sold"] == SEATS).await;
    crowd.until("the event to be settled", |p| p["state"] == "settled").await;
    let ends = crowd.ends(&acks).await;
    assert_eq!(ends["ordered"], (1..=SEATS).collect::<Vec<_>>());
    assert_eq!(ends["sold_out"], (SEATS + 1..=PEOPLE).collect::<Vec<_>>());
    let orders = harness.orders().await.unwrap();
    let placed: BTreeSet<_> = orders.iter().map(|order| order.app_key).collect();
    assert_eq!((orders.len(), placed.len()), (SEATS as usize, SEATS as usize));
    assert!(orders.iter().all(|order| order.live));

    let report = harness.stop_and_verify(&acks).await;
    assert_eq!(
        (report["applications"].as_u64(), report["sold"].as_u64()),
        (Some(u64::from(PEOPLE)), Some(u64::from(SEATS)))
    );
}

/// Every third person cancels, some before their turn, some while being ordered, some with an order in hand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_cancels_raining_every_seat_is_sold_to_the_lowest_numbers_that_stayed() {
    let harness = SystemHarness::open(event(SEATS, 600_000)).await;
    let crowd = Crowd::before(&harness.url(), "spring");
    let acks = crowd.apply(0..PEOPLE).await;
    let leaving: BTreeSet<u32> =
        acks.iter().filter(|ack| ack.number % 3 == 0).map(|ack| ack.number).collect();
    let mut raining = JoinSet::new();
    for ack in acks.iter().filter(|ack| leaving.contains(&ack.number)) {
        let (crowd, ack) = (crowd.clone(), ack.clone());
        raining.spawn(async move {
            crowd.cancel(&ack).await;
            crowd.cancel(&ack).await;
        });
    }
    raining.join_all().await;

    // What is taken back goes to the next number: in the end exactly those who stayed, in order.
    let stayed: Vec<u32> =
        numbers(&acks).into_iter().filter(|n| !leaving.contains(n)).take(SEATS as usize).collect();
    let last = *stayed.last().unwrap();
    crowd
        .until("the queue to move to the last seat", |p| {
            p["admitted_through"].as_u64() >= Some(u64::from(last)) && p["sold"] == SEATS
        })
        .await;
    let mut ends = crowd.ends(&acks).await;
    for _ in 0..200 {
        if ends.get("ordered") == Some(&stayed) && ends.get("cancelled").map(Vec::len) == Some(leaving.len())
        {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        ends = crowd.ends(&acks).await;
    }
    assert_eq!(ends["ordered"], stayed);
    assert_eq!(ends["cancelled"], leaving.into_iter().collect::<Vec<_>>());
    let live = harness.orders().await.unwrap().into_iter().filter(|order| order.live).count();
    assert_eq!(live, SEATS as usize);
    harness.stop_and_verify(&acks).await;
}
