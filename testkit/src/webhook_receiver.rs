//! A receiver of webhooks for tests. It keeps every request, and responds as a test chooses.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Either, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::tls::Certificate;

/// A webhook as it arrived.
#[derive(Debug, Clone)]
pub struct ReceivedWebhook {
    /// The path with its query.
    pub path: String,
    /// The headers, with names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
    /// Whether the response was in the 200s.
    pub accepted: bool,
}

impl ReceivedWebhook {
    /// A header; empty if it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body as JSON; null if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// The response to a webhook.
#[derive(Debug, Clone)]
pub struct WebhookReply {
    /// The status code.
    pub status: u16,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// The wait before it.
    pub delay: Duration,
    /// Whether its body is announced and never sent.
    pub is_endless: bool,
}

impl WebhookReply {
    /// A response with this status.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), delay: Duration::ZERO, is_endless: false }
    }
}

type ReplyFn = Box<dyn Fn(&ReceivedWebhook) -> WebhookReply + Send + Sync>;

struct ReceiverState {
    reply: Mutex<ReplyFn>,
    received: Mutex<Vec<ReceivedWebhook>>,
    connections: Mutex<usize>,
}

/// A running receiver. It ends with the test's runtime.
#[derive(Clone)]
pub struct WebhookReceiver {
    address: SocketAddr,
    state: Arc<ReceiverState>,
}

impl WebhookReceiver {
    /// Starts a receiver that accepts everything.
    ///
    /// # Panics
    /// If it cannot listen on 127.0.0.1.
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    /// Starts one that speaks TLS with this certificate.
    ///
    /// # Panics
    /// If it cannot listen on 127.0.0.1.
    pub async fn start_tls(certificate: &Certificate) -> Self {
        Self::start_with(Some(certificate.acceptor())).await
    }

    async fn start_with(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let accept: ReplyFn = Box::new(|_| WebhookReply::status(204));
        let state = Arc::new(ReceiverState {
            reply: Mutex::new(accept),
            received: Mutex::default(),
            connections: Mutex::default(),
        });
        let serving = Arc::clone(&state);
        spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *serving.connections.lock() += 1;
                let (tls, serving) = (tls.clone(), Arc::clone(&serving));
                spawn(async move {
                    match tls {
                        Some(tls) => {
                            let Ok(stream) = tls.accept(stream).await else { return };
                            serve(stream, serving).await;
                        }
                        None => serve(stream, serving).await,
                    }
                });
            }
        });
        Self { address, state }
    }

    /// The URL of an endpoint.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// The address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Responds in this way from now on.
    pub fn reply(&self, reply: impl Fn(&ReceivedWebhook) -> WebhookReply + Send + Sync + 'static) {
        *self.state.reply.lock() = Box::new(reply);
    }

    /// All webhooks so far, in the order of their arrival.
    pub fn received(&self) -> Vec<ReceivedWebhook> {
        self.state.received.lock().clone()
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        *self.state.connections.lock()
    }
}

/// A body of which nothing ever arrives.
struct EndlessBody;

impl Body for EndlessBody {
    type Data = Bytes;
    type Error = Infallible;
    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

#[expect(clippy::disallowed_methods, reason = "the runtime of the test ends the task")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send, state: Arc<ReceiverState>) {
    let service = service_fn(|request| respond(request, Arc::clone(&state)));
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn respond(
    request: Request<Incoming>,
    state: Arc<ReceiverState>,
) -> Result<Response<Either<Full<Bytes>, EndlessBody>>, Infallible> {
    let (parts, body) = request.into_parts();
    let text = |value: &hyper::header::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let mut webhook = ReceivedWebhook {
        path: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: body.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default(),
        accepted: false,
    };
    let reply = (state.reply.lock())(&webhook);
    webhook.accepted = (200..300).contains(&reply.status);
    state.received.lock().push(webhook);
    tokio::time::sleep(reply.delay).await;
    let body = if reply.is_endless { Either::Right(EndlessBody) } else { Either::Left(Full::default()) };
    let mut response = Response::new(body);
    *response.status_mut() = hyper::StatusCode::from_u16(reply.status).unwrap_or_default();
    for (name, value) in reply.headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}
