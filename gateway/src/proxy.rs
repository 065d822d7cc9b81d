//! The steps of each request: match, limit, divert, forward. The cheapest checks come first, and no step reads a store: the events
//! come from `divert`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::Method;
use axum::http::uri::PathAndQuery;
use domain::{Now, Rng};
use service::http::{Handler, HandlerResponse, Network, ResponseRecord};
use service::{Context, Tasks};

use crate::access_log::{AccessEntry, AccessLog};
use crate::body_start::BodyStart;
use crate::class::RequestClass;
use crate::client::{ClientIdentity, ClientKeys};
use crate::config::{Config, UpstreamConfig};
use crate::divert::{Divert, Diverts};
use crate::error::{AcceptedFormats, ErrorResponses, RefusalReason};
use crate::handled::{HandledRequest, Stop, UNROUTED};
use crate::headers::{self, Via};
use crate::health;
use crate::limit::{CountedRequest, InFlight, InFlightGuard, RateLimits};
use crate::meter::{self, RouteMeter};
use crate::pass::{Passes, VerifiedPass};
use crate::path;
use crate::peer::{ForwardedClient, Peer};
use crate::route::{self, ProxyRoute};
use crate::screen::screen;
use crate::upstream::{OutboundRequest, Permit, Upstream};

/// What a pass with a wrong signature costs its client, in requests of its rate. Of the 50 requests a second of a shopper, a client that
/// forges passes has two and a half, and each takes about 30 us of the CPU to verify.
const FORGED_PASS_COST: u32 = 20;

/// The gateway's state, shared by all connections.
pub(crate) struct Gateway {
    /// The longest prefix first.
    routes: Vec<ProxyRoute>,
    /// Counts requests that match no route.
    unrouted: RouteMeter,
    upstreams: Vec<Arc<Upstream>>,
    limits: RateLimits,
    in_flight: Arc<InFlight>,
    error_responses: ErrorResponses,
    diverts: Arc<Diverts>,
    passes: Arc<Passes>,
    trusted_proxies: Vec<Network>,
    /// Whether clients connect over TLS.
    is_tls: bool,
    via: Via,
    now: Now,
    rng: Rng,
    access_log: Option<Arc<AccessLog>>,
    tasks: Tasks,
}

/// A request that counts for its client.
struct BegunRequest {
    counted: CountedRequest,
    in_flight: InFlightGuard,
    pass: Option<Arc<VerifiedPass>>,
}

/// What a request needs to be forwarded.
struct Forwardable {
    permit: Permit,
    body_start: BodyStart,
    pass: Option<Arc<VerifiedPass>>,
}

impl Gateway {
    pub(crate) fn new(
        config: &Config,
        diverts: Arc<Diverts>,
        passes: Arc<Passes>,
        access_log: Option<Arc<AccessLog>>,
        ctx: &Context,
    ) -> Self {
        Self {
            routes: route::all(config),
            unrouted: RouteMeter::new(UNROUTED),
            upstreams: config.upstreams.iter().map(Upstream::new).map(Arc::new).collect(),
            limits: RateLimits::new(config, &ctx.now, meter::replaced_keys()),
            in_flight: Arc::new(InFlight::new(config.client_in_flight_max)),
            error_responses: ErrorResponses::new(),
            diverts,
            passes,
            trusted_proxies: config.trusted_proxies.clone(),
            is_tls: config.tls.is_some(),
            via: Via::new(&ctx.rng),
            now: Arc::clone(&ctx.now),
            rng: Arc::clone(&ctx.rng),
            access_log,
            tasks: ctx.tasks.clone(),
        }
    }

    /// This gateway with the routes, upstreams and limits of another config. What clients and services have in flight still counts.
    pub(crate) fn changed_to(&self, config: &Config) -> Self {
        let changed = |config: &UpstreamConfig| {
            let known = self.upstreams.iter().find(|upstream| upstream.config.name == config.name);
            match known {
                Some(known) if known.config == *config => Arc::clone(known),
                Some(known) => Arc::new(known.changed_to(config)),
                None => Arc::new(Upstream::new(config)),
            }
        };
        Self {
            routes: route::all(config),
            unrouted: RouteMeter::new(UNROUTED),
            upstreams: config.upstreams.iter().map(changed).collect(),
            limits: self.limits.changed_to(config, &self.now),
            in_flight: Arc::new(self.in_flight.with_max(config.client_in_flight_max)),
            error_responses: ErrorResponses::new(),
            diverts: Arc::clone(&self.diverts),
            passes: Arc::clone(&self.passes),
            trusted_proxies: self.trusted_proxies.clone(),
            is_tls: self.is_tls,
            via: self.via.clone(),
            now: Arc::clone(&self.now),
            rng: Arc::clone(&self.rng),
            access_log: self.access_log.clone(),
            tasks: self.tasks.clone(),
        }
    }

    /// Looks after the upstreams, once a period.
    pub(crate) fn tick(&self) {
        for upstream in &self.upstreams {
            upstream.tick();
            upstream.read_for_stalled_clients();
        }
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
        let upstream_max = self.upstreams[route.upstream].config.connections_max;
        let Some(in_flight) = self.in_flight.begin(*client, route.upstream, upstream_max) else {
            self.limits.refund(route.limit, client, counted);
            return Err(RefusalReason::TooManyAtOnce.into());
        };
        let pass = if route.is_signup { None } else { self.check_event(route, path, request, client)? };
        Ok(BegunRequest { counted, in_flight, pass })
    }

    /// The valid pass of a request to the shop. Refuses the request if its path needs another pass, or if an event diverts it.
    fn check_event(
        &self,
        route: &ProxyRoute,
        path: &str,
        request: &Request,
        client: &ClientKeys,
    ) -> Result<Option<Arc<VerifiedPass>>, Stop> {
        let checked = self.passes.check(request.headers());
        if checked.forged > 0 {
            self.limits.charge(route.limit, client, checked.forged * FORGED_PASS_COST);
        }
        if let Some(protection) = &route.protection {
            let pass = checked.of_event(&protection.event);
            pass.map_err(|reason| Stop::to_event(reason, &protection.responses, request))?;
        }
        // An applicant with a pass has waited already, and orders there now.
        let diverted = |divert: &Divert| {
            let has_pass = checked.of_event(divert.event()).is_ok();
            (!has_pass).then(|| Stop::to_event(RefusalReason::Diverted, &divert.responses, request))
        };
        match self.diverts.map_diverted(path, diverted).flatten() {
            Some(stop) => Err(stop),
            None => Ok(checked.into_valid()),
        }
    }

    /// Reads the start of the body, and then acquires the permit to forward the request, unless the upstream or the global rate is at
    /// its limit. That is no fault of the client, so the request does not count for the client's rate.
    async fn acquire(
        &self,
        route: &ProxyRoute,
        request: &mut Request,
        client: &ClientKeys,
        BegunRequest { counted, in_flight, pass }: BegunRequest,
    ) -> Result<Forwardable, Stop> {
        let upstream = &self.upstreams[route.upstream];
        let body_start = BodyStart::read(request).await.map_err(|_| RefusalReason::BodyBroken)?;
        let headers = request.headers();
        let class = || match RequestClass::of(route.class, pass.is_some(), headers) {
            // Orders and signups are worth the same on a crowded network.
            RequestClass::Browse if counted.is_crowded => RequestClass::Bot,
            class => class,
        };
        let reason = match upstream.acquire(class).await {
            // Last, so that a request that is refused anyway uses no part of the global rate.
            Some(permit) if self.limits.allows_any(route.limit) => {
                return Ok(Forwardable { permit: Permit::new(permit, in_flight), body_start, pass });
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
        if let Some(pass) = &forwardable.pass {
            pass.add_headers(request.headers_mut());
        }
        (OutboundRequest::new(request, forwardable.body_start, path, forwardable.permit), accepted)
    }

    /// The entry of a request in the access log, if it has one. It names the trace that the upstream sees.
    fn access_entry(
        &self,
        request: &mut Request,
        path: &Result<Option<PathAndQuery>, RefusalReason>,
        client: &ForwardedClient,
    ) -> Option<AccessEntry> {
        let log = self.access_log.as_ref()?;
        headers::ensure_traceparent(request.headers_mut(), &self.rng);
        let normal = path.as_ref().ok().and_then(Option::as_ref);
        log.entry(request, normal, path.is_ok(), client.address)
    }

    /// The route of a path.
    fn route(&self, path: &str) -> Result<&ProxyRoute, RefusalReason> {
        let route = self.routes.iter().find(|route| path::is_below(path, route.prefix));
        route.filter(|_| !path::is_inner(path)).ok_or(RefusalReason::NotFound)
    }

    async fn forward<'a>(
        &'a self,
        route: &'a ProxyRoute,
        outbound: OutboundRequest,
        accepted: AcceptedFormats,
    ) -> HandledRequest<'a> {
        match self.upstreams[route.upstream].exchange(outbound).await {
            Ok(mut response) => {
                headers::return_to_client(response.headers_mut());
                route.meter.responded(response.status());
                HandledRequest { response, route: Some(route), reason: None, as_is: true }
            }
            Err(reason) => self.stop(Some(route), reason.into(), &accepted),
        }
    }

    fn stop<'a>(
        &self,
        route: Option<&'a ProxyRoute>,
        stop: Stop,
        accepted: &AcceptedFormats,
    ) -> HandledRequest<'a> {
        let meter = route.map_or(&self.unrouted, |route| &route.meter);
        let (reason, response) = match stop {
            Stop::Refused(reason) => (reason, self.error_responses.response(reason, accepted)),
            Stop::TooFast(exceeded) => {
                (RefusalReason::TooFast, self.error_responses.too_fast(*exceeded, accepted))
            }
            Stop::ToEvent(reason, response) => (reason, *response),
        };
        meter.refused(reason);
        meter.responded(response.status());
        HandledRequest { response, route, reason: Some(reason), as_is: false }
    }
}

impl Handler for Gateway {
    type Connection = Peer;

    fn connect(&self, peer: SocketAddr) -> Peer {
        Peer::of(peer.ip(), self.is_tls, &self.trusted_proxies)
    }

    /// The upstream's response, or the gateway's own.
    async fn handle(&self, mut request: Request, peer: &Peer) -> HandlerResponse {
        if let Some(response) = health::response(&request, &self.tasks) {
            return response;
        }
        let path = screen(&request, &self.via);
        let behind_proxy;
        let client = match peer {
            Peer::Client(client) => client,
            Peer::Proxy(proxy) => {
                let identity = ClientIdentity::behind(*proxy, request.headers(), &self.trusted_proxies);
                behind_proxy = ForwardedClient::from(identity);
                &behind_proxy
            }
        };
        let entry = self.access_entry(&mut request, &path, client);
        // Not in a function of its own: the future would hold the request once more.
        let matched = |path: &Option<PathAndQuery>, request: &Request| {
            self.route(path.as_ref().map_or(request.uri().path(), PathAndQuery::path))
        };
        let handled = match path.and_then(|path| matched(&path, &request).map(|route| (path, route))) {
            Ok((path, route)) => {
                if !route.is_signup {
                    self.diverts.ready().await;
                }
                let matched = path.as_ref().map_or(request.uri().path(), PathAndQuery::path);
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
            Err(reason) => self.stop(None, reason.into(), &AcceptedFormats::of(&request)),
        };
        handled.into_response(entry)
    }

    fn record_of_listener(&self, method: &Method, peer: &Peer) -> Option<Box<dyn ResponseRecord>> {
        let entry = self.access_log.as_ref()?.empty_entry(method, peer.address())?;
        Some(Box::new(entry))
    }
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
        let gateway = Gateway::new(
            &config,
            Diverts::start(std::future::ready(queue), config.events_wait, &ctx),
            Passes::start(None, None, &ctx).unwrap(),
            None,
            &ctx,
        );
        let peer = gateway.connect(([192, 0, 2, 1], 1).into());
        let size = size_of_val(&gateway.handle(Request::new(Body::empty()), &peer));
        assert!(size <= 2048, "{size}");
    }
}
