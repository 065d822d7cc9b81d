//! `firstcome verify`: the promises, checked over what is stored.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use domain::{EventId, Receipt};
use ledger::{Ledger, OrderRow};
use queue::Queue;
use worker::verify::{VerifyReport, Witness};

use super::demo::SHOP_FILE;
use super::{Failed, Verify};
use crate::output::{complain, say};
use crate::setup::{Role, Setup, Stores, load};
use crate::{keys, stores};

pub(super) async fn verify(args: Verify) -> Result<(), Failed> {
    let now = service::clock::system();
    let mut flags = args.settings.set;
    flags.extend(args.data.map(|folder| ("data.folder".to_owned(), folder.display().to_string())));
    let mut settings = load(args.settings.config.as_deref(), &flags).map_err(Failed::Settings)?;
    let setup = Setup::read(&settings, Role::All, now());
    settings.finish().map_err(Failed::Settings)?;
    let acks = args.acks.as_deref().map(|file| read_acks(file, &setup.keys)).transpose()?;
    let (queue, ledger) = stores::open_to_read(&setup.stores, now).await?;
    let orders = order_list(&setup, args.orders.as_deref())?;
    let mut reports = Vec::new();
    for event in events(&ledger, args.event).await? {
        let orders = match &orders {
            Orders::Listed(text) => Some(read_orders(text, &event)?),
            Orders::OfShop(file) => {
                Some(read_orders(&shop::live_orders(file, event.as_str()).await?, &event)?)
            }
            Orders::Embedded => Some(ledger.order_rows(&event).await?),
            Orders::Elsewhere => None,
        };
        reports.push(check(&queue, &ledger, &event, &Witness { acks: acks.clone(), orders }).await?);
    }
    ledger.close().await;
    tell(&reports, args.json)?;
    if reports.iter().any(|report| report.violations() > 0) { Err(Failed::Violations) } else { Ok(()) }
}

/// Where the live orders are known.
enum Orders {
    /// In a list that was given.
    Listed(String),
    /// In the demo's shop.
    OfShop(PathBuf),
    /// In the ledger.
    Embedded,
    /// In the shop's own order service.
    Elsewhere,
}

fn order_list(setup: &Setup, listed: Option<&Path>) -> anyhow::Result<Orders> {
    if let Some(file) = listed {
        return Ok(Orders::Listed(
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?,
        ));
    }
    Ok(match &setup.stores {
        _ if setup.worker.order_service.is_some() => Orders::Elsewhere,
        Stores::Embedded { folder } if folder.join(SHOP_FILE).exists() => {
            Orders::OfShop(folder.join(SHOP_FILE))
        }
        _ => Orders::Embedded,
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

fn tell(reports: &[VerifyReport], json: bool) -> anyhow::Result<()> {
    if json {
        say(serde_json::to_string_pretty(reports)?);
        return Ok(());
    }
    if reports.is_empty() {
        complain("the ledger has no event: nothing to check");
    }
    for report in reports {
        say(format!(
            "event {}: {} applications, {} seats sold, {} orders under way",
            report.event, report.applications, report.sold, report.under_way
        ));
        for check in &report.checks {
            let word = match (check.violations, check.not_checked) {
                (0, Some(why)) => format!("not checked: {why}"),
                (0, None) => "holds".to_owned(),
                (n, _) => format!("BROKEN {n} times"),
            };
            say(format!("  {}  {:<58} {word}", check.name, check.promise));
            for violation in &check.listed {
                say(format!("        {violation}"));
            }
        }
    }
    Ok(())
}
