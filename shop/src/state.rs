//! State shared by all handlers, and running a request on the simulated service that carries it.

use std::sync::Arc;

use axum::response::Response;
use service::{Context, Now, Rng, Tasks};
use tokio::sync::oneshot;

use crate::capacity::Capacity;
use crate::config::Config;
use crate::counters::{RequestKind, ShopCounters};
use crate::simulated_service::{SimulatedService, real_sleep};
use crate::store::Store;

/// The state of the shop.
pub(crate) struct ShopState {
    pub(crate) store: Store,
    pub(crate) counters: ShopCounters,
    pub(crate) event_orders_max: u32,
    pub(crate) now: Now,
    pub(crate) rng: Rng,
    tasks: Tasks,
    main: SimulatedService,
    product: SimulatedService,
    order: SimulatedService,
}

impl ShopState {
    /// An idle shop.
    pub(crate) fn new(config: &Config, store: Store, ctx: &Context) -> Self {
        let service = |capacity: &Capacity| {
            SimulatedService::new(capacity.clone(), ctx.rng.clone(), real_sleep(), ctx.tasks.clone())
        };
        Self {
            store,
            counters: ShopCounters::default(),
            event_orders_max: config.event_orders_max,
            now: ctx.now.clone(),
            rng: ctx.rng.clone(),
            tasks: ctx.tasks.clone(),
            main: service(&config.main),
            product: service(&config.product),
            order: service(&config.order),
        }
    }

    /// Runs a request on the service that carries its kind; `None` if the service is overloaded. The work goes on after the client
    /// has disconnected, because a simple server notices that only when it writes the response.
    pub(crate) async fn serve(
        self: &Arc<Self>,
        kind: RequestKind,
        units: u32,
        work: impl Future<Output = Response> + Send + 'static,
    ) -> Option<Response> {
        let under_way = self.counters.begin(kind, (self.now)());
        let Some(request) = self.service(kind).accept() else {
            self.counters.overloaded(kind);
            self.service(kind).delay_shed_request().await;
            return None;
        };
        let (sender, receiver) = oneshot::channel();
        let state = Arc::clone(self);
        self.tasks.spawn_isolated("shop request", async move {
            let _under_way = under_way;
            let response = match state.service(kind).work(request, units).await {
                Ok(_slot) => Some(work.await),
                Err(_stopping) => None,
            };
            // The client may have disconnected.
            let _ = sender.send(response);
        });
        let mut response = receiver.await.ok().flatten()?;
        response.extensions_mut().insert(kind.route());
        Some(response)
    }

    fn service(&self, kind: RequestKind) -> &SimulatedService {
        match kind {
            RequestKind::Main | RequestKind::Asset => &self.main,
            RequestKind::Product => &self.product,
            RequestKind::Order | RequestKind::OrderCall => &self.order,
        }
    }
}
