//! The operator console: operators open, close, pause and set the pace of events. It sees the ledger, never the queue.

mod applications;
mod audit;
mod auth;
mod config;
mod console;
mod error;
mod events;
mod release;
mod request;
mod response;
mod router;
mod settings;
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
pub use timestamp::written;
pub use token::{Role, Token, hash_of, make_token};

/// Serves the operator API on its own listener until the tasks are stopped.
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
