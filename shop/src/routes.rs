//! The shop's table of routes, and what its handlers take from a path.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Path};
use axum::http::request::Parts;
use axum::routing::{get, put};

use crate::state::ShopState;
use crate::{assets, order_service, pages};

/// Largest body: an order call with a long name.
const BODY_MAX: usize = 8 * 1024;

/// All routes of the shop.
pub(crate) fn router(state: Arc<ShopState>) -> Router {
    // Under `int`, which a gateway never forwards: else anybody could order past the event.
    let of_events = put(order_service::put).delete(order_service::delete);
    Router::new()
        .route("/", get(pages::main))
        .route("/products/{id}", get(pages::product))
        .route("/orders/new", get(pages::checkout))
        .route("/orders", axum::routing::post(pages::buy))
        .route("/orders/{id}", get(pages::order))
        .route("/assets/{name}", get(assets::asset))
        .route("/order/int/v1/orders/{id}", of_events)
        .route("/order/int/v1/list/order/{event}", get(order_service::list))
        .route("/order/int/v1/get/figure", get(order_service::figure))
        .fallback(pages::nothing_here)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(state)
}

/// The id in a path; one that cannot be read names nothing.
pub(crate) struct PathId(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let id = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(id.map_or_else(|_| String::new(), |Path(id)| id)))
    }
}
