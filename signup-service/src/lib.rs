//! The desk: the page, apply, status, cancel, find. It gives receipts and reads the line; it has no path to the book,
//! and it decides no outcome.

mod api;
mod apply;
mod cancel;
mod config;
mod copy;
mod desk;
mod event_page;
mod events;
mod fields;
mod find;
mod front;
mod knock;
mod pages;
mod progress;
mod proof;
mod receipt_page;
mod refusal;
mod refusals;
mod routes;
mod shell;
mod status;
mod views;
mod when;
mod writes;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use domain::Keyring;
use queue::Line;
use service::Context;

pub use api::{document, router};
pub use config::Config;
pub use desk::Desk;
pub use front::Front;

/// Serves the desk on the listener, and keeps its documents fresh, until the tasks are stopped.
pub async fn start(
    config: Config,
    line: Line,
    keys: Arc<Keyring>,
    listener: TcpListener,
    ctx: &Context,
) -> anyhow::Result<SocketAddr> {
    let desk = Desk::open(config, line, keys, ctx).await;
    service::http::serve_by(listener, Front::new(desk)?, service::http::Limits::default(), ctx)
}
