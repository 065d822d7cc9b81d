//! Cancelling with the full receipt.

use domain::{Number, Outcome, Receipt};
use serde_json::json;

use crate::harness::{PHONE, SignupHarness, cancel_path, keys, spring, status_path};

#[tokio::test]
async fn a_waiting_application_is_cancelled_at_once_and_only_once() {
    let harness = SignupHarness::open().await;
    let applied = harness.apply(PHONE, Some("mine")).await.json();
    for _ in 0..2 {
        let response = harness.post(&cancel_path(&applied), &json!({}), &[]).await;
        assert_eq!((response.status, &response.json()["state"]), (202, &json!("cancelled")));
    }
    assert_eq!(harness.get(&status_path(&applied)).await.json()["state"], "withdrawn");
    let again = harness.apply(PHONE, Some("mine")).await;
    assert_eq!((again.status, &again.json()["state"]), (200, &json!("withdrawn")));
    assert_eq!(again.json()["number"], 1);
    assert_eq!(harness.queue.inbox(&spring(), 0, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_receipt_with_another_number_cancels_nothing() {
    let harness = SignupHarness::open().await;
    let applied = harness.apply(PHONE, Some("mine")).await.json();
    let receipt = Receipt::read(applied["receipt"].as_str().unwrap(), &keys()).unwrap();
    let other = Receipt { number: Number::new(7).unwrap(), ..receipt }.sign(&keys());
    let path = format!("/application/com/v1/cancel/application/{other}");
    let response = harness.post(&path, &json!({}), &[]).await;
    assert_eq!(response.problem(), (503, "place-safe".into()));
    assert_eq!(harness.get(&status_path(&applied)).await.json()["state"], "waiting");
    assert!(harness.queue.inbox(&spring(), 0, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_admitted_application_is_cancelling_until_the_ledger_decides() {
    let mut harness = SignupHarness::open().await;
    let applied = harness.apply(PHONE, Some("mine")).await.json();
    harness.admit_through(1).await;
    let response = harness.post(&cancel_path(&applied), &json!({}), &[]).await;
    assert_eq!((response.status, &response.json()["state"]), (202, &json!("cancelling")));
    harness.project_outcome(1, Outcome::Cancelled, None).await;
    let response = harness.post(&cancel_path(&applied), &json!({}), &[]).await;
    assert_eq!((response.status, &response.json()["state"]), (202, &json!("cancelled")));
}

#[tokio::test]
async fn a_rejected_application_stays_rejected() {
    let mut harness = SignupHarness::open().await;
    let applied = harness.apply(PHONE, Some("mine")).await.json();
    harness.admit_through(1).await;
    harness.project_outcome(1, Outcome::Rejected, None).await;
    let response = harness.post(&cancel_path(&applied), &json!({}), &[]).await;
    assert_eq!((response.status, &response.json()["state"]), (202, &json!("rejected")));
}

#[tokio::test]
async fn a_view_receipt_cannot_cancel_and_the_error_says_how_to() {
    let harness = SignupHarness::open().await;
    let applied = harness.apply(PHONE, Some("mine")).await.json();
    let view = harness.apply(PHONE, None).await.json();
    let response = harness.post(&cancel_path(&view), &json!({}), &[]).await;
    assert_eq!(response.problem(), (403, "view-only".into()));
    assert!(response.json()["detail"].as_str().unwrap().contains("복구 코드"));
    assert_eq!(harness.get(&status_path(&applied)).await.json()["state"], "waiting");
    let page = harness.post_form(&cancel_path(&view), &[("lang", "ko")]).await;
    assert!(page.status == 403 && page.text().contains("복구 코드"));
}

#[tokio::test]
async fn the_cancel_form_redirects_to_the_page() {
    let harness = SignupHarness::open().await;
    let applied = harness.apply(PHONE, Some("mine")).await.json();
    let page = format!("/a/{}", applied["receipt"].as_str().unwrap());
    assert!(harness.get(&page).await.text().contains(&format!("action=\"{}\"", cancel_path(&applied))));
    let response = harness.post_form(&cancel_path(&applied), &[("lang", "ko")]).await;
    assert_eq!((response.status, response.header("location")), (303, page.as_str()));
    assert!(harness.get(&page).await.text().contains("data-state=\"cancelled\""));

    let admitted = harness.apply("010-7777-7777", Some("x")).await.json();
    harness.admit_through(2).await;
    let response = harness.post_form(&cancel_path(&admitted), &[("lang", "ko")]).await;
    assert!(harness.get(response.header("location")).await.text().contains("data-state=\"cancelling\""));
}

#[tokio::test]
async fn a_page_of_another_site_cannot_cancel() {
    let harness = SignupHarness::open().await;
    let applied = harness.apply(PHONE, Some("mine")).await.json();
    let response =
        harness.post(&cancel_path(&applied), &json!({}), &[("sec-fetch-site", "cross-site")]).await;
    assert_eq!(response.problem(), (403, "cross-site".into()));
    let invalid = "/application/com/v1/cancel/application/k1.AAAA";
    assert_eq!(harness.post(invalid, &json!({}), &[]).await.problem(), (404, "not-found".into()));
}

#[tokio::test]
async fn a_cancel_request_for_a_lost_application_is_an_error() {
    let harness = SignupHarness::open().await;
    let applied = harness.apply(PHONE, Some("mine")).await.json();
    let other_queue = SignupHarness::open().await;
    let response = other_queue.post(&cancel_path(&applied), &json!({}), &[]).await;
    assert_eq!(response.problem(), (503, "place-safe".into()));
}
