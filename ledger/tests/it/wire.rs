//! A wire before a server that can be cut without either end hearing of it: what goes in is swallowed. Used by two suites.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub(crate) struct Wire {
    port: u16,
    cut: Arc<AtomicBool>,
    // Ends with the wire.
    _work: JoinSet<()>,
}

impl Wire {
    /// A wire to the server of this address.
    pub(crate) async fn to(url: &str) -> Self {
        let server: u16 = url.rsplit_once(':').unwrap().1.split('/').next().unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = Arc::new(AtomicBool::new(false));
        let (mut work, swallows) = (JoinSet::new(), Arc::clone(&cut));
        work.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(carry(client, server, Arc::clone(&swallows)));
            }
        });
        Self { port, cut, _work: work }
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// From now on everything is swallowed. Mended, it carries new connections only.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }

    pub(crate) fn mend(&self) {
        self.cut.store(false, Ordering::SeqCst);
    }
}

async fn carry(client: TcpStream, server: u16, cut: Arc<AtomicBool>) {
    let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let mut lost = false;
    let (mut there, mut back) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        tokio::select! {
            Ok(read @ 1..) = from_client.read(&mut there) => {
                lost |= cut.load(Ordering::SeqCst);
                if !lost && to_server.write_all(&there[..read]).await.is_err() {
                    return;
                }
            }
            Ok(read @ 1..) = from_server.read(&mut back) => {
                lost |= cut.load(Ordering::SeqCst);
                if !lost && to_client.write_all(&back[..read]).await.is_err() {
                    return;
                }
            }
            else => return,
        }
    }
}
