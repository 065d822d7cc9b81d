//! `firstcome verify`: checks the promises over the stored data.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use domain::{EventId, Kind, Receipt};
use ledger::{Ledger, OrderRow};
use queue::Queue;
use worker::verify::{VerifyReport, Witness};

use super::demo::SHOP_FILE;
use super::error::CommandError;
use super::settings::SettingsArgs;
use crate::output::{print, print_error};
use crate::setup::{ProcessRole, Setup, Stores};
use crate::{keys, stores};

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// The data folder; overrides the settings.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Checks this event only.
    #[arg(long)]
    event: Option<EventId>,
    /// Receipts that applicants hold, one per line: makes I1 and I3 complete.
    #[arg(long, value_name = "FILE")]
    acks: Option<PathBuf>,
    /// The live orders of the order service, one `event:key order-number` per line: makes I7 complete. Orders of the embedded
    /// order service are always read. Of an event with passes, the orders at the shop, with the GUIDs of the passes as keys.
    #[arg(long, value_name = "FILE")]
    orders: Option<PathBuf>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) async fn run(mut args: VerifyArgs) -> Result<(), CommandError> {
    let now = service::clock::system();
    let data = args.data.map(|folder| ("data.folder".to_owned(), folder.display().to_string()));
    args.settings.set.extend(data);
    let (setup, _) = args.settings.read(ProcessRole::All, now())?;
    let acks = args.acks.as_deref().map(|file| read_acks(file, &setup.keys)).transpose()?;
    let (queue, ledger) = stores::open_to_read(&setup.stores, now).await?;
    let source = order_source(&setup, args.orders.as_deref())?;
    let mut reports = Vec::new();
    for event in events(&ledger, args.event).await? {
        let orders = source.orders(&ledger, &event).await?;
        reports.push(check(&queue, &ledger, &event, &Witness { acks: acks.clone(), orders }).await?);
    }
    ledger.close().await;
    print_reports(&reports, args.json)?;
    if reports.iter().any(|report| report.violations() > 0) {
        return Err(CommandError::Violations);
    }
    Ok(())
}

/// The source of the list of live orders.
enum OrderSource {
    /// The text of a file.
    File(String),
    /// The database of the demo's shop.
    Shop(PathBuf),
    /// The ledger.
    Ledger,
    /// A remote order service, which cannot be read.
    Remote,
}

impl OrderSource {
    /// The live orders of an event, if they can be read.
    async fn orders(&self, ledger: &Ledger, event: &EventId) -> anyhow::Result<Option<Vec<OrderRow>>> {
        let has_passes = ledger.event(event).await?.settings.kind == Kind::Pass;
        Ok(match self {
            Self::File(text) => Some(read_orders(text, event)?),
            // The shop has the orders, and the program cannot read them.
            _ if has_passes => None,
            Self::Shop(file) => Some(read_orders(&shop::live_orders(file, event.as_str()).await?, event)?),
            Self::Ledger => Some(ledger.order_rows(event).await?),
            Self::Remote => None,
        })
    }
}

fn order_source(setup: &Setup, file: Option<&Path>) -> anyhow::Result<OrderSource> {
    if let Some(file) = file {
        let text =
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        return Ok(OrderSource::File(text));
    }
    Ok(match &setup.stores {
        _ if setup.worker.order_service.is_some() => OrderSource::Remote,
        Stores::Embedded { folder } if folder.join(SHOP_FILE).exists() => {
            OrderSource::Shop(folder.join(SHOP_FILE))
        }
        _ => OrderSource::Ledger,
    })
}

async fn check(
    queue: &Queue,
    ledger: &Ledger,
    event: &EventId,
    witness: &Witness,
) -> anyhow::Result<VerifyReport> {
    worker::verify::verify(queue, ledger, event, witness)
        .await
        .with_context(|| format!("event {event} cannot be checked"))
}

async fn events(ledger: &Ledger, only: Option<EventId>) -> anyhow::Result<Vec<EventId>> {
    match only {
        Some(event) => Ok(vec![ledger.event(&event).await?.settings.id]),
        None => Ok(ledger.events().await?.into_iter().map(|event| event.settings.id).collect()),
    }
}

fn read_acks(file: &Path, keys: &Path) -> anyhow::Result<Vec<Receipt>> {
    let ring = keys::read(keys)?;
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| Receipt::read(line, &ring).with_context(|| format!("{} in {}", line, file.display())))
        .collect()
}

fn read_orders(text: &str, event: &EventId) -> anyhow::Result<Vec<OrderRow>> {
    let mut orders = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let parts = line.split_once(' ').and_then(|(key, no)| Some((key.split_once(':')?, no)));
        let ((of, key), order_no) =
            parts.with_context(|| format!("'{line}' is not 'event:key order-number'"))?;
        if of == event.as_str() {
            let app_key = key.parse().with_context(|| format!("in '{line}'"))?;
            orders.push(OrderRow { app_key, order_no: order_no.to_owned(), live: true });
        }
    }
    Ok(orders)
}

fn print_reports(reports: &[VerifyReport], json: bool) -> anyhow::Result<()> {
    if json {
        print(serde_json::to_string_pretty(reports)?);
        return Ok(());
    }
    if reports.is_empty() {
        print_error("the ledger contains no event: nothing to check");
    }
    for report in reports {
        print(format!(
            "event {}: {} applications, {} seats sold, {} orders under way",
            report.event, report.applications, report.sold, report.under_way
        ));
        for check in &report.checks {
            let result = match (check.violations, check.not_checked) {
                (0, Some(why)) => format!("not checked: {why}"),
                (0, None) => "holds".to_owned(),
                (n, _) => format!("BROKEN {n} times"),
            };
            print(format!("  {}  {:<58} {result}", check.name, check.promise));
            for violation in &check.listed {
                print(format!("        {violation}"));
            }
        }
    }
    Ok(())
}
