//! `firstcome pace`: the rate of order calls.

use clap::{Args, Subcommand};
use domain::EventId;
use hyper::Method;
use operator::response::EventResponse;
use serde_json::json;

use super::client::{ApiRequest, OperatorArgs, OperatorClient, body_with_reason};
use super::format::{printable, release_name};
use crate::command::error::CommandError;

#[derive(Debug, Args)]
pub(in crate::command) struct PaceArgs {
    #[command(flatten)]
    operator: OperatorArgs,
    #[command(subcommand)]
    command: PaceCommand,
}

#[derive(Debug, Subcommand)]
enum PaceCommand {
    /// Shows the pace of an event and the number of order calls in flight.
    Get {
        /// The event's id.
        event: EventId,
    },
    /// Sets the pace of an event. It takes effect within about one second.
    Set(SetPace),
}

#[derive(Debug, Args)]
struct SetPace {
    /// The event's id.
    event: EventId,
    /// Order calls started per second, over all workers together: 0.001 to 100000, such as 20 or 0.5.
    rate: domain::Pace,
    /// Also sets the maximum number of order calls in flight.
    #[arg(long, value_name = "N")]
    in_flight_max: Option<u32>,
    /// The reason, for the audit.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Changes the event only if it is still at this rev, as shown by `event get`.
    #[arg(long, value_name = "REV")]
    if_rev: Option<i64>,
}

/// Runs the command.
pub(super) async fn run(args: PaceArgs) -> Result<(), CommandError> {
    let operator = OperatorClient::new(&args.operator)?;
    match args.command {
        PaceCommand::Get { event } => {
            let event = operator.event(&event).await?;
            operator.print(&event, pace_line)
        }
        PaceCommand::Set(set) => set_pace(&operator, set).await,
    }
}

fn pace_line(event: &EventResponse) -> String {
    format!(
        "{} {}/s, in flight {} / {}, {}",
        printable(&event.id),
        printable(&event.pace),
        event.under_way.ordering,
        event.in_flight_max,
        release_name(event.release)
    )
}

async fn set_pace(operator: &OperatorClient, set: SetPace) -> Result<(), CommandError> {
    let mut body = body_with_reason(set.reason.as_deref());
    body["pace"] = json!(set.rate);
    let path = format!("/gate/adm/v1/set/pace/{}", set.event);
    let request = ApiRequest { method: Method::PUT, path, rev: set.if_rev, body };
    let changed = operator.change_at_rev(&set.event, request).await?;
    operator.print_change(&changed)?;
    let Some(in_flight_max) = set.in_flight_max else { return Ok(()) };
    let mut body = body_with_reason(set.reason.as_deref());
    body["in_flight_max"] = in_flight_max.into();
    let path = format!("/gate/adm/v1/set/in-flight-max/{}", set.event);
    // The second change applies only on top of the first one.
    let request = ApiRequest { method: Method::PUT, path, rev: Some(changed.rev), body };
    operator.print_change(&operator.change(&set.event, request).await?)
}
