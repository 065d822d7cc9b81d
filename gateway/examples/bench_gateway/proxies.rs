//! The proxies and the backend, each a process of its own; all are ended by pid.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::Version;
use hyper::header;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use queue::Queue;
use service::{Context, Settings};
use testkit::{TempFolder, free_port};

/// What the backend answers with: a small page.
const BODY: usize = 2048;

/// Which proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Ours, first in the list.
    Gateway,
    Nginx,
    Haproxy,
    /// hyper and its client, and nothing else.
    Bare,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Gateway, Self::Nginx, Self::Haproxy, Self::Bare];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::Bare => "bare hyper",
        }
    }
}

/// A process, killed when dropped.
struct Running {
    child: Child,
    _folder: TempFolder,
}

impl Drop for Running {
    fn drop(&mut self) {
        for pid in pids(self.child.id()) {
            let _ = Command::new("kill").arg(pid.to_string()).status();
        }
        let _ = self.child.wait();
    }
}

/// What the proxies stand before: nginx, which answers from memory.
pub(crate) struct Backend {
    port: u16,
    _running: Running,
}

impl Backend {
    pub(crate) fn start() -> Self {
        let port = free_port();
        let server = format!(
            "server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 \"{}\"; }} }}",
            "x".repeat(BODY)
        );
        Self { port, _running: nginx("1", &server, port) }
    }
}

/// A proxy at work.
pub(crate) struct Proxy {
    pub(crate) kind: Kind,
    pub(crate) port: u16,
    running: Running,
}

impl Proxy {
    pub(crate) fn start(kind: Kind, backend: &Backend) -> Self {
        let port = free_port();
        let running = match kind {
            Kind::Nginx => nginx("0", &nginx_proxy(port, backend.port), port),
            Kind::Haproxy => haproxy(port, backend.port),
            Kind::Gateway => ours("gateway", port, backend.port),
            Kind::Bare => ours("bare", port, backend.port),
        };
        Self { kind, port, running }
    }

    /// CPU time of all its processes.
    pub(crate) fn cpu(&self) -> Duration {
        pids(self.running.child.id()).into_iter().map(testkit::cpu_time).sum()
    }
}

fn nginx_proxy(port: u16, backend: u16) -> String {
    format!(
        "limit_req_zone $binary_remote_addr zone=client:10m rate=1000000r/s;
         upstream shop {{ server 127.0.0.1:{backend}; keepalive 256; keepalive_requests 1000000000; }}
         server {{
           listen 127.0.0.1:{port} backlog=4096;
           limit_req zone=client burst=100000 nodelay;
           location / {{
             proxy_pass http://shop; proxy_http_version 1.1; proxy_set_header Connection '';
             proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;
           }}
         }}"
    )
}

fn nginx(core: &str, server: &str, port: u16) -> Running {
    let folder = TempFolder::new("bench-gateway");
    let mut text = String::from(
        "worker_processes 1; error_log stderr crit; daemon off; events { worker_connections 8192; }\n",
    );
    write!(
        text,
        "pid {0}/pid; http {{ access_log off; keepalive_requests 1000000000; client_body_temp_path {0}/b; ",
        folder.path().display()
    )
    .unwrap();
    write!(text, "proxy_temp_path {0}/p; fastcgi_temp_path {0}/f; uwsgi_temp_path {0}/u; scgi_temp_path {0}/s; {server} }}", folder.path().display()).unwrap();
    let config = folder.path().join("nginx.conf");
    std::fs::write(&config, text).unwrap();
    run(core, &["nginx".into(), "-p".into(), folder.path().into(), "-c".into(), config], folder, port)
}

fn haproxy(port: u16, backend: u16) -> Running {
    let folder = TempFolder::new("bench-gateway");
    let config = folder.path().join("haproxy.cfg");
    let text = format!(
        "global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
  http-reuse always
frontend gateway
  bind 127.0.0.1:{port}
  stick-table type ip size 100k expire 30s store http_req_rate(1s)
  http-request track-sc0 src
  http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt 1000000 }}
  option forwardfor
  default_backend shop
backend shop
  server shop 127.0.0.1:{backend}
"
    );
    std::fs::write(&config, text).unwrap();
    run("0", &["haproxy".into(), "-db".into(), "-f".into(), config], folder, port)
}

fn ours(kind: &str, port: u16, backend: u16) -> Running {
    let folder = TempFolder::new("bench-gateway");
    let program = std::env::current_exe().unwrap();
    let words = ["serve", kind, &port.to_string(), &backend.to_string()].map(PathBuf::from);
    let mut line = vec![program];
    line.extend(words);
    line.push(folder.path().join("queue.db"));
    run("0", &line, folder, port)
}

/// Starts a program on this core, and waits until it listens.
fn run(core: &str, line: &[PathBuf], folder: TempFolder, port: u16) -> Running {
    let mut command = Command::new("taskset");
    command.args(["-c", core]).args(line).stdin(Stdio::null());
    let running = Running { child: command.spawn().unwrap(), _folder: folder };
    let listens = testkit::listens_soon(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    assert!(listens, "{} does not listen on port {port}", line[0].display());
    running
}

/// A process and its children: nginx works in a child.
fn pids(parent: u32) -> Vec<u32> {
    let children =
        std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    let mut all: Vec<u32> = children.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    all.push(parent);
    all
}

/// The child: our gateway or the bare proxy, on one thread.
pub(crate) fn serve(args: &[String]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        service::telemetry::init(service::telemetry::LogFormat::Text, "warn").unwrap();
        let context = Context::system();
        let address: SocketAddr = format!("127.0.0.1:{}", args[1]).parse().unwrap();
        let listener = service::http::bind(address).unwrap();
        if args[0] == "gateway" {
            let queue = Queue::open_sqlite(args[3].as_ref(), context.now.clone()).await.unwrap();
            queue.publish(&[]).await.unwrap();
            gateway::start(settings(&args[2]), std::future::ready(queue), None, listener, &context).unwrap();
        } else {
            service::http::serve(listener, bare(&args[2]), service::http::Limits::default(), &context)
                .unwrap();
        }
        std::future::pending::<()>().await;
    });
}

/// Every limit is on and none is reached, as in the peers.
fn settings(backend: &str) -> gateway::Config {
    let flags = [
        ("upstream.shop.url", format!("http://127.0.0.1:{backend}")),
        ("upstream.shop.connections_max", "1000".into()),
        ("route.0.prefix", "/".into()),
        ("route.0.upstream", "shop".into()),
        ("limit.browse.per_client", "1000000/s".into()),
        ("limit.browse.burst", "1000000".into()),
        ("limit.browse.global", "1000000/s".into()),
        ("client_in_flight_max", "10000".into()),
    ];
    let flags: Vec<(String, String)> = flags.map(|(key, value)| (format!("gateway.{key}"), value)).into();
    let mut settings = Settings::load(None, std::iter::empty(), &flags).unwrap();
    let config = gateway::Config::read(&mut settings.part("gateway"));
    settings.finish().unwrap();
    config
}

fn bare(backend: &str) -> Router {
    let client: Client<HttpConnector, Body> = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(4))
        .build_http();
    let base: Arc<str> = format!("http://127.0.0.1:{backend}").into();
    Router::new().fallback(move |mut request: Request| {
        let (client, base) = (client.clone(), Arc::clone(&base));
        async move {
            let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
            *request.uri_mut() = format!("{base}{path}").parse().unwrap();
            *request.version_mut() = Version::HTTP_11;
            request.headers_mut().remove(header::CONNECTION);
            client.request(request).await.unwrap()
        }
    })
}
