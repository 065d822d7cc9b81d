//! The operator API and console: operators open, close, pause and pace events. It reads and writes the ledger and has no path to
//! the queue.

mod api;
mod auth;
mod config;
mod console;
mod cookie;
mod csv;
mod effects;
mod error;
mod error_docs;
mod figures;
mod gzip;
mod live;
mod request;
pub mod response;
mod retry_after;
mod router;
mod session;
mod state;
mod timestamp;
mod token;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use ledger::Ledger;
use service::Context;
use service::http::Limits;

pub use config::Config;
pub use router::{document, router};
pub use state::OperatorState;
pub use timestamp::format as format_timestamp;
pub use token::{Role, Token, hash_of, make_token};

/// Serves the operator API on its own listener until the tasks are stopped. Returns the bound address.
pub fn start(
    config: Config,
    ledger: Ledger,
    listener: TcpListener,
    ctx: &Context,
) -> anyhow::Result<SocketAddr> {
    let config = config.reached_at(listener.local_addr()?);
    let state = Arc::new(OperatorState::new(config, ledger, ctx));
    state.watch_ledger(ctx);
    let limits = Limits { body_max: request::BODY_MAX as u64, connections_max: 256, ..Limits::default() };
    service::http::serve(listener, router(state)?, limits, ctx)
}
