//! The whole picture: a shop, gateways before it, signup services, workers and the operator console, each in a process of its own over the
//! production stores. Only the shop is a thread of the test, because it is never killed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use domain::keys::Root;
use domain::{AppKey, Keyring, Kid, Receipt};
use serde_json::Value;
use service::Context;
use testkit::{ChildProcess, HttpClient, TempFolder, free_ports};

use crate::operator_process::OperatorProcess;
use crate::processes::{GRACE, ProcessHandles};

/// The product that the event is about.
pub(crate) const PRODUCT: &str = "/products/4";

pub(crate) struct TestCluster {
    // Processes go before the servers they use.
    gateways: Vec<ChildProcess>,
    operator: OperatorProcess,
    processes: ProcessHandles,
    shop: ShopThread,
    gateway_ports: Vec<u16>,
}

impl TestCluster {
    /// Everything runs; there is no event yet. Each gateway leads to all signup services.
    pub(crate) async fn open(order: shop::capacity::Capacity) -> Self {
        let shop = ShopThread::open(order);
        let mut processes = ProcessHandles::with(&settings(&shop)).await;
        processes.start().await;
        let operator = OperatorProcess::start(&mut processes).await;
        let mut cluster = Self {
            gateways: Vec::new(),
            operator,
            gateway_ports: free_ports(processes.urls().len()),
            processes,
            shop,
        };
        for nth in 0..cluster.gateway_ports.len() {
            let gateway = cluster.start_gateway(nth).await;
            cluster.gateways.push(gateway);
        }
        cluster
    }

    async fn start_gateway(&mut self, nth: usize) -> ChildProcess {
        let listen = format!("gateway.listen=127.0.0.1:{}", self.gateway_ports[nth]);
        let signup = format!("gateway.upstream.signup.url={}", self.processes.urls().join(", "));
        self.processes.process("gateway", &["--set", &listen, "--set", &signup]).await
    }

    /// kill -9 of a gateway, which is then started again.
    pub(crate) async fn kill_gateway(&mut self, nth: usize) {
        self.gateways[nth].kill().await.unwrap();
        self.gateways[nth] = self.start_gateway(nth).await;
    }

    pub(crate) fn gateway_urls(&self) -> Vec<String> {
        self.gateway_ports.iter().map(|port| format!("http://127.0.0.1:{port}")).collect()
    }

    /// Runs the program as an operator does; it must end well.
    pub(crate) fn operate(&self, args: &[&str]) -> String {
        self.operator.run(args).unwrap()
    }

    /// Creates the event `spring`, which only `operate` opens, closes or settles.
    pub(crate) fn create_event(&self, seats: u32, pace: u32, in_flight_max: u32) {
        let (seats, pace, most) = (seats.to_string(), pace.to_string(), in_flight_max.to_string());
        let fixed =
            ["event", "create", "spring", "--title-ko", "봄맞이 특가", "--title-en", "Spring special"];
        let times = ["--opens-at", "+1h", "--closes-at", "+2h", "--settle-after-close", "false"];
        let limits = ["--capacity", &seats, "--pace", &pace, "--in-flight-max", &most, "--divert", PRODUCT];
        self.operate(&[&fixed[..], &times, &limits].concat());
    }

    pub(crate) fn event(&self) -> Value {
        serde_json::from_str(&self.operate(&["event", "get", "spring", "--json"])).unwrap()
    }

    /// Waits until the operator console shows the event as wanted.
    pub(crate) async fn until(&self, what: &str, fits: impl Fn(&Value) -> bool) {
        for _ in 0..300 {
            if fits(&self.event()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("waited half a minute for {what}: {}", self.event());
    }

    /// Closes and settles the event, as an operator who is done.
    pub(crate) async fn settle(&self) {
        for verb in ["close", "settle"] {
            self.operate(&["event", verb, "spring", "--reason", "the seats are sold", "--yes"]);
            self.until("the queue to be closed", |event| event["queue"]["closed_seq"].is_u64()).await;
        }
        self.until("the event to be settled", |event| event["state"] == "settled").await;
    }

    /// Where files of the test may lie.
    pub(crate) fn folder(&self) -> &Path {
        self.processes.folder.path()
    }

    /// What the shop counted of itself.
    pub(crate) async fn figure(&self) -> Value {
        self.shop.http().get("/order/int/v1/get/figure").await.unwrap().json()
    }

    /// The shop's live orders in the order in which they were made, each as `event:key order-number`.
    pub(crate) async fn orders(&self) -> Vec<String> {
        let list = self.shop.http().get("/order/int/v1/list/order/spring").await.unwrap().text();
        list.lines().map(str::to_owned).collect()
    }

    /// Waits until the shop's live orders are exactly these applicants', each once.
    pub(crate) async fn until_ordered(&self, people: &[AppKey]) {
        let mut wanted = people.to_vec();
        wanted.sort_unstable();
        let mut held: Vec<AppKey> = Vec::new();
        for _ in 0..300 {
            held = self.orders().await.iter().map(|line| key_of(line)).collect();
            held.sort_unstable();
            if held == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let strange = held.iter().filter(|key| !people.contains(key)).count();
        panic!("{} orders, {strange} of them not of the lowest {} numbers", held.len(), people.len());
    }

    /// All applicants with a receipt, by number. A number or a person that occurs twice fails the test.
    pub(crate) fn by_number(&self, receipts: &str) -> BTreeMap<u32, AppKey> {
        let ring = read_keys(&self.folder().join("keys.toml"));
        let read = receipts.lines().map(|line| Receipt::read(line, &ring).unwrap());
        let all: Vec<_> = read.map(|receipt| (receipt.number.get(), receipt.app_key)).collect();
        let by_number: BTreeMap<_, _> = all.iter().copied().collect();
        assert_eq!(by_number.len(), all.len(), "no number twice");
        let people: BTreeSet<_> = all.iter().map(|(_, key)| key).collect();
        assert_eq!(people.len(), all.len(), "each person once");
        by_number
    }

    /// Stops every process in order, then lets the program judge queue, ledger and the shop's own list.
    pub(crate) async fn stop_and_verify(mut self, receipts: &str) -> Value {
        let orders = self.orders().await.join("\n");
        for gateway in &mut self.gateways {
            gateway.stop(GRACE).await.unwrap();
        }
        self.operator.stop().await;
        self.processes.stop().await;
        let file = self.folder().join("orders");
        std::fs::write(&file, orders).unwrap();
        self.processes.verify(receipts, &["--orders", file.to_str().unwrap()])
    }
}

/// What all roles read beside the stores; each skips what is another's.
fn settings(shop: &ShopThread) -> String {
    let at = shop.address;
    format!(
        "worker.recover_grace = \"3s\"\nworker.order_service = \"http://{at}/order/int/v1\"\nsignup.trusted_proxies = \"127.0.0.1\"\n\
         gateway.upstream.shop.url = \"http://{at}\"\n\
         [[gateway.route]]\nprefix = \"/\"\nupstream = \"shop\"\n{}",
        OperatorProcess::settings()
    )
}

/// The key file's only key.
pub(crate) fn read_keys(file: &Path) -> Keyring {
    let text = std::fs::read_to_string(file).unwrap();
    let hex = text.lines().find_map(|line| line.strip_prefix("k1 = ")).unwrap().trim_matches('"');
    let secret = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
    let kid = Kid::new("k1").unwrap();
    Keyring::new(kid.clone(), [(kid, Root::new(secret.try_into().unwrap()))]).unwrap()
}

fn key_of(line: &str) -> AppKey {
    let (id, _number) = line.split_once(' ').unwrap();
    id.strip_prefix("spring:").unwrap().parse().unwrap()
}

/// The shop on a runtime of its own: the crowd's load in this process must not look like a slow shop.
struct ShopThread {
    address: SocketAddr,
    context: Context,
    thread: Option<JoinHandle<()>>,
    _folder: TempFolder,
}

impl ShopThread {
    fn open(order: shop::capacity::Capacity) -> Self {
        let (folder, context) = (TempFolder::new("shop"), Context::system());
        let config =
            shop::Config { database: folder.path().join("shop.db"), order, ..shop::Config::default() };
        let (sender, receiver) = mpsc::channel();
        let inner = context.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = service::http::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
                let shop = shop::start(config, listener, &inner).await.unwrap();
                sender.send(shop.address).unwrap();
                inner.tasks.stopping().await;
                inner.tasks.shut_down(GRACE).await;
                shop.close().await;
            });
        });
        let address = receiver.recv().unwrap();
        Self { address, context, thread: Some(thread), _folder: folder }
    }

    fn http(&self) -> HttpClient {
        HttpClient::new(format!("http://{}", self.address))
    }
}

impl Drop for ShopThread {
    fn drop(&mut self) {
        self.context.tasks.stop();
        // A panic in there has been shown already.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
