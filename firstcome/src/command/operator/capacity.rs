//! `firstcome capacity`: the number of seats of an event.

use clap::{Args, Subcommand};
use domain::EventId;
use hyper::Method;

use super::client::{ApiRequest, OperatorArgs, OperatorClient, body_with_reason};
use super::confirm::confirm;
use crate::command::error::CommandError;

#[derive(Debug, Args)]
pub(in crate::command) struct CapacityArgs {
    #[command(flatten)]
    operator: OperatorArgs,
    #[command(subcommand)]
    command: CapacityCommand,
}

#[derive(Debug, Subcommand)]
enum CapacityCommand {
    /// Sets the number of seats. Added seats go to waiting applications in order; only free seats can be removed.
    Set(SetCapacity),
}

#[derive(Debug, Args)]
struct SetCapacity {
    /// The event's id.
    event: EventId,
    /// The number of seats, including the sold ones.
    seats: u32,
    /// The reason, for the audit.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Changes the event only if it is still at this rev, as shown by `event get`.
    #[arg(long, value_name = "REV")]
    if_rev: Option<i64>,
    /// Lowers the capacity without asking for confirmation.
    #[arg(long, short)]
    yes: bool,
}

/// Runs the command.
pub(super) async fn run(args: CapacityArgs) -> Result<(), CommandError> {
    let operator = OperatorClient::new(&args.operator)?;
    let CapacityCommand::Set(set) = args.command;
    let current = operator.event(&set.event).await?;
    if set.seats < current.capacity {
        let effect =
            format!("This lowers the capacity of {} from {} to {}.", set.event, current.capacity, set.seats);
        confirm(set.yes, &effect)?;
    }
    let mut body = body_with_reason(Some(&set.reason));
    body["capacity"] = set.seats.into();
    let path = format!("/gate/adm/v1/set/capacity/{}", set.event);
    let rev = set.if_rev.or(Some(current.rev));
    let request = ApiRequest { method: Method::PUT, path, rev, body };
    operator.print_change(&operator.change(&set.event, request).await?)
}
