//! The HTTP server of every listener: an accept loop over hyper in which every wait and every size has a bound.

mod accept;
mod body;
mod client_address;
mod connection_count;
mod handler;
mod http1;
mod http2;
mod limits;
mod metrics;
mod network;
mod rate;
mod record;
mod security_headers;
mod server;
mod socket;
mod stream;
mod timeouts;
mod tls;

pub use accept::{Listener, bind, serve, serve_handler};
pub use client_address::client_address;
pub use handler::{Handler, HandlerResponse, Route, RouterHandler};
pub use limits::Limits;
pub use metrics::RouteName;
pub use network::{BadNetwork, ClientNetwork, Network, client_key};
pub use record::{ResponseRecord, SentResponse};
pub use security_headers::add_security_headers;
pub use tls::TlsFiles;
