//! The door before the shop: it limits, diverts and forwards. It never touches a store per request, and it decides nothing about
//! applications.

mod client;
pub mod config;
mod copy;
mod divert;
mod door;
mod headers;
mod limit;
mod meter;
mod page;
mod path;
mod refusal;
mod upstream;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use queue::Line;
use service::Context;

pub use config::Config;
use divert::Diverts;
use door::Door;

/// Serves the door on the listener until the tasks are stopped. It needs no more of the line than which events there are and how
/// each stands; a line that cannot be reached yet must not keep the shop shut, so it may come later.
pub fn start(
    config: Config,
    line: impl Future<Output = Line> + Send + 'static,
    listener: TcpListener,
    ctx: &Context,
) -> anyhow::Result<SocketAddr> {
    let diverts = Diverts::start(line, config.events_wait, ctx);
    let door = Arc::new(Door::new(&config, diverts, ctx));
    ctx.tasks.spawn("gateway limits", Arc::clone(&door).keep_tidy(ctx.tasks.clone()));
    service::http::serve_by(listener, door, config.http, ctx)
}
