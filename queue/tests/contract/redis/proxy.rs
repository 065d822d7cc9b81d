//! A wire between a queue and its server that a test can make lie: replies are lost, or come one too late.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinSet;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Honest,
    /// Questions arrive, answers do not.
    LosesReplies,
    /// Each answer is the one to the question before; a connection that is out of step stays so.
    OneBehind,
}

pub(super) struct Proxy {
    port: u16,
    wire: Arc<AtomicU8>,
    // Ends with the proxy.
    _work: JoinSet<()>,
}

impl Proxy {
    pub(super) async fn before(socket: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let wire = Arc::new(AtomicU8::new(Wire::Honest as u8));
        let mut work = JoinSet::new();
        let mode = Arc::clone(&wire);
        work.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(&socket).await.unwrap();
                connections.spawn(carry(client, server, Arc::clone(&mode)));
            }
        });
        Self { port, wire, _work: work }
    }

    /// The URL through the wire, for the user of this URL of the server.
    pub(super) fn url(&self, of_server: &str) -> String {
        let (_, user) = of_server.split_once("?user=").unwrap();
        let (user, password) = user.split_once("&pass=").unwrap();
        format!("redis://{user}:{password}@127.0.0.1:{}/0", self.port)
    }

    pub(super) fn set(&self, wire: Wire) {
        self.wire.store(wire as u8, Ordering::SeqCst);
    }
}

async fn carry(client: TcpStream, server: UnixStream, wire: Arc<AtomicU8>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let mut there = JoinSet::new();
    there.spawn(async move { drop(tokio::io::copy(&mut from_client, &mut to_server).await) });
    let (mut reply, mut before, mut out_of_step) = (vec![0; 64 * 1024], Vec::new(), false);
    while let Ok(read @ 1..) = from_server.read(&mut reply).await {
        let now = reply[..read].to_vec();
        let mode = wire.load(Ordering::SeqCst);
        out_of_step |= mode == Wire::OneBehind as u8;
        let told = if out_of_step { &before } else { &now };
        if mode != Wire::LosesReplies as u8 && to_client.write_all(told).await.is_err() {
            return;
        }
        before = now;
    }
}
