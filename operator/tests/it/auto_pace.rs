//! The automatic pace in the API and in the console.

use domain::{AutoPace, PaceReason, PaceStep};
use serde_json::{Value, json};

use crate::harness::{GET, OPERATOR, OperatorHarness, PACE, spring};

const AUTO: &str = "/gate/adm/v1/set/auto-pace/spring";

fn rules() -> Value {
    json!({"min": 10, "max": "120", "target_p95_ms": 1500})
}

impl OperatorHarness {
    /// Makes a step as the leader does.
    async fn adjust(&self, to: &str, reason: PaceReason) {
        let settings = self.ledger.event(&spring()).await.unwrap().settings;
        let auto: AutoPace = settings.auto_pace.unwrap();
        let fence = match self.ledger.acquire_leadership(&spring()).await.unwrap() {
            Some(lead) => lead.fence,
            None => self.ledger.event(&spring()).await.unwrap().fence,
        };
        let step = PaceStep { to: to.parse().unwrap(), reason };
        assert!(self.ledger.adjust_pace(&spring(), fence, &auto, settings.pace, &step).await.unwrap());
    }
}

const SLOW: PaceReason = PaceReason::Slow { p95_ms: 1900, target_ms: 1500 };
const FAST: PaceReason = PaceReason::Fast { p95_ms: 410, target_ms: 1500 };

#[tokio::test]
async fn the_rules_are_set_previewed_and_undone_although_the_pace_moves() {
    let harness = OperatorHarness::open().await;
    for (body, pointer) in [
        (json!({}), "/auto_pace"),
        (json!({"auto_pace": {"min": 10, "max": 120}}), "/auto_pace/target_p95_ms"),
        (json!({"auto_pace": {"min": 10, "max": 9, "target_p95_ms": 1500}}), "/auto_pace"),
    ] {
        let refused = harness.change("PUT", AUTO, "\"1\"", &body).await;
        assert_eq!((refused.status, &refused.json()["errors"][0]["pointer"]), (422, &json!(pointer)));
    }
    let preview = async |body: Value| {
        harness.change("POST", "/gate/adm/v1/preview/change/spring", "", &body).await.json()
    };
    let on = preview(json!({"action": "auto_pace", "auto_pace": rules()})).await;
    assert_eq!((&on["effects"][1], &on["undoable"]), (&json!({"code": "pace_follows"}), &json!(true)));
    let body = json!({"auto_pace": rules(), "reason": "the night begins"});
    let set = harness.change("PUT", AUTO, "\"1\"", &body).await;
    assert_eq!((set.status, &set.json()["after"]["pace"]), (200, &json!("120")));
    harness.adjust("84", SLOW).await;
    harness.adjust("58", SLOW).await;
    let event = harness.get(GET).await.json();
    let shown = json!({"min": "10", "max": "120", "target_p95_ms": 1500});
    assert_eq!((&event["pace"], &event["rev"], &event["auto_pace"]), (&json!("58"), &json!(4), &shown));
    let undone = harness.change("POST", "/audit/adm/v1/undo/change/spring/2", "", &json!({})).await;
    assert_eq!((undone.status, &undone.json()["after"]["auto_pace"]), (200, &Value::Null));
    let of_a_step = harness.change("POST", "/audit/adm/v1/undo/change/spring/3", "", &json!({})).await;
    assert_eq!(of_a_step.problem(), (409, "not-undoable".into()));

    harness.change("PUT", AUTO, "*", &body).await;
    let manual = preview(json!({"action": "pace", "pace": 40})).await;
    assert_eq!(manual["effects"][1], json!({"code": "auto_pace_ends"}));
    harness.post_with_reason("/gate/adm/v1/pause/release/spring").await;
    let resume = preview(json!({"action": "resume"})).await;
    assert_eq!(resume["effects"][1], json!({"code": "starts_at_min", "pace": "10"}));
    assert_eq!(resume["after"], json!({"pace": "10", "release": "running"}));
    harness.change("PUT", PACE, "*", &json!({"pace": 40})).await;
    assert_eq!(harness.get(GET).await.json()["auto_pace"], Value::Null);
}

#[tokio::test]
async fn the_console_shows_the_steps_as_one_line_and_as_no_conflict() {
    let harness = OperatorHarness::open().await;
    let cookie = harness.log_in(OPERATOR).await;
    let form = "rev=1&action=auto_pace&min=10&max=120&target_p95_ms=1,500&reason=night";
    let sheet = harness.page("GET", &format!("/console/spring/review?{form}"), &cookie, "").await.text();
    for part in ["10–120/s, p95 ≤ 1.50 s", "rises slowly", "<b>120/s</b>"] {
        assert!(sheet.contains(part), "{part}: {sheet}");
    }
    let applied = harness.page("POST", "/console/spring/review", &cookie, form).await;
    assert_eq!(applied.header("location"), "/console/spring?done=2");
    harness.adjust("84", SLOW).await;
    harness.adjust("58", SLOW).await;
    harness.adjust("63.5", FAST).await;
    let page = harness.page("GET", "/console/spring?done=2", &cookie, "").await.text();
    for part in ["pace auto", "Pace 120/s → 63.5/s", "order p95 0.41 s within 1.50 s", "Applied", "5:00 left"]
    {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("84/s"));
    let korean = harness.page("GET", "/console/spring?lang=ko", &cookie, "").await.text();
    assert!(korean.contains("주문 p95 0.41초로 목표 1.50초 안에 있습니다."));
    let capacity = "rev=2&action=capacity&capacity=12&reason=more";
    let applied = harness.page("POST", "/console/spring/review", &cookie, capacity).await;
    assert_eq!(applied.status, 303, "{}", applied.text());
    let off = "rev=6&action=auto_pace&reason=done";
    assert_eq!(harness.page("POST", "/console/spring/review", &cookie, off).await.status, 303);
    let event = harness.get(GET).await.json();
    assert_eq!((&event["auto_pace"], &event["pace"]), (&Value::Null, &json!("63.5")));
}
