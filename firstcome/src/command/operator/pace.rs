//! `firstcome pace`: the rate of order calls.

use clap::{Args, Subcommand};
use domain::EventId;
use hyper::Method;
use operator::response::EventResponse;
use serde_json::json;

use super::client::{ApiRequest, OperatorArgs, OperatorClient, body_with_reason};
use super::format::{auto_pace_text, printable, release_name};
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
    /// Makes the pace follow the latency and the errors of the order calls, between two limits. It falls at once and rises slowly;
    /// `pace set` ends it.
    Auto(AutoPaceArgs),
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

#[derive(Debug, Args)]
struct AutoPaceArgs {
    /// The event's id.
    event: EventId,
    /// The lowest pace, with which the release also resumes after a pause.
    #[arg(long, value_name = "RATE", required_unless_present = "off")]
    min: Option<domain::Pace>,
    /// The highest pace.
    #[arg(long, value_name = "RATE", required_unless_present = "off")]
    max: Option<domain::Pace>,
    /// The latency that 95 % of the order calls should not exceed, in milliseconds: 10 to 8000.
    #[arg(long, value_name = "MS", required_unless_present = "off")]
    target_p95_ms: Option<u32>,
    /// Ends the automatic pace. The pace stays as it is.
    #[arg(long, conflicts_with_all = ["min", "max", "target_p95_ms"])]
    off: bool,
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
        PaceCommand::Auto(auto) => set_auto_pace(&operator, auto).await,
    }
}

fn pace_line(event: &EventResponse) -> String {
    format!(
        "{} {}/s{}, in flight {} / {}, {}",
        printable(&event.id),
        printable(&event.pace),
        event.auto_pace.as_ref().map_or_else(String::new, |auto| format!(" ({})", auto_pace_text(auto))),
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

async fn set_auto_pace(operator: &OperatorClient, auto: AutoPaceArgs) -> Result<(), CommandError> {
    let mut body = body_with_reason(auto.reason.as_deref());
    body["auto_pace"] = match (auto.min, auto.max, auto.target_p95_ms) {
        (Some(min), Some(max), Some(target_p95_ms)) => {
            json!({ "min": min, "max": max, "target_p95_ms": target_p95_ms })
        }
        _ => json!(null),
    };
    let path = format!("/gate/adm/v1/set/auto-pace/{}", auto.event);
    let request = ApiRequest { method: Method::PUT, path, rev: auto.if_rev, body };
    operator.print_change(&operator.change_at_rev(&auto.event, request).await?)
}
