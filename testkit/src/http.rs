//! An HTTP/1.1 client for tests. It follows no redirect and keeps no cookie. Its errors say whether a request may have arrived,
//! since tests kill servers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::Value;
use tokio::sync::Semaphore;

const TIMEOUT: Duration = Duration::from_secs(10);
/// The maximum number of requests in flight, and so of connections.
const CONNECTIONS_MAX: usize = 64;

/// A client of one server. Clones share the connections.
#[derive(Debug, Clone)]
pub struct HttpClient {
    base: String,
    client: Client<HttpConnector, Full<Bytes>>,
    free: Arc<Semaphore>,
    timeout: Duration,
}

/// A complete response.
#[derive(Debug, Clone)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Why there is no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The connection was refused: the request did not arrive.
    #[error("no connection: {0}")]
    NotConnected(String),
    /// The connection broke: the request may have been executed.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// No complete response in time: the request may have been executed.
    #[error("no response within {0:?}")]
    TimedOut(Duration),
}

impl HttpClient {
    /// A client of the server at a base URL such as `http://127.0.0.1:8080`.
    pub fn new(base_url: impl AsRef<str>) -> Self {
        let base = base_url.as_ref().trim_end_matches('/').to_owned();
        assert!(base.starts_with("http://"), "a base URL starts with http://, not {base:?}");
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(4))
            .pool_max_idle_per_host(CONNECTIONS_MAX)
            .build_http();
        Self { base, client, free: Arc::new(Semaphore::new(CONNECTIONS_MAX)), timeout: TIMEOUT }
    }

    /// Sets the timeout of each request; the default is 10 s.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The base URL, without a slash at the end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Sends a GET request for `path`, which starts with a slash.
    pub async fn get(&self, path: &str) -> Result<HttpResponse, HttpError> {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }

    /// Sends a POST request with JSON and more headers.
    pub async fn post_json(
        &self,
        path: &str,
        body: &Value,
        headers: &[(&str, &str)],
    ) -> Result<HttpResponse, HttpError> {
        let mut all = vec![(CONTENT_TYPE.as_str(), "application/json")];
        all.extend_from_slice(headers);
        self.send(Method::POST, path, &all, body.to_string().into()).await
    }

    /// Sends a POST request as an HTML form does.
    pub async fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Result<HttpResponse, HttpError> {
        let headers = [(CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded")];
        self.send(Method::POST, path, &headers, form(fields).into()).await
    }

    /// Sends a request. Of two headers with the same name the last is sent.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<HttpResponse, HttpError> {
        let request = self.request(method, path, headers, body);
        tokio::time::timeout(self.timeout, self.exchange(request))
            .await
            .unwrap_or(Err(HttpError::TimedOut(self.timeout)))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Request<Full<Bytes>> {
        let url = format!("{}{path}", self.base);
        let uri: Uri = url.parse().unwrap_or_else(|e| panic!("{url:?} is not a URL: {e}"));
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        for (name, value) in headers {
            let name: HeaderName =
                name.parse().unwrap_or_else(|e| panic!("{name:?} is not a header name: {e}"));
            let value: HeaderValue = value.parse().unwrap_or_else(|e| panic!("{name}: {value:?}: {e}"));
            request.headers_mut().insert(name, value);
        }
        request
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<HttpResponse, HttpError> {
        let _slot = self.free.acquire().await;
        let response = self.client.request(request).await.map_err(|e| {
            let cause = chain(&e);
            if e.is_connect() { HttpError::NotConnected(cause) } else { HttpError::Broken(cause) }
        })?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|e| HttpError::Broken(chain(&e)))?.to_bytes();
        Ok(HttpResponse { status: parts.status.as_u16(), headers: parts.headers, body })
    }
}

impl HttpResponse {
    /// The body as JSON.
    ///
    /// # Panics
    /// If it is not JSON; the body is in the message.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("status {}, not JSON ({e}): {}", self.status, self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The value of a header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// The error with all its causes: hyper puts the useful one last.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |e| e.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn form(fields: &[(&str, &str)]) -> String {
    let pairs = fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// Percent-encodes text for a form or a query.
pub fn encode(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_encodes_any_text() {
        assert_eq!(
            form(&[("name", "홍 길동"), ("a&b", "1=2+3")]),
            "name=%ED%99%8D%20%EA%B8%B8%EB%8F%99&a%26b=1%3D2%2B3"
        );
    }
}
