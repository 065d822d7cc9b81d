//! What each request goes through, the cheapest and most certain refusals first. It asks no store: what it knows of events is
//! in `divert`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, Method, Version, header};
use axum::response::Response;
use domain::Rng;
use metrics::Gauge;
use service::http::Route::Named;
use service::http::{Handler, HandlerResponse, Network};
use service::{Context, Tasks};

use crate::client::{Caller, ClientIdentity, ClientKey, KnownClient};
use crate::config::Config;
use crate::divert::Diverts;
use crate::error::{Accepted, ErrorResponses, Reason};
use crate::headers::{self, ForwardedHeaders, Via};
use crate::limit::{InFlight, Limit};
use crate::meter::{self, RouteMeter};
use crate::path;
use crate::upstream::{Outbound, Permit, Upstream};

/// How often clients that are as if they had never been here are forgotten, and idle connections are looked at.
const TIDY_EVERY: Duration = Duration::from_secs(1);

/// Where the paths below a prefix lead.
struct Route {
    prefix: &'static str,
    upstream: usize,
    limit: usize,
    /// Whether it is the signup service's own: no event takes its place.
    is_signup: bool,
    name: &'static str,
    meter: RouteMeter,
}

/// The gateway at work.
pub(crate) struct Gateway {
    /// The longest prefix first.
    routes: Vec<Route>,
    /// What is counted where no route is found.
    unrouted: RouteMeter,
    upstreams: Vec<Upstream>,
    limits: Vec<Limit>,
    keys: Vec<Gauge>,
    in_flight: Arc<InFlight>,
    error_responses: ErrorResponses,
    diverts: Arc<Diverts>,
    trusted_proxies: Vec<Network>,
    via: Via,
    rng: Rng,
}

/// What is counted where no route is found.
const UNROUTED: &str = "unrouted";

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

impl Gateway {
    pub(crate) fn new(config: &Config, diverts: Arc<Diverts>, ctx: &Context) -> Self {
        let limits = config.limits.iter().map(|limit| Limit::new(limit, config.keys_max, &ctx.now));
        Self {
            routes: routes(config),
            unrouted: RouteMeter::new(UNROUTED),
            upstreams: config.upstreams.iter().map(Upstream::new).collect(),
            limits: limits.collect(),
            keys: config.limits.iter().map(|limit| meter::keys(&limit.name)).collect(),
            in_flight: Arc::new(InFlight::new(config.client_in_flight_max)),
            error_responses: ErrorResponses::new(),
            diverts,
            trusted_proxies: config.trusted_proxies.clone(),
            via: Via::new(&ctx.rng),
            rng: Arc::clone(&ctx.rng),
        }
    }

    /// Forgets idle clients and closes idle connections now and then, until the tasks are stopped.
    pub(crate) async fn keep_tidy(self: Arc<Self>, tasks: Tasks) {
        loop {
            tokio::select! {
                () = tasks.stopping() => return,
                () = tokio::time::sleep(TIDY_EVERY) => {}
            }
            for (limit, keys) in self.limits.iter().zip(&self.keys) {
                keys.set(f64::from(u32::try_from(limit.forget_idle()).unwrap_or(u32::MAX)));
            }
            self.upstreams.iter().for_each(Upstream::close_idle);
        }
    }

    /// Whether there is a place for the request.
    fn admit(&self, route: &Route, path: &str, request: &Request, client: ClientKey) -> Result<Permit, Stop> {
        let limit = &self.limits[route.limit];
        if !limit.lets(client) {
            return Err(Reason::TooFast.into());
        }
        let turn = self.in_flight.begin(client).ok_or(Reason::TooManyAtOnce)?;
        if !route.is_signup {
            let looks = *request.method() == Method::GET || *request.method() == Method::HEAD;
            let diverted = self.diverts.instead_of(path, |elsewhere| {
                if looks { elsewhere.redirect() } else { elsewhere.conflict(&Accepted::of(request)) }
            });
            if let Some(answer) = diverted {
                return Err(Stop::Diverted(Box::new(answer)));
            }
        }
        let permit = self.upstreams[route.upstream].hold(turn).ok_or(Reason::UpstreamFull)?;
        // Last, so that a request without a place takes no share of what is for all.
        if !limit.lets_anybody() {
            return Err(Reason::Full.into());
        }
        Ok(permit)
    }

    /// Makes the request fit for the service, and keeps what a refusal would need should that not answer.
    fn prepare(
        &self,
        mut request: Request,
        route: &Route,
        path: Option<PathAndQuery>,
        marks: &ForwardedHeaders,
        held: Permit,
    ) -> (Outbound, Accepted) {
        let accepted = Accepted::of(&request);
        let host = &self.upstreams[route.upstream].host;
        headers::forward(&mut request, marks, host, &self.via, &self.rng);
        (Outbound::new(request, path, held), accepted)
    }

    async fn forward(&self, route: &Route, (outbound, accepted): (Outbound, Accepted)) -> HandlerResponse {
        match self.upstreams[route.upstream].exchange(outbound).await {
            Ok(mut response) => {
                headers::back(response.headers_mut());
                route.meter.answered(response.status());
                HandlerResponse { response, route: Named(route.name), as_is: true }
            }
            Err(reason) => self.stopped(Some(route), reason.into(), &accepted),
        }
    }

    fn stopped(&self, route: Option<&Route>, stop: Stop, accepted: &Accepted) -> HandlerResponse {
        let (name, meter) = route.map_or((UNROUTED, &self.unrouted), |route| (route.name, &route.meter));
        let (reason, response) = match stop {
            Stop::Refused(reason) => (reason, self.error_responses.answer(reason, accepted)),
            Stop::Diverted(answer) => (Reason::Diverted, *answer),
        };
        meter.refused(reason);
        meter.answered(response.status());
        HandlerResponse { response, route: Named(name), as_is: false }
    }
}

impl Handler for Gateway {
    type Connection = Caller;

    fn connect(&self, peer: SocketAddr) -> Caller {
        Caller::meet(peer.ip(), &self.trusted_proxies)
    }

    /// The gateway's own answer, or the service's.
    async fn handle(&self, request: Request, caller: &Caller) -> HandlerResponse {
        let path = match screen(&request, &self.via) {
            Ok(path) => path,
            Err(reason) => return self.stopped(None, reason.into(), &Accepted::of(&request)),
        };
        let matched = path.as_ref().map_or(request.uri().path(), PathAndQuery::path);
        let route = self.routes.iter().find(|route| path::is_below(matched, route.prefix));
        let Some(route) = route.filter(|_| !path::is_inner(matched)) else {
            return self.stopped(None, Reason::NotFound.into(), &Accepted::of(&request));
        };
        if !route.is_signup {
            self.diverts.known().await;
        }
        let told;
        let KnownClient { key, marks } = match caller {
            Caller::Client(client) => client,
            Caller::Proxy(peer) => {
                told = KnownClient::from(ClientIdentity::behind(
                    *peer,
                    request.headers(),
                    &self.trusted_proxies,
                ));
                &told
            }
        };
        match self.admit(route, matched, &request, *key) {
            Ok(held) => self.forward(route, self.prepare(request, route, path, marks, held)).await,
            Err(stop) => self.stopped(Some(route), stop, &Accepted::of(&request)),
        }
    }
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
            is_signup: at < crate::config::SIGNUP_ROUTES,
            name,
            meter: RouteMeter::new(name),
        });
    }
    routes.sort_by_key(|route| std::cmp::Reverse(route.prefix.len()));
    routes
}

/// The path that is matched and forwarded, if it is not the request's own, and if the request is one that a proxy may pass on.
fn screen(request: &Request, via: &Via) -> Result<Option<PathAndQuery>, Reason> {
    let headers = request.headers();
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Err(Reason::Method);
    }
    if asks_for_upgrade(headers) {
        return Err(Reason::Upgrade);
    }
    if has_other_coding(headers) {
        return Err(Reason::TransferCoding);
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
        std::borrow::Cow::Borrowed(_) => Ok(None),
        std::borrow::Cow::Owned(made) => {
            let text = match whole.query() {
                Some(query) => format!("{made}?{query}"),
                None => made,
            };
            PathAndQuery::try_from(text).map(Some).map_err(|_| Reason::AmbiguousPath)
        }
    }
}

/// Whether the body has a transfer coding besides `chunked`. The header is dropped on the way, so the service would take the coded
/// bytes for the body itself.
fn has_other_coding(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    codings.any(|coding| !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"))
}

/// Whether another protocol is asked for. HTTP/2 is offered by some with every request, and may be passed over.
fn asks_for_upgrade(headers: &HeaderMap) -> bool {
    let mut asked = headers.get_all(header::UPGRADE).iter();
    asked.any(|protocol| !protocol.as_bytes().eq_ignore_ascii_case(b"h2c"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use queue::Queue;
    use service::Settings;
    use testkit::TempFolder;

    #[tokio::test]
    async fn what_a_waiting_request_takes_is_small() {
        let (folder, ctx) = (TempFolder::new("gateway-size"), Context::system());
        let queue = Queue::open_sqlite(&folder.path().join("queue.db"), Arc::clone(&ctx.now)).await.unwrap();
        let settings = Settings::load(None, std::iter::empty(), &[]).unwrap();
        let config = Config::read(&mut settings.part("gateway"));
        let gateway =
            Gateway::new(&config, Diverts::start(std::future::ready(queue), config.events_wait, &ctx), &ctx);
        let caller = gateway.connect(([192, 0, 2, 1], 1).into());
        let size = size_of_val(&gateway.handle(Request::new(Body::empty()), &caller));
        assert!(size <= 2048, "{size}");
    }
}
