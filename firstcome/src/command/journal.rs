//! `firstcome journal`: what the journal of a signup service has.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use data_encoding::HEXLOWER;
use queue::{JournalRecord, JournalSummary};

use super::error::CommandError;
use crate::output::print;

#[derive(Debug, Args)]
pub(super) struct JournalArgs {
    /// The folder of the journal: `signup.journal`.
    folder: PathBuf,
    /// Prints each record, one a line: event, kind, number and key of the application.
    #[arg(long, conflicts_with = "json")]
    records: bool,
    /// Prints the summary as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(args: &JournalArgs) -> Result<(), CommandError> {
    let show = |record: &JournalRecord| {
        if args.records {
            print(line(record));
        }
    };
    let summary = JournalSummary::read(&args.folder, show)
        .with_context(|| format!("cannot read the journal in {}", args.folder.display()))?;
    if args.json {
        print(serde_json::to_string_pretty(&summary).context("cannot print the summary")?);
    } else if !args.records {
        print_summary(args, &summary);
    }
    Ok(())
}

fn line(record: &JournalRecord) -> String {
    match record {
        JournalRecord::Registered { event } => format!("{event} registered"),
        JournalRecord::Applied { event, number, app_key, .. } => {
            format!("{event} applied {} {}", number.get(), HEXLOWER.encode(&app_key.0))
        }
        JournalRecord::Cancelled { event, number, app_key } => {
            format!("{event} cancelled {} {}", number.get(), HEXLOWER.encode(&app_key.0))
        }
        JournalRecord::Reported { event, number, app_key, order_no } => {
            format!("{event} reported {} {} {order_no}", number.get(), HEXLOWER.encode(&app_key.0))
        }
        JournalRecord::Confirmed { event, number, app_key, at } => {
            format!("{event} confirmed {} {} {at}", number.get(), HEXLOWER.encode(&app_key.0))
        }
    }
}

fn print_summary(args: &JournalArgs, summary: &JournalSummary) {
    let Some(id) = &summary.id else {
        print(format!("there is no journal in {}", args.folder.display()));
        return;
    };
    print(format!("journal {id}: {} segments", summary.segments));
    for (name, event) in &summary.events {
        let registered = if event.registered { "" } else { ", not registered in the ledger yet" };
        print(format!(
            "  {name}: {} applications, the highest number is {}, {} cancel requests, {} confirmations, {} reports{registered}",
            event.applications, event.last_number, event.cancel_requests, event.confirmations, event.reports
        ));
    }
    if summary.unreadable_bytes > 0 {
        print(format!(
            "  {} bytes are no record: a crash leaves some, of a write that was never acknowledged; more than that is a damaged disk",
            summary.unreadable_bytes
        ));
    }
}
