//! `firstcome application`: parked applications, as a client of the operator console.

use clap::{Args, Subcommand};
use domain::EventId;
use hyper::Method;
use serde_json::Value;

use super::Failed;
use super::client::{Ask, OperatorArgs, OperatorClient, because, text};

#[derive(Debug, Args)]
pub(super) struct Application {
    #[command(flatten)]
    operator: OperatorArgs,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Lists parked applications: called so often without an answer that somebody must look.
    List {
        /// The event's id.
        event: EventId,
        /// How many at most.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Has the order service called again for a parked application.
    Requeue {
        /// The event's id.
        event: EventId,
        /// The application, by either of the ids that `application list` shows.
        application: String,
        /// Why, for the audit.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Rejects a parked application. An order that may exist is taken back first; only then is the seat free.
    Reject {
        /// The event's id.
        event: EventId,
        /// The application, by either of the ids that `application list` shows.
        application: String,
        /// Why, for the audit.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

/// Runs the command.
pub(super) async fn application(args: Application) -> Result<(), Failed> {
    let operator = OperatorClient::new(&args.operator)?;
    match args.what {
        What::List { event, limit } => {
            let listed = parked(&operator, &event, limit).await?;
            operator.tell(&listed, told)
        }
        What::Requeue { event, application, reason } => {
            end(&operator, "requeue", &event, &application, reason.as_deref()).await
        }
        What::Reject { event, application, reason } => {
            end(&operator, "reject", &event, &application, Some(&reason)).await
        }
    }
}

async fn parked(operator: &OperatorClient, event: &EventId, limit: u32) -> Result<Value, Failed> {
    operator.read(format!("/application/adm/v1/list/application/{event}?state=parked&limit={limit}")).await
}

fn told(listed: &Value) -> String {
    let items = listed["items"].as_array().into_iter().flatten();
    let rows = items.map(|item| {
        format!(
            "number {:>8}  {}  guid {}  {} calls",
            item["number"],
            text(&item["app_key"]),
            text(&item["guid"]),
            item["attempts"]
        )
    });
    let more = listed["more"].as_bool().filter(|more| *more).map(|_| "there are more: --limit".to_owned());
    rows.chain(more).collect::<Vec<_>>().join("\n")
}

async fn end(
    operator: &OperatorClient,
    verb: &str,
    event: &EventId,
    named: &str,
    reason: Option<&str>,
) -> Result<(), Failed> {
    let listed = parked(operator, event, 1000).await?;
    let mut items = listed["items"].as_array().into_iter().flatten();
    // The operator API knows them by the key only; the audit and the applicant's page by the other.
    let found = items.find(|item| item["guid"] == named).and_then(|item| item["app_key"].as_str());
    let path = format!("/application/adm/v1/{verb}/application/{event}/{}", segment(found.unwrap_or(named)));
    let ask = Ask { method: Method::POST, path, rev: None, body: &because(reason) };
    operator.tell_change(&operator.change(event, ask).await?)
}

/// What a person typed, as one segment of a path.
fn segment(typed: &str) -> String {
    let hex: String = typed.chars().filter(char::is_ascii_alphanumeric).collect();
    if hex.is_empty() { "none".into() } else { hex }
}
