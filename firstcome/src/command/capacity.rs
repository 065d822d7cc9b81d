//! `firstcome capacity`: how many seats an event has, as a client of the operator console.

use clap::{Args, Subcommand};
use domain::EventId;
use hyper::Method;

use super::Failed;
use super::client::{Ask, OperatorArgs, OperatorClient, because, confirm};

#[derive(Debug, Args)]
pub(super) struct Capacity {
    #[command(flatten)]
    operator: OperatorArgs,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Sets the number of seats. More seats go to those who wait, in order; fewer takes free ones away, and no others.
    Set(Set),
}

#[derive(Debug, Args)]
struct Set {
    /// The event's id.
    event: EventId,
    /// Seats, sold ones among them.
    seats: u32,
    /// Why, for the audit.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Only if the event is still at this rev, as `event get` showed it.
    #[arg(long, value_name = "REV")]
    if_rev: Option<i64>,
    /// Does not ask before lowering.
    #[arg(long, short)]
    yes: bool,
}

/// Runs the command.
pub(super) async fn capacity(args: Capacity) -> Result<(), Failed> {
    let (operator, What::Set(set)) = (OperatorClient::new(&args.operator)?, args.what);
    let seen = operator.event(&set.event).await?;
    let now = seen["capacity"].as_u64().unwrap_or_default();
    if u64::from(set.seats) < now {
        let question = format!("This lowers the capacity of {} from {now} to {}.", set.event, set.seats);
        confirm(set.yes, &question)?;
    }
    let mut body = because(Some(&set.reason));
    body["capacity"] = set.seats.into();
    let path = format!("/gate/adm/v1/set/capacity/{}", set.event);
    let rev = set.if_rev.or(seen["rev"].as_i64());
    let ask = Ask { method: Method::PUT, path, rev, body: &body };
    operator.tell_change(&operator.change(&set.event, ask).await?)
}
