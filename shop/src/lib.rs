//! A small, deliberately fragile shop that demos and load tests protect. It is not part of the product.
//!
//! Three services share one address: main, product and order. Each has a limited capacity (`capacity.rs`) although the machine is
//! idle. The order service also implements the contract of docs/order-service.md.

mod assets;
pub mod capacity;
mod catalog;
mod checkout;
mod config;
mod counters;
mod messages;
mod order_service;
mod pages;
mod path_segment;
mod reservation;
mod routes;
pub mod simulated_service;
mod state;
mod stock;
mod store;
mod views;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use service::Context;
use service::health::Check;

pub use config::Config;
use state::ShopState;
use store::Store;

/// The period of the database's health check.
const CHECK_EVERY: Duration = Duration::from_secs(5);

/// A running shop.
#[derive(Debug)]
pub struct Shop {
    /// The bound address.
    pub address: SocketAddr,
    store: Store,
}

impl Shop {
    /// Closes the database, once the tasks have ended.
    pub async fn close(self) {
        self.store.close().await;
    }
}

/// Serves the shop on the listener until the tasks are stopped.
pub async fn start(config: Config, listener: TcpListener, ctx: &Context) -> anyhow::Result<Shop> {
    let health = ctx.health.check("shop");
    let store = Store::open(&config.database, config.stock)
        .await
        .with_context(|| format!("cannot open the shop's database {}", config.database.display()))?;
    let state = Arc::new(ShopState::new(&config, store.clone(), ctx));
    let limits = service::http::Limits { connections_max: config.connections_max, ..Default::default() };
    let address = service::http::serve(listener, routes::router(state), limits, ctx)?;
    health.ok();
    let checked = store.clone();
    ctx.tasks.every("shop health", CHECK_EVERY, move || check_database(checked.clone(), health.clone()));
    Ok(Shop { address, store })
}

/// The live orders of an event in a shop's database, one `event:key order-number` per line, as `firstcome verify` reads them.
pub async fn live_orders(database: &Path, event: &str) -> anyhow::Result<String> {
    let store = Store::open(database, 0).await?;
    let mut lines = String::new();
    let mut after = 0;
    while let Some((more, last)) = store.live_after(event, after).await? {
        lines.push_str(&more);
        after = last;
    }
    store.close().await;
    Ok(lines)
}

async fn check_database(store: Store, health: Check) {
    match store.check().await {
        Ok(()) => health.ok(),
        Err(error) => health.fail(format!("the shop's database does not respond: {error}")),
    }
}
