//! `firstcome release`: the release valve, and what an operator says after having looked, as a client of the operator console.

use clap::{Args, Subcommand};
use domain::EventId;
use hyper::Method;

use super::Failed;
use super::client::{Ask, OperatorArgs, OperatorClient, because};
use super::event::{Valve, line, turn};

#[derive(Debug, Args)]
pub(super) struct Release {
    #[command(flatten)]
    operator: OperatorArgs,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Shows how an event's release stands.
    Get {
        /// The event's id.
        event: EventId,
    },
    /// Starts no order call any more; those under way finish. People may go on applying, and keep their numbers.
    Pause(Valve),
    /// Moves people and makes orders again, at the pace and without a burst.
    Resume(Valve),
    /// Moves nobody any more; the orders of those who were admitted are made.
    Drain(Reasoned),
    /// Moves on without waiting for those whom the line forgot; they may be passed over.
    Accept(Reasoned),
    /// Moves people again after you looked at why the event is frozen (`firstcome verify`).
    Unfreeze(Reasoned),
}

#[derive(Debug, Args)]
struct Reasoned {
    /// The event's id.
    event: EventId,
    /// Why, for the audit.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Only if the event is still at this rev.
    #[arg(long, value_name = "REV")]
    if_rev: Option<i64>,
}

/// Runs the command.
pub(super) async fn release(args: Release) -> Result<(), Failed> {
    let operator = OperatorClient::new(&args.operator)?;
    let (path, reasoned) = match args.what {
        What::Get { event } => {
            let event = operator.event(&event).await?;
            return operator.tell(&event, line);
        }
        What::Pause(valve) => return turn(&operator, "/gate/adm/v1/pause/release", &valve).await,
        What::Resume(valve) => return turn(&operator, "/gate/adm/v1/resume/release", &valve).await,
        What::Drain(reasoned) => ("/gate/adm/v1/drain/release", reasoned),
        What::Accept(reasoned) => ("/gate/adm/v1/accept/recovery", reasoned),
        What::Unfreeze(reasoned) => ("/gate/adm/v1/unfreeze/event", reasoned),
    };
    let body = because(Some(&reasoned.reason));
    let path = format!("{path}/{}", reasoned.event);
    let ask = Ask { method: Method::POST, path, rev: reasoned.if_rev, body: &body };
    operator.tell_change(&operator.change(&reasoned.event, ask).await?)
}
