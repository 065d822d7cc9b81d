//! What all handlers share, and the way of a request through the service that bears it. What a service answers is not decided here.

use std::sync::Arc;

use axum::response::Response;
use service::{Context, Now, Rng, Tasks};
use tokio::sync::oneshot;

use crate::config::Config;
use crate::figures::{Figures, Kind};
use crate::saturation::{SaturationPoint, real_pause};
use crate::store::Store;

/// The shop floor.
pub(crate) struct ShopState {
    pub(crate) store: Store,
    pub(crate) figures: Figures,
    pub(crate) event_orders_max: u32,
    pub(crate) now: Now,
    pub(crate) rng: Rng,
    tasks: Tasks,
    main: SaturationPoint,
    product: SaturationPoint,
    order: SaturationPoint,
}

impl ShopState {
    /// A shop at rest.
    pub(crate) fn new(config: &Config, store: Store, ctx: &Context) -> Self {
        let saturation = |capacity: &crate::saturation::Capacity| {
            SaturationPoint::new(capacity.clone(), ctx.rng.clone(), real_pause(), ctx.tasks.clone())
        };
        Self {
            store,
            figures: Figures::default(),
            event_orders_max: config.event_orders_max,
            now: ctx.now.clone(),
            rng: ctx.rng.clone(),
            tasks: ctx.tasks.clone(),
            main: saturation(&config.main),
            product: saturation(&config.product),
            order: saturation(&config.order),
        }
    }

    /// Waits for a place in the service, works, and answers; `None` if there was no room. The work goes on when its client is
    /// gone: a naive server learns of that only when it writes its answer.
    pub(crate) async fn serve(
        self: &Arc<Self>,
        kind: Kind,
        pieces: u32,
        work: impl Future<Output = Response> + Send + 'static,
    ) -> Option<Response> {
        let under_way = self.figures.begin(kind, (self.now)());
        let Some(here) = self.saturation(kind).enter() else {
            self.figures.overloaded(kind);
            self.saturation(kind).die().await;
            return None;
        };
        let (tell, told) = oneshot::channel();
        let state = Arc::clone(self);
        self.tasks.spawn_for_one("shop request", async move {
            let _under_way = under_way;
            let answer = match state.saturation(kind).work(here, pieces).await {
                Ok(_place) => Some(work.await),
                Err(_stopping) => None,
            };
            // Nobody may wait for it any more.
            let _ = tell.send(answer);
        });
        let mut answer = told.await.ok().flatten()?;
        answer.extensions_mut().insert(kind.route());
        Some(answer)
    }

    fn saturation(&self, kind: Kind) -> &SaturationPoint {
        match kind {
            Kind::Main | Kind::Asset => &self.main,
            Kind::Product => &self.product,
            Kind::Order | Kind::OrderCall => &self.order,
        }
    }
}
