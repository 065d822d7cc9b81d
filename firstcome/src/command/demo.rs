//! `firstcome demo`: the whole picture in one process - a fragile shop, the gateway before it, an event, a crowd, the operator console -
//! and a line of text a second about what happens.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use domain::{EventId, EventState, Millis};
use queue::{Queue, QueueSnapshot};
use service::telemetry::LogFormat;
use service::{Context, Settings};
use shop::Shop;

use super::serve::shut_down;
use super::{Demo, Failed};
use crate::crowd;
use crate::output::say;
use crate::setup::{OperatorSettings, Role, Setup, Stores, demo_event};
use crate::system::System;

/// The shop's database, in the data folder.
pub(super) const SHOP_FILE: &str = "shop.db";
/// The event opens so long after the start.
const OPENS_IN_MS: Millis = 10_000;

pub(super) async fn demo(args: Demo) -> Result<(), Failed> {
    let context = Context::system();
    service::telemetry::init(LogFormat::Text, "warn")?;
    if args.fresh {
        forget(&args.data)?;
    }
    let event = demo_event((context.now)() + OPENS_IN_MS);
    let id = event.id.clone();
    let token = operator::make_token(&context.rng);
    let signal = context.tasks.until_signal();
    let shop = open_shop(&args.data, &context).await?;
    let setup = Setup {
        role: Role::All,
        keys: args.data.join("keys.toml"),
        stores: Stores::Embedded { folder: args.data },
        listen: on_loopback(0),
        admin_listen: free_or_other(on_loopback(9090)),
        signup: signup_service::Config::default(),
        worker: worker::Config {
            order_service: Some(format!("http://{}/order/int/v1", shop.address)),
            ..worker::Config::default()
        },
        operator: Some(operator(&token)),
        gateway: Some(gateway(free_or_other(args.listen), &shop)?),
        events: vec![event],
        log_format: LogFormat::Text,
        log_filter: "warn".into(),
    };
    let system = System::start(setup, &context).await?;
    system.until_ready(&context).await?;
    let queue = system.queue.as_ref().context("the demo has a queue")?;
    let opens_at = queue.view(&id).await?.settings.opens_at;
    greet(&system, &id, opens_at - (context.now)(), &token);
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
        () = narrate(queue, &id, &context) => {}
        () = time_up(args.seconds) => {}
    }
    say("stopping; the data stays, and the next `demo` goes on from here (`--fresh` starts anew)");
    let ended = shut_down(system, &context).await;
    shop.close().await;
    ended
}

/// The shop that all this is for: its order service takes the event's orders.
async fn open_shop(folder: &Path, context: &Context) -> anyhow::Result<Shop> {
    let config = shop::Config { database: folder.join(SHOP_FILE), ..shop::Config::default() };
    shop::start(config, service::http::bind(on_loopback(0))?, context).await
}

/// All of the shop is behind the gateway, but for its order calls, which no gateway forwards.
fn gateway(listen: SocketAddr, shop: &Shop) -> anyhow::Result<gateway::Config> {
    let settings = [
        ("listen", listen.to_string()),
        ("upstream.shop.url", format!("http://{}", shop.address)),
        ("route.0.prefix", "/".to_owned()),
        ("route.0.upstream", "shop".to_owned()),
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

/// Only what a demo made is removed: a folder with anything else in it is left alone.
fn forget(folder: &Path) -> anyhow::Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let ours = ["queue.db", "ledger.db", SHOP_FILE, "keys."].iter().any(|made| name.starts_with(made));
        anyhow::ensure!(
            ours,
            "--fresh removes an earlier demo's data only, and {} is none: name another folder with --data",
            path.display()
        );
        std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

/// The wanted address, or one with a free port if somebody else has it.
fn free_or_other(wanted: SocketAddr) -> SocketAddr {
    let free = TcpListener::bind(wanted).is_ok();
    if free { wanted } else { SocketAddr::new(wanted.ip(), 0) }
}

/// An operator API that one token of this run opens; it is told to whoever started the demo, and to nobody else.
fn operator(token: &str) -> OperatorSettings {
    let tokens = vec![operator::Token::new("demo", operator::Role::Operator, token)];
    let config = operator::Config { tokens, ..operator::Config::default() };
    OperatorSettings { listen: free_or_other(on_loopback(8090)), config }
}

fn greet(system: &System, event: &EventId, opens_in_ms: Millis, token: &str) {
    let url = |address: Option<SocketAddr>| address.map(|at| format!("http://{at}")).unwrap_or_default();
    let (base, operator) = (url(system.gateway), url(system.operator));
    let opens = if opens_in_ms > 0 {
        format!("opens in {} s", (opens_in_ms + 999) / 1000)
    } else {
        "goes on from an earlier demo".into()
    };
    say(format!("\n선착 Firstcome: one event, 100 seats, {opens}.\n"));
    say(format!(
        "  Shop         {base}/                 (its spring special set leads to the event once it is open)"
    ));
    say(format!("  Event page   {base}/e/{event}"));
    say(format!("  Apply        curl -sS {base}/application/com/v1/create/application/{event} \\"));
    say("                 -H 'Content-Type: application/json' -H 'Idempotency-Key: my-first-try' \\");
    say("                 -d '{\"name\":\"홍길동\",\"phone\":\"010-1234-5678\",\"consent\":true}'");
    say(format!("  Operator console {operator}/#token={token}"));
    let program = program();
    say(format!(
        "  Operate      FIRSTCOME_OPERATOR_URL={operator} FIRSTCOME_TOKEN={token} {program} pace set {event} 2"
    ));
    say(format!("  Health       http://{}/readyz?verbose", system.admin));
    say(format!("  Stop         Ctrl-C; afterwards: {program} verify\n"));
}

/// This program as it can be called from here: a newcomer has not installed it.
fn program() -> String {
    let path = std::env::current_exe().unwrap_or_else(|_| "firstcome".into());
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(&path).display().to_string()
}

async fn time_up(seconds: Option<u64>) {
    match seconds {
        Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
        None => std::future::pending().await,
    }
}

/// One line a second, until the process stops.
async fn narrate(queue: &Queue, event: &EventId, context: &Context) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    while !context.tasks.is_stopping() {
        ticks.tick().await;
        if let Ok(view) = queue.view(event).await {
            say(sentence(&view));
        }
    }
}

fn sentence(view: &QueueSnapshot) -> String {
    let waiting = (view.seq - view.admitted_through) - view.gaps.count(view.admitted_through, view.seq);
    let state = match view.state {
        EventState::Scheduled => format!("opens in {} s", (view.settings.opens_at - view.now + 999) / 1000),
        state => state.as_str().to_owned(),
    };
    let figures = view.figures;
    let left = figures.free + figures.held;
    let stock = if left == 0 && figures.sold > 0 { "sold out" } else { "" };
    format!("{state:<13} waiting {waiting:>5}   ordered {:>4}   seats left {left:>4}   {stock}", figures.sold)
        .trim_end()
        .to_owned()
}
