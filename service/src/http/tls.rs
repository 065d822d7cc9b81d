//! TLS of a listener. Certificate and key are read again when their files change; connections keep the certificate that they began with.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use metrics::Counter;
use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::limits::Limits;
use crate::config::Part;
use crate::context::Context;
use crate::tasks::Tasks;
use crate::watched_file;

/// The names of the protocols (RFC 7301, RFC 9113 3.2).
pub(super) const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

/// The first byte of a handshake (RFC 8446 5.1).
const HANDSHAKE: u8 = 22;

/// The response to a request in plain text. A browser shows it, and a person sees what is wrong with the address.
const PLAIN_TEXT_REFUSED: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 53\r\nConnection: close\r\n\r\nThis port speaks HTTPS: begin the address with https\n";

/// The files of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those that lead to a root, in PEM, the server's own first.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

impl TlsFiles {
    /// Reads `tls.certificate` and `tls.key` of a part; `None` without them.
    pub fn read(part: &mut Part<'_>) -> Option<Self> {
        if !part.has("tls") {
            return None;
        }
        let mut tls = part.part("tls");
        let mut file = |key| PathBuf::from(tls.required_text(key));
        Some(Self { certificate: file("certificate"), key: file("key") })
    }
}

/// The TLS of a listener.
pub(super) struct Tls {
    current: Arc<RwLock<Arc<ServerConfig>>>,
    failed: Counter,
}

impl Tls {
    /// Reads the files, and again when they change.
    pub(super) fn start(files: TlsFiles, http2: bool, ctx: &Context) -> anyhow::Result<Self> {
        let files = [files.certificate, files.key];
        let first = watched_file::read_all(&files).context("TLS needs a certificate and its key")?;
        let names = files.each_ref().map(|file| file.display().to_string()).join(" and ");
        let config = server_config(&first, http2).with_context(|| format!("cannot use {names}"))?;
        let current = Arc::new(RwLock::new(Arc::new(config)));
        let changed = Arc::clone(&current);
        watched_file::watch_all("tls-certificate", files, first, ctx, move |contents| {
            *changed.write() = Arc::new(server_config(contents, http2)?);
            Ok(())
        });
        Ok(Self { current, failed: metrics::counter!("firstcome_tls_handshakes_failed_total") })
    }

    /// The connection after the handshake, which has as long as the headers of a request.
    pub(super) async fn handshake(
        &self,
        stream: TcpStream,
        limits: &Limits,
        tasks: &Tasks,
    ) -> anyhow::Result<TlsStream<TcpStream>> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.current.read()));
        let accepting = async {
            refuse_plain_text(&stream).await?;
            anyhow::Ok(acceptor.accept(stream).await?)
        };
        let accepted = tokio::select! {
            accepted = accepting => accepted,
            () = tasks.stopping() => bail!("stopped before the TLS handshake"),
            () = tokio::time::sleep(limits.header_read_timeout) => bail!("no TLS handshake in time"),
        };
        if accepted.is_err() {
            self.failed.increment(1);
        }
        accepted
    }
}

/// Fails after an answer to a client that does not begin a handshake.
async fn refuse_plain_text(stream: &TcpStream) -> anyhow::Result<()> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 1 && first[0] != HANDSHAKE {
        let _ = stream.try_write(PLAIN_TEXT_REFUSED);
        bail!("the client does not speak TLS");
    }
    Ok(())
}

fn server_config([certificate, key]: &[String; 2], http2: bool) -> anyhow::Result<ServerConfig> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate.as_bytes())
        .collect::<Result<_, _>>()
        .context("the certificate is not PEM")?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).context("the key is not a private key in PEM")?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("certificate and key do not belong together, or cannot be used")?;
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    let protocols = if http2 { &[HTTP_2, HTTP_1][..] } else { &[HTTP_1] };
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}
