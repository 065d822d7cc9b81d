//! `firstcome serve`: all parts in this process, or one role, until a signal.

use std::time::Duration;

use service::Context;
use service::tasks::Shutdown;

use super::{Failed, Serve};
use crate::setup::{Setup, load};
use crate::system::System;

/// How long requests and calls under way may take after the first signal.
const GRACE: Duration = Duration::from_secs(15);

pub(super) async fn serve(args: &Serve) -> Result<(), Failed> {
    let context = Context::system();
    let mut settings = load(args.settings.config.as_deref(), &args.settings.set).map_err(Failed::Settings)?;
    let setup = Setup::read(&settings, args.role, (context.now)());
    settings.finish().map_err(Failed::Settings)?;
    service::telemetry::init(setup.log_format, &setup.log_filter)?;
    let signal = context.tasks.until_signal();
    let system = System::start(setup, &context).await?;
    let at = system.gateway.or(system.signup).or(system.operator).unwrap_or(system.admin);
    tracing::info!(role = ?args.role, "serving on http://{at}");
    signal.await;
    shut_down(system, &context).await
}

/// Ends in order: no new connection, what runs is finished, the stores are closed last.
pub(super) async fn shut_down(system: System, context: &Context) -> Result<(), Failed> {
    let ended = context.tasks.shut_down(GRACE).await;
    system.close().await;
    if let Some(chore) = context.tasks.failed() {
        return Err(anyhow::anyhow!("{chore} ended unexpectedly; see the log above").into());
    }
    match ended {
        Shutdown::Clean => Ok(()),
        Shutdown::Forced { unfinished } => {
            Err(anyhow::anyhow!("{unfinished} tasks were cancelled; nothing acknowledged is lost").into())
        }
    }
}
