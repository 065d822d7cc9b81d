//! The style and the scripts, compressed once. Their addresses change with their content, so browsers keep them.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::LazyLock;

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use crate::gzip;

const SCRIPT: &str = include_str!("../../assets/console.js");
const STYLE: &str = include_str!("../../assets/console.css");
/// uPlot 1.6.32 under the MIT licence, which stands at the head of the file.
const CHART_SCRIPT: &str = include_str!("../../assets/uplot.js");

/// An asset and its compressed form.
struct Asset {
    content_type: &'static str,
    plain: &'static str,
    gzip: Option<Vec<u8>>,
}

impl Asset {
    fn new(content_type: &'static str, plain: &'static str) -> Self {
        Self { content_type, plain, gzip: gzip::gzip(plain.as_bytes()) }
    }

    fn response(&'static self, request: &HeaderMap) -> Response {
        let entry = |name: HeaderName, value: &'static str| (name, HeaderValue::from_static(value));
        let headers = [
            entry(header::CONTENT_TYPE, self.content_type),
            entry(header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            entry(header::VARY, "Accept-Encoding"),
        ];
        match &self.gzip {
            Some(compressed) if gzip::accepts_gzip(request) => {
                (headers, [entry(header::CONTENT_ENCODING, "gzip")], compressed.as_slice()).into_response()
            }
            _ => (headers, self.plain).into_response(),
        }
    }
}

static SCRIPT_ASSET: LazyLock<Asset> = LazyLock::new(|| Asset::new("text/javascript; charset=utf-8", SCRIPT));
static STYLE_ASSET: LazyLock<Asset> = LazyLock::new(|| Asset::new("text/css; charset=utf-8", STYLE));
static CHART_ASSET: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("text/javascript; charset=utf-8", CHART_SCRIPT));

/// A text that changes with the content of any asset.
pub(super) static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = DefaultHasher::new();
    (SCRIPT, STYLE, CHART_SCRIPT).hash(&mut hasher);
    format!("{:x}", hasher.finish())
});

/// The routes of the assets. They are public: they contain no data.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/console.js", get(|headers: HeaderMap| async move { SCRIPT_ASSET.response(&headers) }))
        .route("/console.css", get(|headers: HeaderMap| async move { STYLE_ASSET.response(&headers) }))
        .route("/uplot.js", get(|headers: HeaderMap| async move { CHART_ASSET.response(&headers) }))
}
