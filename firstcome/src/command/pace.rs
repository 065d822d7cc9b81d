//! `firstcome pace`: how fast orders are made, as a client of the operator console.

use clap::{Args, Subcommand};
use domain::EventId;
use hyper::Method;
use serde_json::json;

use super::Failed;
use super::client::{Ask, OperatorArgs, OperatorClient, because, text};

#[derive(Debug, Args)]
pub(super) struct Pace {
    #[command(flatten)]
    operator: OperatorArgs,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Shows an event's pace and how many order calls are without an answer.
    Get {
        /// The event's id.
        event: EventId,
    },
    /// Sets an event's pace; it takes effect within about a second.
    Set(Set),
}

#[derive(Debug, Args)]
struct Set {
    /// The event's id.
    event: EventId,
    /// Order calls started per second, over all workers together: 0.001 to 100000, such as 20 or 0.5.
    rate: domain::Pace,
    /// Also sets how many order calls may be without an answer at once.
    #[arg(long, value_name = "N")]
    in_flight_max: Option<u32>,
    /// Why, for the audit.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Only if the event is still at this rev, as `event get` showed it.
    #[arg(long, value_name = "REV")]
    if_rev: Option<i64>,
}

/// Runs the command.
pub(super) async fn pace(args: Pace) -> Result<(), Failed> {
    let operator = OperatorClient::new(&args.operator)?;
    match args.what {
        What::Get { event } => {
            let event = operator.event(&event).await?;
            operator.tell(&event, |event| {
                format!(
                    "{} {}/s, in flight {} / {}, {}",
                    text(&event["id"]),
                    text(&event["pace"]),
                    event["under_way"]["ordering"],
                    event["in_flight_max"],
                    text(&event["release"])
                )
            })
        }
        What::Set(set) => self::set(&operator, set).await,
    }
}

async fn set(operator: &OperatorClient, set: Set) -> Result<(), Failed> {
    let mut body = because(set.reason.as_deref());
    body["pace"] = json!(set.rate);
    let path = format!("/gate/adm/v1/set/pace/{}", set.event);
    let ask = Ask { method: Method::PUT, path, rev: set.if_rev, body: &body };
    let changed = operator.set(&set.event, ask).await?;
    operator.tell_change(&changed)?;
    let Some(most) = set.in_flight_max else { return Ok(()) };
    let mut body = because(set.reason.as_deref());
    body["in_flight_max"] = most.into();
    let path = format!("/gate/adm/v1/set/in-flight-max/{}", set.event);
    // On top of what was just changed, and of nothing else.
    let ask = Ask { method: Method::PUT, path, rev: changed["rev"].as_i64(), body: &body };
    operator.tell_change(&operator.change(&set.event, ask).await?)
}
