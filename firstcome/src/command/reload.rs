//! SIGHUP: the settings are read again. The gateway takes its routes, upstreams and limits from them; what else differs is named, and needs
//! a restart. Settings with a mistake change nothing.

use gateway::GatewayReload;
use service::Context;
use service::config::{Mistakes, PrintedSettings, SettingChange};
use service::health::Check;
use tokio::signal::unix::{SignalKind, signal};

use super::settings::RoleArgs;
use crate::system::System;

/// Reads the settings again at each SIGHUP. The process was started with `first`.
pub(super) async fn reload_at_hangup(
    args: &RoleArgs,
    system: &System,
    first: PrintedSettings,
    context: &Context,
) {
    let mut hangups = match signal(SignalKind::hangup()) {
        Ok(hangups) => hangups,
        Err(error) => {
            tracing::warn!(%error, "cannot listen for SIGHUP: new settings need a restart");
            return std::future::pending().await;
        }
    };
    let health = context.health.check("settings");
    health.ok();
    let mut last = first.clone();
    while hangups.recv().await.is_some() {
        match args.read_again((context.now)()) {
            Ok((setup, new)) => {
                system.reload(setup);
                let is_taken =
                    |change: &SettingChange| system.gateway.is_some() && GatewayReload::takes(&change.key);
                report(last.changes_to(&new), first.changes_to(&new), is_taken);
                last = new;
                health.ok();
            }
            Err(mistakes) => refuse(&mistakes, &health),
        }
    }
}

/// Says what is in use since this reload, and what differs from the start and is not.
fn report(
    since_last: Vec<SettingChange>,
    since_start: Vec<SettingChange>,
    is_taken: impl Fn(&SettingChange) -> bool,
) {
    let used: Vec<_> = since_last.into_iter().filter(&is_taken).collect();
    let unused: Vec<_> = since_start.into_iter().filter(|change| !is_taken(change)).collect();
    if used.is_empty() && unused.is_empty() {
        tracing::info!("the settings were read again: nothing has changed");
    }
    for change in used {
        tracing::info!("in use now: {change}");
    }
    for change in unused {
        tracing::warn!("in use after a restart only: {change}");
    }
}

fn refuse(mistakes: &Mistakes, health: &Check) {
    let mistakes = mistakes.lines().join("; ");
    tracing::error!("the settings have mistakes, so the last ones stay in use: {mistakes}");
    health.warn(format!("the last reload was refused: {mistakes}"));
}
