//! A client that sends exactly the given bytes.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// Longer than any wait that a test expects to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// A response, unparsed except for its status.
#[derive(Debug)]
pub(crate) struct ClientResponse {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl ClientResponse {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The status and the stable code of a problem.
    pub(crate) fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let json: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        (self.status, json["code"].as_str().unwrap().to_owned())
    }
}

pub(crate) struct Client(TcpStream);

impl Client {
    pub(crate) async fn to(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    /// A client at this loopback address.
    pub(crate) async fn from(source: IpAddr, address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(source, 0)).unwrap();
        Self(socket.connect(address).await.unwrap())
    }

    /// A client whose socket holds little of what it has not read.
    pub(crate) async fn with_small_buffer(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Self(socket.connect(address).await.unwrap())
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // A server that has refused already may have closed.
        let _ = self.0.write_all(bytes.as_ref()).await;
    }

    pub(crate) async fn get(&mut self, path: &str) -> ClientResponse {
        self.get_with(path, "").await
    }

    /// Gets a path with further header lines.
    pub(crate) async fn get_with(&mut self, path: &str, headers: &str) -> ClientResponse {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: shop\r\n{headers}\r\n")).await;
        self.response().await
    }

    pub(crate) async fn response(&mut self) -> ClientResponse {
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
        let mut answer = ClientResponse { status, head, body: String::new() };
        let size = answer.header("content-length").map_or(0, |size| size.parse().unwrap());
        answer.body = String::from_utf8(self.bytes(size).await).unwrap();
        answer
    }

    /// The head of an answer without a body.
    pub(crate) async fn rest_of_head(&mut self) -> String {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            bytes.push(self.byte().await.unwrap());
        }
        String::from_utf8(bytes).unwrap()
    }

    /// So many bytes.
    pub(crate) async fn bytes(&mut self, size: usize) -> Vec<u8> {
        let mut bytes = vec![0; size];
        tokio::time::timeout(PATIENCE, self.0.read_exact(&mut bytes)).await.unwrap().unwrap();
        bytes
    }

    /// Everything until the server closes.
    pub(crate) async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        while let Some(byte) = self.byte().await {
            bytes.push(byte);
        }
        String::from_utf8_lossy(&bytes).into_owned()
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
