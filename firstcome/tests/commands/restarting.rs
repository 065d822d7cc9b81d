//! A restart of one of two gateways, and new settings for one, under load, with real processes and signals: no request fails.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use testkit::{ChildProcess, HttpClient, TempFolder, free_ports, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::PROGRAM;

const SOON: Duration = Duration::from_secs(20);
const HEALTH: &str = "/gateway/com/v1/check/health";
/// Clients that send one request after the other.
const CLIENTS: usize = 16;

/// A shop that takes 5 ms for each request.
async fn shop() -> (u16, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve(stream));
        }
    });
    (port, tasks)
}

async fn serve(mut stream: TcpStream) {
    let mut head = Vec::new();
    while stream.read_buf(&mut head).await.is_ok_and(|read| read > 0) {
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            tokio::time::sleep(Duration::from_millis(5)).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        }
    }
}

/// A gateway in a process of its own. Its queue is away, as during a fault: the shop is served all the same.
async fn gateway(folder: &Path, port: u16, shop: u16) -> ChildProcess {
    let config = write_config(folder, port, shop, "");
    let args = ["serve", "--role", "gateway", "--config", config.to_str().unwrap()];
    let log = folder.join(format!("{port}.log"));
    let mut running = ChildProcess::start(Path::new(PROGRAM), &args, &[], &log).unwrap();
    running.wait_for_line("serving on", SOON).await.unwrap();
    running
}

/// Writes the settings of a gateway, with more of them at the end.
fn write_config(folder: &Path, port: u16, shop: u16, more: &str) -> PathBuf {
    let config = folder.join(format!("{port}.toml"));
    let text = format!(
        "queue.url = \"redis://127.0.0.1:1/0\"\nadmin.listen = \"127.0.0.1:0\"\n\
         [gateway]\nlisten = \"127.0.0.1:{port}\"\nevents_wait = \"0s\"\ndrain_delay = \"1s\"\n\
         upstream.shop.url = \"http://127.0.0.1:{shop}\"\nlimit.browse.per_client = \"100000/s\"\nlimit.browse.burst = 100000\n\
         [[gateway.route]]\nprefix = \"/\"\nupstream = \"shop\"\n{more}"
    );
    std::fs::write(&config, text).unwrap();
    config
}

/// A load balancer's view of the two gateways.
struct Balancer {
    gateways: [HttpClient; 2],
    healthy: [AtomicBool; 2],
    stopped: AtomicBool,
    served: AtomicUsize,
}

impl Balancer {
    fn new(ports: &[u16]) -> Self {
        let gateway = |at: usize| HttpClient::new(format!("http://127.0.0.1:{}", ports[at]));
        Self {
            gateways: [gateway(0), gateway(1)],
            healthy: [AtomicBool::new(true), AtomicBool::new(true)],
            stopped: AtomicBool::new(false),
            served: AtomicUsize::new(0),
        }
    }

    /// Looks at the health of both ten times a second.
    async fn check(&self) {
        while !self.stopped.load(Ordering::SeqCst) {
            for (gateway, healthy) in self.gateways.iter().zip(&self.healthy) {
                let is_healthy = gateway.get(HEALTH).await.is_ok_and(|answer| answer.status == 200);
                healthy.store(is_healthy, Ordering::SeqCst);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Sends one request after the other, to the gateways in turn; fails with the first that is not served.
    async fn client(&self, nth: usize) {
        let mut at = nth % 2;
        while !self.stopped.load(Ordering::SeqCst) {
            at = 1 - at;
            if !self.healthy[at].load(Ordering::SeqCst) {
                at = 1 - at;
            }
            let answer = self.gateways[at].get("/products/1").await;
            assert!(answer.as_ref().is_ok_and(|answer| answer.status == 200), "gateway {at}: {answer:?}");
            self.served.fetch_add(1, Ordering::SeqCst);
        }
    }

    async fn until_served(&self, more: usize) {
        let before = self.served.load(Ordering::SeqCst);
        until("requests are served", async || self.served.load(Ordering::SeqCst) >= before + more).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_restarted_in_turn_under_load_fail_no_request() {
    let folder = TempFolder::new("restarting");
    let (shop, _tasks) = shop().await;
    let ports = free_ports(2);
    let mut gateways = Vec::new();
    for port in &ports {
        gateways.push(gateway(folder.path(), *port, shop).await);
    }
    let balancer = Arc::new(Balancer::new(&ports));
    let mut load = JoinSet::new();
    for nth in 0..CLIENTS {
        let balancer = Arc::clone(&balancer);
        load.spawn(async move { balancer.client(nth).await });
    }
    let restarting = async {
        for (at, running) in gateways.iter_mut().enumerate() {
            balancer.until_served(200).await;
            let ended = running.stop(SOON).await.unwrap();
            assert!(ended.success(), "{ended}");
            balancer.until_served(200).await;
            *running = gateway(folder.path(), ports[at], shop).await;
            until("it is in use again", async || balancer.healthy[at].load(Ordering::SeqCst)).await;
        }
        balancer.until_served(200).await;
        balancer.stopped.store(true, Ordering::SeqCst);
    };
    tokio::join!(restarting, balancer.check());
    while let Some(ended) = load.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_takes_new_settings_under_load_and_fails_no_request() {
    let folder = TempFolder::new("reloading");
    let (shop, _tasks) = shop().await;
    let port = free_ports(1)[0];
    let mut gateway = gateway(folder.path(), port, shop).await;
    let balancer = Arc::new(Balancer::new(&[port, port]));
    let mut load = JoinSet::new();
    for nth in 0..CLIENTS {
        let balancer = Arc::clone(&balancer);
        load.spawn(async move { balancer.client(nth).await });
    }
    for nth in 1..=5 {
        let more = format!(
            "[[gateway.route]]\nprefix = \"/more\"\nupstream = \"more\"\n\
             [gateway.upstream.more]\nurl = \"http://127.0.0.1:{nth}\"\n"
        );
        write_config(folder.path(), port, shop, &more);
        gateway.reload().unwrap();
        let changed = format!("-> [\"http://127.0.0.1:{nth}\"]");
        let line = gateway.wait_for_line(&changed, SOON).await.unwrap();
        assert!(line.contains("in use now: gateway.upstream.more.url: "), "{line}");
        balancer.until_served(100).await;
    }
    write_config(folder.path(), port, shop, "[gateway.access_log]\nlines = \"some\"\n");
    gateway.reload().unwrap();
    gateway.wait_for_line("so the last ones stay in use: gateway.access_log.lines", SOON).await.unwrap();
    write_config(folder.path(), port, shop, "[log]\nfilter = \"warn\"\n");
    gateway.reload().unwrap();
    gateway
        .wait_for_line("in use after a restart only: log.filter: \"info\" -> \"warn\"", SOON)
        .await
        .unwrap();
    balancer.until_served(100).await;
    balancer.stopped.store(true, Ordering::SeqCst);
    while let Some(ended) = load.join_next().await {
        ended.unwrap();
    }
}
