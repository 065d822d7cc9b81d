//! `firstcome announcement`: the operator's text on the page of an event.

use clap::{Args, Subcommand};
use domain::EventId;
use hyper::Method;
use serde_json::json;

use super::client::{ApiRequest, OperatorArgs, OperatorClient, body_with_reason};
use crate::command::error::CommandError;

#[derive(Debug, Args)]
pub(in crate::command) struct AnnouncementArgs {
    #[command(flatten)]
    operator: OperatorArgs,
    #[command(subcommand)]
    command: AnnouncementCommand,
}

#[derive(Debug, Subcommand)]
enum AnnouncementCommand {
    /// Sets the announcement. Without texts the announcement is removed.
    Set(SetAnnouncement),
}

#[derive(Debug, Args)]
struct SetAnnouncement {
    /// The event's id.
    event: EventId,
    /// The text on the Korean page, such as '조금 늦어지고 있어요'.
    #[arg(long, value_name = "TEXT", default_value = "")]
    ko: String,
    /// The text on the English page, such as 'Slower for now'.
    #[arg(long, value_name = "TEXT", default_value = "")]
    en: String,
    /// The reason, for the audit.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Changes the event only if it is still at this rev, as shown by `event get`.
    #[arg(long, value_name = "REV")]
    if_rev: Option<i64>,
}

/// Runs the command.
pub(super) async fn run(args: AnnouncementArgs) -> Result<(), CommandError> {
    let operator = OperatorClient::new(&args.operator)?;
    let AnnouncementCommand::Set(set) = args.command;
    let mut body = body_with_reason(set.reason.as_deref());
    body["announcement"] = json!({"ko": set.ko, "en": set.en});
    let path = format!("/gate/adm/v1/set/announcement/{}", set.event);
    let request = ApiRequest { method: Method::PUT, path, rev: set.if_rev, body };
    operator.print_change(&operator.change_at_rev(&set.event, request).await?)
}
