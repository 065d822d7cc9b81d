//! `firstcome audit`: the recorded changes of events. `list` asks the operator API, `verify` reads the ledger itself.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use domain::EventId;
use ledger::AuditChain;
use operator::format_timestamp;
use operator::response::ChangeList;
use serde_json::json;

use super::client::{OperatorArgs, OperatorClient};
use super::format::change_line;
use crate::command::error::CommandError;
use crate::command::settings::SettingsArgs;
use crate::output::print;
use crate::setup::ProcessRole;
use crate::stores;

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
    /// Reads the whole audit from the ledger and checks its chain of hashes. Exits with 9 if a row was changed or removed.
    Verify {
        #[command(flatten)]
        settings: SettingsArgs,
        /// The data folder; overrides the settings.
        #[arg(long)]
        data: Option<PathBuf>,
        /// A hash that an earlier run printed: the row that has it must still be there. May be repeated.
        #[arg(long, value_name = "HASH", value_parser = audit_hash)]
        kept: Vec<String>,
    },
}

/// Runs the command.
pub(super) async fn run(args: AuditArgs) -> Result<(), CommandError> {
    match args.command {
        AuditCommand::List { event, limit } => list(&args.operator, event, limit).await,
        AuditCommand::Verify { settings, data, kept } => {
            verify(settings, data, &kept, args.operator.is_json()).await
        }
    }
}

async fn list(args: &OperatorArgs, event: Option<EventId>, limit: u32) -> Result<(), CommandError> {
    let operator = OperatorClient::new(args)?;
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

async fn verify(
    mut settings: SettingsArgs,
    data: Option<PathBuf>,
    kept: &[String],
    json: bool,
) -> Result<(), CommandError> {
    let now = service::clock::system();
    settings.set.extend(data.map(|folder| ("data.folder".to_owned(), folder.display().to_string())));
    let (setup, _) = settings.read(ProcessRole::All, now())?;
    let ledger = stores::open_ledger_to_read(&setup.stores, now).await?;
    let chain = ledger.check_audit(kept).await?;
    ledger.close().await;
    print(if json { as_json(&chain) } else { as_text(&chain) });
    if chain.is_whole() { Ok(()) } else { Err(CommandError::Violations) }
}

fn as_json(chain: &AuditChain) -> String {
    let broken: Vec<_> = chain
        .listed
        .iter()
        .map(|link| json!({ "event": link.event, "at": format_timestamp(link.at) }))
        .collect();
    json!({ "rows": chain.rows, "head": chain.head, "broken": chain.broken, "listed": broken, "missing": chain.missing })
        .to_string()
}

fn as_text(chain: &AuditChain) -> String {
    let mut lines = Vec::new();
    for link in &chain.listed {
        let at = format_timestamp(link.at);
        lines.push(format!(
            "BROKEN at {at}, event {}: this row was changed, or rows before it were removed",
            link.event
        ));
    }
    for hash in &chain.missing {
        lines.push(format!(
            "MISSING {hash}: no row has this hash; rows were removed, or all were written anew"
        ));
    }
    let verdict = if chain.is_whole() { "the chain is whole" } else { "rows were changed or removed" };
    lines.push(format!("rows checked: {}; {verdict}", chain.rows));
    if chain.rows > 0 {
        lines.push(format!("last row {}, hash {}", format_timestamp(chain.head_at), chain.head));
    }
    lines.join("\n")
}

/// Reads a hash of the audit.
fn audit_hash(text: &str) -> Result<String, &'static str> {
    let is_hash = text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if is_hash {
        Ok(text.to_owned())
    } else {
        Err("a hash has 64 hex digits, as `firstcome audit verify` prints it")
    }
}
