//! The status of an application: what its receipt shows in each state, and what it never shows.

use domain::{Epoch, EventState, Outcome, Release};
use queue::{ArmRequest, Continuity};
use serde_json::json;

use crate::harness::{PHONE, SignupHarness, settings, spring, status_path};

#[tokio::test]
async fn a_receipt_shows_each_state_of_its_application() {
    let mut harness = SignupHarness::open().await;
    let path = status_path(&harness.apply_many(2).await.json());
    let waiting = harness.get(&path).await;
    assert_eq!((waiting.status, waiting.header("cache-control")), (200, "no-store"));
    let waiting = waiting.json();
    assert_eq!(
        (&waiting["state"], &waiting["ahead"], &waiting["right"]),
        (&json!("waiting"), &json!(1), &json!("full"))
    );
    harness.admit_through(1).await;
    assert_eq!(harness.get(&path).await.json()["ahead"], 0);
    harness.admit_through(2).await;
    assert_eq!(harness.get(&path).await.json()["state"], "ordering");
    harness.project_outcome(2, Outcome::Ordered, Some("A-2")).await;
    let ordered = harness.get(&path).await.json();
    assert_eq!((&ordered["state"], &ordered["order_no"]), (&json!("ordered"), &json!("A-2")));
    harness.project_outcome(2, Outcome::Cancelled, None).await;
    assert_eq!(harness.get(&path).await.json()["state"], "cancelled");
}

#[tokio::test]
async fn a_waiting_application_is_sold_out_once_the_event_settles() {
    let mut harness = SignupHarness::open().await;
    let path = status_path(&harness.apply_many(3).await.json());
    harness.queue.settle(&spring(), 1).await.unwrap();
    harness.project(|p| (p.state, p.settled_seq) = (EventState::Settled, Some(3))).await;
    assert_eq!(harness.get(&path).await.json()["state"], "sold_out");
}

#[tokio::test]
async fn an_altered_receipt_is_404() {
    let harness = SignupHarness::open().await;
    let path = status_path(&harness.apply(PHONE, None).await.json());
    let mut altered = path.clone();
    let last = if altered.pop() == Some('A') { 'B' } else { 'A' };
    // The last letter may have bits that are not part of the receipt, so one in the middle is altered too.
    let at = path.rfind('.').unwrap() + 20;
    let middle = if &path[at..=at] == "x" { "y" } else { "x" };
    for bad in [format!("{altered}{last}"), format!("{}{middle}{}", &path[..at], &path[at + 1..])] {
        assert_eq!(harness.get(&bad).await.problem(), (404, "not-found".into()));
    }
    for bad in ["k1.AAAA", "%ff%fe", "x", "%00", &"9".repeat(3000)] {
        let response = harness.get(&format!("/application/com/v1/get/application/{bad}")).await;
        assert_eq!(response.problem(), (404, "not-found".into()), "{bad}");
        assert_eq!(harness.get(&format!("/a/{bad}")).await.status, 404);
    }
}

#[tokio::test]
async fn an_application_that_the_queue_lost_is_503_and_never_404() {
    let harness = SignupHarness::open().await;
    let applied = harness.apply(PHONE, None).await.json();
    // A signup service with the same keys on a queue that lost everything and is not armed.
    let other_queue = SignupHarness::unarmed().await;
    other_queue.signup.refresh().await;
    let response = other_queue.get(&status_path(&applied)).await;
    assert_eq!(response.problem(), (503, "place-safe".into()));
    assert!(response.json()["detail"].as_str().unwrap().contains("번호는 그대로예요"));
    assert!(!response.header("retry-after").is_empty());
    let page = other_queue.get(&format!("/a/{}", applied["receipt"].as_str().unwrap())).await;
    assert!(page.status == 503 && page.text().contains("번호는 그대로예요"));
    // The queue is armed but does not have the application: still 503.
    other_queue.arm("spring").await;
    other_queue.queue.publish(&[spring()]).await.unwrap();
    other_queue.signup.refresh().await;
    assert_eq!(other_queue.get(&status_path(&applied)).await.problem(), (503, "place-safe".into()));
}

/// Arms the queue after a restart: it skips the numbers up to this one.
async fn restart_from(harness: &SignupHarness, number_limit: u32) {
    let arming = ArmRequest {
        epoch: Epoch(2),
        number_limit,
        continuity: Continuity::Unknown,
        settings: settings("spring"),
        rev: 2,
    };
    harness.queue.arm(&spring(), 1, arming).await.unwrap();
}

#[tokio::test]
async fn skipped_numbers_count_neither_as_ahead_nor_for_the_rank() {
    let mut harness = SignupHarness::open().await;
    harness.apply_many(2).await;
    restart_from(&harness, 500).await;
    harness.project(|p| p.number_limit = 900).await;
    let third = harness.apply("010-7777-7777", Some("x")).await.json();
    assert_eq!((&third["number"], &third["ahead"]), (&json!(501), &json!(2)));
    assert_eq!(third["waitlist_number"], 1);
    let progress = harness.get(crate::harness::PROGRESS).await.json();
    assert_eq!(progress["gaps"], json!([{ "from": 3, "to": 500 }]));
}

#[tokio::test]
async fn numbers_skipped_since_the_last_refresh_do_not_count_as_ahead() {
    let harness = SignupHarness::open().await;
    harness.apply_many(2).await;
    restart_from(&harness, 500).await;
    let mut projection = harness.projection.clone();
    (projection.round, projection.number_limit) = (99, 900);
    harness.queue.project(&spring(), 1, projection).await.unwrap();
    // There was no refresh since, so the documents have the old gaps.
    let third = harness.apply("010-7777-7777", Some("x")).await.json();
    assert_eq!((&third["number"], &third["ahead"]), (&json!(501), &json!(2)));
}

#[tokio::test]
async fn the_page_of_a_receipt_shows_each_state() {
    let mut harness = SignupHarness::open().await;
    let applied = harness.apply_many(2).await.json();
    let waitlisted = harness.apply("010-7777-7777", Some("late")).await.json();
    let page = format!("/a/{}", applied["receipt"].as_str().unwrap());
    let waitlisted_page = format!("/a/{}", waitlisted["receipt"].as_str().unwrap());
    let state = async |harness: &SignupHarness, path: &str| {
        let text = harness.get(path).await.text();
        let at = text.find("data-state=\"").unwrap() + 12;
        text[at..].split('"').next().unwrap().to_owned()
    };
    assert_eq!(state(&harness, &page).await, "waiting");
    assert_eq!(state(&harness, &waitlisted_page).await, "waitlisted");
    harness.project(|p| p.settings.release = Release::Paused).await;
    assert_eq!(state(&harness, &page).await, "paused");
    harness
        .project(|p| {
            p.settings.release = Release::Running;
            (p.figures.sold, p.figures.free) = (2, 0);
        })
        .await;
    assert_eq!(state(&harness, &waitlisted_page).await, "claimed");
    harness.admit_through(2).await;
    assert_eq!(state(&harness, &page).await, "ordering");
    assert_eq!(state(&harness, &format!("{page}?asked=cancel")).await, "cancelling");
    harness.project_outcome(2, Outcome::Ordered, Some("A<2>")).await;
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
    let mut responses = vec![applied, harness.apply(PHONE, None).await];
    for path in
        [&status_path(&json), &page, crate::harness::PROGRESS, "/e/spring", "/event/com/v1/list/event"]
    {
        responses.push(harness.get(path).await);
    }
    for response in responses {
        let all = format!("{}{:?}", response.text(), response.headers);
        for private in ["홍길동", "1012345678", "1234-5678", "12345678"] {
            // The placeholder of the form equals the phone number of the test.
            let all = all.replace("placeholder=\"010-1234-5678\"", "");
            assert!(!all.contains(private), "{private} in {all}");
        }
    }
}
