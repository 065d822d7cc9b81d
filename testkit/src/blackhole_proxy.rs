//! A TCP proxy before a Postgres server that drops data on request: neither end learns that the connection is dead.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The proxy. It stops when it is dropped.
#[derive(Debug)]
pub struct BlackholeProxy {
    port: u16,
    is_dropping: Arc<AtomicBool>,
    // Aborted on drop.
    _tasks: JoinSet<()>,
}

impl BlackholeProxy {
    /// Starts a proxy to the server of this URL, whose port is given and whose host is this machine.
    ///
    /// # Panics
    /// If the URL has no port, or no port is free.
    pub async fn start(url: &str) -> Self {
        let authority = url.split("://").last().and_then(|rest| rest.split('/').next()).unwrap_or_default();
        let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        let server_port: u16 = port.expect("a URL with a port");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("a bound listener").port();
        let is_dropping = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, server_port, Arc::clone(&is_dropping)));
        Self { port, is_dropping, _tasks: tasks }
    }

    /// Returns the URL of the server through the proxy.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Drops all data from now on. A connection that has lost data stays dead, also after [`Self::forward`].
    pub fn drop_all(&self) {
        self.is_dropping.store(true, Ordering::SeqCst);
    }

    /// Forwards the data of new connections again.
    pub fn forward(&self) {
        self.is_dropping.store(false, Ordering::SeqCst);
    }
}

async fn accept(listener: TcpListener, server_port: u16, is_dropping: Arc<AtomicBool>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(relay(client, server_port, Arc::clone(&is_dropping)));
    }
}

async fn relay(client: TcpStream, server_port: u16, is_dropping: Arc<AtomicBool>) {
    let server = TcpStream::connect(("127.0.0.1", server_port)).await.expect("a server that listens");
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let mut is_dead = false;
    let mut request = vec![0; 64 * 1024];
    let mut reply = vec![0; 64 * 1024];
    loop {
        tokio::select! {
            Ok(read @ 1..) = from_client.read(&mut request) => {
                is_dead |= is_dropping.load(Ordering::SeqCst);
                if !is_dead && to_server.write_all(&request[..read]).await.is_err() {
                    return;
                }
            }
            Ok(read @ 1..) = from_server.read(&mut reply) => {
                is_dead |= is_dropping.load(Ordering::SeqCst);
                if !is_dead && to_client.write_all(&reply[..read]).await.is_err() {
                    return;
                }
            }
            else => return,
        }
    }
}
