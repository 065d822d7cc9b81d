//! A certificate for a server on loopback, and clients that trust it.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A self-signed certificate for `localhost`.
#[derive(Debug)]
pub struct Certificate {
    /// In PEM.
    pub pem: String,
    /// Its key in PEM.
    pub key_pem: String,
    der: CertificateDer<'static>,
}

impl Default for Certificate {
    fn default() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
        let made = made.unwrap_or_else(|error| panic!("{error}"));
        Self { pem: made.cert.pem(), key_pem: made.signing_key.serialize_pem(), der: made.cert.into() }
    }
}

impl Certificate {
    /// Writes `certificate.pem` and `key.pem` into a folder.
    ///
    /// # Panics
    /// If they cannot be written.
    pub fn write(&self, folder: &Path) -> [PathBuf; 2] {
        let files = [("certificate.pem", &self.pem), ("key.pem", &self.key_pem)];
        files.map(|(name, content)| {
            let file = folder.join(name);
            std::fs::write(&file, content).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            file
        })
    }

    /// What a server needs to accept connections with this certificate.
    ///
    /// # Panics
    /// If the certificate is not usable, which it is.
    pub fn acceptor(&self) -> TlsAcceptor {
        let key = PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![self.der.clone()], key));
        TlsAcceptor::from(Arc::new(config.expect("a configuration")))
    }

    /// Connects to a server that has this certificate, and offers it these protocols.
    ///
    /// # Errors
    /// When the server cannot be reached, or has another certificate.
    pub async fn connect(&self, server: SocketAddr, protocols: &[&str]) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).map_err(io::Error::other)?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        TlsConnector::from(Arc::new(config)).connect(name, TcpStream::connect(server).await?).await
    }
}
