//! The gateway before the shop: it limits, diverts and forwards. It never touches a store per request, and it decides nothing about
//! applications.

mod client;
pub mod config;
mod divert;
mod error;
mod headers;
mod limit;
mod messages;
mod meter;
mod page;
mod path;
mod proxy;
mod upstream;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use queue::Queue;
use service::Context;

pub use config::Config;
use divert::Diverts;
use proxy::Gateway;

/// Serves the gateway on the listener until the tasks are stopped. It needs no more of the queue than which events there are and how
/// each stands; a queue that cannot be reached yet must not keep the shop shut, so it may come later.
pub fn start(
    config: Config,
    queue: impl Future<Output = Queue> + Send + 'static,
    listener: TcpListener,
    ctx: &Context,
) -> anyhow::Result<SocketAddr> {
    let diverts = Diverts::start(queue, config.events_wait, ctx);
    let gateway = Arc::new(Gateway::new(&config, diverts, ctx));
    ctx.tasks.spawn("gateway limits", Arc::clone(&gateway).keep_tidy(ctx.tasks.clone()));
    service::http::serve_handler(listener, gateway, config.http, ctx)
}
