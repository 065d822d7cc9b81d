//! The reverse proxy in front of the shop: it limits, diverts and forwards requests. It reads no store per request, and it decides
//! nothing about applications.

mod access_log;
mod body_start;
mod check;
mod class;
mod client;
pub mod config;
mod divert;
mod error;
mod handled;
mod headers;
mod health;
mod limit;
mod messages;
mod meter;
mod page;
mod pass;
mod path;
mod peer;
mod proxy;
mod redirect;
mod reload;
mod route;
mod screen;
mod upstream;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::Router;
use domain::PassVerifier;
use queue::Queue;
use service::Context;
use service::http::Listener;

use access_log::AccessLog;
pub use config::Config;
use divert::Diverts;
use pass::Passes;
use proxy::Gateway;
use redirect::ToHttps;
use reload::CurrentGateway;
pub use reload::GatewayReload;

/// A gateway that runs.
#[derive(Debug)]
pub struct RunningGateway {
    /// Its address.
    pub address: SocketAddr,
    /// The routes for other proxies, to be served on a listener that the public cannot reach.
    pub internal_routes: Router,
    /// Changes its settings.
    pub reload: GatewayReload,
}

/// Serves the gateway on the listener until the tasks are stopped. From the queue it needs only the list of events and the status of
/// each; the queue may resolve later, because an unreachable queue must not keep the shop closed. `pass_keys` are the public keys of
/// passes, for a process that has them; otherwise the settings name a file.
pub fn start(
    config: Config,
    queue: impl Future<Output = Queue> + Send + 'static,
    pass_keys: Option<PassVerifier>,
    listener: TcpListener,
    ctx: &Context,
) -> anyhow::Result<RunningGateway> {
    let diverts = Diverts::start(queue, config.events_wait, ctx);
    ctx.tasks.set_drain_delay(config.drain_delay);
    let access_log = AccessLog::start(&config.access_log, meter::dropped_lines(), ctx)?;
    let passes = Passes::start(pass_keys, config.pass_keys.as_deref(), ctx)?;
    let internal_routes = check::routes(Arc::clone(&passes));
    let gateway = CurrentGateway::start(Gateway::new(&config, diverts, passes, access_log, ctx), &ctx.tasks);
    let reload = GatewayReload::new(&gateway);
    if let Some(address) = config.redirect_listen {
        service::http::serve_handler(service::http::bind(address)?, ToHttps, config.http.clone(), ctx)?;
    }
    let listener = Listener { socket: listener, tls: config.tls };
    let address = service::http::serve_handler(listener, gateway, config.http, ctx)?;
    Ok(RunningGateway { address, internal_routes, reload })
}
