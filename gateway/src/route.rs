//! The routes: which upstream and which limit the paths below a prefix have.

use crate::class::RequestClass;
use crate::config::{self, Config};
use crate::error::EventResponses;
use crate::meter::RouteMeter;
use crate::page::RefusalPage;
use domain::EventId;

/// The upstream and the limit of the paths below a prefix.
pub(crate) struct ProxyRoute {
    pub(crate) prefix: &'static str,
    pub(crate) upstream: usize,
    pub(crate) upstream_name: &'static str,
    pub(crate) limit: usize,
    /// Whether it leads to the signup service, so that no event diverts it.
    pub(crate) is_signup: bool,
    pub(crate) class: RequestClass,
    /// The event whose pass a request needs.
    pub(crate) protection: Option<RouteProtection>,
    pub(crate) name: &'static str,
    pub(crate) meter: RouteMeter,
}

/// The event whose pass a route needs, with the responses to requests without it.
pub(crate) struct RouteProtection {
    pub(crate) event: EventId,
    pub(crate) responses: EventResponses,
}

impl RouteProtection {
    fn new(event: EventId) -> Self {
        Self { responses: EventResponses::new(&event, &RefusalPage::new()), event }
    }
}

/// All routes, the longest prefix first.
pub(crate) fn all(settings: &Config) -> Vec<ProxyRoute> {
    let mut routes: Vec<ProxyRoute> = Vec::new();
    for (at, route) in settings.routes.iter().enumerate() {
        // Once per process and reload: metrics and log lines name it until the process ends.
        let prefix: &'static str = Box::leak(route.prefix.clone().into_boxed_str());
        let name = if prefix.is_empty() { "/" } else { prefix };
        routes.push(ProxyRoute {
            prefix,
            upstream: route.upstream,
            upstream_name: settings.upstreams[route.upstream].name.clone().leak(),
            limit: route.limit,
            is_signup: at < config::SIGNUP_ROUTES,
            class: route.class,
            protection: route.pass.clone().map(RouteProtection::new),
            name,
            meter: RouteMeter::new(name),
        });
    }
    routes.sort_by_key(|route| std::cmp::Reverse(route.prefix.len()));
    routes
}
