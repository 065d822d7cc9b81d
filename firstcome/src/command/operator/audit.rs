//! `firstcome audit`: the recorded changes of events.

use clap::{Args, Subcommand};
use domain::EventId;
use operator::response::ChangeList;

use super::client::{OperatorArgs, OperatorClient};
use super::format::change_line;
use crate::command::error::CommandError;

/// The most changes on one page of the API.
const PAGE_MAX: u32 = 200;

#[derive(Debug, Args)]
pub(in crate::command) struct AuditArgs {
    #[command(flatten)]
    operator: OperatorArgs,
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Lists changes, newest first: time, event and rev, operator, action, old and new values, and reason.
    List {
        /// Lists the changes of this event only.
        event: Option<EventId>,
        /// The most changes to list.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
}

/// Runs the command.
pub(super) async fn run(args: AuditArgs) -> Result<(), CommandError> {
    let operator = OperatorClient::new(&args.operator)?;
    let AuditCommand::List { event, limit } = args.command;
    let filter = event.map(|event| format!("&event={event}")).unwrap_or_default();
    let mut changes = Vec::new();
    let mut cursor = String::new();
    let mut left = limit;
    while left > 0 {
        let path = format!("/audit/adm/v1/list/change?limit={}{filter}{cursor}", left.min(PAGE_MAX));
        let page: ChangeList = operator.get(path).await?;
        left = left.saturating_sub(u32::try_from(page.items.len()).unwrap_or(left));
        changes.extend(page.items);
        match page.next_cursor {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    operator.print(&changes, |changes| changes.iter().map(change_line).collect::<Vec<_>>().join("\n"))
}
