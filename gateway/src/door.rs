//! What each request goes through, the cheapest and most certain refusals first. It asks no store: what it knows of events is
//! in `divert`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, Method, Version, header};
use axum::response::Response;
use domain::Chance;
use metrics::Gauge;
use service::http::{AsIs, Network, RouteName};
use service::{Context, Tasks};

use crate::client::Asker;
use crate::config::Config;
use crate::divert::Diverts;
use crate::headers::{self, Via};
use crate::limit::{InFlight, Limit};
use crate::meter::{self, RouteMeter};
use crate::path;
use crate::refusal::{Accepted, Reason, Refusals};
use crate::upstream::{Held, Upstream};

/// How often clients that are as if they had never been here are forgotten.
const TIDY_EVERY: Duration = Duration::from_secs(1);

/// Where the paths below a prefix lead.
struct Route {
    prefix: &'static str,
    upstream: usize,
    limit: usize,
    /// Whether it is the desk's own: no event takes its place.
    is_desk: bool,
    name: RouteName,
    meter: RouteMeter,
}

/// The door at work.
pub(crate) struct Door {
    /// The longest prefix first.
    routes: Vec<Route>,
    /// What is counted where no route is found.
    unrouted: RouteMeter,
    upstreams: Vec<Upstream>,
    limits: Vec<Limit>,
    keys: Vec<Gauge>,
    in_flight: Arc<InFlight>,
    refusals: Refusals,
    diverts: Arc<Diverts>,
    trusted_proxies: Vec<Network>,
    via: Via,
    chance: Chance,
}

/// What is counted where no route is found.
const UNROUTED: &str = "unrouted";

/// A request that may go on.
struct Passed {
    asker: Asker,
    path: PathAndQuery,
    held: Held,
}

/// Why a request does not go on.
enum Stop {
    Refused(Reason),
    /// To an event's page.
    Diverted(Box<Response>),
}

impl From<Reason> for Stop {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason)
    }
}

impl Door {
    pub(crate) fn new(config: &Config, diverts: Arc<Diverts>, ctx: &Context) -> Self {
        let limits = config.limits.iter().map(|limit| Limit::new(limit, config.keys_max, &ctx.now));
        Self {
            routes: routes(config),
            unrouted: RouteMeter::new(UNROUTED),
            upstreams: config.upstreams.iter().map(Upstream::new).collect(),
            limits: limits.collect(),
            keys: config.limits.iter().map(|limit| meter::keys(&limit.name)).collect(),
            in_flight: Arc::new(InFlight::new(config.client_in_flight_max)),
            refusals: Refusals::new(),
            diverts,
            trusted_proxies: config.trusted_proxies.clone(),
            via: Via::new(&ctx.chance),
            chance: Arc::clone(&ctx.chance),
        }
    }

    /// Forgets idle clients now and then, until the tasks are stopped.
    pub(crate) async fn keep_tidy(self: Arc<Self>, tasks: Tasks) {
        loop {
            tokio::select! {
                () = tasks.stopping() => return,
                () = tokio::time::sleep(TIDY_EVERY) => {}
            }
            for (limit, keys) in self.limits.iter().zip(&self.keys) {
                keys.set(f64::from(u32::try_from(limit.forget_idle()).unwrap_or(u32::MAX)));
            }
        }
    }

    /// The answer to a request, the door's own or the service's.
    pub(crate) async fn answer(&self, request: Request) -> Response {
        let path = match screen(&request, &self.via) {
            Ok(path) => path,
            Err(reason) => return self.stopped(None, reason.into(), &Accepted::of(request.headers())),
        };
        let matched = path.path();
        let route = self.routes.iter().find(|route| path::is_below(matched, route.prefix));
        let Some(route) = route.filter(|_| !path::is_inner(matched)) else {
            return self.stopped(None, Reason::NotFound.into(), &Accepted::of(request.headers()));
        };
        if !route.is_desk {
            self.diverts.known().await;
        }
        match self.admit(route, path, &request) {
            Ok(passed) => self.forward(route, passed, request).await,
            Err(stop) => self.stopped(Some(route), stop, &Accepted::of(request.headers())),
        }
    }

    /// Whether there is a place for the request.
    fn admit(&self, route: &Route, path: PathAndQuery, request: &Request) -> Result<Passed, Stop> {
        let asker = self.asker(request);
        let (client, limit) = (asker.key(), &self.limits[route.limit]);
        if !limit.lets(client) {
            return Err(Reason::TooFast.into());
        }
        let turn = self.in_flight.begin(client).ok_or(Reason::TooManyAtOnce)?;
        if !route.is_desk {
            let looks = *request.method() == Method::GET || *request.method() == Method::HEAD;
            let diverted = self.diverts.instead_of(path.path(), |elsewhere| {
                if looks {
                    elsewhere.redirect()
                } else {
                    elsewhere.conflict(&Accepted::of(request.headers()))
                }
            });
            if let Some(answer) = diverted {
                return Err(Stop::Diverted(Box::new(answer)));
            }
        }
        if !limit.lets_anybody() {
            return Err(Reason::Full.into());
        }
        let held = self.upstreams[route.upstream].hold(turn).ok_or(Reason::UpstreamFull)?;
        Ok(Passed { asker, path, held })
    }

    fn asker(&self, request: &Request) -> Asker {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let peer = peer.unwrap_or_else(|| unreachable!("the server notes who each connection is from"));
        Asker::behind(peer.0.ip(), request.headers(), &self.trusted_proxies)
    }

    async fn forward(&self, route: &Route, passed: Passed, mut request: Request) -> Response {
        let Passed { asker, path, held } = passed;
        // Should the service not answer.
        let accepted = Accepted::of(request.headers());
        headers::forward(&mut request, asker, &self.via, &self.chance);
        match self.upstreams[route.upstream].exchange(request, path, held).await {
            Ok(mut answer) => {
                headers::back(answer.headers_mut());
                answer.extensions_mut().insert(AsIs);
                finish(route.name, &route.meter, answer)
            }
            Err(reason) => self.stopped(Some(route), reason.into(), &accepted),
        }
    }

    fn stopped(&self, route: Option<&Route>, stop: Stop, accepted: &Accepted) -> Response {
        let meter = route.map_or(&self.unrouted, |route| &route.meter);
        let (reason, answer) = match stop {
            Stop::Refused(reason) => (reason, self.refusals.answer(reason, accepted)),
            Stop::Diverted(answer) => (Reason::Diverted, *answer),
        };
        meter.refused(reason);
        finish(route.map_or(RouteName(UNROUTED), |route| route.name), meter, answer)
    }
}

fn finish(name: RouteName, meter: &RouteMeter, mut answer: Response) -> Response {
    meter.answered(answer.status());
    answer.extensions_mut().insert(name);
    answer
}

fn routes(config: &Config) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    for (at, route) in config.routes.iter().enumerate() {
        // Made once a process, from the settings: they live as long as it.
        let prefix: &'static str = Box::leak(route.prefix.clone().into_boxed_str());
        let name = if prefix.is_empty() { "/" } else { prefix };
        routes.push(Route {
            prefix,
            upstream: route.upstream,
            limit: route.limit,
            is_desk: at < crate::config::DESK_ROUTES,
            name: RouteName(name),
            meter: RouteMeter::new(name),
        });
    }
    routes.sort_by_key(|route| std::cmp::Reverse(route.prefix.len()));
    routes
}

/// The path that is matched and forwarded, if the request is one that a proxy may pass on.
fn screen(request: &Request, via: &Via) -> Result<PathAndQuery, Reason> {
    let headers = request.headers();
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Err(Reason::Method);
    }
    if asks_for_upgrade(headers) {
        return Err(Reason::Upgrade);
    }
    let named = request.uri().authority().map(|named| named.as_str().as_bytes());
    let hosts = headers.get(header::HOST).map(header::HeaderValue::as_bytes).or(named);
    // HTTP/1.0 knew no host.
    if !hosts.map_or(request.version() < Version::HTTP_11, headers::is_host) {
        return Err(Reason::BadHost);
    }
    if via.has_seen(headers) {
        return Err(Reason::Loop);
    }
    let whole = request.uri().path_and_query().ok_or(Reason::AmbiguousPath)?;
    match path::normal(whole.path()).map_err(|_| Reason::AmbiguousPath)? {
        std::borrow::Cow::Borrowed(_) => Ok(whole.clone()),
        std::borrow::Cow::Owned(made) => {
            let text = match whole.query() {
                Some(query) => format!("{made}?{query}"),
                None => made,
            };
            PathAndQuery::try_from(text).map_err(|_| Reason::AmbiguousPath)
        }
    }
}

/// Whether another protocol is asked for. HTTP/2 is offered by some with every request, and may be passed over.
fn asks_for_upgrade(headers: &HeaderMap) -> bool {
    let mut asked = headers.get_all(header::UPGRADE).iter();
    asked.any(|protocol| !protocol.as_bytes().eq_ignore_ascii_case(b"h2c"))
}
