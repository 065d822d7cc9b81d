//! The signup service: the pages and the API of applicants. It issues receipts and reads the queue; it has no path to the ledger
//! and decides no outcome.

mod api;
mod application;
mod attempts;
mod catalogue;
mod config;
mod documents;
mod error;
mod error_docs;
mod error_response;
mod handler;
mod handover;
mod issued_pass;
mod member;
mod messages;
mod pages;
mod request;
mod response;
mod router;
mod site;
mod state;
mod timestamp;
mod write_health;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use domain::Keyring;
use queue::Queue;
use service::Context;

pub use config::{Config, ReportToken};
pub use handler::SignupHandler;
pub use member::MemberConfig;
pub use messages::Tone;
pub use router::document;
pub use state::SignupState;

/// Serves the signup service on the listener and refreshes its documents, until the tasks are stopped.
pub async fn start(
    config: Config,
    queue: Queue,
    keys: Arc<Keyring>,
    listener: TcpListener,
    ctx: &Context,
) -> anyhow::Result<SocketAddr> {
    let signup = SignupState::open(config, queue, keys, ctx).await;
    service::http::serve_handler(listener, SignupHandler::new(signup)?, service::http::Limits::default(), ctx)
}
