//! A line whose server is killed, wiped, put back to an older copy, reloaded or full.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::{Gap, Number};
use queue::{LeadError, Line, Mark, Refused};
use testkit::{RedisKind, TempFolder};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{both, house};
use crate::house::{FENCE, House, applicant, arming, contact, event, key, number, restored};

both! {
    nothing_acknowledged_is_lost_when_the_server_is_killed_mid_batches
    a_wiped_server_is_filled_again_above_every_number
    a_server_put_back_to_an_older_copy_is_noticed_by_who_knew_more
    a_line_that_went_back_disarms_itself_for_everybody
    loading_the_functions_again_disarms_and_installing_does_not
    a_full_server_refuses_applications_whole_and_still_drains
    two_desks_give_each_person_one_number
}

/// Applies for one after the other while the server lives; who is told to press again does.
async fn press_until(
    down: Arc<AtomicBool>,
    line: Line,
    people: std::ops::Range<u32>,
    told: mpsc::Sender<(u32, Number)>,
) {
    for who in people {
        let applied = loop {
            match line.apply(&event(), applicant(who)).await {
                Ok(applied) => break applied,
                Err(Refused::Unavailable(_)) if !down.load(Ordering::SeqCst) => {
                    tokio::task::yield_now().await;
                }
                Err(_) => return,
            }
        };
        told.send((who, applied.number)).await.unwrap();
    }
}

async fn nothing_acknowledged_is_lost_when_the_server_is_killed_mid_batches(kind: RedisKind) {
    let mut house = house(kind).await;
    house.project(|p| p.line_limit = 100_000).await;
    let mut acknowledged = BTreeMap::new();
    for round in 0..3u32 {
        let (told, mut heard) = mpsc::channel(10_000);
        let (mut desks, down) = (JoinSet::new(), Arc::new(AtomicBool::new(false)));
        for desk in 0..64 {
            let start = round * 1_000_000 + desk * 10_000;
            let people = start..start + 10_000;
            desks.spawn(press_until(Arc::clone(&down), house.line().clone(), people, told.clone()));
        }
        drop(told);
        for _ in 0..300 {
            let (who, number) = heard.recv().await.unwrap();
            acknowledged.insert(who, number);
        }
        house.server().kill().await.unwrap();
        down.store(true, Ordering::SeqCst);
        desks.join_all().await;
        while let Some((who, number)) = heard.recv().await {
            acknowledged.insert(who, number);
        }
        house.server().restart().await.unwrap();
        assert!(!house.view_when_back().await.armed);
        house.line().publish(&[event()]).await.unwrap();
        let limit = house.view().await.line_limit;
        let armed = house.line().arm(&event(), FENCE, arming(round + 2, limit)).await.unwrap();
        assert_eq!((armed.seq, house.view().await.gaps.runs().last().unwrap().to), (limit, limit));
        house.project(|p| p.line_limit = limit + 100_000).await;
    }
    assert!(acknowledged.len() >= 900);
    for (who, number) in &acknowledged {
        assert_eq!(house.place(*who).await.number, *number);
    }
}

impl House {
    /// Applies as people do: told to press again, they press again.
    async fn press(&self, who: u32) -> Number {
        loop {
            match self.apply(who).await {
                Err(Refused::Unavailable(_)) => {}
                applied => return applied.unwrap().number,
            }
        }
    }

    /// The first question after a restart may find its connection broken.
    async fn view_when_back(&self) -> queue::LineView {
        loop {
            match self.line().view(&event()).await {
                Ok(view) => return view,
                Err(Refused::Unavailable(_)) => {}
                Err(other) => panic!("{other}"),
            }
        }
    }
}

async fn a_wiped_server_is_filled_again_above_every_number(kind: RedisKind) {
    let mut house = house(kind).await;
    house.fill(3).await;
    house.server().kill().await.unwrap();
    house.server().wipe().unwrap();
    house.server().restart().await.unwrap();
    let told = loop {
        match house.line().catalogue().await {
            Err(Refused::Unavailable(why)) if why.contains("firstcome migrate") => break why,
            Err(Refused::Unavailable(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(told.contains("lacks the functions of this version"));
    drop(house.another_store_installs().await);
    assert_eq!(house.line().view(&event()).await, Err(Refused::NotArmed));
    assert_eq!(
        house.line().project(&event(), FENCE, crate::house::projection()).await,
        Err(LeadError::UnknownEvent)
    );
    house.line().publish(&[event()]).await.unwrap();
    house.line().arm(&event(), FENCE, arming(2, 1_000)).await.unwrap();
    let rows: Vec<_> = (1..=3).map(|n| restored(n, n, Mark::Waiting)).collect();
    house.line().restore(&event(), FENCE, &rows).await.unwrap();
    house.project(|p| p.line_limit = 2_000).await;
    for who in 1..=3 {
        assert_eq!(house.place(who).await.number, number(who));
    }
    assert_eq!(house.press(4).await, number(1_001));
    assert_eq!(house.head(9).await.0, [1, 2, 3, 1_001]);
    assert_eq!(house.line().head(&event(), 1).await.unwrap().waiting[0].contact, contact(1));
}

async fn a_server_put_back_to_an_older_copy_is_noticed_by_who_knew_more(kind: RedisKind) {
    let (mut house, copies) = (house(kind).await, TempFolder::new("copies"));
    house.fill(2).await;
    let copy = copies.path().join("older");
    house.server().copy_data(&copy).unwrap();
    house.line().arm(&event(), FENCE, arming(2, 0)).await.unwrap();
    house.project(|p| p.line_limit = 3_000).await;
    assert_eq!(house.apply(3).await.unwrap().number, number(1_001));
    house.cancel(1).await;
    let position = house.inbox().await[0].id;
    house.server().kill().await.unwrap();
    house.server().put_back(&copy).unwrap();
    house.server().restart().await.unwrap();
    assert!(!house.view_when_back().await.armed);
    // The book went back, too, and knows no better.
    house.line().publish(&[event()]).await.unwrap();
    assert_eq!(house.line().arm(&event(), FENCE, arming(2, 0)).await.unwrap().seq, 1_000);
    house.project(|p| p.line_limit = 3_000).await;
    assert!(!house.view().await.armed, "this process was told 1,001");
    house.line().arm(&event(), FENCE, arming(3, 3_000)).await.unwrap();
    house.project(|p| p.line_limit = 4_000).await;
    assert_eq!(house.press(4).await, number(3_001));
    assert_eq!(house.view().await.gaps.runs(), [Gap { from: 3, to: 3_000 }]);
    // The book keeps its position in the inbox, so a wish must never come at or below it.
    house.cancel(2).await;
    assert_eq!(house.line().inbox(&event(), position, 9).await.unwrap().len(), 1);
}

async fn a_line_that_went_back_disarms_itself_for_everybody(kind: RedisKind) {
    let mut house = house(kind).await;
    let other = house.another_handle(|_| {}).await;
    house.fill(3).await;
    house.meddle::<()>(&["HSET", "q:{spring}:m", "seq", "2"]).await;
    assert_eq!(other.apply(&event(), applicant(1)).await.unwrap().number, number(1));
    assert!(other.view(&event()).await.unwrap().armed, "it knows no more than the line");
    assert_eq!(house.apply(1).await.unwrap().number, number(1));
    assert_eq!(house.apply(4).await, Err(Refused::Regressed));
    assert_eq!(house.apply(4).await, Err(Refused::NotArmed));
    assert_eq!(other.apply(&event(), applicant(4)).await, Err(Refused::NotArmed));
}

async fn loading_the_functions_again_disarms_and_installing_does_not(kind: RedisKind) {
    let mut house = house(kind).await;
    house.fill(1).await;
    drop(house.another_store_installs().await);
    assert!(house.apply(2).await.is_ok(), "they were there, so nothing was loaded");
    let dump: Vec<u8> = house.meddle(&["FUNCTION", "DUMP"]).await;
    let client = redis::Client::open(house.server().url()).unwrap();
    let mut conn = client.get_multiplexed_async_connection().await.unwrap();
    let mut restore = redis::cmd("FUNCTION");
    restore.arg("RESTORE").arg(dump).arg("REPLACE").exec_async(&mut conn).await.unwrap();
    assert_eq!(house.apply(3).await, Err(Refused::NotArmed));
    assert_eq!(house.line().catalogue().await, Err(Refused::NotArmed));
    assert_eq!(house.place(1).await.number, number(1));
}

impl House {
    /// Another process starts, and installs first.
    async fn another_store_installs(&mut self) -> Line {
        let mut options = queue::RedisOptions::new(self.server().url(), queue::RedisRole::Worker);
        options.hand_clock = Some(self.now());
        Line::install_redis(&options).await.unwrap();
        Line::open_redis(options).await.unwrap()
    }
}

async fn a_full_server_refuses_applications_whole_and_still_drains(kind: RedisKind) {
    let mut house = house(kind).await;
    house.fill(3).await;
    house.meddle::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let told = house.apply(4).await;
    assert!(matches!(&told, Err(Refused::Unavailable(why)) if why.contains("maxmemory")), "{told:?}");
    assert_eq!((house.view().await.seq, house.head(9).await.0), (3, vec![1, 2, 3]));
    house.moved(2, &[1, 2]).await;
    assert_eq!(house.cancel(3).await.unwrap().mark, Mark::Withdrawn);
    let wish = house.inbox().await[0].id;
    house.line().acknowledge(&event(), FENCE, wish).await.unwrap();
    house.project(|p| p.outcomes = vec![(number(1), crate::house::shown(domain::Outcome::Ordered))]).await;
    assert_eq!(house.view().await.moved_through, 2);
    house.meddle::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    assert_eq!(house.apply(4).await.unwrap().number, number(4));
}

async fn two_desks_give_each_person_one_number(kind: RedisKind) {
    let mut house = house(kind).await;
    house.project(|p| p.line_limit = 10_000).await;
    let desks = [house.another_handle(|_| {}).await, house.another_handle(|_| {}).await];
    let mut all = JoinSet::new();
    for who in 0..1_500 {
        // Every third person presses at both desks at once.
        for desk in desks.iter().take(if who % 3 == 0 { 2 } else { 1 }) {
            let desk = desk.clone();
            all.spawn(async move { (who, desk.apply(&event(), applicant(who)).await.unwrap()) });
        }
    }
    let mut numbers: BTreeMap<u32, Vec<Number>> = BTreeMap::new();
    for (who, applied) in all.join_all().await {
        numbers.entry(who).or_default().push(applied.number);
    }
    assert!(numbers.values().all(|told| told.iter().all(|number| *number == told[0])));
    let mut given: Vec<_> = numbers.values().map(|told| told[0].get()).collect();
    given.sort_unstable();
    assert_eq!(given, (1..=1_500).collect::<Vec<_>>());
    assert_eq!(desks[0].place(&event(), key(3)).await.unwrap().unwrap().number, numbers[&3][0]);
}
