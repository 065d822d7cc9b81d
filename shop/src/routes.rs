//! The routes of the shop.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, put};

use crate::state::ShopState;
use crate::{assets, order_service, pages};

/// Largest body: an order call with a long name.
const BODY_MAX: usize = 8 * 1024;

/// All routes of the shop.
pub(crate) fn router(state: Arc<ShopState>) -> Router {
    // Under `int`, which a gateway never forwards: otherwise any client could order past the event.
    let event_orders = put(order_service::put).delete(order_service::delete);
    Router::new()
        .route("/", get(pages::main))
        .route("/products/{id}", get(pages::product))
        .route("/orders/new", get(pages::checkout))
        .route("/orders", axum::routing::post(pages::buy))
        .route("/orders/{id}", get(pages::order))
        .route("/assets/{name}", get(assets::asset))
        .route("/order/int/v1/orders/{id}", event_orders)
        .route("/order/int/v1/list/order/{event}", get(order_service::list))
        .route("/order/int/v1/get/figure", get(order_service::counters))
        .fallback(pages::not_found)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(state)
}
