//! A small, deliberately fragile shop: what demos and load tests protect. It is no part of the product.
//!
//! Three services behind one address: main, product and order. Each bears only so much, as `knee` says, although the machine
//! is idle. The order service also keeps the contract of docs/order-service.md.

mod assets;
mod checkout;
mod config;
mod figures;
mod goods;
mod messages;
mod order_service;
mod pages;
mod reservation;
mod routes;
pub mod saturation;
mod state;
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

/// How often the shop looks whether its database still answers.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A running shop.
#[derive(Debug)]
pub struct Shop {
    /// Where it is.
    pub address: SocketAddr,
    store: Store,
}

impl Shop {
    /// Closes the database, after the tasks have ended.
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
    ctx.tasks.spawn("shop health", look_after(store.clone(), health, ctx.clone()));
    Ok(Shop { address, store })
}

/// The live orders of an event in a shop's database, one `event:key order-number` a line: what `firstcome verify` compares.
pub async fn live_orders(database: &Path, event: &str) -> anyhow::Result<String> {
    let store = Store::open(database, 0).await?;
    let (mut lines, mut after) = (String::new(), 0);
    while let Some((more, last)) = store.live_after(event, after).await? {
        lines.push_str(&more);
        after = last;
    }
    store.close().await;
    Ok(lines)
}

async fn look_after(store: Store, health: Check, ctx: Context) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            () = ctx.tasks.stopping() => return,
        }
        match store.look().await {
            Ok(()) => health.ok(),
            Err(error) => health.fail(format!("its database does not answer: {error}")),
        }
    }
}
