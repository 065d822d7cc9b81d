//! `firstcome application`: parked applications, and what happened to one.

use clap::{Args, Subcommand};
use domain::EventId;
use hyper::Method;
use operator::response::{ApplicationList, ApplicationResponse, ApplicationTimeline, TimelineEntry};
use serde_json::json;

use super::client::{ApiRequest, OperatorArgs, OperatorClient, body_with_reason};
use super::format::printable;
use crate::command::error::CommandError;

/// The most applications on one page of the API.
const PAGE_MAX: u32 = 1000;

#[derive(Debug, Args)]
pub(in crate::command) struct ApplicationArgs {
    #[command(flatten)]
    operator: OperatorArgs,
    #[command(subcommand)]
    command: ApplicationCommand,
}

#[derive(Debug, Subcommand)]
enum ApplicationCommand {
    /// Lists parked applications: their order calls got no clear response 50 times, so an operator must decide.
    List {
        /// The event's id.
        event: EventId,
        /// The most applications to list.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=i64::from(PAGE_MAX)))]
        limit: u32,
    },
    /// Repeats the order calls of a parked application.
    Retry {
        /// The event's id.
        event: EventId,
        /// The application key or the GUID, as `application list` shows them. Logs and the audit show the GUID.
        application: String,
        /// The reason, for the audit.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Finds an application by what an applicant can tell, and shows what happened to it, without personal data.
    Find {
        /// The event's id.
        event: EventId,
        /// The number, the GUID, or the receipt or its address.
        by: String,
    },
    /// Rejects a parked application. An order that may exist is deleted first; only then is the seat free.
    Reject {
        /// The event's id.
        event: EventId,
        /// The application key or the GUID, as `application list` shows them. Logs and the audit show the GUID.
        application: String,
        /// The reason, for the audit.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

/// Runs the command.
pub(super) async fn run(args: ApplicationArgs) -> Result<(), CommandError> {
    let operator = OperatorClient::new(&args.operator)?;
    match args.command {
        ApplicationCommand::List { event, limit } => {
            let list = parked(&operator, &event, limit).await?;
            operator.print(&list, list_text)
        }
        ApplicationCommand::Find { event, by } => {
            let path = format!("/application/adm/v1/find/application/{event}");
            let request = ApiRequest { method: Method::POST, path, rev: None, body: json!({ "by": by }) };
            operator.print(&operator.send(&request).await?, timeline_text)
        }
        ApplicationCommand::Retry { event, application, reason } => {
            decide(&operator, "retry", &event, &application, reason.as_deref()).await
        }
        ApplicationCommand::Reject { event, application, reason } => {
            decide(&operator, "reject", &event, &application, Some(&reason)).await
        }
    }
}

async fn parked(
    operator: &OperatorClient,
    event: &EventId,
    limit: u32,
) -> Result<ApplicationList, CommandError> {
    operator.get(format!("/application/adm/v1/list/application/{event}?state=parked&limit={limit}")).await
}

fn list_text(list: &ApplicationList) -> String {
    let rows = list.items.iter().map(row);
    let more = list.more.then(|| "more applications are parked: raise --limit".to_owned());
    rows.chain(more).collect::<Vec<_>>().join("\n")
}

fn row(application: &ApplicationResponse) -> String {
    format!(
        "number {:>8}  key {}  guid {}  {} order calls",
        application.number,
        printable(&application.app_key),
        printable(&application.guid),
        application.attempts
    )
}

/// Posts the decision on a parked application.
async fn decide(
    operator: &OperatorClient,
    verb: &str,
    event: &EventId,
    id: &str,
    reason: Option<&str>,
) -> Result<(), CommandError> {
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(CommandError::usage(format!(
            "'{id}' is neither an application key nor a GUID: 32 hexadecimal digits"
        )));
    }
    let list = parked(operator, event, PAGE_MAX).await?;
    // The operator API takes the key only. The GUID, which the audit and the applicant's page show, is looked up among the first
    // 1000 parked applications.
    let by_guid = list.items.iter().find(|application| application.guid == id);
    let key = by_guid.map_or(id, |application| application.app_key.as_str());
    let path = format!("/application/adm/v1/{verb}/application/{event}/{key}");
    let body = body_with_reason(reason);
    let request = ApiRequest { method: Method::POST, path, rev: None, body };
    operator.print_change(&operator.change(event, request).await?)
}

fn timeline_text(found: &ApplicationTimeline) -> String {
    let optional = |name: &str, text: &Option<String>| {
        text.as_deref().map_or_else(String::new, |text| format!("  {name} {}", printable(text)))
    };
    let ended =
        if found.reason.is_empty() { String::new() } else { format!(" ({})", printable(&found.reason)) };
    let head = format!(
        "number {}  {}{ended}{}{}{}",
        found.number,
        printable(found.outcome.as_deref().unwrap_or(&found.state)),
        optional("order", &found.order_no),
        optional("guid", &found.guid),
        optional("ahead at most", &found.ahead.map(|ahead| ahead.to_string()))
    );
    [vec![head], found.timeline.iter().map(entry_text).collect()].concat().join("\n")
}

fn entry_text(entry: &TimelineEntry) -> String {
    let line =
        format!("  {}  {}  {}", printable(&entry.at), printable(&entry.what), printable(&entry.detail));
    line.trim_end().to_owned()
}
