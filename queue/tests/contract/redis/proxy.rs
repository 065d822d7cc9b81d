//! A proxy between a queue and its server that drops replies, or delays them by one.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinSet;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProxyMode {
    Transparent,
    /// Calls reach the server, and replies are dropped.
    DropsReplies,
    /// Each call gets the reply to the call before it. A connection that is behind once stays behind.
    OneReplyBehind,
}

pub(super) struct Proxy {
    port: u16,
    mode: Arc<AtomicU8>,
    // Ends with the proxy.
    _tasks: JoinSet<()>,
}

impl Proxy {
    pub(super) async fn before(socket: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mode = Arc::new(AtomicU8::new(ProxyMode::Transparent as u8));
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&mode);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(&socket).await.unwrap();
                connections.spawn(carry(client, server, Arc::clone(&shared)));
            }
        });
        Self { port, mode, _tasks: tasks }
    }

    /// The URL through the proxy, for the user in this URL of the server.
    pub(super) fn url(&self, of_server: &str) -> String {
        let (_, user) = of_server.split_once("?user=").unwrap();
        let (user, password) = user.split_once("&pass=").unwrap();
        format!("redis://{user}:{password}@127.0.0.1:{}/0", self.port)
    }

    pub(super) fn set(&self, mode: ProxyMode) {
        self.mode.store(mode as u8, Ordering::SeqCst);
    }
}

async fn carry(client: TcpStream, server: UnixStream, current: Arc<AtomicU8>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let mut there = JoinSet::new();
    there.spawn(async move { drop(tokio::io::copy(&mut from_client, &mut to_server).await) });
    let mut reply = vec![0; 64 * 1024];
    let mut before = Vec::new();
    let mut behind = false;
    while let Ok(read @ 1..) = from_server.read(&mut reply).await {
        let now = reply[..read].to_vec();
        let mode = current.load(Ordering::SeqCst);
        behind |= mode == ProxyMode::OneReplyBehind as u8;
        let sent = if behind { &before } else { &now };
        if mode != ProxyMode::DropsReplies as u8 && to_client.write_all(sent).await.is_err() {
            return;
        }
        before = now;
    }
}
