//! Webhooks by the command line: an endpoint from its creation to its deletion, with a real receiver.

use testkit::{WebhookReceiver, WebhookReply, until_some};

use crate::operating::CliHarness;

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sets_up_tests_and_repairs_a_webhook_endpoint() {
    let harness = CliHarness::start().await;
    let receiver = WebhookReceiver::start().await;
    let url = receiver.url();
    let created = harness.done(&["webhook", "create", "crm", &url, "--reason", "orders for the CRM"]);
    assert!(created.contains("  whsec_"), "{created}");
    harness.ends_with(5, &["webhook", "create", "crm", &url]);
    harness.ends_with(3, &["webhook", "show", "erp"]);
    let tested = harness.done(&["webhook", "test", "crm"]);
    assert!(tested.contains("webhook.test") && tested.contains("done") && tested.contains("204"), "{tested}");
    receiver.reply(|_| WebhookReply::status(500));
    let failed = harness.ends_with(1, &["webhook", "test", "crm"]);
    assert!(failed.contains("status 500") && failed.contains("the test failed"), "{failed}");

    harness.open_event().await;
    until_some("a failed delivery", async || {
        let pending =
            harness.done(&["webhook", "deliveries", "crm", "--event", "spring", "--state", "pending"]);
        pending.contains("status 500").then_some(())
    })
    .await;
    receiver.reply(|_| WebhookReply::status(200));
    let other = WebhookReceiver::start().await;
    let updated = harness.done(&["webhook", "update", "crm", "--url", &other.url(), "--type", "all"]);
    assert!(updated.contains(&other.url()) && updated.contains("failing since"), "{updated}");
    assert!(harness.done(&["webhook", "pause", "crm"]).contains("paused"));
    // Instead of waiting for the next attempt.
    assert!(harness.done(&["webhook", "resume", "crm"]).contains(" on "));
    until_some("all deliveries", async || {
        let pending = harness.done(&["webhook", "deliveries", "crm", "--state", "pending"]);
        pending.trim().is_empty().then_some(())
    })
    .await;
    assert!(other.received().iter().any(|one| one.json()["type"] == "firstcome.application.ordered.v1"));

    let range = ["webhook", "replay", "crm", "spring", "--from", "1", "--to", "2"];
    let counted = harness.done(&[&range[..], &["--dry-run"]].concat());
    assert!(counted.contains("2 deliveries would be made again"), "{counted}");
    harness.done(&range);
    let rotated = harness.done(&["webhook", "rotate", "crm", "--json"]);
    assert!(rotated.contains("whsec_") && rotated != created);
    assert!(harness.done(&["webhook", "list"]).contains("the former secret signs until"));
    let audit = harness.done(&["audit", "list"]);
    for action in ["create_webhook", "update_webhook", "pause_webhook", "replay_webhook", "rotate_webhook"] {
        assert!(audit.contains(action), "{action}: {audit}");
    }
    assert!(harness.done(&["webhook", "delete", "crm"]).contains("deleted crm"));
    assert_eq!(harness.done(&["webhook", "list"]).trim(), "");
}
