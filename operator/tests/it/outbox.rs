//! The outbox: the status of the targets, a replay, and the description of the domain events.

use serde_json::{Value, json};

use crate::harness::{OperatorHarness, spring};

const LIST: &str = "/outbox/adm/v1/list/target";
const REPLAY: &str = "/outbox/adm/v1/replay/target/log/spring";

impl OperatorHarness {
    /// Numbers the domain events, and has the target `log` acknowledge all of them.
    async fn deliver(&self) {
        let lead = self.ledger.acquire_leadership(&spring()).await.unwrap().unwrap();
        self.ledger.add_target(&spring(), lead.fence, "log").await.unwrap();
        let count = i64::from(self.ledger.number_domain_events(&spring(), lead.fence, 500).await.unwrap());
        assert!(self.ledger.acknowledge_domain_events("log", &spring(), 0, count).await.unwrap());
    }

    async fn target(&self) -> Value {
        self.get(LIST).await.json()["items"][0].clone()
    }
}

#[tokio::test]
async fn a_replay_sets_the_target_back_and_is_audited() {
    let harness = OperatorHarness::open().await;
    for path in ["/gate/adm/v1/pause/release/spring", "/gate/adm/v1/resume/release/spring"] {
        harness.post_with_reason(path).await;
    }
    assert_eq!(harness.get(LIST).await.json(), json!({ "items": [] }));
    let too_early = harness.change("POST", REPLAY, "", &json!({ "from_seq": 1 })).await;
    assert_eq!(too_early.problem(), (409, "nothing-to-replay".into()));
    harness.deliver().await;
    let expected = json!({
        "target": "log", "event": "spring", "seq": 3, "last_seq": 3, "lag_ms": 0, "failing_since": null, "failures": 0,
        "last_error": null, "dead": 0,
    });
    assert_eq!(harness.target().await, expected);
    harness.clock.advance(4000);
    let body = json!({ "from_seq": 2, "reason": "the CRM was restored" });
    let replayed = harness.change("POST", REPLAY, "", &body).await.json();
    let audited = |seq: i64| json!({ "target": "log", "seq": seq });
    assert_eq!((&replayed["before"], &replayed["after"]), (&audited(3), &audited(1)));
    assert_eq!(
        (&replayed["action"], &replayed["reason"]),
        (&json!("replay"), &json!("the CRM was restored"))
    );
    let target = harness.target().await;
    assert_eq!((&target["seq"], &target["lag_ms"]), (&json!(1), &json!(4000)));
    let filtered = harness.get(&format!("{LIST}?event=spring")).await.json();
    assert_eq!(filtered["items"][0], target);
    for (body, path) in [(json!({ "from_seq": 0 }), REPLAY), (json!({}), REPLAY)] {
        assert_eq!(harness.change("POST", path, "", &body).await.problem(), (422, "validation".into()));
    }
    let unknown =
        harness.change("POST", &REPLAY.replace("spring", "autumn"), "", &json!({ "from_seq": 1 })).await;
    assert_eq!(unknown.problem(), (404, "unknown-event".into()));
    assert_eq!(harness.get(&format!("{LIST}?event=autumn")).await.problem(), (404, "unknown-event".into()));
}

#[tokio::test]
async fn the_domain_events_are_described_at_asyncapi_json() {
    let harness = OperatorHarness::open().await;
    let served = harness.get("/asyncapi.json").await;
    assert_eq!((served.status, served.json()), (200, messaging::asyncapi()));
}
