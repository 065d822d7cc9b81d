//! The parts that run in this process, over the stores that the settings name: what `demo`, `serve` and the whole-system tests
//! start.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use domain::Keyring;
use orders::Book;
use queue::{Line, Severity};
use service::Context;
use service::http::Limits;
use worker::OrderService;
use worker::order_service::HttpOrders;

use crate::setup::{Setup, Stores};
use crate::{keys, stores};

/// How often readiness is looked at, and how many times.
const READY_LOOK: Duration = Duration::from_millis(20);
const READY_LOOKS: u32 = 500;

/// How often the line's server is looked at.
const LINE_CHECK: Duration = Duration::from_mins(1);

/// A running system, or one role of it.
#[derive(Debug)]
pub struct System {
    /// Where the page is served, if the desk runs here.
    pub desk: Option<SocketAddr>,
    /// Where the control room is served, if it runs here.
    pub room: Option<SocketAddr>,
    /// Where the door stands, if it runs here.
    pub door: Option<SocketAddr>,
    /// Where health and metrics are served.
    pub admin: SocketAddr,
    /// The line, if this role needs it from the start.
    pub line: Option<Line>,
    /// The book, if this role has a path to it.
    pub book: Option<Book>,
}

impl System {
    /// Starts the role's parts on the context's tasks; stopping those stops them.
    pub async fn start(mut setup: Setup, context: &Context) -> anyhow::Result<Self> {
        let desk_listener = setup.role.has_desk().then(|| service::http::bind(setup.listen)).transpose()?;
        let room_listener = setup.room.as_ref().map(|room| service::http::bind(room.listen)).transpose()?;
        let door_listener = setup.door.as_ref().map(|door| service::http::bind(door.listen)).transpose()?;
        let admin_listener = service::http::bind(setup.admin_listen)?;
        if let (Some(door), Some(desk)) = (&mut setup.door, &desk_listener) {
            join(door, &mut setup.signup, desk.local_addr()?);
        }
        // Before the stores are made: a line that is there already must not get new keys.
        let keys = setup.role.has_keys().then(|| read_keys(&setup, context)).transpose()?.map(Arc::new);
        let (line, book) = stores::open(&setup.stores, setup.role, context.now.clone()).await?;
        if let Some(line) = line.as_ref().filter(|_| setup.role.has_keys()) {
            watch_line(line.clone(), context);
        }
        let mut desk = None;
        if let (Some(line), Some(keys)) = (&line, keys) {
            if let Some(book) = book.as_ref().filter(|_| setup.role.has_worker()) {
                let stores = (line.clone(), book.clone());
                let orders = order_service(&setup.worker, book);
                worker::start(setup.worker, stores, orders, Arc::clone(&keys), &setup.events, context)
                    .await?;
            }
            if let Some(listener) = desk_listener {
                desk =
                    Some(signup_service::start(setup.signup, line.clone(), keys, listener, context).await?);
            }
        }
        let room = match (setup.room, room_listener, &book) {
            (Some(room), Some(listener), Some(book)) => {
                Some(operator::start(room.config, book.clone(), listener, context)?)
            }
            _ => None,
        };
        let door = match (setup.door, door_listener, &line, setup.stores) {
            (Some(door), Some(listener), Some(line), _) => {
                Some(gateway::start(door, std::future::ready(line.clone()), listener, context)?)
            }
            (Some(door), Some(listener), None, Stores::Servers(servers)) => {
                let line = stores::open_for_door(servers, context.health.check("gateway-line"));
                Some(gateway::start(door, line, listener, context)?)
            }
            _ => None,
        };
        let admin = service::http::serve(
            admin_listener,
            service::admin::routes(context),
            Limits::default(),
            context,
        )?;
        Ok(Self { desk, room, door, admin, line, book })
    }

    /// Waits until every part says that it is ready: the line is armed, the pages are made. Tells who is not, after ten seconds.
    pub async fn until_ready(&self, context: &Context) -> anyhow::Result<()> {
        let mut looks = tokio::time::interval(READY_LOOK);
        for _ in 0..READY_LOOKS {
            looks.tick().await;
            if context.health.readiness(false).ready {
                return Ok(());
            }
        }
        anyhow::bail!("not ready after ten seconds:\n{}", context.health.readiness(false).report)
    }

    /// Closes the stores. After this nothing is written any more.
    pub async fn close(self) {
        if let Some(book) = self.book {
            book.close().await;
        }
    }
}

/// A door and a desk in one process find each other, whatever the port; the desk believes the door about who a client is.
fn join(door: &mut gateway::Config, desk: &mut signup_service::Config, at: SocketAddr) {
    // A desk that listens everywhere is reached by loopback.
    let ip = if at.ip().is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { at.ip() };
    door.lead_desk_to(SocketAddr::new(ip, at.port()));
    desk.trusted_proxies.push(ip.into());
}

/// Looks each minute whether the line's server still keeps what it acknowledges. One that does not makes the process unready.
fn watch_line(line: Line, context: &Context) {
    let (check, tasks) = (context.health.check("line-server"), context.tasks.clone());
    context.tasks.spawn("line check", async move {
        loop {
            let findings = line.check().await;
            let told: Vec<&str> = findings.iter().map(|finding| finding.what.as_str()).collect();
            match findings.iter().any(|finding| finding.severity == Severity::Refuse) {
                true => check.fail(told.join("; ")),
                false if told.is_empty() => check.ok(),
                false => check.warn(told.join("; ")),
            }
            tokio::select! {
                () = tokio::time::sleep(LINE_CHECK) => {}
                () = tasks.stopping() => return,
            }
        }
    });
}

/// Embedded stores make their own keys; processes that share stores must share keys too, so those are made by hand.
fn read_keys(setup: &Setup, context: &Context) -> anyhow::Result<Keyring> {
    match &setup.stores {
        Stores::Embedded { folder } => {
            std::fs::create_dir_all(folder)?;
            keys::read_or_make(&setup.keys, &folder.join("line.db"), &context.chance)
        }
        Stores::Servers(_) => keys::read(&setup.keys),
    }
}

fn order_service(config: &worker::Config, book: &Book) -> OrderService {
    match &config.order_service {
        Some(base) => OrderService::Http(HttpOrders::new(base)),
        None => OrderService::Embedded(book.clone()),
    }
}
