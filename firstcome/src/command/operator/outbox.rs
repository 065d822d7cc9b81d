//! `firstcome outbox`: how far domain events are delivered, and sending them again.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use domain::EventId;
use hyper::Method;
use operator::response::{ChangeResponse, TargetList, TargetResponse};
use serde_json::json;

use super::client::{ApiRequest, OperatorArgs, OperatorClient};
use crate::command::error::CommandError;

#[derive(Debug, Args)]
pub(in crate::command) struct OutboxArgs {
    #[command(flatten)]
    operator: OperatorArgs,
    #[command(subcommand)]
    command: OutboxCommand,
}

#[derive(Debug, Subcommand)]
enum OutboxCommand {
    /// Lists for each target how far it is with the domain events of each event.
    Status {
        /// Lists this event only.
        event: Option<EventId>,
    },
    /// Sends domain events to a target again, under the same IDs. Consumers must remove duplicates.
    Replay {
        /// The target, as `outbox status` shows it.
        target: String,
        /// The event.
        event: EventId,
        /// The number of the first domain event to send again.
        #[arg(long, value_name = "SEQ", value_parser = clap::value_parser!(i64).range(1..))]
        from: i64,
        /// The reason, for the audit.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

/// Runs the command.
pub(super) async fn run(args: OutboxArgs) -> Result<(), CommandError> {
    let operator = OperatorClient::new(&args.operator)?;
    match args.command {
        OutboxCommand::Status { event } => {
            let filter = event.map(|event| format!("?event={event}")).unwrap_or_default();
            let list: TargetList = operator.get(format!("/outbox/adm/v1/list/target{filter}")).await?;
            operator.print(&list.items, |items| items.iter().map(line).collect::<Vec<_>>().join("\n"))
        }
        OutboxCommand::Replay { target, event, from, reason } => {
            let mut body = json!({ "from_seq": from });
            if let Some(reason) = reason {
                body["reason"] = json!(reason);
            }
            let path = format!("/outbox/adm/v1/replay/target/{target}/{event}");
            let change: ChangeResponse =
                operator.send(&ApiRequest { method: Method::POST, path, rev: None, body }).await?;
            operator.print_change(&change)
        }
    }
}

fn line(status: &TargetResponse) -> String {
    let TargetResponse { target, event, seq, last_seq, lag_ms, failures, dead, .. } = status;
    let mut line =
        format!("{target:<24} {event:<20} {seq} of {last_seq}, {:.1} s behind", to_seconds(*lag_ms));
    if *dead > 0 {
        let _ = write!(line, ", {dead} dead");
    }
    if *failures > 0 {
        let error = status.last_error.as_deref().unwrap_or_default();
        let _ = write!(line, ", failed {failures} times: {error}");
    }
    line
}

fn to_seconds(ms: i64) -> f64 {
    f64::from(i32::try_from(ms).unwrap_or(i32::MAX)) / 1000.0
}
