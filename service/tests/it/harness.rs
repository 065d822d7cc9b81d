//! A server to test against, and a client that sends exactly the bytes it is told to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use service::http::{Limits, bind, serve};
use service::{Context, Health, Tasks};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longer than any wait that a test expects to end.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn context() -> Context {
    Context {
        now: Arc::new(|| 1_000_000),
        rng: Arc::new(|bytes| bytes.fill(7)),
        tasks: Tasks::default(),
        health: Health::default(),
    }
}

pub(crate) fn router() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/echo", post(|body: Bytes| async { body }))
        .route("/panic", get(panics))
}

async fn panics() -> &'static str {
    panic!("on purpose")
}

/// Short waits, so that a test sees them end; everything else as in production.
pub(crate) fn limits() -> Limits {
    Limits {
        header_read_timeout: Duration::from_millis(200),
        first_byte_timeout: Duration::from_millis(400),
        body_read_timeout: Duration::from_millis(200),
        ..Limits::default()
    }
}

pub(crate) fn start(router: Router, limits: Limits, ctx: &Context) -> SocketAddr {
    serve(bind("127.0.0.1:0".parse().unwrap()).unwrap(), router, limits, ctx).unwrap()
}

/// One answer, as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn problem(&self) -> serde_json::Value {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        serde_json::from_str(&self.body).unwrap()
    }
}

pub(crate) struct Client(TcpStream);

impl Client {
    pub(crate) async fn to(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
        self.answer().await
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            bytes.push(
                self.byte()
                    .await
                    .expect("the connection was closed before the answer's headers were through"),
            );
        }
        let head = String::from_utf8(bytes).unwrap();
        let status = head[9..12].parse().unwrap();
        let mut answer = Answer { status, head, body: String::new() };
        let size = answer.header("content-length").map_or(0, |size| size.parse().unwrap());
        let mut body = vec![0; size];
        self.0.read_exact(&mut body).await.unwrap();
        answer.body = String::from_utf8(body).unwrap();
        answer
    }

    /// So many bytes.
    pub(crate) async fn bytes(&mut self, size: usize) -> Vec<u8> {
        let mut bytes = vec![0; size];
        tokio::time::timeout(PATIENCE, self.0.read_exact(&mut bytes)).await.unwrap().unwrap();
        bytes
    }

    /// Asks once and reads until the server closes; empty if it never answered.
    pub(crate) async fn rest_of_get(&mut self, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let _ = self.0.write_all(request.as_bytes()).await;
        self.rest().await
    }

    /// Everything until the server closes.
    pub(crate) async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        while let Some(byte) = self.byte().await {
            bytes.push(byte);
        }
        String::from_utf8(bytes).unwrap()
    }

    /// Whether nothing arrives for a while.
    pub(crate) async fn is_silent(&mut self) -> bool {
        let mut byte = [0; 1];
        tokio::time::timeout(Duration::from_millis(150), self.0.read(&mut byte)).await.is_err()
    }

    async fn byte(&mut self) -> Option<u8> {
        let mut byte = [0; 1];
        let read = tokio::time::timeout(PATIENCE, self.0.read(&mut byte)).await;
        match read.expect("the server neither answers nor closes") {
            Ok(1) => Some(byte[0]),
            _ => None,
        }
    }
}
