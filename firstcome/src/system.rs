//! The parts that run in this process, over the stores that the settings name. `demo`, `serve` and the whole-system tests start
//! them.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use domain::{Keyring, PassVerifier};
use gateway::{GatewayReload, RunningGateway};
use ledger::Ledger;
use queue::{Queue, Severity};
use service::Context;
use service::health::Check;
use service::http::Limits;
use worker::OrderService;
use worker::order_service::HttpOrderService;

use crate::setup::{OperatorSettings, Setup, Stores};
use crate::{keys, stores};

/// How often readiness is checked during the start, and how many times: ten seconds in all.
const READY_PERIOD: Duration = Duration::from_millis(20);
const READY_CHECKS: u32 = 500;

/// How often the settings of the queue's server are checked.
const QUEUE_CHECK_PERIOD: Duration = Duration::from_mins(1);

/// A running system, or one role of it.
#[derive(Debug)]
pub struct System {
    /// The address of the signup service, if it runs here.
    pub signup: Option<SocketAddr>,
    /// The address of the operator API, if it runs here.
    pub operator: Option<SocketAddr>,
    /// The address of the gateway, if it runs here.
    pub gateway: Option<SocketAddr>,
    /// Changes the settings of the gateway, if it runs here.
    pub gateway_reload: Option<GatewayReload>,
    /// The address of health and metrics.
    pub admin: SocketAddr,
    /// The queue, if this role needs it from the start.
    pub queue: Option<Queue>,
    /// The ledger, if this role uses it.
    pub ledger: Option<Ledger>,
}

impl System {
    /// Starts the parts of the role as tasks of the context. They stop with those tasks.
    pub async fn start(mut setup: Setup, context: &Context) -> anyhow::Result<Self> {
        let listeners = Listeners::bind(&setup)?;
        listeners.connect_gateway_to_signup(&mut setup)?;
        // Before the stores are opened: an existing queue must not get new keys.
        let keys = setup.role.has_keys().then(|| read_keys(&setup, context)).transpose()?.map(Arc::new);
        let (queue, ledger) = stores::open(&setup.stores, setup.role, context).await?;
        let ledger = ledger.map(|ledger| ledger.with_domain_events(setup.messaging.kinds));
        let mut signup = None;
        if let (Some(queue), Some(keys)) = (&queue, &keys) {
            check_queue_server(queue.clone(), context);
            start_worker(&setup, queue, ledger.as_ref(), keys, context).await?;
            signup = start_signup(setup.signup, queue, keys, listeners.signup, context).await?;
        }
        let operator = start_operator(setup.operator, ledger.as_ref(), listeners.operator, context)?;
        let pass_keys = keys.as_deref().map(PassVerifier::of);
        let gateway = start_gateway(
            setup.gateway,
            queue.as_ref(),
            setup.stores,
            pass_keys,
            listeners.gateway,
            context,
        )?;
        let mut routes = service::admin::routes(context);
        let (gateway, gateway_reload) = gateway
            .map(|RunningGateway { address, internal_routes, reload }| {
                routes = std::mem::take(&mut routes).merge(internal_routes);
                (address, reload)
            })
            .unzip();
        let admin = service::http::serve(listeners.admin, routes, Limits::default(), context)?;
        Ok(Self { signup, operator, gateway, gateway_reload, admin, queue, ledger })
    }

    /// Waits until all parts are ready. Fails after ten seconds, with the parts that are not.
    pub async fn until_ready(&self, context: &Context) -> anyhow::Result<()> {
        let mut ticks = tokio::time::interval(READY_PERIOD);
        for _ in 0..READY_CHECKS {
            ticks.tick().await;
            if context.health.readiness().ready {
                return Ok(());
            }
        }
        anyhow::bail!("not ready after 10 s:\n{}", context.health.readiness().report)
    }

    /// Gives the gateway the routes, upstreams and limits of new settings. Nothing else changes.
    pub fn reload(&self, setup: Setup) {
        let (Some(reload), Some(mut config)) = (&self.gateway_reload, setup.gateway) else { return };
        if let Some(signup) = self.signup {
            config.set_signup_address(reachable(signup));
        }
        reload.apply(&config);
    }

    /// Closes the stores. Nothing can be written afterwards.
    pub async fn close(self) {
        if let Some(ledger) = self.ledger {
            ledger.close().await;
        }
    }
}

/// The sockets of the parts that run here.
struct Listeners {
    signup: Option<TcpListener>,
    operator: Option<TcpListener>,
    gateway: Option<TcpListener>,
    admin: TcpListener,
}

impl Listeners {
    fn bind(setup: &Setup) -> anyhow::Result<Self> {
        let bind = |address: Option<SocketAddr>| address.map(service::http::bind).transpose();
        Ok(Self {
            signup: bind(setup.role.has_signup().then_some(setup.listen))?,
            operator: bind(setup.operator.as_ref().map(|operator| operator.listen))?,
            gateway: bind(setup.gateway.as_ref().map(|gateway| gateway.listen))?,
            admin: service::http::bind(setup.admin_listen)?,
        })
    }

    /// Connects a gateway and a signup service in the same process, whatever the port. The signup service trusts the gateway's
    /// forwarded client addresses.
    fn connect_gateway_to_signup(&self, setup: &mut Setup) -> anyhow::Result<()> {
        let (Some(gateway), Some(listener)) = (&mut setup.gateway, &self.signup) else { return Ok(()) };
        let address = reachable(listener.local_addr()?);
        gateway.set_signup_address(address);
        setup.signup.trusted_proxies.push(address.ip().into());
        Ok(())
    }
}

/// Where a listener of this process is reached: one on all addresses by loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = if address.ip().is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { address.ip() };
    SocketAddr::new(ip, address.port())
}

async fn start_worker(
    setup: &Setup,
    queue: &Queue,
    ledger: Option<&Ledger>,
    keys: &Arc<Keyring>,
    context: &Context,
) -> anyhow::Result<()> {
    let Some(ledger) = ledger.filter(|_| setup.role.has_worker()) else { return Ok(()) };
    let stores = (queue.clone(), ledger.clone());
    let orders = order_service(&setup.worker, ledger);
    let config = worker::Config { messaging: setup.messaging.clone(), ..setup.worker.clone() };
    worker::start(config, stores, orders, Arc::clone(keys), &setup.events, context).await
}

async fn start_signup(
    config: signup_service::Config,
    queue: &Queue,
    keys: &Arc<Keyring>,
    listener: Option<TcpListener>,
    context: &Context,
) -> anyhow::Result<Option<SocketAddr>> {
    let Some(listener) = listener else { return Ok(None) };
    signup_service::start(config, queue.clone(), Arc::clone(keys), listener, context).await.map(Some)
}

fn start_operator(
    settings: Option<OperatorSettings>,
    ledger: Option<&Ledger>,
    listener: Option<TcpListener>,
    context: &Context,
) -> anyhow::Result<Option<SocketAddr>> {
    let (Some(settings), Some(ledger), Some(listener)) = (settings, ledger, listener) else {
        return Ok(None);
    };
    operator::start(settings.config, ledger.clone(), listener, context).map(Some)
}

/// Starts the gateway. On its own it connects to the queue in the background, so that it serves the shop without the queue.
fn start_gateway(
    config: Option<gateway::Config>,
    queue: Option<&Queue>,
    stores: Stores,
    pass_keys: Option<PassVerifier>,
    listener: Option<TcpListener>,
    context: &Context,
) -> anyhow::Result<Option<RunningGateway>> {
    let (Some(config), Some(listener)) = (config, listener) else { return Ok(None) };
    match (queue, stores) {
        (Some(queue), _) => {
            let queue = std::future::ready(queue.clone());
            gateway::start(config, queue, pass_keys, listener, context).map(Some)
        }
        (None, Stores::External(servers)) => {
            let queue = stores::open_for_gateway(servers, context.health.check("gateway-queue"));
            gateway::start(config, queue, pass_keys, listener, context).map(Some)
        }
        (None, Stores::Embedded { .. }) => Ok(None),
    }
}

/// Checks every minute that the queue's server is still configured durably. If it is not, the process is not ready.
fn check_queue_server(queue: Queue, context: &Context) {
    let check = Arc::new(context.health.check("queue-server"));
    context.tasks.every("queue check", QUEUE_CHECK_PERIOD, move || {
        let queue = queue.clone();
        let check = Arc::clone(&check);
        async move { report_findings(&queue, &check).await }
    });
}

async fn report_findings(queue: &Queue, check: &Check) {
    let findings = queue.check().await;
    let texts: Vec<&str> = findings.iter().map(|finding| finding.what.as_str()).collect();
    let is_refused = findings.iter().any(|finding| finding.severity == Severity::Refuse);
    if is_refused {
        check.fail(texts.join("; "));
    } else if texts.is_empty() {
        check.ok();
    } else {
        check.warn(texts.join("; "));
    }
}

/// Embedded stores create their own keys. Processes that share stores must share the keys too, so `firstcome keys make` creates
/// those.
fn read_keys(setup: &Setup, context: &Context) -> anyhow::Result<Keyring> {
    match &setup.stores {
        Stores::Embedded { folder } => {
            std::fs::create_dir_all(folder)?;
            keys::read_or_make(&setup.keys, &folder.join("queue.db"), &context.rng)
        }
        Stores::External(_) => keys::read(&setup.keys),
    }
}

fn order_service(config: &worker::Config, ledger: &Ledger) -> OrderService {
    match &config.order_service {
        Some(base) => OrderService::Http(HttpOrderService::new(base)),
        None => OrderService::Embedded(ledger.clone()),
    }
}
