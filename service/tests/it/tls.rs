//! TLS: protocols, certificates that are replaced, and clients that do not speak it or stop reading.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use service::http::{Limits, Listener, TlsFiles, bind, serve};
use service::tasks::Shutdown;
use service::{Context, Settings};
use testkit::{Certificate, RawClient, TempFolder, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::{context, limits, router};

/// Long enough for a handshake on a busy machine.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(5);

fn listener([certificate, key]: [std::path::PathBuf; 2]) -> Listener {
    let socket = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    Listener { socket, tls: Some(TlsFiles { certificate, key }) }
}

fn start(certificate: &Certificate, folder: &TempFolder, limits: Limits, ctx: &Context) -> SocketAddr {
    let router = router().route("/large", get(|| async { vec![b'x'; 64 << 20] }));
    serve(listener(certificate.write(folder.path())), router, limits, ctx).unwrap()
}

fn patient_limits() -> Limits {
    Limits { header_read_timeout: HEADER_READ_TIMEOUT, http2: true, ..limits() }
}

async fn hello(certificate: &Certificate, server: SocketAddr) -> std::io::Result<String> {
    let mut stream = certificate.connect(server, &["http/1.1"]).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut response = String::new();
    stream.read_to_string(&mut response).await?;
    Ok(response)
}

#[tokio::test]
async fn a_client_chooses_between_the_versions_of_http() {
    let (certificate, folder, ctx) = (Certificate::default(), TempFolder::new("tls"), context());
    let server = start(&certificate, &folder, patient_limits(), &ctx);
    let response = hello(&certificate, server).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 200") && response.ends_with("hello"), "{response}");

    let stream = certificate.connect(server, &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    let mut driving = tokio::task::JoinSet::new();
    driving.spawn(connection);
    let request = hyper::Request::get("https://localhost/").body(Empty::<Bytes>::new()).unwrap();
    let body = sender.send_request(request).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes(), "hello");

    let without_protocols = certificate.connect(server, &[]).await.unwrap();
    assert_eq!(without_protocols.get_ref().1.alpn_protocol(), None);
}

#[tokio::test]
async fn a_replaced_certificate_is_used_without_a_restart() {
    let (first, next) = (Certificate::default(), Certificate::default());
    let (folder, ctx) = (TempFolder::new("tls"), context());
    let server =
        start(&first, &folder, Limits { idle_timeout: Duration::from_mins(1), ..patient_limits() }, &ctx);
    let mut kept = first.connect(server, &[]).await.unwrap();

    // The key is written later, so for a time the two do not belong together.
    std::fs::write(folder.path().join("certificate.pem"), &next.pem).unwrap();
    until("the pair is refused", async || {
        ctx.health.readiness().report.contains("certificate and key do not belong together")
    })
    .await;
    assert!(hello(&first, server).await.unwrap().ends_with("hello"), "the last pair stays in use");
    next.write(folder.path());
    until("the new certificate is in use", async || hello(&next, server).await.is_ok()).await;
    assert!(hello(&first, server).await.is_err());

    kept.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut status = [0; 12];
    kept.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200", "a connection outlives its certificate");
}

#[tokio::test]
async fn files_that_cannot_be_used_end_the_start() {
    let (certificate, folder, ctx) = (Certificate::default(), TempFolder::new("tls"), context());
    let files = certificate.write(folder.path());
    let refused = |files| format!("{:#}", serve(listener(files), Router::new(), limits(), &ctx).unwrap_err());
    let missing = refused([folder.path().join("none.pem"), files[1].clone()]);
    assert!(missing.contains("none.pem") && missing.contains("needs a certificate"), "{missing}");
    let swapped = refused([files[1].clone(), files[0].clone()]);
    assert!(swapped.contains("not a private key"), "{swapped}");
    std::fs::write(&files[1], Certificate::default().key_pem).unwrap();
    let of_two = refused(files);
    assert!(of_two.contains("do not belong together") && of_two.contains("key.pem"), "{of_two}");
}

#[tokio::test]
async fn a_client_in_plain_text_is_told_and_a_silent_one_is_closed() {
    let (certificate, folder, ctx) = (Certificate::default(), TempFolder::new("tls"), context());
    let server = start(&certificate, &folder, limits(), &ctx);
    let told = RawClient::connect(server).await.last_get("/").await;
    assert!(told.starts_with("HTTP/1.1 400 ") && told.ends_with("begin the address with https\n"), "{told}");
    let mut silent = RawClient::connect(server).await;
    assert_eq!(silent.read_to_end().await, "");
    let mut halfway = RawClient::connect(server).await;
    halfway.send([22, 3, 1]).await;
    assert_eq!(halfway.read_to_end().await, "");
}

#[tokio::test]
async fn a_client_that_does_not_read_its_response_is_disconnected() {
    let (certificate, folder, ctx) = (Certificate::default(), TempFolder::new("tls"), context());
    let limits = Limits { write_stall_timeout: Duration::from_millis(200), ..patient_limits() };
    let server = start(&certificate, &folder, limits, &ctx);
    let mut client = certificate.connect(server, &["http/1.1"]).await.unwrap();
    client.write_all(b"GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    client.read_u8().await.unwrap();
    // A connection that still writes would be counted as unfinished.
    assert_eq!(ctx.tasks.shut_down(Duration::from_secs(8)).await, Shutdown::Clean);
}

#[test]
fn settings_name_both_files_or_none() {
    let read = |flags: &[(&str, &str)]| {
        let flags: Vec<_> = flags.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
        let mut settings = Settings::load(None, std::iter::empty(), &flags).unwrap();
        let files = TlsFiles::read(&mut settings.part("gateway"));
        settings.finish().map(|_| files).map_err(|mistakes| mistakes.lines().join("; "))
    };
    assert_eq!(read(&[]).unwrap(), None);
    let one = read(&[("gateway.tls.certificate", "a.pem")]).unwrap_err();
    assert!(one.contains("gateway.tls.key"), "{one}");
    let both = read(&[("gateway.tls.certificate", "a.pem"), ("gateway.tls.key", "b.pem")]).unwrap();
    assert_eq!(both.unwrap().key, std::path::Path::new("b.pem"));
}
