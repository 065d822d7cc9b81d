//! `firstcome release`: pausing and resuming the release of applications, and an operator's decisions after a loss.

use clap::{Args, Subcommand};
use domain::EventId;
use hyper::Method;

use super::client::{ApiRequest, ChangeArgs, OperatorArgs, OperatorClient, body_with_reason};
use super::format::event_line;
use crate::command::error::CommandError;

#[derive(Debug, Args)]
pub(in crate::command) struct ReleaseArgs {
    #[command(flatten)]
    operator: OperatorArgs,
    #[command(subcommand)]
    command: ReleaseCommand,
}

#[derive(Debug, Subcommand)]
enum ReleaseCommand {
    /// Shows the state of an event's release.
    Get {
        /// The event's id.
        event: EventId,
    },
    /// Starts no more order calls; calls in flight finish. Applicants can still apply and keep their numbers.
    Pause(ChangeArgs),
    /// Admits applications and makes orders again, at the pace and without a burst.
    Resume(ChangeArgs),
    /// Admits no more applications; orders of admitted applications are still made.
    Drain(ReasonedChangeArgs),
    /// Continues without waiting for applications that the queue lost; they may be passed over.
    Accept(ReasonedChangeArgs),
    /// Admits applications again after an operator has found out why the event is frozen (`firstcome verify`).
    Unfreeze(ReasonedChangeArgs),
}

#[derive(Debug, Args)]
struct ReasonedChangeArgs {
    /// The event's id.
    event: EventId,
    /// The reason, for the audit.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Changes the event only if it is still at this rev.
    #[arg(long, value_name = "REV")]
    if_rev: Option<i64>,
}

/// Runs the command.
pub(super) async fn run(args: ReleaseArgs) -> Result<(), CommandError> {
    let operator = OperatorClient::new(&args.operator)?;
    let (path, change) = match args.command {
        ReleaseCommand::Get { event } => {
            let event = operator.event(&event).await?;
            return operator.print(&event, event_line);
        }
        ReleaseCommand::Pause(args) => {
            return operator.post_change("/gate/adm/v1/pause/release", &args).await;
        }
        ReleaseCommand::Resume(args) => {
            return operator.post_change("/gate/adm/v1/resume/release", &args).await;
        }
        ReleaseCommand::Drain(args) => ("/gate/adm/v1/drain/release", args),
        ReleaseCommand::Accept(args) => ("/gate/adm/v1/accept/recovery", args),
        ReleaseCommand::Unfreeze(args) => ("/gate/adm/v1/unfreeze/event", args),
    };
    let body = body_with_reason(Some(&change.reason));
    let path = format!("{path}/{}", change.event);
    let request = ApiRequest { method: Method::POST, path, rev: change.if_rev, body };
    operator.print_change(&operator.change(&change.event, request).await?)
}
