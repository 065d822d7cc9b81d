//! Confirming, and requesting more time, with the full receipt.

use domain::{CalledWindow, Kind, Number, Outcome};
use queue::InboxKind;
use serde_json::{Value, json};

use crate::harness::{PHONE, SignupHarness, cancel_path, spring, status_path};

pub(crate) fn path(verb: &str, applied: &Value) -> String {
    format!("/application/com/v1/{verb}/application/{}", applied["receipt"].as_str().unwrap())
}

impl SignupHarness {
    /// An event whose applicants confirm, with one application that is called for ten seconds.
    async fn open_called() -> (Self, Value, i64) {
        let mut harness = Self::open().await;
        harness.project(|p| p.settings.kind = Kind::Confirm).await;
        let applied = harness.apply(PHONE, Some("mine")).await.json();
        harness.admit_through(1).await;
        let until = (harness.ctx.now)() + 10_000;
        harness.show_called(CalledWindow { until, extended: false, confirmed: false }).await;
        (harness, applied, until)
    }

    pub(crate) async fn show_called(&mut self, window: CalledWindow) {
        self.project(|p| p.called = vec![(Number::new(1).unwrap(), window)]).await;
    }

    async fn send_to(&self, path: &str) -> (u16, Value) {
        let response = self.post(path, &json!({}), &[]).await;
        (response.status, response.json()["state"].clone())
    }
}

#[tokio::test]
async fn a_called_applicant_sees_the_time_and_confirms_as_often_as_it_takes() {
    let (mut harness, applied, until) = SignupHarness::open_called().await;
    let links = &applied["links"];
    assert!(links["confirm"].as_str().unwrap().ends_with(&path("confirm", &applied)));
    let status = harness.get(&status_path(&applied)).await.json();
    let shown = [&status["state"], &status["called_until_ms"], &status["extension_ms"], &status["ahead"]];
    assert_eq!(shown, [&json!("called"), &json!(until), &json!(300_000), &json!(0)]);
    for _ in 0..2 {
        assert_eq!(harness.send_to(&path("confirm", &applied)).await, (202, json!("ordering")));
    }
    let status = harness.get(&status_path(&applied)).await.json();
    assert_eq!((&status["state"], status.get("called_until_ms")), (&json!("ordering"), None));
    let inbox = harness.queue.inbox(&spring(), 0, 10).await.unwrap();
    assert_eq!((inbox.len(), inbox[0].kind), (1, InboxKind::Confirm));
    harness.project_outcome(1, Outcome::Ordered, Some("A-1")).await;
    assert_eq!(harness.send_to(&path("confirm", &applied)).await, (202, json!("ordered")));
}

#[tokio::test]
async fn more_time_is_given_once() {
    let (mut harness, applied, until) = SignupHarness::open_called().await;
    for _ in 0..2 {
        assert_eq!(harness.send_to(&path("extend", &applied)).await, (202, json!("called")));
    }
    assert_eq!(harness.queue.inbox(&spring(), 0, 10).await.unwrap().len(), 1);
    harness.show_called(CalledWindow { until: until + 5_000, extended: true, confirmed: false }).await;
    let status = harness.get(&status_path(&applied)).await.json();
    assert_eq!((&status["called_until_ms"], &status["extension_ms"]), (&json!(until + 5_000), &json!(0)));
    assert_eq!(harness.send_to(&path("extend", &applied)).await, (202, json!("called")));
    assert_eq!(harness.queue.inbox(&spring(), 0, 10).await.unwrap().len(), 1);
    harness.project(|p| p.settings.extension_ms = 0).await;
    let refused = harness.post(&path("extend", &applied), &json!({}), &[]).await;
    assert_eq!(refused.problem(), (409, "no-extension".into()));
}

#[tokio::test]
async fn after_the_time_a_request_is_gone() {
    let (mut harness, applied, _) = SignupHarness::open_called().await;
    harness.clock.advance(10_000);
    for verb in ["confirm", "extend"] {
        let response = harness.post(&path(verb, &applied), &json!({}), &[]).await;
        assert_eq!(response.problem(), (410, "time-over".into()));
    }
    assert!(harness.queue.inbox(&spring(), 0, 10).await.unwrap().is_empty());
    harness.project_outcome(1, Outcome::Expired, None).await;
    let response = harness.post(&path("confirm", &applied), &json!({}), &[]).await;
    assert_eq!(response.problem(), (410, "time-over".into()));
    assert_eq!(harness.get(&status_path(&applied)).await.json()["state"], "expired");
}

#[tokio::test]
async fn who_is_not_called_cannot_confirm() {
    let harness = SignupHarness::open().await;
    let applied = harness.apply(PHONE, Some("mine")).await.json();
    assert_eq!(applied["links"].get("confirm"), None, "the event calls no applicant");
    let waiting = harness.post(&path("confirm", &applied), &json!({}), &[]).await;
    assert_eq!(waiting.problem(), (409, "not-called".into()));
    harness.admit_through(1).await;
    let ordering = harness.post(&path("confirm", &applied), &json!({}), &[]).await;
    assert_eq!(ordering.problem(), (409, "not-called".into()));

    let (harness, applied, _) = SignupHarness::open_called().await;
    assert_eq!(harness.send_to(&cancel_path(&applied)).await, (202, json!("cancelling")));
    let cancelling = harness.post(&path("confirm", &applied), &json!({}), &[]).await;
    assert_eq!(cancelling.problem(), (409, "not-called".into()));
}

#[tokio::test]
async fn a_view_receipt_and_a_page_of_another_site_cannot_confirm() {
    let (harness, applied, _) = SignupHarness::open_called().await;
    let view = harness.apply(PHONE, None).await.json();
    let response = harness.post(&path("confirm", &view), &json!({}), &[]).await;
    assert_eq!(response.problem(), (403, "view-only".into()));
    let headers = [("sec-fetch-site", "cross-site")];
    let response = harness.post(&path("confirm", &applied), &json!({}), &headers).await;
    assert_eq!(response.problem(), (403, "cross-site".into()));
    assert_eq!(harness.get(&status_path(&applied)).await.json()["state"], "called");
}

#[tokio::test]
async fn the_forms_redirect_to_the_page() {
    let (harness, applied, _) = SignupHarness::open_called().await;
    let page = format!("/a/{}", applied["receipt"].as_str().unwrap());
    assert!(harness.get(&page).await.text().contains("data-state=\"called\""));
    for (verb, state) in [("extend", "called"), ("confirm", "ordering")] {
        let response = harness.post_form(&path(verb, &applied), &[("lang", "ko")]).await;
        assert_eq!((response.status, response.header("location")), (303, page.as_str()), "{verb}");
        assert!(harness.get(&page).await.text().contains(&format!("data-state=\"{state}\"")));
    }
    let refused = harness.post_form(&path("extend", &applied), &[("lang", "ko")]).await;
    assert_eq!(refused.status, 409);
}
