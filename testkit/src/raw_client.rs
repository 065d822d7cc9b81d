//! An HTTP/1.1 client that sends exactly the bytes a test gives it, for requests that no ordinary client would send.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// Longer than any wait that a test expects to end.
const READ_TIMEOUT: Duration = Duration::from_secs(20);
/// How long nothing may arrive for [`RawClient::is_silent`].
const SILENCE: Duration = Duration::from_millis(150);

/// One response as it arrived.
#[derive(Debug)]
pub struct RawResponse {
    /// The status code.
    pub status: u16,
    /// The status line and the headers, with the empty line.
    pub head: String,
    /// The body, by its `Content-Length`.
    pub body: String,
}

impl RawResponse {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The body of a problem (RFC 9457).
    ///
    /// # Panics
    /// If the response is not a problem.
    pub fn problem(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The status and the code of a problem.
    ///
    /// # Panics
    /// If the response is not a problem.
    pub fn status_and_code(&self) -> (u16, String) {
        (self.status, self.problem()["code"].as_str().unwrap_or_default().to_owned())
    }
}

/// One connection. Its methods panic where a test has failed.
#[derive(Debug)]
pub struct RawClient(TcpStream);

impl RawClient {
    /// Connects to a server.
    pub async fn connect(server: SocketAddr) -> Self {
        Self(TcpStream::connect(server).await.unwrap_or_else(|error| panic!("{server}: {error}")))
    }

    /// Connects from this loopback address.
    pub async fn connect_from(source: IpAddr, server: SocketAddr) -> Self {
        let connect = async {
            let socket = TcpSocket::new_v4()?;
            socket.bind(SocketAddr::new(source, 0))?;
            socket.connect(server).await
        };
        Self(connect.await.unwrap_or_else(|error: std::io::Error| panic!("{server}: {error}")))
    }

    /// Sends bytes. An error is ignored: a server that has refused the request may have closed the connection already.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.0.write_all(bytes.as_ref()).await;
    }

    /// Sends a GET request and reads the response.
    pub async fn get(&mut self, path: &str) -> RawResponse {
        self.get_with(path, "").await
    }

    /// Sends a GET request with more header lines, each ended by `\r\n`, and reads the response.
    pub async fn get_with(&mut self, path: &str, headers: &str) -> RawResponse {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: shop\r\n{headers}\r\n")).await;
        self.response().await
    }

    /// Sends a last GET request and reads until the server closes. Empty if the server sends no response.
    pub async fn last_get(&mut self, path: &str) -> String {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n")).await;
        self.read_to_end().await
    }

    /// Reads a response with its body.
    pub async fn response(&mut self) -> RawResponse {
        let head = self.head().await;
        let status = head.get(9..12).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("not a status line: {head}"));
        let mut response = RawResponse { status, head, body: String::new() };
        let size = response.header("content-length").and_then(|size| size.parse().ok()).unwrap_or(0);
        response.body = text(self.read(size).await);
        response
    }

    /// Reads the head of a response, up to the empty line.
    pub async fn head(&mut self) -> String {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            let byte = self.byte().await;
            bytes.push(
                byte.unwrap_or_else(|| {
                    panic!("closed in the headers: {:?}", String::from_utf8_lossy(&bytes))
                }),
            );
        }
        text(bytes)
    }

    /// Reads this many bytes.
    pub async fn read(&mut self, size: usize) -> Vec<u8> {
        let mut bytes = vec![0; size];
        let read = tokio::time::timeout(READ_TIMEOUT, self.0.read_exact(&mut bytes)).await;
        match read.unwrap_or_else(|_| panic!("the server sends fewer than {size} bytes")) {
            Ok(_) => bytes,
            Err(error) => panic!("the server sends fewer than {size} bytes: {error}"),
        }
    }

    /// Reads until the server closes.
    pub async fn read_to_end(&mut self) -> String {
        let mut bytes = Vec::new();
        while let Some(byte) = self.byte().await {
            bytes.push(byte);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Whether nothing arrives for 150 ms.
    pub async fn is_silent(&mut self) -> bool {
        tokio::time::timeout(SILENCE, self.0.read(&mut [0; 1])).await.is_err()
    }

    async fn byte(&mut self) -> Option<u8> {
        let mut byte = [0; 1];
        let read = tokio::time::timeout(READ_TIMEOUT, self.0.read(&mut byte)).await;
        match read.unwrap_or_else(|_| panic!("the server neither responds nor closes")) {
            Ok(1) => Some(byte[0]),
            _ => None,
        }
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| panic!("not UTF-8: {error}"))
}
