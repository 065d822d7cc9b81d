//! What the pages promise: changes reach the progress document soon, and the end of the stock reaches everyone.

use std::time::Duration;

use domain::Release;
use serde_json::json;
use signup_service::Config;

use crate::harness::{PROGRESS, SignupHarness};

#[tokio::test]
async fn everyone_polls_often_while_the_last_seats_are_taken() {
    let mut harness = SignupHarness::open().await;
    let poll = async |harness: &SignupHarness| harness.get(PROGRESS).await.json()["poll"].clone();
    harness.project(|p| p.figures.free = 75).await;
    assert_eq!(poll(&harness).await, json!({ "near_ms": 1000, "far_ms": 10_000 }), "15 s are left");
    harness.project(|p| p.figures.free = 74).await;
    assert_eq!(poll(&harness).await, json!({ "near_ms": 1000, "far_ms": 2000 }));
    harness.project(|p| p.settings.release = Release::Paused).await;
    assert_eq!(poll(&harness).await["far_ms"], 10_000);
    harness.project(|p| (p.settings.release, p.figures.free) = (Release::Running, 0)).await;
    assert_eq!(poll(&harness).await["far_ms"], 10_000, "no seat is left");
}

#[tokio::test]
async fn a_change_is_in_the_progress_document_within_a_second() {
    let mut harness = SignupHarness::open().await;
    let signup = signup_service::SignupState::open(
        Config::default(),
        harness.queue.clone(),
        crate::harness::keys(),
        &harness.ctx,
    )
    .await;
    harness.signup = signup;
    harness.projection.rev += 1;
    harness.projection.round += 1;
    harness.projection.settings.release = Release::Paused;
    let projection = harness.projection.clone();
    harness.queue.project(&projection.settings.id.clone(), 1, projection).await.unwrap();
    let paused = tokio::time::timeout(Duration::from_secs(1), async {
        while harness.get(PROGRESS).await.json()["paused"] != true {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(paused.await.is_ok(), "the document is older than a second");
}
