//! The reverse proxy in front of the shop: it limits, diverts and forwards requests. It reads no store per request, and it decides
//! nothing about applications.

mod access_log;
mod body_start;
mod class;
mod client;
pub mod config;
mod divert;
mod error;
mod headers;
mod health;
mod limit;
mod messages;
mod meter;
mod page;
mod path;
mod peer;
mod proxy;
mod route;
mod screen;
mod upstream;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use queue::Queue;
use service::Context;

use access_log::AccessLog;
pub use config::Config;
use divert::Diverts;
use proxy::Gateway;

/// Serves the gateway on the listener until the tasks are stopped. From the queue it needs only the list of events and the status of
/// each; the queue may resolve later, because an unreachable queue must not keep the shop closed.
pub fn start(
    config: Config,
    queue: impl Future<Output = Queue> + Send + 'static,
    listener: TcpListener,
    ctx: &Context,
) -> anyhow::Result<SocketAddr> {
    let diverts = Diverts::start(queue, config.events_wait, ctx);
    ctx.tasks.set_drain_delay(config.drain_delay);
    let access_log = AccessLog::start(&config.access_log, meter::dropped_lines(), ctx)?;
    let gateway = Arc::new(Gateway::new(&config, diverts, access_log, ctx));
    Arc::clone(&gateway).start_upkeep(&ctx.tasks);
    service::http::serve_handler(listener, gateway, config.http, ctx)
}
