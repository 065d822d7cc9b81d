//! Stylesheet and pictures: small, cacheable, and outside the simulated load of the pages.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::catalog;
use crate::counters::RequestKind;
use crate::path_segment::PathSegment;
use crate::state::ShopState;

/// `GET /assets/{name}`
pub(crate) async fn asset(State(state): State<Arc<ShopState>>, PathSegment(name): PathSegment) -> Response {
    let _under_way = state.counters.begin(RequestKind::Asset, (state.now)());
    let mut response = match picture(&name) {
        _ if name == "shop.css" => {
            cached("text/css; charset=utf-8", include_str!("../assets/shop.css").into())
        }
        Some(svg) => cached("image/svg+xml", svg),
        None => StatusCode::NOT_FOUND.into_response(),
    };
    response.extensions_mut().insert(RequestKind::Asset.route());
    response
}

fn cached(kind: &'static str, body: String) -> Response {
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=3600")];
    (headers, body).into_response()
}

/// `product-{id}.svg`: a plain tile in the product's colour.
fn picture(name: &str) -> Option<String> {
    let id: i64 = name.strip_prefix("product-")?.strip_suffix(".svg")?.parse().ok()?;
    let hue = catalog::by_id(id)?.id * 30;
    Some(format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 90"><rect width="120" height="90" fill="hsl({hue} 45% 88%)"/><circle cx="60" cy="45" r="24" fill="hsl({hue} 45% 55%)"/></svg>"#
    ))
}
