//! What stands between the load and the backend, each in a process of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use queue::Queue;
use service::{Context, Settings};
use testkit::{ChildProcess, TempFolder};

use crate::backend::Backend;

/// A peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeerKind {
    /// Ours, first in the list.
    Gateway,
    /// Ours, with the same class for all requests.
    OneClass,
    /// No limiter.
    None,
    Nginx,
    Haproxy,
}

impl PeerKind {
    pub(crate) const ALL: [Self; 5] = [Self::Gateway, Self::OneClass, Self::None, Self::Nginx, Self::Haproxy];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::OneClass => "gateway without classes",
            Self::None => "no limiter",
            Self::Nginx => "nginx limit_conn",
            Self::Haproxy => "HAProxy maxconn and priorities",
        }
    }
}

/// A running peer.
pub(crate) struct Peer {
    pub(crate) kind: PeerKind,
    pub(crate) address: SocketAddr,
    _process: Option<(ChildProcess, TempFolder)>,
}

impl Peer {
    /// Starts a peer that forwards at most `limit` requests at once.
    pub(crate) fn start(kind: PeerKind, backend: &Backend, limit: usize, args: &[String]) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, testkit::free_port()));
        let backend = backend.address;
        let folder = TempFolder::new("bench-overload");
        let at = |name: &str| folder.path().join(name).display().to_string();
        let own = std::env::current_exe().unwrap();
        let (program, line) = match kind {
            PeerKind::None => return Self { kind, address: backend, _process: None },
            PeerKind::Gateway | PeerKind::OneClass => {
                let class = if kind == PeerKind::Gateway { "order" } else { "browse" };
                let mut line = vec!["serve".to_owned(), address.to_string(), backend.to_string()];
                line.extend([limit.to_string(), class.to_owned(), at("queue.db")]);
                // Settings of upstreams that are tried, as in `order_wait=500ms`.
                line.extend(args.iter().filter(|arg| arg.contains('=')).cloned());
                (own.as_path(), line)
            }
            PeerKind::Nginx => {
                std::fs::write(at("nginx.conf"), nginx(address, backend, limit, folder.path())).unwrap();
                (Path::new("nginx"), vec!["-p".to_owned(), at(""), "-c".to_owned(), at("nginx.conf")])
            }
            PeerKind::Haproxy => {
                std::fs::write(at("haproxy.cfg"), haproxy(address, backend, limit)).unwrap();
                (Path::new("haproxy"), vec!["-db".to_owned(), "-f".to_owned(), at("haproxy.cfg")])
            }
        };
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        let process = ChildProcess::start(program, &line, &[], &folder.path().join("log")).unwrap();
        let listens = testkit::listens_soon(address);
        assert!(listens, "{} does not listen on {address}: {}", kind.name(), process.log());
        Self { kind, address, _process: Some((process, folder)) }
    }
}

fn nginx(address: SocketAddr, backend: SocketAddr, limit: usize, folder: &Path) -> String {
    let folder = folder.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {folder}/{name}; "))
        .concat();
    format!(
        "worker_processes 1; worker_rlimit_nofile 20000; error_log stderr crit; daemon off; pid {folder}/pid;
         events {{ worker_connections 16384; }}
         http {{
           access_log off; keepalive_requests 1000000000; {temporary}
           limit_conn_zone $server_name zone=all:1m;
           upstream shop {{ server {backend}; keepalive 256; keepalive_requests 1000000000; }}
           server {{
             listen {address} backlog=4096; server_name shop;
             limit_conn all {limit};
             location / {{ proxy_pass http://shop; proxy_http_version 1.1; proxy_set_header Connection ''; }}
           }}
         }}"
    )
}

fn haproxy(address: SocketAddr, backend: SocketAddr, limit: usize) -> String {
    format!(
        "global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
  timeout queue 300ms
  http-reuse always
frontend gateway
  bind {address}
  http-request set-priority-class int(-20) if {{ path_beg /orders }}
  http-request set-priority-class int(-10) if {{ path_beg /e/ }}
  http-request set-priority-class int(10) if {{ req.hdr(user-agent) -m sub bot }}
  default_backend shop
backend shop
  server shop {backend} maxconn {limit}
"
    )
}

/// The child: our gateway, as shipped but for the rates, which no load reaches.
pub(crate) fn serve(args: &[String]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    crate::load::raise_file_limit();
    runtime.block_on(async {
        service::telemetry::init(service::telemetry::LogFormat::Text, "warn").unwrap();
        let context = Context::system();
        let listener = service::http::bind(args[0].parse().unwrap()).unwrap();
        let queue = Queue::open_sqlite(args[4].as_ref(), context.now.clone()).await.unwrap();
        queue.publish(&[]).await.unwrap();
        gateway::start(config(args), std::future::ready(queue), None, listener, &context).unwrap();
        std::future::pending::<()>().await;
    });
}

/// The shop and the signup service are the same backend, so that their requests share its limit.
fn config(args: &[String]) -> gateway::Config {
    let set = |key: &str, value: &str| (format!("gateway.{key}"), value.to_owned());
    let mut flags = vec![
        set("upstream.signup.url", &format!("http://{}", args[1])),
        set("upstream.signup.connections_max", &args[2]),
        set("route.0.prefix", "/"),
        set("route.0.upstream", "signup"),
        set("route.1.prefix", "/orders"),
        set("route.1.upstream", "signup"),
        set("route.1.class", &args[3]),
        set("client_in_flight_max", "100000"),
        set("connections_max", "60000"),
        set("connections_per_client_max", "60000"),
    ];
    for limit in ["browse", "signup"] {
        flags.push(set(&format!("limit.{limit}.per_client"), "1000000/s"));
        flags.push(set(&format!("limit.{limit}.burst"), "1000000"));
    }
    let tried = args[5..].iter().filter_map(|arg| arg.split_once('='));
    flags.extend(tried.map(|(key, value)| set(&format!("upstream.signup.{key}"), value)));
    let mut settings = Settings::load(None, std::iter::empty(), &flags).unwrap();
    let config = gateway::Config::read(&mut settings.part("gateway"));
    settings.finish().unwrap();
    config
}
