//! One's own application: what its receipt shows at every step, and what it never says.

use domain::{Epoch, EventState, Outcome, Release};
use queue::ArmRequest;
use serde_json::json;

use crate::harness::{PHONE, SignupHarness, own_path, settings, spring};

#[tokio::test]
async fn a_receipt_shows_each_step_of_its_application() {
    let mut harness = SignupHarness::open().await;
    let path = own_path(&harness.crowd(2).await.json());
    let waiting = harness.get(&path).await;
    assert_eq!((waiting.status, waiting.header("cache-control")), (200, "no-store"));
    let waiting = waiting.json();
    assert_eq!(
        (&waiting["state"], &waiting["ahead"], &waiting["right"]),
        (&json!("waiting"), &json!(1), &json!("full"))
    );
    harness.admitted(1).await;
    assert_eq!(harness.get(&path).await.json()["ahead"], 0);
    harness.admitted(2).await;
    assert_eq!(harness.get(&path).await.json()["state"], "ordering");
    harness.shown(2, Outcome::Ordered, Some("A-2")).await;
    let ordered = harness.get(&path).await.json();
    assert_eq!((&ordered["state"], &ordered["order_no"]), (&json!("ordered"), &json!("A-2")));
    harness.shown(2, Outcome::Cancelled, None).await;
    assert_eq!(harness.get(&path).await.json()["state"], "cancelled");
}

#[tokio::test]
async fn who_still_waits_when_an_event_settles_sees_that_it_is_over() {
    let mut harness = SignupHarness::open().await;
    let path = own_path(&harness.crowd(3).await.json());
    harness.queue.settle(&spring(), 1).await.unwrap();
    harness.project(|p| (p.state, p.settled_seq) = (EventState::Settled, Some(3))).await;
    assert_eq!(harness.get(&path).await.json()["state"], "sold_out");
}

#[tokio::test]
async fn an_altered_receipt_is_nothing() {
    let harness = SignupHarness::open().await;
    let path = own_path(&harness.apply(PHONE, None).await.json());
    let mut altered = path.clone();
    let last = if altered.pop() == Some('A') { 'B' } else { 'A' };
    // The last letter may hold bits that are no part of the text: alter one in the middle too.
    let at = path.rfind('.').unwrap() + 20;
    let middle = if &path[at..=at] == "x" { "y" } else { "x" };
    for bad in [format!("{altered}{last}"), format!("{}{middle}{}", &path[..at], &path[at + 1..])] {
        assert_eq!(harness.get(&bad).await.problem(), (404, "not-found".into()));
    }
    for bad in ["k1.AAAA", "%ff%fe", "x", "%00", &"9".repeat(3000)] {
        let answer = harness.get(&format!("/application/com/v1/get/application/{bad}")).await;
        assert_eq!(answer.problem(), (404, "not-found".into()), "{bad}");
        assert_eq!(harness.get(&format!("/a/{bad}")).await.status, 404);
    }
}

#[tokio::test]
async fn after_a_restart_a_place_is_safe_and_never_unknown() {
    let harness = SignupHarness::open().await;
    let applied = harness.apply(PHONE, None).await.json();
    // Another installation has the same keys, and a queue that lost everything and is not armed.
    let after = SignupHarness::unarmed().await;
    after.signup.refresh().await;
    let answer = after.get(&own_path(&applied)).await;
    assert_eq!(answer.problem(), (503, "place-safe".into()));
    assert!(answer.json()["detail"].as_str().unwrap().contains("순번은 그대로예요"));
    assert!(!answer.header("retry-after").is_empty());
    let page = after.get(&format!("/a/{}", applied["receipt"].as_str().unwrap())).await;
    assert!(page.status == 503 && page.text().contains("순번은 그대로예요"));
    // Armed, but without the application: still not gone.
    after.arm("spring").await;
    after.queue.publish(&[spring()]).await.unwrap();
    after.signup.refresh().await;
    assert_eq!(after.get(&own_path(&applied)).await.problem(), (503, "place-safe".into()));
}

#[tokio::test]
async fn skipped_numbers_have_no_application() {
    let mut harness = SignupHarness::open().await;
    harness.crowd(2).await;
    let arming = ArmRequest {
        epoch: Epoch(2),
        number_limit: 500,
        unopened: false,
        settings: settings("spring"),
        rev: 2,
    };
    harness.queue.arm(&spring(), 1, arming).await.unwrap();
    harness.project(|p| p.number_limit = 900).await;
    let third = harness.apply("010-7777-7777", Some("x")).await.json();
    assert_eq!((&third["number"], &third["ahead"]), (&json!(501), &json!(2)));
    assert_eq!(third["waitlist_number"], 1);
    let progress = harness.get(crate::harness::PROGRESS).await.json();
    assert_eq!(progress["gaps"], json!([{ "from": 3, "to": 500 }]));
}

#[tokio::test]
async fn a_page_that_was_armed_anew_between_two_refreshes_counts_no_skipped_numbers() {
    let harness = SignupHarness::open().await;
    harness.crowd(2).await;
    let arming = ArmRequest {
        epoch: Epoch(2),
        number_limit: 500,
        unopened: false,
        settings: settings("spring"),
        rev: 2,
    };
    harness.queue.arm(&spring(), 1, arming).await.unwrap();
    let mut projection = harness.projection.clone();
    (projection.round, projection.number_limit) = (99, 900);
    harness.queue.project(&spring(), 1, projection).await.unwrap();
    // The signup service has not looked since; its gaps are the old ones.
    let third = harness.apply("010-7777-7777", Some("x")).await.json();
    assert_eq!((&third["number"], &third["ahead"]), (&json!(501), &json!(2)));
}

#[tokio::test]
async fn the_receipt_s_page_shows_each_step() {
    let mut harness = SignupHarness::open().await;
    let applied = harness.crowd(2).await.json();
    let late = harness.apply("010-7777-7777", Some("late")).await.json();
    let page = format!("/a/{}", applied["receipt"].as_str().unwrap());
    let late_page = format!("/a/{}", late["receipt"].as_str().unwrap());
    let state = async |harness: &SignupHarness, path: &str| {
        let text = harness.get(path).await.text();
        let at = text.find("data-state=\"").unwrap() + 12;
        text[at..].split('"').next().unwrap().to_owned()
    };
    assert_eq!(state(&harness, &page).await, "waiting");
    assert_eq!(state(&harness, &late_page).await, "waitlisted");
    harness.project(|p| p.settings.release = Release::Paused).await;
    assert_eq!(state(&harness, &page).await, "paused");
    harness
        .project(|p| {
            p.settings.release = Release::Running;
            (p.figures.sold, p.figures.free) = (2, 0);
        })
        .await;
    assert_eq!(state(&harness, &late_page).await, "claimed");
    harness.admitted(2).await;
    assert_eq!(state(&harness, &page).await, "ordering");
    assert_eq!(state(&harness, &format!("{page}?asked=cancel")).await, "cancelling");
    harness.shown(2, Outcome::Ordered, Some("A<2>")).await;
    assert_eq!(state(&harness, &page).await, "ordered");
    let text = harness.get(&page).await.text();
    assert!(text.contains("A&#60;2&#62;") && !text.contains("A<2>"));
}

#[tokio::test]
async fn no_response_identifies_a_person() {
    let harness = SignupHarness::open().await;
    let applied = harness.apply(PHONE, Some("mine")).await;
    let json = applied.json();
    let page = format!("/a/{}", json["receipt"].as_str().unwrap());
    let mut answers = vec![applied, harness.apply(PHONE, None).await];
    for path in [&own_path(&json), &page, crate::harness::PROGRESS, "/e/spring", "/event/com/v1/list/event"] {
        answers.push(harness.get(path).await);
    }
    for answer in answers {
        let all = format!("{}{:?}", answer.text(), answer.headers);
        for private in ["홍길동", "1012345678", "1234-5678", "12345678"] {
            // The form's hint is no one's number, but it looks like this one.
            let all = all.replace("placeholder=\"010-1234-5678\"", "");
            assert!(!all.contains(private), "{private} in {all}");
        }
    }
}
