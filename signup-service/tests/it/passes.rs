//! Passes: issued to called applicants, handed over to the shop, and reported by it.

use domain::{CalledWindow, Kind, Outcome, Pass, PassVerifier, Receipt};
use queue::InboxKind;
use serde_json::{Value, json};
use signup_service::{Config, ReportToken};

use crate::called::path;
use crate::harness::{PHONE, SignupHarness, cancel_path, keys, spring, status_path};

const TARGET: &str = "https://shop.example.com/order/spring?from=event";

fn pass_path(applied: &Value) -> String {
    format!("/application/com/v1/create/pass/{}", applied["receipt"].as_str().unwrap())
}

fn page_path(applied: &Value) -> String {
    format!("/a/{}", applied["receipt"].as_str().unwrap())
}

impl SignupHarness {
    /// An event with passes, with one application that is called for ten seconds and a bit.
    async fn open_with_pass(config: Config) -> (Self, Value, i64) {
        let mut harness = Self::open_with(config).await;
        harness
            .project(|p| {
                p.settings.kind = Kind::Pass;
                p.settings.pass_target = TARGET.into();
            })
            .await;
        let applied = harness.apply(PHONE, Some("mine")).await.json();
        harness.admit_through(1).await;
        let until = (harness.ctx.now)() + 10_700;
        harness.show_called(CalledWindow { until, extended: false, confirmed: false }).await;
        (harness, applied, until)
    }

    fn verified(&self, token: &str) -> Pass {
        PassVerifier::of(&keys()).verify(token, (self.ctx.now)()).unwrap()
    }
}

#[tokio::test]
async fn a_called_applicant_gets_the_same_pass_as_often_as_it_takes() {
    let (mut harness, applied, until) = SignupHarness::open_with_pass(Config::default()).await;
    let links = &applied["links"];
    assert!(links["pass"].as_str().unwrap().ends_with(&pass_path(&applied)));
    assert_eq!((links.get("confirm"), links["extend"].is_string()), (None, true));
    let guid = Receipt::read(applied["receipt"].as_str().unwrap(), &keys()).unwrap().app_key.guid();
    for _ in 0..2 {
        harness.clock.advance(1000);
        let issued = harness.post(&pass_path(&applied), &json!({}), &[]).await;
        assert_eq!((issued.status, issued.header("cache-control")), (201, "no-store"));
        let body = issued.json();
        assert_eq!((&body["expires_at_ms"], &body["target"]), (&json!(until), &json!(TARGET)));
        let pass = harness.verified(body["pass"].as_str().unwrap());
        assert_eq!((pass.event, pass.application.as_str(), pass.number.get()), (spring(), guid.as_str(), 1));
        assert_eq!(pass.expires_at, until / 1000 * 1000);
        assert!(!issued.headers.contains_key("set-cookie"));
    }
    let confirm = harness.post(&path("confirm", &applied), &json!({}), &[]).await;
    assert_eq!(confirm.problem(), (409, "not-called".into()), "there is nothing to confirm");
    let extended = harness.post(&path("extend", &applied), &json!({}), &[]).await;
    assert_eq!(extended.status, 202);
    let later = CalledWindow { until: until + 300_000, extended: true, confirmed: false };
    harness.show_called(later).await;
    let again = harness.post(&pass_path(&applied), &json!({}), &[]).await.json();
    assert_eq!(again["expires_at_ms"], json!(until + 300_000), "more time, a longer pass");
}

#[tokio::test]
async fn other_applicants_and_late_ones_get_no_pass() {
    let (mut harness, applied, _) = SignupHarness::open_with_pass(Config::default()).await;
    let post = async |harness: &SignupHarness, applied: &Value| {
        harness.post(&pass_path(applied), &json!({}), &[]).await.problem()
    };
    let view = harness.apply(PHONE, None).await.json();
    assert_eq!(post(&harness, &view).await, (403, "view-only".into()));
    let next = harness.apply("010-2222-3333", Some("next")).await.json();
    assert_eq!(post(&harness, &next).await, (409, "not-called".into()));
    let cross = harness.post(&pass_path(&applied), &json!({}), &[("sec-fetch-site", "cross-site")]).await;
    assert_eq!(cross.problem(), (403, "cross-site".into()));
    harness.clock.advance(10_700);
    assert_eq!(post(&harness, &applied).await, (410, "time-over".into()));
    harness.project_outcome(1, Outcome::Expired, None).await;
    assert_eq!(post(&harness, &applied).await, (410, "time-over".into()));

    let (mut harness, applied, _) = SignupHarness::open_with_pass(Config::default()).await;
    harness.project(|p| p.settings.kind = Kind::Confirm).await;
    assert_eq!(post(&harness, &applied).await, (409, "not-called".into()), "another kind of event");
    harness.project(|p| p.settings.kind = Kind::Pass).await;
    harness.post(&cancel_path(&applied), &json!({}), &[]).await;
    assert_eq!(post(&harness, &applied).await, (409, "not-called".into()), "the applicant cancels");
    harness.project_outcome(1, Outcome::Ordered, Some("A-1")).await;
    assert_eq!(post(&harness, &applied).await, (409, "not-called".into()), "ordered already");
}

#[tokio::test]
async fn a_shop_of_the_same_site_gets_the_pass_in_a_cookie() {
    let config = |domain: Option<&str>, public_url: &str| Config {
        public_url: public_url.into(),
        pass_cookie_domain: domain.map(Into::into),
        ..Config::default()
    };
    for (config, domain) in [
        (config(Some("example.com"), "https://event.example.com"), "; Domain=example.com"),
        (config(None, "https://shop.example.com"), ""),
    ] {
        let (harness, applied, _) = SignupHarness::open_with_pass(config).await;
        let response = harness.post_form(&pass_path(&applied), &[]).await;
        assert_eq!((response.status, response.header("location")), (303, TARGET));
        assert_eq!(
            (response.header("referrer-policy"), response.header("cache-control")),
            ("no-referrer", "no-store")
        );
        let cookie = response.header("set-cookie");
        let (token, attributes) = cookie.strip_prefix("firstcome_pass=").unwrap().split_once(';').unwrap();
        assert_eq!(attributes, format!(" Path=/{domain}; Max-Age=10; HttpOnly; SameSite=Lax; Secure"));
        assert_eq!(harness.verified(token).number.get(), 1);
        let page = harness.get(&page_path(&applied)).await;
        let policy = page.header("content-security-policy");
        assert!(policy.contains("form-action 'self' https://shop.example.com;"), "{policy}");
    }
}

#[tokio::test]
async fn a_shop_of_another_site_gets_the_pass_in_the_body_of_a_post() {
    let (harness, applied, _) = SignupHarness::open_with_pass(Config::default()).await;
    let response = harness.post_form(&pass_path(&applied), &[]).await;
    assert_eq!((response.status, response.header("cache-control")), (200, "no-store"));
    assert_eq!(response.header("referrer-policy"), "strict-origin", "the address has the receipt");
    assert!(!response.headers.contains_key("set-cookie"));
    let policy = response.header("content-security-policy");
    assert!(policy.contains("form-action 'self' https://shop.example.com;"), "{policy}");
    let text = response.text();
    assert!(text.contains(&format!("method=\"post\" action=\"{TARGET}\"")), "{text}");
    let token = text.split("name=\"pass\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(harness.verified(token).number.get(), 1);
    assert!(text.contains("<script>document.forms[0].submit()</script>"));
}

#[tokio::test]
async fn the_page_leads_to_the_shop_and_says_what_becomes_of_the_order() {
    let (mut harness, applied, _) = SignupHarness::open_with_pass(Config::default()).await;
    let page = page_path(&applied);
    let text = harness.get(&page).await.text();
    assert!(text.contains("data-state=\"called\"") && text.contains("쇼핑몰로 가기"), "{text}");
    assert!(text.contains(&format!("action=\"{}\"", pass_path(&applied))) && !text.contains("confirm-form"));
    assert!(harness.get_in(&page, "en").await.text().contains("Go to the shop"));
    harness.project_outcome(1, Outcome::Ordered, Some("A-1")).await;
    // A cancel request that came too late.
    let text = harness.get(&format!("{page}?asked=cancel")).await.text();
    assert!(text.contains("data-state=\"ordered\"") && text.contains("취소는 쇼핑몰에서"), "{text}");
    let (mut harness, applied, _) = SignupHarness::open_with_pass(Config::default()).await;
    harness.project_outcome(1, Outcome::Expired, None).await;
    assert!(harness.get(&page_path(&applied)).await.text().contains("주문 시간이 지났어요"));
    assert_eq!(harness.get(&status_path(&applied)).await.json()["state"], "expired");
}

#[tokio::test]
async fn the_shop_reports_the_result_of_a_pass_with_its_token() {
    const RESULT: &str = "/application/int/v1/create/result/spring";
    let config = Config { report_token: Some(ReportToken::new("s3cret")), ..Config::default() };
    let mut harness = SignupHarness::open_with(config).await;
    let applied = harness.apply(PHONE, Some("mine")).await.json();
    let guid = Receipt::read(applied["receipt"].as_str().unwrap(), &keys()).unwrap().app_key.guid();
    let report = json!({ "number": 1, "guid": guid, "result": "ordered", "order_no": "A-1" });
    let shop = [("authorization", "Bearer s3cret")];
    let post = async |harness: &SignupHarness, body: &Value| harness.post(RESULT, body, &shop).await;
    assert_eq!(post(&harness, &report).await.problem(), (409, "not-called".into()), "another kind");
    harness.project(|p| p.settings.kind = Kind::Pass).await;
    for headers in [&[][..], &[("authorization", "Bearer other")], &[("authorization", "s3cret")]] {
        let refused = harness.post(RESULT, &report, headers).await;
        assert_eq!(refused.problem(), (401, "unauthorized".into()));
    }
    harness.admit_through(1).await;
    let until = (harness.ctx.now)() + 10_000;
    harness.show_called(CalledWindow { until, extended: false, confirmed: false }).await;
    let accepted = post(&harness, &report).await;
    assert_eq!((accepted.status, &accepted.json()["state"]), (202, &json!("called")));
    let inbox = harness.queue.inbox(&spring(), 0, 10).await.unwrap();
    assert_eq!(
        (inbox.len(), inbox[0].kind, inbox[0].order_no.as_deref()),
        (1, InboxKind::Ordered, Some("A-1"))
    );
    harness.project_outcome(1, Outcome::Ordered, Some("A-1")).await;
    assert_eq!(post(&harness, &report).await.json()["state"], "ordered", "how it was decided");
    let cancelled = harness.post(&cancel_path(&applied), &json!({}), &[]).await;
    assert_eq!((cancelled.status, &cancelled.json()["state"]), (202, &json!("ordered")), "the shop's");
    for (field, value) in [("guid", json!("0".repeat(32))), ("number", json!(2)), ("number", json!(0))] {
        let mut other = report.clone();
        other[field] = value;
        assert_eq!(post(&harness, &other).await.problem(), (404, "unknown-application".into()));
    }
    for (field, value) in [("result", json!("maybe")), ("order_no", json!("")), ("order_no", json!("a\u{7}"))]
    {
        let mut other = report.clone();
        other[field] = value;
        assert_eq!(post(&harness, &other).await.problem(), (422, "validation".into()));
    }
}
