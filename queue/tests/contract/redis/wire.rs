//! What a line makes of a server that is late, silent, or answers another's question.

use std::time::Duration;

use queue::{Applied, Line, Refused};
use testkit::RedisKind;

use super::proxy::{Proxy, Wire};
use super::{both, house};
use crate::house::{House, applicant, event, key, number};

both! {
    an_application_whose_reply_was_lost_is_found_again
    an_answer_to_another_question_is_never_believed
    a_frozen_server_leaves_it_open_and_gives_one_number
    a_paused_server_registers_nobody
}

const PATIENCE: Duration = Duration::from_millis(200);

async fn through(house: &mut House, proxy: &Proxy) -> Line {
    house
        .another_handle(|options| {
            options.url = proxy.url();
            options.response_timeout = PATIENCE;
        })
        .await
}

fn press_again() -> Result<Applied, Refused> {
    Err(Refused::Unavailable("not registered yet: press again".into()))
}

async fn an_application_whose_reply_was_lost_is_found_again(kind: RedisKind) {
    let mut house = house(kind).await;
    let proxy = Proxy::before(house.server().socket()).await;
    let line = through(&mut house, &proxy).await;
    proxy.set(Wire::LosesReplies);
    assert_eq!(line.apply(&event(), applicant(1)).await, press_again());
    let asked = line.ask(&event(), key(1), number(1), queue::AskKind::Cancel).await;
    assert!(matches!(asked, Err(Refused::Unavailable(_))), "{asked:?}");
    proxy.set(Wire::Honest);
    let again = line.apply(&event(), applicant(1)).await.unwrap();
    assert_eq!((again.number, again.again, again.proven), (number(1), true, true));
    assert_eq!(house.view().await.seq, 1);
}

async fn an_answer_to_another_question_is_never_believed(kind: RedisKind) {
    let mut house = house(kind).await;
    let proxy = Proxy::before(house.server().socket()).await;
    let line = through(&mut house, &proxy).await;
    // Every connection has answered once, so that each has something to be behind with.
    for who in 0..40 {
        line.apply(&event(), applicant(who)).await.unwrap();
        line.place(&event(), key(who)).await.unwrap().unwrap();
    }
    proxy.set(Wire::OneBehind);
    let told = line.apply(&event(), applicant(100)).await;
    assert_eq!(told, press_again(), "somebody else's number");
    assert!(line.place(&event(), key(7)).await.is_err(), "somebody else's place");
    proxy.set(Wire::Honest);
    // The connections that were out of step are gone.
    for who in (0..40).chain([100]) {
        let (given, told) =
            (line.apply(&event(), applicant(who)).await, line.place(&event(), key(who)).await);
        let seen = house.place(who).await.number;
        assert_eq!((given.unwrap().number, told.unwrap().unwrap().number), (seen, seen));
    }
}

async fn a_frozen_server_leaves_it_open_and_gives_one_number(kind: RedisKind) {
    let mut house = house(kind).await;
    let line = house.another_handle(|options| options.response_timeout = PATIENCE).await;
    line.apply(&event(), applicant(1)).await.unwrap();
    house.server().freeze().unwrap();
    let told = line.apply(&event(), applicant(2)).await;
    assert!(matches!(told, Err(Refused::Unavailable(_))), "{told:?}");
    house.server().thaw().unwrap();
    assert_eq!(line.apply(&event(), applicant(2)).await.unwrap().number, number(2));
    assert_eq!(house.view().await.seq, 2);
}

async fn a_paused_server_registers_nobody(kind: RedisKind) {
    let mut house = house(kind).await;
    let line = house.another_handle(|options| options.response_timeout = PATIENCE).await;
    line.apply(&event(), applicant(1)).await.unwrap();
    house.meddle::<()>(&["CLIENT", "PAUSE", "600000", "WRITE"]).await;
    let told = line.apply(&event(), applicant(2)).await;
    assert!(matches!(told, Err(Refused::Unavailable(_))), "{told:?}");
    house.meddle::<()>(&["CLIENT", "UNPAUSE"]).await;
    assert_eq!(line.apply(&event(), applicant(2)).await.unwrap().number, number(2));
}
