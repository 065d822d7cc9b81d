//! Webhook endpoints: creating and changing them, their deliveries, and what the console shows of them.

use ledger::{Attempt, DeliveryResult};
use operator::Config;
use serde_json::{Value, json};

use crate::harness::{OPERATOR, OperatorHarness, TestResponse, config, spring};

const CREATE: &str = "/hook/adm/v1/create/endpoint";
const LIST: &str = "/hook/adm/v1/list/endpoint";

impl OperatorHarness {
    async fn post(&self, path: &str, body: &Value) -> TestResponse {
        self.change("POST", &format!("/hook/adm/v1/{path}"), "", body).await
    }

    /// Creates the endpoint `crm`, and returns its secret.
    async fn create_crm(&self) -> String {
        let created =
            self.post("create/endpoint", &json!({ "id": "crm", "url": "https://crm.example/a?b=1" })).await;
        assert_eq!((created.status, &created.json()["id"]), (201, &json!("crm")));
        created.json()["secret"].as_str().unwrap().to_owned()
    }

    async fn crm(&self) -> Value {
        self.get("/hook/adm/v1/get/endpoint/crm").await.json()
    }

    async fn last_change(&self) -> Value {
        self.get("/audit/adm/v1/list/change?limit=1").await.json()["items"][0].clone()
    }

    /// Makes the event's domain events deliveries to `crm`, and ends the first due one.
    async fn end_delivery(&self, result: DeliveryResult) {
        let lead = self.ledger.acquire_leadership(&spring()).await.unwrap().unwrap();
        self.ledger.number_domain_events(&spring(), lead.fence, 500).await.unwrap();
        let cursor = self.ledger.outbox_cursor("webhook:crm", &spring()).await.unwrap().unwrap().seq;
        let new = self.ledger.domain_events_after(&spring(), cursor, 500).await.unwrap();
        self.ledger.fan_out("crm", &spring(), cursor, &new).await.unwrap();
        let delivery = self.ledger.lease_deliveries("crm", 1000).await.unwrap().remove(0);
        let attempt = Attempt { result, status: Some(500), took_ms: 7, error: Some("status 500".into()) };
        self.ledger.record_attempt(&delivery, &attempt).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn an_endpoint_is_created_changed_and_deleted_with_audit() {
    let harness = OperatorHarness::open().await;
    let secret = harness.create_crm().await;
    assert!(secret.starts_with("whsec_") && secret.len() == 50, "{secret}");
    let audited = harness.last_change().await;
    assert_eq!(
        (&audited["event"], &audited["action"], &audited["actor"]),
        (&json!(""), &json!("create_webhook"), &json!("kim"))
    );
    let crm = harness.crm().await;
    let expected = json!({
        "id": "crm", "url": "https://crm.example/a?b=1", "types": [], "events": [], "state": "on", "failing_since": null,
        "former_secret_until": null, "created_at": crm["created_at"],
    });
    assert_eq!(crm, expected);
    let update = json!({ "types": ["application.ordered"], "events": ["spring"], "reason": "orders only" });
    let updated = harness.change("PATCH", "/hook/adm/v1/update/endpoint/crm", "", &update).await.json();
    assert_eq!((&updated["types"], &updated["url"]), (&json!(["application.ordered"]), &crm["url"]));
    let audited = harness.last_change().await;
    assert_eq!(
        (&audited["reason"], &audited["before"]),
        (&json!("orders only"), &json!({ "endpoint": "crm", "types": [], "events": [] }))
    );
    assert_eq!(harness.post("pause/endpoint/crm", &json!({})).await.json()["state"], "paused");
    assert_eq!(harness.post("resume/endpoint/crm", &json!({})).await.json()["state"], "on");
    let rotated = harness.post("rotate/secret/crm", &json!({})).await.json();
    assert!(
        rotated["secret"].as_str().unwrap().starts_with("whsec_") && rotated["secret"] != secret.as_str()
    );
    assert_eq!(harness.crm().await["former_secret_until"], "2026-11-23T11:00:00.000Z");
    let list = harness.get(LIST).await.text();
    assert!(
        list.contains("crm.example") && !list.contains("whsec_") && !list.contains("\"secret\""),
        "{list}"
    );
    let changes = harness.get("/audit/adm/v1/list/change").await.text();
    assert!(!changes.contains("whsec_"), "{changes}");
    let deleted = harness.change("DELETE", "/hook/adm/v1/delete/endpoint/crm", "", &json!({})).await;
    assert_eq!((deleted.status, &deleted.json()["id"]), (200, &json!("crm")));
    assert_eq!(harness.get(LIST).await.json(), json!({ "items": [] }));
    assert_eq!(harness.last_change().await["after"], json!({ "endpoint": "crm", "state": "deleted" }));
}

#[tokio::test]
async fn deliveries_are_listed_tested_and_replayed() {
    let harness = OperatorHarness::open().await;
    harness.create_crm().await;
    harness.end_delivery(DeliveryResult::Dead).await;
    let test = harness.post("test/endpoint/crm", &json!({})).await.json();
    let list = "/hook/adm/v1/list/delivery/crm";
    let all = harness.get(list).await.json();
    assert_eq!(
        (&all["items"][0]["seq"], &all["items"][0]["type"], &all["more"]),
        (&test["seq"], &json!("webhook.test"), &json!(false))
    );
    let dead = harness.get(&format!("{list}?state=dead&event=spring")).await.json();
    let expected = json!({
        "event": "spring", "seq": 1, "type": "event.created", "state": "dead", "attempts": 1, "next_try_at": null, "last_status": 500,
        "last_ms": 7, "last_error": "status 500", "ended_at": dead["items"][0]["ended_at"],
    });
    assert_eq!(dead["items"], json!([expected]));
    assert_eq!(harness.get(&format!("{list}?event=&limit=1")).await.json()["items"][0]["seq"], test["seq"]);
    let mut range = json!({ "event": "spring", "from_seq": 1, "to_seq": 9, "dry_run": true });
    let counted = harness.post("replay/delivery/crm", &range).await.json();
    assert_eq!(counted, json!({ "deliveries": 1, "dry_run": true }));
    range["dry_run"] = json!(false);
    assert_eq!(
        harness.post("replay/delivery/crm", &range).await.json(),
        json!({ "deliveries": 1, "dry_run": false })
    );
    assert_eq!(harness.get(&format!("{list}?state=dead")).await.json()["items"], json!([]));
}

#[tokio::test]
async fn invalid_endpoints_and_ranges_are_refused_by_field() {
    let harness = OperatorHarness::open().await;
    harness.create_crm().await;
    let rows = harness.audit_rows().await;
    let url = "https://crm.example/";
    for (body, pointer) in [
        (json!({ "id": "CRM", "url": url }), "/id"),
        (json!({ "id": "", "url": url }), "/id"),
        (json!({ "id": "a", "url": "ftp://crm.example/" }), "/url"),
        (json!({ "id": "a", "url": "https://user:password@crm.example/" }), "/url"),
        (json!({ "id": "a", "url": url, "types": ["event.created", "order.made"] }), "/types/1"),
        (json!({ "id": "a", "url": url, "events": ["Spring"] }), "/events/0"),
        (json!({ "id": "a", "url": url, "secret": "whsec_x" }), "/secret"),
    ] {
        let refused = harness.post("create/endpoint", &body).await;
        assert_eq!(refused.problem(), (422, "validation".into()), "{body}");
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{body}");
    }
    for (from, to, pointer) in [(0, 1, "/from_seq"), (5, 4, "/to_seq"), (1, 10_001, "/to_seq")] {
        let range = json!({ "event": "spring", "from_seq": from, "to_seq": to });
        let refused = harness.post("replay/delivery/crm", &range).await.json();
        assert_eq!(refused["errors"][0]["pointer"], pointer);
    }
    let twice = harness.post("create/endpoint", &json!({ "id": "crm", "url": url })).await;
    assert_eq!(twice.problem(), (409, "endpoint-exists".into()));
    for path in ["pause/endpoint/a", "resume/endpoint/a", "rotate/secret/a", "test/endpoint/a"] {
        assert_eq!(
            harness.post(path, &json!({})).await.problem(),
            (404, "unknown-endpoint".into()),
            "{path}"
        );
    }
    assert_eq!(harness.audit_rows().await, rows);
}

#[tokio::test]
async fn without_a_key_no_endpoint_is_created() {
    let harness = OperatorHarness::with(Config { webhook_key: None, ..config() }).await;
    let refused =
        harness.change("POST", CREATE, "", &json!({ "id": "crm", "url": "https://crm.example/" })).await;
    assert_eq!(refused.problem(), (409, "webhooks-off".into()));
}

#[tokio::test]
async fn the_console_reports_an_endpoint_that_fails_or_is_disabled() {
    let harness = OperatorHarness::open().await;
    let cookie = harness.log_in(OPERATOR).await;
    harness.create_crm().await;
    harness.end_delivery(DeliveryResult::Retry { in_ms: 0, is_overloaded: false }).await;
    let page = async || harness.page("GET", "/", &cookie, "").await.text();
    assert!(!page().await.contains("crm"));
    harness.clock.advance(600_000);
    assert!(page().await.contains("Webhook endpoint crm has failed for 10 minutes"));
    harness.end_delivery(DeliveryResult::Gone).await;
    assert!(page().await.contains("Webhook endpoint crm is disabled"));
}
