//! Compression of responses: the console must also open over a slow mobile connection. No response contains a secret, so that its length
//! reveals nothing.

use std::io::Write as _;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Smaller bodies are sent as they are: they fit into one packet.
const LEAST: usize = 1000;
/// The largest body that is compressed; a list of a thousand applications is far smaller.
const MOST: usize = 4 * 1024 * 1024;

/// A layer that compresses text for clients that accept it. A stream is not touched.
pub(crate) async fn compress(request: Request, next: Next) -> Response {
    let accepts = accepts_gzip(request.headers());
    let response = next.run(request).await;
    if !accepts || !is_text(response.headers()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(plain) = to_bytes(body, MOST).await else {
        tracing::error!("a response is too large to be compressed");
        return Response::from_parts(parts, Body::empty());
    };
    if plain.len() < LEAST {
        return Response::from_parts(parts, Body::from(plain));
    }
    let Some(compressed) = gzip(&plain) else { return Response::from_parts(parts, Body::from(plain)) };
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    parts.headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    Response::from_parts(parts, Body::from(compressed))
}

/// The compressed text; `None` if it cannot be compressed.
pub(crate) fn gzip(plain: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 3), Compression::default());
    encoder.write_all(plain).ok()?;
    encoder.finish().ok()
}

/// Whether `Accept-Encoding` names gzip.
pub(crate) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted =
        headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|item| {
        let (coding, q) = item.split_once(';').unwrap_or((item, ""));
        coding.trim() == "gzip" && !matches!(q.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
    })
}

fn is_text(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    !headers.contains_key(header::CONTENT_ENCODING)
        && ["text/html", "application/json"].iter().any(|text| kind.starts_with(text))
}
