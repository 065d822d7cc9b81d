//! Receivers in another language: that of docs/messaging.md, and a library of Standard Webhooks.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use domain::Outcome;
use ledger::EndpointChange;
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Row as _};
use testkit::{HttpClient, TempFolder, WebhookReceiver, until_some};

use crate::applicants::spring;
use crate::harness::WorkerHarness;
use crate::webhooks::{KIM, sealed, secret};

const PAGE: &str = include_str!("../../../docs/messaging.md");
const LIBRARY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/standardwebhooks");

/// Starts the receiver of the page in this folder. Returns it with its URL; `None` without Python.
fn start_example(folder: &Path) -> Option<(Child, String)> {
    let (_, rest) = PAGE.split_once("```python\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let mut receiver = Command::new("python3")
        .args(["-c", example, "0"])
        .env("WEBHOOK_SECRET", secret(1).reveal())
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut line = String::new();
    BufReader::new(receiver.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.trim().strip_prefix("listening on ").unwrap();
    Some((receiver, format!("http://127.0.0.1:{port}")))
}

/// The IDs that the example has stored.
async fn stored(folder: &Path) -> BTreeSet<String> {
    let options = SqliteConnectOptions::new().filename(folder.join("received.db")).read_only(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let rows = sqlx::query("SELECT id FROM received").fetch_all(&mut connection).await.unwrap();
    rows.iter().map(|row| row.get("id")).collect()
}

#[tokio::test]
async fn the_receiver_of_the_documentation_has_each_domain_event_once() {
    let folder = TempFolder::new("webhook-receiver");
    let Some((mut receiver, url)) = start_example(folder.path()) else {
        println!("not checked: the receiver of docs/messaging.md, which needs python3");
        return;
    };
    let mut harness = WorkerHarness::with_endpoint(&url, &[100; 100]).await;
    let worker = harness.start().await;
    harness.apply(1..=5).await;
    harness.until_outcome_in_queue(1..=5, Outcome::Ordered).await;
    until_some("the first domain event", async || (!stored(folder.path()).await.is_empty()).then_some(()))
        .await;
    harness.ledger.replay("webhook:crm", &spring(), 1, KIM).await.unwrap().unwrap();
    harness.cancel(3).await;
    harness.until_outcome_in_queue([3], Outcome::Cancelled).await;
    until_some("all domain events", async || {
        (stored(folder.path()).await == harness.ids().await).then_some(())
    })
    .await;
    let unsigned = HttpClient::new(&url).post_json("/", &json!({}), &[]).await.unwrap();
    assert_eq!(unsigned.status, 401);
    harness.stop(worker).await;
    receiver.kill().unwrap();
    receiver.wait().unwrap();
}

/// Verifies requests, one JSON text per line, with the secrets of the arguments. Prints a line for each that must not pass and does.
const VERIFY: &str = r#"
import json, sys
from standardwebhooks import Webhook, WebhookVerificationError
new, former, unknown = (Webhook(secret) for secret in sys.argv[1:])
for line in sys.stdin:
    request = json.loads(line)
    body, headers = request["body"], request["headers"]
    assert new.verify(body, headers)["id"] == former.verify(body, headers)["id"] == headers["webhook-id"]
    for webhook, changed in [(unknown, body), (new, body + " ")]:
        try: webhook.verify(changed, headers); print("passes and must not")
        except WebhookVerificationError: pass
    print("verified")
"#;

#[tokio::test]
async fn a_library_of_standard_webhooks_verifies_the_requests() {
    let receiver = WebhookReceiver::start().await;
    let mut harness = WorkerHarness::with_endpoint(&receiver.url(), &[100; 100]).await;
    harness
        .ledger
        .change_endpoint("crm", &EndpointChange::Rotate(sealed(2, "crm")), KIM)
        .await
        .unwrap()
        .unwrap();
    let worker = harness.start().await;
    harness.apply(1..=2).await;
    harness.until_outcome_in_queue(1..=2, Outcome::Ordered).await;
    let webhooks = until_some("three webhooks", async || {
        let all = receiver.received();
        (all.len() >= 3).then_some(all)
    })
    .await;
    harness.stop(worker).await;
    if !Path::new(LIBRARY).join("standardwebhooks/__init__.py").is_file() {
        println!(
            "not checked: the signature with a foreign library; `cargo xtask test --install` downloads it"
        );
        return;
    }
    let mut python = Command::new("python3")
        .args(["-c", VERIFY, &secret(2).reveal(), &secret(1).reveal(), &secret(3).reveal()])
        .env("PYTHONPATH", LIBRARY)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = python.stdin.take().unwrap();
    for webhook in &webhooks {
        let body = String::from_utf8(webhook.body.clone()).unwrap();
        writeln!(input, "{}", json!({ "headers": webhook.headers, "body": body })).unwrap();
    }
    drop(input);
    let out = python.wait_with_output().unwrap();
    let (printed, errors) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{errors}");
    assert_eq!(printed.lines().collect::<Vec<_>>(), vec!["verified"; webhooks.len()], "{errors}");
}
