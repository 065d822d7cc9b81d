//! `firstcome application`: parked applications.

use clap::{Args, Subcommand};
use domain::EventId;
use hyper::Method;
use operator::response::{ApplicationList, ApplicationResponse};

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
    /// Lists parked applications: their order calls were left without an answer too often, so an operator must decide.
    List {
        /// The event's id.
        event: EventId,
        /// The most applications to list.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=i64::from(PAGE_MAX)))]
        limit: u32,
    },
    /// Repeats the order calls of a parked application.
    Requeue {
        /// The event's id.
        event: EventId,
        /// The application, by either of the ids that `application list` shows.
        application: String,
        /// The reason, for the audit.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Rejects a parked application. An order that may exist is deleted first; only then is the seat free.
    Reject {
        /// The event's id.
        event: EventId,
        /// The application, by either of the ids that `application list` shows.
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
        ApplicationCommand::Requeue { event, application, reason } => {
            end(&operator, "requeue", &event, &application, reason.as_deref()).await
        }
        ApplicationCommand::Reject { event, application, reason } => {
            end(&operator, "reject", &event, &application, Some(&reason)).await
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
        "number {:>8}  {}  guid {}  {} calls",
        application.number,
        printable(&application.app_key),
        printable(&application.guid),
        application.attempts
    )
}

async fn end(
    operator: &OperatorClient,
    verb: &str,
    event: &EventId,
    id: &str,
    reason: Option<&str>,
) -> Result<(), CommandError> {
    let list = parked(operator, event, PAGE_MAX).await?;
    // The operator API takes the key only; the audit and the applicant's page show the GUID.
    let by_guid = list.items.iter().find(|application| application.guid == id);
    let key = by_guid.map_or(id, |application| application.app_key.as_str());
    let path = format!("/application/adm/v1/{verb}/application/{event}/{}", path_segment(key));
    let body = body_with_reason(reason);
    let request = ApiRequest { method: Method::POST, path, rev: None, body };
    operator.print_change(&operator.change(event, request).await?)
}

/// An argument as one segment of a path.
fn path_segment(argument: &str) -> String {
    let hex: String = argument.chars().filter(char::is_ascii_alphanumeric).collect();
    if hex.is_empty() { "none".into() } else { hex }
}
