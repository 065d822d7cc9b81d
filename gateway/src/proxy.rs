//! The steps of each request: match, limit, divert, forward. The cheapest checks come first, and no step reads a store: the events
//! come from `divert`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, Method, Version, header};
use axum::response::Response;
use domain::Rng;
use service::http::Route::Named;
use service::http::{Handler, HandlerResponse, Network};
use service::{Context, Tasks};

use crate::body_start::BodyStart;
use crate::class::RequestClass;
use crate::client::{ClientIdentity, ClientKeys};
use crate::config::Config;
use crate::divert::Diverts;
use crate::error::{AcceptedFormats, ErrorResponses, RefusalReason};
use crate::headers::{self, Via};
use crate::limit::{CountedRequest, InFlight, InFlightGuard, RateExceeded, RateLimits};
use crate::meter::{self, RouteMeter};
use crate::path;
use crate::peer::{ForwardedClient, Peer};
use crate::upstream::{OutboundRequest, Permit, Upstream};

/// How often idle connections are closed, and responses are read for clients that do not.
const UPKEEP_PERIOD: Duration = Duration::from_secs(1);

/// The upstream and the limit of the paths below a prefix.
struct ProxyRoute {
    prefix: &'static str,
    upstream: usize,
    limit: usize,
    /// Whether it leads to the signup service, so that no event diverts it.
    is_signup: bool,
    class: RequestClass,
    name: &'static str,
    meter: RouteMeter,
}

/// The gateway's state, shared by all connections.
pub(crate) struct Gateway {
    /// The longest prefix first.
    routes: Vec<ProxyRoute>,
    /// Counts requests that match no route.
    unrouted: RouteMeter,
    upstreams: Vec<Upstream>,
    limits: RateLimits,
    in_flight: Arc<InFlight>,
    error_responses: ErrorResponses,
    diverts: Arc<Diverts>,
    trusted_proxies: Vec<Network>,
    via: Via,
    rng: Rng,
}

/// The metrics label of requests that match no route.
const UNROUTED: &str = "unrouted";

/// A request that counts for its client.
struct BegunRequest {
    counted: CountedRequest,
    in_flight: InFlightGuard,
}

/// What a request needs to be forwarded.
struct Forwardable {
    permit: Permit,
    body_start: BodyStart,
}

/// Why a request is not forwarded.
enum Stop {
    Refused(RefusalReason),
    /// The client exceeds its rate. Boxed, because it is large.
    TooFast(Box<RateExceeded>),
    /// An event diverts its path; the response leads to the event's page.
    Diverted(Box<Response>),
}

impl Stop {
    fn too_fast(exceeded: RateExceeded) -> Self {
        Self::TooFast(Box::new(exceeded))
    }
}

impl From<RefusalReason> for Stop {
    fn from(reason: RefusalReason) -> Self {
        Self::Refused(reason)
    }
}

impl Gateway {
    pub(crate) fn new(config: &Config, diverts: Arc<Diverts>, ctx: &Context) -> Self {
        Self {
            routes: routes(config),
            unrouted: RouteMeter::new(UNROUTED),
            upstreams: config.upstreams.iter().map(Upstream::new).collect(),
            limits: RateLimits::new(config, &ctx.now, meter::replaced_keys()),
            in_flight: Arc::new(InFlight::new(config.client_in_flight_max)),
            error_responses: ErrorResponses::new(),
            diverts,
            trusted_proxies: config.trusted_proxies.clone(),
            via: Via::new(&ctx.rng),
            rng: Arc::clone(&ctx.rng),
        }
    }

    /// Looks after the upstreams once a period, until the tasks are stopped.
    pub(crate) fn start_upkeep(self: Arc<Self>, tasks: &Tasks) {
        tasks.every("gateway upkeep", UPKEEP_PERIOD, move || {
            for upstream in &self.upstreams {
                upstream.tick();
                upstream.read_for_stalled_clients();
            }
            std::future::ready(())
        });
    }

    /// Counts the request for its client, unless the client is at a limit or an event diverts the request.
    fn begin_request(
        &self,
        route: &ProxyRoute,
        path: &str,
        request: &Request,
        client: &ClientKeys,
    ) -> Result<BegunRequest, Stop> {
        let counted = self.limits.count(route.limit, client).map_err(Stop::too_fast)?;
        let in_flight = self.in_flight.begin(*client).ok_or(RefusalReason::TooManyAtOnce)?;
        if !route.is_signup {
            let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
            let diverted = self.diverts.map_diverted(path, |divert| {
                if is_read { divert.redirect() } else { divert.conflict(&AcceptedFormats::of(request)) }
            });
            if let Some(response) = diverted {
                return Err(Stop::Diverted(Box::new(response)));
            }
        }
        Ok(BegunRequest { counted, in_flight })
    }

    /// Reads the start of the body, and then acquires the permit to forward the request, unless the upstream or the global rate is at
    /// its limit. That is no fault of the client, so the request does not count for the client's rate.
    async fn acquire(
        &self,
        route: &ProxyRoute,
        request: &mut Request,
        client: &ClientKeys,
        BegunRequest { counted, in_flight }: BegunRequest,
    ) -> Result<Forwardable, Stop> {
        let upstream = &self.upstreams[route.upstream];
        let body_start = BodyStart::read(request).await.map_err(|_| RefusalReason::BodyBroken)?;
        let headers = request.headers();
        let class =
            || if counted.is_crowded { RequestClass::Bot } else { RequestClass::of(route.class, headers) };
        let reason = match upstream.acquire(class).await {
            // Last, so that a request that is refused anyway uses no part of the global rate.
            Some(permit) if self.limits.allows_any(route.limit) => {
                return Ok(Forwardable { permit: Permit::new(permit, in_flight), body_start });
            }
            Some(_) => RefusalReason::Full,
            None => RefusalReason::UpstreamFull,
        };
        self.limits.refund(route.limit, client, counted);
        Err(reason.into())
    }

    /// Prepares the request for the upstream, and keeps the accepted formats for the case that the upstream does not respond.
    fn prepare(
        &self,
        mut request: Request,
        route: &ProxyRoute,
        path: Option<PathAndQuery>,
        client: &ForwardedClient,
        forwardable: Forwardable,
    ) -> (OutboundRequest, AcceptedFormats) {
        let accepted = AcceptedFormats::of(&request).for_client(client.keys.client());
        let host = &self.upstreams[route.upstream].host;
        headers::forward(&mut request, &client.headers, host, &self.via, &self.rng);
        (OutboundRequest::new(request, forwardable.body_start, path, forwardable.permit), accepted)
    }

    async fn forward(
        &self,
        route: &ProxyRoute,
        outbound: OutboundRequest,
        accepted: AcceptedFormats,
    ) -> HandlerResponse {
        match self.upstreams[route.upstream].exchange(outbound).await {
            Ok(mut response) => {
                headers::return_to_client(response.headers_mut());
                route.meter.responded(response.status());
                HandlerResponse { response, route: Named(route.name), as_is: true }
            }
            Err(reason) => self.stop(Some(route), reason.into(), &accepted),
        }
    }

    fn stop(&self, route: Option<&ProxyRoute>, stop: Stop, accepted: &AcceptedFormats) -> HandlerResponse {
        let (name, meter) = route.map_or((UNROUTED, &self.unrouted), |route| (route.name, &route.meter));
        let (reason, response) = match stop {
            Stop::Refused(reason) => (reason, self.error_responses.response(reason, accepted)),
            Stop::TooFast(exceeded) => {
                (RefusalReason::TooFast, self.error_responses.too_fast(*exceeded, accepted))
            }
            Stop::Diverted(response) => (RefusalReason::Diverted, *response),
        };
        meter.refused(reason);
        meter.responded(response.status());
        HandlerResponse { response, route: Named(name), as_is: false }
    }
}

impl Handler for Gateway {
    type Connection = Peer;

    fn connect(&self, peer: SocketAddr) -> Peer {
        Peer::of(peer.ip(), &self.trusted_proxies)
    }

    /// The upstream's response, or the gateway's own.
    async fn handle(&self, mut request: Request, peer: &Peer) -> HandlerResponse {
        let path = match screen(&request, &self.via) {
            Ok(path) => path,
            Err(reason) => return self.stop(None, reason.into(), &AcceptedFormats::of(&request)),
        };
        let matched = path.as_ref().map_or(request.uri().path(), PathAndQuery::path);
        let route = self.routes.iter().find(|route| path::is_below(matched, route.prefix));
        let Some(route) = route.filter(|_| !path::is_inner(matched)) else {
            return self.stop(None, RefusalReason::NotFound.into(), &AcceptedFormats::of(&request));
        };
        if !route.is_signup {
            self.diverts.ready().await;
        }
        let behind_proxy;
        let client = match peer {
            Peer::Client(client) => client,
            Peer::Proxy(proxy) => {
                let identity = ClientIdentity::behind(*proxy, request.headers(), &self.trusted_proxies);
                behind_proxy = ForwardedClient::from(identity);
                &behind_proxy
            }
        };
        let forwardable = match self.begin_request(route, matched, &request, &client.keys) {
            Ok(begun) => self.acquire(route, &mut request, &client.keys, begun).await,
            Err(stop) => Err(stop),
        };
        match forwardable {
            Ok(forwardable) => {
                let (outbound, accepted) = self.prepare(request, route, path, client, forwardable);
                self.forward(route, outbound, accepted).await
            }
            Err(stop) => {
                let accepted = AcceptedFormats::of(&request).for_client(client.keys.client());
                self.stop(Some(route), stop, &accepted)
            }
        }
    }
}

fn routes(config: &Config) -> Vec<ProxyRoute> {
    let mut routes: Vec<ProxyRoute> = Vec::new();
    for (at, route) in config.routes.iter().enumerate() {
        // Once per process, and needed until it ends.
        let prefix: &'static str = Box::leak(route.prefix.clone().into_boxed_str());
        let name = if prefix.is_empty() { "/" } else { prefix };
        routes.push(ProxyRoute {
            prefix,
            upstream: route.upstream,
            limit: route.limit,
            is_signup: at < crate::config::SIGNUP_ROUTES,
            class: route.class,
            name,
            meter: RouteMeter::new(name),
        });
    }
    routes.sort_by_key(|route| std::cmp::Reverse(route.prefix.len()));
    routes
}

/// The normalised path if it differs from the request's own, or the reason why a proxy must not forward the request.
fn screen(request: &Request, via: &Via) -> Result<Option<PathAndQuery>, RefusalReason> {
    let headers = request.headers();
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Err(RefusalReason::Method);
    }
    if requests_upgrade(headers) {
        return Err(RefusalReason::Upgrade);
    }
    if headers::has_other_coding(headers) {
        return Err(RefusalReason::TransferCoding);
    }
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    let hosts = headers.get(header::HOST).map(header::HeaderValue::as_bytes).or(authority);
    // HTTP/1.0 requires no `Host` header.
    if !hosts.map_or(request.version() < Version::HTTP_11, headers::is_host) {
        return Err(RefusalReason::BadHost);
    }
    if via.is_loop(headers) {
        return Err(RefusalReason::Loop);
    }
    let target = request.uri().path_and_query().ok_or(RefusalReason::AmbiguousPath)?;
    match path::normal(target.path()).map_err(|_| RefusalReason::AmbiguousPath)? {
        std::borrow::Cow::Borrowed(_) => Ok(None),
        std::borrow::Cow::Owned(normal) => {
            let text = match target.query() {
                Some(query) => format!("{normal}?{query}"),
                None => normal,
            };
            PathAndQuery::try_from(text).map(Some).map_err(|_| RefusalReason::AmbiguousPath)
        }
    }
}

/// Whether the client requests another protocol. Some clients offer HTTP/2 with every request, which a server may ignore.
fn requests_upgrade(headers: &HeaderMap) -> bool {
    let mut protocols = headers.get_all(header::UPGRADE).iter();
    protocols.any(|protocol| !protocol.as_bytes().eq_ignore_ascii_case(b"h2c"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use queue::Queue;
    use service::Settings;
    use testkit::TempFolder;

    #[tokio::test]
    async fn the_future_of_a_request_is_small() {
        let (folder, ctx) = (TempFolder::new("gateway-size"), Context::system());
        let queue = Queue::open_sqlite(&folder.path().join("queue.db"), Arc::clone(&ctx.now)).await.unwrap();
        let settings = Settings::load(None, std::iter::empty(), &[]).unwrap();
        let config = Config::read(&mut settings.part("gateway"));
        let gateway =
            Gateway::new(&config, Diverts::start(std::future::ready(queue), config.events_wait, &ctx), &ctx);
        let peer = gateway.connect(([192, 0, 2, 1], 1).into());
        let size = size_of_val(&gateway.handle(Request::new(Body::empty()), &peer));
        assert!(size <= 2048, "{size}");
    }
}
