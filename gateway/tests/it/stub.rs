//! A shop's service that does what the path says and records the requests that it receives. Raw sockets, so that it can misbehave.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct ReceivedRequest {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl ReceivedRequest {
    /// The values of all lines of that name.
    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }
}

/// The size of `/large`: more than the sockets on its way hold.
pub(crate) const LARGE: usize = 32 << 20;

/// What all connections share.
#[derive(Debug)]
struct Shared {
    received: Mutex<Vec<ReceivedRequest>>,
    connections: AtomicUsize,
    open: AtomicUsize,
    /// While set, requests are read and never answered.
    hangs: AtomicBool,
    /// While set, connections are closed instead of answering.
    resets: AtomicBool,
    /// The most requests that were in progress at once.
    in_progress: AtomicUsize,
    in_progress_max: AtomicUsize,
    /// What `/gate` waits for.
    gate: Semaphore,
    /// Pieces of bodies as they arrive.
    pieces: mpsc::UnboundedSender<Vec<u8>>,
}

/// The service.
pub(crate) struct Stub {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    pub(crate) pieces: mpsc::UnboundedReceiver<Vec<u8>>,
    _tasks: JoinSet<()>,
}

impl Stub {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, pieces) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            received: Mutex::default(),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            hangs: AtomicBool::new(false),
            resets: AtomicBool::new(false),
            in_progress: AtomicUsize::new(0),
            in_progress_max: AtomicUsize::new(0),
            gate: Semaphore::new(0),
            pieces: sender,
        });
        let mut tasks = JoinSet::new();
        let accepting = Arc::clone(&shared);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&accepting);
                shared.connections.fetch_add(1, Ordering::SeqCst);
                shared.open.fetch_add(1, Ordering::SeqCst);
                connections.spawn(async move {
                    let _ = serve(stream, &shared).await;
                    shared.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, shared, pieces, _tasks: tasks }
    }

    pub(crate) fn received(&self) -> Vec<ReceivedRequest> {
        self.shared.received.lock().unwrap().clone()
    }

    /// How many requests for the path arrived.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.received().iter().filter(|received| received.path == path).count()
    }

    /// Connections that were ever made.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Connections that are open now.
    pub(crate) fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// From now on, reads requests and never answers.
    pub(crate) fn hang(&self, hangs: bool) {
        self.shared.hangs.store(hangs, Ordering::SeqCst);
    }

    /// From now on, closes connections instead of answering.
    pub(crate) fn reset(&self, resets: bool) {
        self.shared.resets.store(resets, Ordering::SeqCst);
    }

    /// The most requests that were in progress at once.
    pub(crate) fn in_progress_max(&self) -> usize {
        self.shared.in_progress_max.load(Ordering::SeqCst)
    }

    /// Lets so many `/gate` go on.
    pub(crate) fn let_through(&self, n: usize) {
        self.shared.gate.add_permits(n);
    }
}

async fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(head) = head(&mut stream).await? {
        let line: Vec<&str> = head.lines().next().unwrap_or("").split(' ').collect();
        let (method, path) = (line[0].to_owned(), line[1].to_owned());
        let at = {
            let mut received = shared.received.lock().unwrap();
            received.push(ReceivedRequest {
                method,
                path: path.clone(),
                head: head.clone(),
                body: Vec::new(),
            });
            received.len() - 1
        };
        if path.starts_with("/early") {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nearly").await?;
        }
        let body = body(&head, &mut stream, shared).await?;
        shared.received.lock().unwrap()[at].body = body;
        if shared.hangs.load(Ordering::SeqCst) {
            return until_closed(&mut stream).await;
        }
        if shared.resets.load(Ordering::SeqCst) {
            return Ok(());
        }
        let now = shared.in_progress.fetch_add(1, Ordering::SeqCst) + 1;
        shared.in_progress_max.fetch_max(now, Ordering::SeqCst);
        let answered = answer(&path, &mut stream, shared).await;
        shared.in_progress.fetch_sub(1, Ordering::SeqCst);
        if !answered? {
            return Ok(());
        }
    }
    Ok(())
}

/// Does what the path says; whether the connection goes on.
async fn answer(path: &str, stream: &mut BufReader<TcpStream>, shared: &Shared) -> std::io::Result<bool> {
    if path == "/slow" {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    if let Some(whole) = whole(path) {
        stream.write_all(whole.as_bytes()).await?;
        return Ok(true);
    }
    match path {
        "/silent" => {
            until_closed(stream).await?;
            return Ok(false);
        }
        "/gate" => {
            shared.gate.acquire().await.unwrap().forget();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await?;
        }
        "/pieces" => {
            stream.write_all(&[&chunked[..], b"5\r\nfirst\r\n"].concat()).await?;
            shared.gate.acquire().await.unwrap().forget();
            stream.write_all(b"4\r\nlast\r\n0\r\n\r\n").await?;
        }
        "/late" => {
            let half = "x".repeat(30_000);
            stream
                .write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n{half}").as_bytes())
                .await?;
            shared.gate.acquire().await.unwrap().forget();
            stream.write_all(half.as_bytes()).await?;
        }
        "/pause" => {
            stream.write_all(&[&chunked[..], b"5\r\nfirst\r\n"].concat()).await?;
            until_closed(stream).await?;
            return Ok(false);
        }
        "/half" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await?;
            return Ok(false);
        }
        "/drop" => return Ok(false),
        "/bye" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbye").await?;
            return Ok(false);
        }
        "/garbage" => {
            stream.write_all(b"SSH-2.0-hello\r\n").await?;
            return Ok(false);
        }
        "/upgrade" => {
            stream
                .write_all(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n")
                .await?;
        }
        "/old" => {
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nold").await?;
            return Ok(false);
        }
        "/own" => {
            let own =
                b"HTTP/1.1 503 Service Unavailable\r\nserver: shop\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n\
                connection: x-secret\r\nx-secret: 1\r\nkeep-alive: timeout=5\r\nproxy-authenticate: x\r\n\
                content-length: 8\r\n\r\nour page";
            stream.write_all(own).await?;
        }
        _ if path.starts_with("/early") => {}
        _ => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await?,
    }
    Ok(true)
}

/// Answers that are given in one piece, after which the stub waits for more.
fn whole(path: &str) -> Option<String> {
    let ok = "HTTP/1.1 200 OK\r\ncontent-length:";
    match path {
        "/last" => Some("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\nlast".to_owned()),
        "/older" => Some("HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nolder".to_owned()),
        "/large" => Some(format!("{ok} {LARGE}\r\n\r\n{}", "x".repeat(LARGE))),
        "/medium" => Some(format!("{ok} 1000000\r\n\r\n{}", "x".repeat(1_000_000))),
        "/both" => Some(format!("{ok} 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{ok} 5\r\n\r\nEVIL!")),
        "/both-reversed" => Some(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\nEVIL!"
                .to_owned(),
        ),
        "/coded" => Some(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n4\r\nzzzz\r\n0\r\n\r\n".to_owned(),
        ),
        "/twice" => Some(format!("{ok} 5\r\n\r\ntwice{ok} 5\r\n\r\nEVIL!")),
        _ if path.starts_with("/echo/") => Some(format!("{ok} {}\r\n\r\n{path}", path.len())),
        _ => None,
    }
}

async fn until_closed(stream: &mut BufReader<TcpStream>) -> std::io::Result<()> {
    stream.read_to_end(&mut Vec::new()).await.map(drop)
}

async fn head(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<String>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(head))
}

async fn body(head: &str, stream: &mut BufReader<TcpStream>, shared: &Shared) -> std::io::Result<Vec<u8>> {
    let lower = head.to_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    if !lower.contains("transfer-encoding: chunked") {
        return Ok(body);
    }
    loop {
        let mut size = String::new();
        stream.read_line(&mut size).await?;
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let mut piece = vec![0; size + 2];
        stream.read_exact(&mut piece).await?;
        if size == 0 {
            return Ok(body);
        }
        piece.truncate(size);
        body.extend_from_slice(&piece);
        let _ = shared.pieces.send(piece);
    }
}
