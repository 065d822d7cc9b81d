//! `firstcome demo`: all parts in one process - a slow shop behind the gateway, an event, simulated applicants and the operator
//! console - with one line of status per second.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use domain::{EventId, EventState, Millis};
use queue::{Queue, QueueSnapshot};
use service::telemetry::LogFormat;
use service::{Context, Settings};
use shop::Shop;

use super::error::CommandError;
use super::serve::shut_down;
use crate::crowd;
use crate::output::print;
use crate::setup::{OperatorSettings, ProcessRole, Setup, Stores, demo_event};
use crate::system::System;

/// The shop's database, in the data folder.
pub(super) const SHOP_FILE: &str = "shop.db";
/// Time from the start of the demo to the opening of the event, in milliseconds.
const OPENS_IN_MS: Millis = 10_000;

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Removes the data of an earlier demo first.
    #[arg(long)]
    fresh: bool,
    /// The number of simulated applicants; 0 turns them off.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    crowd: u32,
    /// The folder for queue, ledger, keys and the shop's database.
    #[arg(long, default_value = "data")]
    data: PathBuf,
    /// The address of the gateway, which serves the shop and the event's page. If it is in use, a free port is chosen.
    #[arg(long, default_value = "127.0.0.1:8000")]
    listen: SocketAddr,
    /// Ends after this many seconds, or on Ctrl-C.
    #[arg(long)]
    seconds: Option<u64>,
}

/// Runs the command.
pub(super) async fn run(args: DemoArgs) -> Result<(), CommandError> {
    let context = Context::system();
    service::telemetry::init(LogFormat::Text, "warn")?;
    if args.fresh {
        remove_data(&args.data)?;
    }
    let event = demo_event((context.now)() + OPENS_IN_MS);
    let id = event.id.clone();
    let token = operator::make_token(&context.rng);
    let signal = context.tasks.until_signal();
    let shop = open_shop(&args.data, &context).await?;
    let setup = Setup {
        role: ProcessRole::All,
        keys: args.data.join("keys.toml"),
        stores: Stores::Embedded { folder: args.data },
        listen: on_loopback(0),
        admin_listen: preferred_or_free_port(on_loopback(9090)),
        signup: signup_service::Config::default(),
        worker: worker::Config {
            order_service: Some(format!("http://{}/order/int/v1", shop.address)),
            ..worker::Config::default()
        },
        messaging: messaging::Config::default(),
        operator: Some(operator_settings(&token)),
        gateway: Some(gateway_config(preferred_or_free_port(args.listen), &shop)?),
        events: vec![event],
        log_format: LogFormat::Text,
        log_filter: "warn".into(),
    };
    let system = System::start(setup, &context).await?;
    system.until_ready(&context).await?;
    let queue = system.queue.as_ref().context("the demo has a queue")?;
    let opens_at = queue.snapshot(&id).await?.settings.opens_at;
    print_links(&system, &id, opens_at - (context.now)(), &token);
    if let Some(address) = system.gateway.filter(|_| args.crowd > 0) {
        let (event, context) = (id.to_string(), context.clone());
        context.tasks.clone().spawn("crowd", async move {
            let until_open = u64::try_from(opens_at - (context.now)()).unwrap_or(0);
            tokio::time::sleep(Duration::from_millis(until_open)).await;
            crowd::send(address, event, args.crowd, context).await;
        });
    }
    tokio::select! {
        () = signal => {}
        () = print_status(queue, &id, &context) => {}
        () = after_run_time(args.seconds) => {}
    }
    print("stopping; the data is kept, and the next `demo` continues from here (`--fresh` starts over)");
    let result = shut_down(system, &context).await;
    shop.close().await;
    result
}

/// The shop, whose order service takes the orders of the event.
async fn open_shop(folder: &Path, context: &Context) -> anyhow::Result<Shop> {
    let config = shop::Config { database: folder.join(SHOP_FILE), ..shop::Config::default() };
    shop::start(config, service::http::bind(on_loopback(0))?, context).await
}

/// The gateway forwards the whole shop except its order API, which only the worker calls. Orders come before browsing.
fn gateway_config(listen: SocketAddr, shop: &Shop) -> anyhow::Result<gateway::Config> {
    let settings = [
        ("listen", listen.to_string()),
        ("upstream.shop.url", format!("http://{}", shop.address)),
        ("route.0.prefix", "/".to_owned()),
        ("route.0.upstream", "shop".to_owned()),
        ("route.1.prefix", "/orders".to_owned()),
        ("route.1.upstream", "shop".to_owned()),
        ("route.1.class", "order".to_owned()),
    ];
    let settings = settings.map(|(key, value)| (format!("gateway.{key}"), value));
    let mut settings = Settings::load(None, std::iter::empty(), &settings)?;
    let gateway = gateway::Config::read(&mut settings.part("gateway"));
    settings.finish()?;
    Ok(gateway)
}

fn on_loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Removes the files of an earlier demo. Removes nothing and fails if the folder holds any other file.
fn remove_data(folder: &Path) -> anyhow::Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<PathBuf>>>()?;
    if let Some(other) = paths.iter().find(|path| !is_demo_file(path)) {
        anyhow::bail!(
            "--fresh removes only data of an earlier demo, and {} is another file: choose another folder with --data",
            other.display()
        );
    }
    for path in paths {
        std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

fn is_demo_file(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    ["queue.db", "ledger.db", SHOP_FILE, "keys."].iter().any(|prefix| name.starts_with(prefix))
}

/// The preferred address, or one with any free port if it is in use.
fn preferred_or_free_port(preferred: SocketAddr) -> SocketAddr {
    let is_free = TcpListener::bind(preferred).is_ok();
    if is_free { preferred } else { SocketAddr::new(preferred.ip(), 0) }
}

/// An operator API with one token, which is printed and valid for this run only.
fn operator_settings(token: &str) -> OperatorSettings {
    let tokens = vec![operator::Token::new("demo", operator::Role::Operator, token)];
    let config = operator::Config { tokens, ..operator::Config::default() };
    OperatorSettings { listen: preferred_or_free_port(on_loopback(8090)), config }
}

fn print_links(system: &System, event: &EventId, opens_in_ms: Millis, token: &str) {
    let url = |address: Option<SocketAddr>| address.map(|at| format!("http://{at}")).unwrap_or_default();
    let (base, operator) = (url(system.gateway), url(system.operator));
    let opens = if opens_in_ms > 0 {
        format!("opens in {} s", (opens_in_ms + 999) / 1000)
    } else {
        "continues an earlier demo".into()
    };
    print(format!("\n선착 Firstcome: one event, 100 seats, {opens}.\n"));
    print(format!(
        "  Shop         {base}/                 (the product \"Spring special set\" is diverted to the event's page from the opening until the event is settled)"
    ));
    print(format!("  Event page   {base}/e/{event}"));
    print(format!("  Apply        curl -sS {base}/application/com/v1/create/application/{event} \\"));
    print("                 -H 'Content-Type: application/json' -H 'Idempotency-Key: my-first-try' \\");
    print("                 -d '{\"name\":\"홍길동\",\"phone\":\"010-1234-5678\",\"consent\":true}'");
    print(format!("  Operator console {operator}/#token={token}"));
    let program = program();
    print(format!(
        "  Operate      FIRSTCOME_OPERATOR_URL={operator} FIRSTCOME_TOKEN={token} {program} pace set {event} 2"
    ));
    print(format!("  Health       http://{}/readyz?verbose", system.admin));
    print(format!("  Stop         Ctrl-C; afterwards: {program} verify\n"));
}

/// The path of this program, relative to the current folder, because the program may not be on `PATH`.
fn program() -> String {
    let path = std::env::current_exe().unwrap_or_else(|_| "firstcome".into());
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(&path).display().to_string()
}

async fn after_run_time(seconds: Option<u64>) {
    match seconds {
        Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
        None => std::future::pending().await,
    }
}

/// Prints one line of status per second, until the process stops.
async fn print_status(queue: &Queue, event: &EventId, context: &Context) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    while !context.tasks.is_stopping() {
        ticks.tick().await;
        if let Ok(snapshot) = queue.snapshot(event).await {
            print(status_line(&snapshot));
        }
    }
}

fn status_line(snapshot: &QueueSnapshot) -> String {
    let waiting = snapshot.waiting;
    let state = match snapshot.state {
        EventState::Scheduled => {
            format!("opens in {} s", (snapshot.settings.opens_at - snapshot.now + 999) / 1000)
        }
        state => state.as_str().to_owned(),
    };
    let figures = snapshot.figures;
    let left = figures.free + figures.held;
    let stock = if left == 0 && figures.sold > 0 { "sold out" } else { "" };
    format!("{state:<13} waiting {waiting:>5}   ordered {:>4}   seats left {left:>4}   {stock}", figures.sold)
        .trim_end()
        .to_owned()
}
