//! One HTTP request to an endpoint: to an address that was checked, without redirects, within a time limit.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use super::address::AllowedNetworks;
use super::url::WebhookUrl;
use crate::config::WebhookConfig;
use crate::envelope::CONTENT_TYPE;

/// The most of a response's head that is read, in bytes.
const HEAD_MAX: usize = 16 * 1024;
/// The most of a response's body that is read, in bytes, and for how long. It is not kept: the status is the answer.
const BODY_MAX: usize = 4096;
const BODY_TIMEOUT: Duration = Duration::from_secs(1);
const HTTPS: u16 = 443;

/// A request to an endpoint.
#[derive(Debug, Clone)]
pub struct SignedRequest {
    /// The header `webhook-id`: the ID of the domain event.
    pub id: String,
    /// The header `webhook-timestamp`.
    pub timestamp_s: i64,
    /// The header `webhook-signature`.
    pub signature: String,
    /// The domain event in its envelope.
    pub body: Bytes,
}

/// The answer of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebhookAnswer {
    /// The status code.
    pub status: u16,
    /// `Retry-After` in seconds.
    pub retry_after_s: Option<u32>,
}

/// A client of webhook endpoints.
#[derive(Clone)]
pub struct WebhookClient {
    allowed: AllowedNetworks,
    /// Ports besides 443 at public addresses.
    ports: Vec<u16>,
    timeout: Duration,
    tls: TlsConnector,
}

impl fmt::Debug for WebhookClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookClient")
    }
}

impl WebhookClient {
    /// A client with these settings.
    pub fn new(config: &WebhookConfig) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(file) = &config.ca_file {
            let read = || format!("messaging.webhook.ca_file {} cannot be read", file.display());
            for certificate in CertificateDer::pem_file_iter(file).with_context(read)? {
                roots.add(certificate.with_context(read)?).with_context(read)?;
            }
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            allowed: config.allowed.clone(),
            ports: config.ports.clone(),
            timeout: config.timeout,
            tls: TlsConnector::from(Arc::new(tls)),
        })
    }

    /// Sends a request, and returns the answer. The error is a text without the address.
    pub async fn send(&self, url: &WebhookUrl, request: SignedRequest) -> Result<WebhookAnswer, String> {
        let exchange = tokio::time::timeout(self.timeout, self.exchange(url, request));
        exchange.await.unwrap_or_else(|_| Err(format!("no response within {} s", self.timeout.as_secs_f32())))
    }

    async fn exchange(&self, url: &WebhookUrl, request: SignedRequest) -> Result<WebhookAnswer, String> {
        let stream = self.connect(url).await?;
        let request = http_request(url, request)?;
        if !url.is_https {
            return exchange_over(stream, request).await;
        }
        let name = ServerName::try_from(url.host.clone()).map_err(|error| error.to_string())?;
        let stream = self.tls.connect(name, stream).await.map_err(|error| format!("TLS: {error}"))?;
        exchange_over(stream, request).await
    }

    /// Connects to an address that may be called. The name is resolved once, and the connection goes to the address that was checked:
    /// a name server that then changes its answer reaches nothing else.
    async fn connect(&self, url: &WebhookUrl) -> Result<TcpStream, String> {
        let addresses: Vec<SocketAddr> = match url.address() {
            Some(address) => vec![SocketAddr::new(address, url.port)],
            None => tokio::net::lookup_host((url.host.as_str(), url.port))
                .await
                .map_err(|error| format!("the name cannot be resolved: {error}"))?
                .collect(),
        };
        let mut permitted =
            addresses.into_iter().filter(|address| self.permits(url, address.ip())).peekable();
        if permitted.peek().is_none() {
            return Err("no address of this host may be called: only public ones by https, and those in messaging.webhook.allow".into());
        }
        let mut last = String::new();
        for address in permitted {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = format!("cannot connect: {error}"),
            }
        }
        Err(last)
    }

    /// Whether this address may be called for the URL. Plain HTTP and other ports are for the networks that are allowed by name.
    fn permits(&self, url: &WebhookUrl, address: IpAddr) -> bool {
        let is_usual = url.is_https && (url.port == HTTPS || self.ports.contains(&url.port));
        self.allowed.contains(address) || (is_usual && self.allowed.permits(address))
    }
}

fn http_request(url: &WebhookUrl, request: SignedRequest) -> Result<Request<Full<Bytes>>, String> {
    Request::post(&url.path)
        .header(header::HOST, &url.authority)
        .header(header::CONTENT_TYPE, CONTENT_TYPE)
        .header(header::USER_AGENT, concat!("firstcome/", env!("CARGO_PKG_VERSION")))
        .header("webhook-id", request.id)
        .header("webhook-timestamp", request.timestamp_s)
        .header("webhook-signature", request.signature)
        .body(Full::new(request.body))
        .map_err(|error| error.to_string())
}

async fn exchange_over<S>(stream: S, request: Request<Full<Bytes>>) -> Result<WebhookAnswer, String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let broken = |error: hyper::Error| format!("the connection broke: {error}");
    let handshake = http1::Builder::new().max_buf_size(HEAD_MAX).handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(broken)?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        let answer =
            WebhookAnswer { status: response.status().as_u16(), retry_after_s: retry_after(&response) };
        let _ = tokio::time::timeout(BODY_TIMEOUT, read_body(response.into_body())).await;
        Ok(answer)
    };
    tokio::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        // The connection carries the request, and may end before the answer is read.
        _ = connection => answer.await,
    }
}

fn retry_after(response: &Response<Incoming>) -> Option<u32> {
    response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

/// Reads the beginning of the body, so that a server can write a small response to its end.
async fn read_body(mut body: Incoming) {
    let mut read = 0;
    while read < BODY_MAX && !body.is_end_stream() {
        let Some(Ok(frame)) = body.frame().await else { return };
        read += frame.data_ref().map_or(0, Bytes::len);
    }
}
