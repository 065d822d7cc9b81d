//! The parts that run in this process, over the stores that the settings name: what `demo`, `serve` and the whole-system tests
//! start.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use domain::Keyring;
use ledger::Ledger;
use queue::{Queue, Severity};
use service::Context;
use service::http::Limits;
use worker::OrderService;
use worker::order_service::HttpOrderService;

use crate::setup::{Setup, Stores};
use crate::{keys, stores};

/// How often readiness is looked at, and how many times.
const READY_LOOK: Duration = Duration::from_millis(20);
const READY_LOOKS: u32 = 500;

/// How often the queue's server is looked at.
const QUEUE_CHECK: Duration = Duration::from_mins(1);

/// A running system, or one role of it.
#[derive(Debug)]
pub struct System {
    /// Where the page is served, if the signup service runs here.
    pub signup: Option<SocketAddr>,
    /// Where the operator console is served, if it runs here.
    pub operator: Option<SocketAddr>,
    /// Where the gateway stands, if it runs here.
    pub gateway: Option<SocketAddr>,
    /// Where health and metrics are served.
    pub admin: SocketAddr,
    /// The queue, if this role needs it from the start.
    pub queue: Option<Queue>,
    /// The ledger, if this role has a path to it.
    pub ledger: Option<Ledger>,
}

impl System {
    /// Starts the role's parts on the context's tasks; stopping those stops them.
    pub async fn start(mut setup: Setup, context: &Context) -> anyhow::Result<Self> {
        let signup_listener =
            setup.role.has_signup().then(|| service::http::bind(setup.listen)).transpose()?;
        let operator_listener =
            setup.operator.as_ref().map(|operator| service::http::bind(operator.listen)).transpose()?;
        let gateway_listener =
            setup.gateway.as_ref().map(|gateway| service::http::bind(gateway.listen)).transpose()?;
        let admin_listener = service::http::bind(setup.admin_listen)?;
        if let (Some(gateway), Some(signup)) = (&mut setup.gateway, &signup_listener) {
            join(gateway, &mut setup.signup, signup.local_addr()?);
        }
        // Before the stores are made: a queue that is there already must not get new keys.
        let keys = setup.role.has_keys().then(|| read_keys(&setup, context)).transpose()?.map(Arc::new);
        let (queue, ledger) = stores::open(&setup.stores, setup.role, context.now.clone()).await?;
        if let Some(queue) = queue.as_ref().filter(|_| setup.role.has_keys()) {
            watch_queue(queue.clone(), context);
        }
        let mut signup = None;
        if let (Some(queue), Some(keys)) = (&queue, keys) {
            if let Some(ledger) = ledger.as_ref().filter(|_| setup.role.has_worker()) {
                let stores = (queue.clone(), ledger.clone());
                let orders = order_service(&setup.worker, ledger);
                worker::start(setup.worker, stores, orders, Arc::clone(&keys), &setup.events, context)
                    .await?;
            }
            if let Some(listener) = signup_listener {
                signup =
                    Some(signup_service::start(setup.signup, queue.clone(), keys, listener, context).await?);
            }
        }
        let operator = match (setup.operator, operator_listener, &ledger) {
            (Some(operator), Some(listener), Some(ledger)) => {
                Some(operator::start(operator.config, ledger.clone(), listener, context)?)
            }
            _ => None,
        };
        let gateway = match (setup.gateway, gateway_listener, &queue, setup.stores) {
            (Some(gateway), Some(listener), Some(queue), _) => {
                Some(gateway::start(gateway, std::future::ready(queue.clone()), listener, context)?)
            }
            (Some(gateway), Some(listener), None, Stores::Servers(servers)) => {
                let queue = stores::open_for_gateway(servers, context.health.check("gateway-queue"));
                Some(gateway::start(gateway, queue, listener, context)?)
            }
            _ => None,
        };
        let admin = service::http::serve(
            admin_listener,
            service::admin::routes(context),
            Limits::default(),
            context,
        )?;
        Ok(Self { signup, operator, gateway, admin, queue, ledger })
    }

    /// Waits until every part says that it is ready: the queue is armed, the pages are made. Tells who is not, after ten seconds.
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
        if let Some(ledger) = self.ledger {
            ledger.close().await;
        }
    }
}

/// A gateway and a signup service in one process find each other, whatever the port; the signup service believes the gateway about who a client is.
fn join(gateway: &mut gateway::Config, signup: &mut signup_service::Config, at: SocketAddr) {
    // A signup service that listens everywhere is reached by loopback.
    let ip = if at.ip().is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { at.ip() };
    gateway.lead_signup_to(SocketAddr::new(ip, at.port()));
    signup.trusted_proxies.push(ip.into());
}

/// Looks each minute whether the queue's server still keeps what it acknowledges. One that does not makes the process unready.
fn watch_queue(queue: Queue, context: &Context) {
    let (check, tasks) = (context.health.check("queue-server"), context.tasks.clone());
    context.tasks.spawn("line check", async move {
        loop {
            let findings = queue.check().await;
            let told: Vec<&str> = findings.iter().map(|finding| finding.what.as_str()).collect();
            match findings.iter().any(|finding| finding.severity == Severity::Refuse) {
                true => check.fail(told.join("; ")),
                false if told.is_empty() => check.ok(),
                false => check.warn(told.join("; ")),
            }
            tokio::select! {
                () = tokio::time::sleep(QUEUE_CHECK) => {}
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
            keys::read_or_make(&setup.keys, &folder.join("queue.db"), &context.rng)
        }
        Stores::Servers(_) => keys::read(&setup.keys),
    }
}

fn order_service(config: &worker::Config, ledger: &Ledger) -> OrderService {
    match &config.order_service {
        Some(base) => OrderService::Http(HttpOrderService::new(base)),
        None => OrderService::Embedded(ledger.clone()),
    }
}
