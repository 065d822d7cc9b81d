//! The signup service: the page, apply, status, cancel, find. It gives receipts and reads the queue; it has no path to the ledger,
//! and it decides no outcome.

mod apply;
mod attempts;
mod cancel;
mod config;
mod documents;
mod error;
mod error_docs;
mod event_page;
mod events;
mod fast_path;
mod fields;
mod find;
mod messages;
mod pages;
mod proof;
mod receipt_page;
mod request;
mod request_body;
mod router;
mod shell;
mod state;
mod status;
mod timestamp;
mod views;
mod write_health;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use domain::Keyring;
use queue::Queue;
use service::Context;

pub use config::Config;
pub use fast_path::FastPath;
pub use router::{document, router};
pub use state::SignupState;

/// Serves the signup service on the listener, and keeps its documents fresh, until the tasks are stopped.
pub async fn start(
    config: Config,
    queue: Queue,
    keys: Arc<Keyring>,
    listener: TcpListener,
    ctx: &Context,
) -> anyhow::Result<SocketAddr> {
    let signup = SignupState::open(config, queue, keys, ctx).await;
    service::http::serve_handler(listener, FastPath::new(signup)?, service::http::Limits::default(), ctx)
}
