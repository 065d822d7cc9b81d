//! `firstcome announcement`: what an event's page tells the applicants, as a client of the operator console.

use clap::{Args, Subcommand};
use domain::EventId;
use hyper::Method;
use serde_json::json;

use super::Failed;
use super::client::{Ask, OperatorArgs, OperatorClient, because};

#[derive(Debug, Args)]
pub(super) struct Announcement {
    #[command(flatten)]
    operator: OperatorArgs,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Sets the announcement; without texts it is taken away.
    Set(Set),
}

#[derive(Debug, Args)]
struct Set {
    /// The event's id.
    event: EventId,
    /// What the Korean page says, such as '조금 늦어지고 있어요'.
    #[arg(long, value_name = "TEXT", default_value = "")]
    ko: String,
    /// What the English page says, such as 'Slower for now'.
    #[arg(long, value_name = "TEXT", default_value = "")]
    en: String,
    /// Why, for the audit.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Only if the event is still at this rev, as `event get` showed it.
    #[arg(long, value_name = "REV")]
    if_rev: Option<i64>,
}

/// Runs the command.
pub(super) async fn announcement(args: Announcement) -> Result<(), Failed> {
    let (operator, What::Set(set)) = (OperatorClient::new(&args.operator)?, args.what);
    let mut body = because(set.reason.as_deref());
    body["announcement"] = json!({"ko": set.ko, "en": set.en});
    let path = format!("/gate/adm/v1/set/announcement/{}", set.event);
    let ask = Ask { method: Method::PUT, path, rev: set.if_rev, body: &body };
    operator.tell_change(&operator.set(&set.event, ask).await?)
}
