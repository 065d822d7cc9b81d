//! New settings for a gateway that runs. Routes, upstreams and limits change between two requests; a request that has begun ends with the
//! settings that it began with.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::extract::Request;
use axum::http::Method;
use service::Tasks;
use service::http::{Handler, HandlerResponse, ResponseRecord};

use crate::config::Config;
use crate::peer::Peer;
use crate::proxy::Gateway;

/// How often idle connections are closed, and responses are read for clients that do not.
const UPKEEP_PERIOD: Duration = Duration::from_secs(1);

/// What a reload changes, below `gateway`. All else needs a restart.
const RELOADED: [&str; 4] = ["route", "upstream", "limit", "client_in_flight_max"];

/// The gateway with the settings of the last reload.
pub(crate) struct CurrentGateway(ArcSwap<Gateway>);

impl CurrentGateway {
    /// Looks after the gateway once a period, until the tasks are stopped.
    pub(crate) fn start(gateway: Gateway, tasks: &Tasks) -> Arc<Self> {
        let current = Arc::new(Self(ArcSwap::from_pointee(gateway)));
        let kept = Arc::clone(&current);
        tasks.every("gateway upkeep", UPKEEP_PERIOD, move || {
            kept.0.load().tick();
            std::future::ready(())
        });
        current
    }
}

impl Handler for CurrentGateway {
    type Connection = Peer;

    fn connect(&self, peer: SocketAddr) -> Peer {
        self.0.load().connect(peer)
    }

    async fn handle(&self, request: Request, peer: &Peer) -> HandlerResponse {
        let gateway = self.0.load_full();
        gateway.handle(request, peer).await
    }

    fn record_of_listener(&self, method: &Method, peer: &Peer) -> Option<Box<dyn ResponseRecord>> {
        self.0.load().record_of_listener(method, peer)
    }
}

/// Gives a gateway that runs other settings. It does not keep the gateway: the access log ends when the last part of that is gone.
#[derive(Clone)]
pub struct GatewayReload(Weak<CurrentGateway>);

impl std::fmt::Debug for GatewayReload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GatewayReload").finish_non_exhaustive()
    }
}

impl GatewayReload {
    pub(crate) fn new(gateway: &Arc<CurrentGateway>) -> Self {
        Self(Arc::downgrade(gateway))
    }

    /// Uses the routes, upstreams and limits of a config, and `client_in_flight_max`.
    pub fn apply(&self, config: &Config) {
        if let Some(current) = self.0.upgrade() {
            let changed = current.0.load().changed_to(config);
            current.0.store(Arc::new(changed));
        }
    }

    /// Whether a change of this setting is in use after a reload, and not only after a restart.
    pub fn takes(setting: &str) -> bool {
        let below_gateway = setting.strip_prefix("gateway.");
        below_gateway.is_some_and(|key| key.split('.').next().is_some_and(|part| RELOADED.contains(&part)))
    }
}
