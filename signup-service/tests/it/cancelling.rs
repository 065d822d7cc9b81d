//! Cancelling: as easy as applying, for the holder of the full receipt.

use domain::{Number, Outcome, Receipt};
use serde_json::json;

use crate::harness::{PHONE, SignupHarness, cancel_path, keys, own_path, spring};

#[tokio::test]
async fn who_waits_is_out_at_once_and_asking_again_changes_nothing() {
    let harness = SignupHarness::open().await;
    let applied = harness.apply(PHONE, Some("mine")).await.json();
    for _ in 0..2 {
        let answer = harness.post(&cancel_path(&applied), &json!({}), &[]).await;
        assert_eq!((answer.status, &answer.json()["state"]), (202, &json!("cancelled")));
    }
    assert_eq!(harness.get(&own_path(&applied)).await.json()["state"], "withdrawn");
    let again = harness.apply(PHONE, Some("mine")).await;
    assert_eq!((again.status, &again.json()["state"]), (200, &json!("withdrawn")));
    assert_eq!(again.json()["number"], 1);
    assert_eq!(harness.queue.inbox(&spring(), 0, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_receipt_of_another_number_withdraws_nothing() {
    let harness = SignupHarness::open().await;
    let applied = harness.apply(PHONE, Some("mine")).await.json();
    let own = Receipt::read(applied["receipt"].as_str().unwrap(), &keys()).unwrap();
    let other = Receipt { number: Number::new(7).unwrap(), ..own }.sign(&keys());
    let path = format!("/application/com/v1/cancel/application/{other}");
    let answer = harness.post(&path, &json!({}), &[]).await;
    assert_eq!(answer.problem(), (503, "place-safe".into()));
    assert_eq!(harness.get(&own_path(&applied)).await.json()["state"], "waiting");
    assert!(harness.queue.inbox(&spring(), 0, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn who_was_admitted_waits_for_the_ledger_s_word() {
    let mut harness = SignupHarness::open().await;
    let applied = harness.apply(PHONE, Some("mine")).await.json();
    harness.admitted(1).await;
    let answer = harness.post(&cancel_path(&applied), &json!({}), &[]).await;
    assert_eq!((answer.status, &answer.json()["state"]), (202, &json!("cancelling")));
    harness.shown(1, Outcome::Cancelled, None).await;
    let answer = harness.post(&cancel_path(&applied), &json!({}), &[]).await;
    assert_eq!((answer.status, &answer.json()["state"]), (202, &json!("cancelled")));
}

#[tokio::test]
async fn what_is_rejected_stays_rejected() {
    let mut harness = SignupHarness::open().await;
    let applied = harness.apply(PHONE, Some("mine")).await.json();
    harness.admitted(1).await;
    harness.shown(1, Outcome::Rejected, None).await;
    let answer = harness.post(&cancel_path(&applied), &json!({}), &[]).await;
    assert_eq!((answer.status, &answer.json()["state"]), (202, &json!("rejected")));
}

#[tokio::test]
async fn a_view_receipt_cannot_cancel_and_is_told_how() {
    let harness = SignupHarness::open().await;
    let applied = harness.apply(PHONE, Some("mine")).await.json();
    let view = harness.apply(PHONE, None).await.json();
    let answer = harness.post(&cancel_path(&view), &json!({}), &[]).await;
    assert_eq!(answer.problem(), (403, "view-only".into()));
    assert!(answer.json()["detail"].as_str().unwrap().contains("확인 코드"));
    assert_eq!(harness.get(&own_path(&applied)).await.json()["state"], "waiting");
    let page = harness.post_form(&cancel_path(&view), &[("lang", "ko")]).await;
    assert!(page.status == 403 && page.text().contains("확인 코드"));
}

#[tokio::test]
async fn the_page_s_button_leads_back_to_the_page() {
    let harness = SignupHarness::open().await;
    let applied = harness.apply(PHONE, Some("mine")).await.json();
    let page = format!("/a/{}", applied["receipt"].as_str().unwrap());
    assert!(harness.get(&page).await.text().contains(&format!("action=\"{}\"", cancel_path(&applied))));
    let answer = harness.post_form(&cancel_path(&applied), &[("lang", "ko")]).await;
    assert_eq!((answer.status, answer.header("location")), (303, page.as_str()));
    assert!(harness.get(&page).await.text().contains("data-state=\"cancelled\""));

    let moved = harness.apply("010-7777-7777", Some("x")).await.json();
    harness.admitted(2).await;
    let answer = harness.post_form(&cancel_path(&moved), &[("lang", "ko")]).await;
    assert!(harness.get(answer.header("location")).await.text().contains("data-state=\"cancelling\""));
}

#[tokio::test]
async fn another_site_cannot_cancel() {
    let harness = SignupHarness::open().await;
    let applied = harness.apply(PHONE, Some("mine")).await.json();
    let answer = harness.post(&cancel_path(&applied), &json!({}), &[("sec-fetch-site", "cross-site")]).await;
    assert_eq!(answer.problem(), (403, "cross-site".into()));
    let lost = "/application/com/v1/cancel/application/k1.AAAA";
    assert_eq!(harness.post(lost, &json!({}), &[]).await.problem(), (404, "not-found".into()));
}

#[tokio::test]
async fn after_a_loss_a_cancel_is_not_swallowed() {
    let harness = SignupHarness::open().await;
    let applied = harness.apply(PHONE, Some("mine")).await.json();
    let after = SignupHarness::open().await;
    let answer = after.post(&cancel_path(&applied), &json!({}), &[]).await;
    assert_eq!(answer.problem(), (503, "place-safe".into()));
}
