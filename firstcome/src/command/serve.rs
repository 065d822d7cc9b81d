//! `firstcome serve`: runs all parts in this process, or one role, until a signal.

use std::time::Duration;

use service::Context;
use service::tasks::Shutdown;

use super::error::CommandError;
use super::reload::reload_at_hangup;
use super::settings::RoleArgs;
use crate::system::System;

/// How long requests and calls in flight may take after the first signal.
const GRACE: Duration = Duration::from_secs(15);

/// Runs the command.
pub(super) async fn run(args: &RoleArgs) -> Result<(), CommandError> {
    let context = Context::system();
    let (setup, printed) = args.read((context.now)())?;
    service::telemetry::init(setup.log_format, &setup.log_filter)?;
    let signal = context.tasks.until_signal();
    let is_https = setup.gateway.as_ref().is_some_and(|gateway| gateway.tls.is_some());
    let system = System::start(setup, &context).await?;
    let address = system.gateway.or(system.signup).or(system.operator).unwrap_or(system.admin);
    let scheme = if is_https { "https" } else { "http" };
    tracing::info!(role = ?args.role, "serving on {scheme}://{address}");
    tokio::select! {
        () = signal => {}
        () = reload_at_hangup(args, &system, printed, &context) => {}
    }
    shut_down(system, &context).await
}

/// Stops accepting connections, lets running work finish, and closes the stores last.
pub(super) async fn shut_down(system: System, context: &Context) -> Result<(), CommandError> {
    let shutdown = context.tasks.shut_down(GRACE).await;
    system.close().await;
    if let Some(task) = context.tasks.failed() {
        return Err(anyhow::anyhow!("task {task} ended unexpectedly; see the log above").into());
    }
    match shutdown {
        Shutdown::Clean => Ok(()),
        Shutdown::Forced { unfinished } => {
            Err(anyhow::anyhow!("{unfinished} tasks were cancelled; nothing acknowledged is lost").into())
        }
    }
}
