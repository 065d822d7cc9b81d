//! The gateway's settings: routes, upstreams and limits. All have defaults, except the addresses of a shop's services.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use axum::http::Uri;
use axum::http::uri::{Authority, Scheme};
use domain::EventId;
use service::config::Part;
use service::http::{Limits, Network, TlsFiles};

use crate::access_log::AccessLogConfig;
use crate::class::RequestClass;

/// The default of `listen`.
const LISTEN: &str = "127.0.0.1:8000";
/// The name of the signup service's upstream.
const SIGNUP: &str = "signup";
/// The default of its `url`.
const SIGNUP_URL: &str = "http://127.0.0.1:8080";
/// The most addresses of one upstream.
const ADDRESSES_MAX: usize = 64;
/// How many of the routes are the signup service's own; they come first.
pub(crate) const SIGNUP_ROUTES: usize = SIGNUP_PREFIXES.len();
/// Prefix and limit of each route to the signup service. No configured route can override them.
const SIGNUP_PREFIXES: [(&str, &str); 5] = [
    ("/e", "signup"),
    ("/a", "signup"),
    ("/application/com", "signup"),
    ("/event/com", "poll"),
    ("/.well-known/jwks.json", "poll"),
];

/// The gateway's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The certificate and key of TLS; `None` for plain text.
    pub tls: Option<TlsFiles>,
    /// An address on which plain HTTP is answered with the same address in https.
    pub redirect_listen: Option<SocketAddr>,
    /// The services behind the gateway.
    pub upstreams: Vec<UpstreamConfig>,
    /// The upstream and limit of each path prefix.
    pub routes: Vec<RouteConfig>,
    /// The rates of groups of routes, per client and of all clients together.
    pub limits: Vec<LimitConfig>,
    /// Proxies before the gateway, whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<Network>,
    /// Requests of one client in flight; more get 429. The default is a quarter of an upstream's connections, so that no client
    /// occupies all of them. 200 phones behind one address that poll once a second have 20 requests in flight if
    /// each response takes 100 ms.
    pub client_in_flight_max: usize,
    /// Clients that have a bucket, over all limits: 8 bytes each, rounded up to a power of two. A further client replaces the one whose
    /// bucket is the fullest.
    pub keys_max: usize,
    /// How long after the start the shop's requests wait for the diverted paths; after it they are forwarded undiverted.
    pub events_wait: Duration,
    /// How long after the signal to stop the gateway goes on serving, so that load balancers learn of it from the health address.
    pub drain_delay: Duration,
    /// The file with the public keys of passes, a JWKS. It is read again when it changes.
    pub pass_keys: Option<PathBuf>,
    /// The access log.
    pub access_log: AccessLogConfig,
    /// The limits of a connection.
    pub http: Limits,
}

/// A service behind the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamConfig {
    /// The name in routes and metrics.
    pub name: String,
    /// Host and port of each process; each request goes to the one with the fewest in flight.
    pub authorities: Vec<Authority>,
    /// The most requests in flight at all processes together, and so the most connections; further ones wait in the queue of their
    /// class, or get 503. While a process is away, its share is left out.
    pub connections_max: usize,
    /// The longest time that an order waits for one of them; half of it while the queue of orders has not been empty for 100 ms.
    pub order_wait: Duration,
    /// The longest time to establish a connection.
    pub connect_timeout: Duration,
    /// From the end of the request to the response headers; longer is 504.
    pub answer_timeout: Duration,
    /// The longest pause within a response.
    pub pause_timeout: Duration,
    /// The whole exchange, from the request headers to the last byte of the response.
    pub exchange_timeout: Duration,
    /// How long an idle connection is kept. It must be less than the service's own idle timeout, or requests are sent on closed
    /// connections; Node's 5 s is the shortest common default.
    pub idle_timeout: Duration,
}

/// The upstream and limit of a path prefix. The longest prefix wins; it ends at a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteConfig {
    /// Without a slash at its end; empty for everything.
    pub prefix: String,
    /// Index of the upstream.
    pub upstream: usize,
    /// Index of the limit.
    pub limit: usize,
    /// Which requests the upstream serves first.
    pub class: RequestClass,
    /// The event whose pass a request needs.
    pub pass: Option<EventId>,
}

/// The rates of a group of routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitConfig {
    /// The name in routes and metrics.
    pub name: String,
    /// Of one client; more gets 429.
    pub per_client: Rate,
    /// The most requests at once, of a client that was idle before.
    pub burst: NonZeroU32,
    /// Of all clients together; more gets 503. Without it only the upstream's connections bound them.
    pub global: Option<Rate>,
}

/// Requests per unit of time: `20/s`, `300/m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The number of requests.
    pub count: NonZeroU32,
    /// The unit of time.
    pub per: Duration,
}

/// The text is not a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a rate is a number from 1 to 1000000 a second or a minute, as in 20/s or 300/m")]
pub struct BadRate;

impl FromStr for Rate {
    type Err = BadRate;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (count, unit) = text.split_once('/').ok_or(BadRate)?;
        let per = match unit.trim() {
            "s" => Duration::from_secs(1),
            "m" => Duration::from_mins(1),
            _ => return Err(BadRate),
        };
        let count: NonZeroU32 = count.trim().parse().map_err(|_| BadRate)?;
        if count.get() > 1_000_000 { Err(BadRate) } else { Ok(Self { count, per }) }
    }
}

/// The gateway's defaults of `[gateway]`'s HTTP settings: bodies as large as a shop's forms and pictures, timeouts for slow phones.
fn default_http() -> Limits {
    Limits {
        body_max: 1024 * 1024,
        body_read_timeout: Duration::from_secs(30),
        body_rate_min: 4096,
        response_rate_min: 4096,
        encoded_bodies: true,
        connections_per_client_max: 1024,
        http2: true,
        ..Limits::default()
    }
}

impl Config {
    /// Reads the settings and reports mistakes in this section.
    pub fn read(part: &mut Part<'_>) -> Self {
        let trusted_proxies = Network::read_all(part, "trusted_proxies");
        let http = Limits { proxies: trusted_proxies.clone(), ..default_http().read(part) };
        let mut config = Self {
            listen: part.parse("listen", LISTEN),
            tls: TlsFiles::read(part),
            redirect_listen: part.optional("redirect_listen"),
            upstreams: Vec::new(),
            routes: Vec::new(),
            limits: Vec::new(),
            trusted_proxies,
            client_in_flight_max: count(part, "client_in_flight_max", 64),
            keys_max: count(part, "keys_max", 1 << 20),
            events_wait: Duration::from_millis(
                part.duration_ms("events_wait", 10_000, 0..=600_000).unsigned_abs(),
            ),
            drain_delay: Duration::from_millis(
                part.duration_ms("drain_delay", 0, 0..=600_000).unsigned_abs(),
            ),
            pass_keys: part.optional_text("pass_keys").map(PathBuf::from),
            access_log: read_access_log(&mut part.part("access_log")),
            http,
        };
        if config.redirect_listen.is_some() && config.tls.is_none() {
            part.mistake("redirect_listen", "needs gateway.tls: it leads to https");
        }
        for (prefix, limit) in SIGNUP_PREFIXES {
            config.add(part, prefix, SIGNUP, limit, (RequestClass::Signup, None));
        }
        for mut route in part.list("route") {
            let (prefix, upstream) = (prefix(&mut route), route.required_text("upstream"));
            let limit = route.text("limit", "browse");
            let class_and_pass = (route.parse("class", "browse"), route.optional("pass"));
            if config.routes.iter().any(|other| other.prefix == prefix) {
                route.mistake("prefix", &format!("'{prefix}/' is routed already"));
            } else if is_name(&mut route, "upstream", &upstream) && is_name(&mut route, "limit", &limit) {
                config.add(part, &prefix, &upstream, &limit, class_and_pass);
            }
        }
        config
    }

    /// Replaces the address of the signup service, for the case that it runs in this process.
    pub fn set_signup_address(&mut self, address: SocketAddr) {
        for upstream in self.upstreams.iter_mut().filter(|upstream| upstream.name == SIGNUP) {
            let authority = Authority::try_from(address.to_string());
            upstream.authorities =
                vec![authority.unwrap_or_else(|_| unreachable!("an address is host and port"))];
        }
    }

    fn add(
        &mut self,
        part: &mut Part<'_>,
        prefix: &str,
        upstream: &str,
        limit: &str,
        (class, pass): (RequestClass, Option<EventId>),
    ) {
        let known = self.upstreams.iter().position(|known| known.name == upstream);
        let upstream = known.unwrap_or_else(|| {
            self.upstreams.push(read_upstream(&mut part.part("upstream").part(upstream), upstream));
            self.upstreams.len() - 1
        });
        let known = self.limits.iter().position(|known| known.name == limit);
        let limit = known.unwrap_or_else(|| {
            self.limits.push(read_limit(&mut part.part("limit").part(limit), limit));
            self.limits.len() - 1
        });
        self.routes.push(RouteConfig { prefix: prefix.to_owned(), upstream, limit, class, pass });
    }
}

/// Names are parts of setting keys and metrics labels.
fn is_name(part: &mut Part<'_>, key: &str, name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    let good = !name.is_empty() && name.len() <= 40 && name.bytes().all(plain);
    if !good && !name.is_empty() {
        part.mistake(key, "is a name of at most 40 of a-z, 0-9, '-' and '_'");
    }
    good
}

fn prefix(route: &mut Part<'_>) -> String {
    let text = route.required_text("prefix");
    let trimmed = text.trim_end_matches('/');
    let is_normal = crate::path::normal(&text).is_ok_and(|normal| normal == text);
    if !text.is_empty() && !is_normal {
        route.mistake("prefix", "is a path in its normal form, as in /products");
    }
    trimmed.to_owned()
}

fn count(part: &mut Part<'_>, key: &str, default: i64) -> usize {
    usize::try_from(part.integer(key, 1..=10_000_000, default)).unwrap_or(usize::MAX)
}

fn read_access_log(part: &mut Part<'_>) -> AccessLogConfig {
    AccessLogConfig {
        lines: part.parse("lines", "off"),
        format: part.parse("format", "json"),
        client: part.parse("client", "network"),
        file: part.optional_text("file").map(PathBuf::from),
    }
}

fn read_upstream(part: &mut Part<'_>, name: &str) -> UpstreamConfig {
    let mut urls = part.texts("url");
    if urls.is_empty() {
        match name {
            SIGNUP => urls.push(SIGNUP_URL.to_owned()),
            _ => part.mistake("url", "is missing: it is the service's address, or a list of them"),
        }
    }
    let authorities: Vec<Authority> = urls.iter().filter_map(|url| authority(url)).collect();
    if authorities.len() < urls.len() || urls.len() > ADDRESSES_MAX {
        let mistake =
            format!("is http://host:port, without a path, or a list of at most {ADDRESSES_MAX} of them");
        part.mistake("url", &mistake);
    }
    let order_wait = Duration::from_millis(part.duration_ms("order_wait", 300, 10..=10_000).unsigned_abs());
    let mut wait = |key: &str, default_ms: i64| {
        Duration::from_millis(part.duration_ms(key, default_ms, 10..=3_600_000).unsigned_abs())
    };
    UpstreamConfig {
        name: name.to_owned(),
        authorities,
        connect_timeout: wait("connect_timeout", 1000),
        answer_timeout: wait("answer_timeout", 10_000),
        pause_timeout: wait("pause_timeout", 60_000),
        exchange_timeout: wait("exchange_timeout", 300_000),
        idle_timeout: wait("idle_timeout", 4000),
        connections_max: count(part, "connections_max", 256),
        order_wait,
    }
}

fn authority(url: &str) -> Option<Authority> {
    let parts = url.parse::<Uri>().ok()?.into_parts();
    let is_bare = parts.path_and_query.is_none_or(|path| path.as_str() == "/");
    let authority = parts.authority.filter(|authority| !authority.as_str().contains('@'))?;
    (parts.scheme == Some(Scheme::HTTP) && is_bare).then_some(authority)
}

/// The default rate and burst per client, by the name of the limit. All are far above a person's needs, because an office, a school or
/// a mobile network may share one address: 200 phones that poll once a second are one client with 200 requests a second.
fn default_limit(name: &str) -> (&'static str, i64) {
    match name {
        // Cached documents: one process serves tens of thousands a second.
        "poll" => ("400/s", 1600),
        // 200 phones apply within the first second, and each loads its page.
        "signup" => ("100/s", 800),
        // A shop's page loads dozens of pictures at once.
        _ => ("50/s", 200),
    }
}

fn read_limit(part: &mut Part<'_>, name: &str) -> LimitConfig {
    let (per_client, burst) = default_limit(name);
    let burst = u32::try_from(part.integer("burst", 1..=1_000_000, burst)).unwrap_or(1);
    LimitConfig {
        name: name.to_owned(),
        per_client: part.parse("per_client", per_client),
        burst: NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN),
        global: part.optional("global"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use service::Settings;

    fn read(flags: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        let flags: Vec<_> = flags.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
        let mut settings = Settings::load(None, std::iter::empty(), &flags).unwrap();
        let config = Config::read(&mut settings.part("gateway"));
        settings.finish().map(|_| config).map_err(|mistakes| mistakes.lines().to_vec())
    }

    #[test]
    fn without_settings_only_the_signup_service_is_behind_the_gateway() {
        let config = read(&[]).unwrap();
        let prefixes: Vec<_> = config.routes.iter().map(|route| route.prefix.as_str()).collect();
        assert_eq!(prefixes, ["/e", "/a", "/application/com", "/event/com", "/.well-known/jwks.json"]);
        assert_eq!(config.upstreams.len(), 1);
        assert_eq!(config.listen, "127.0.0.1:8000".parse().unwrap());
        assert_eq!((config.http.body_max, config.http.http2), (1024 * 1024, true));
        assert_eq!((config.http.body_rate_min, config.http.response_rate_min), (4096, 4096));
    }

    #[test]
    fn a_shop_is_routed_by_prefix_with_limits_of_its_own() {
        let config = read(&[
            ("gateway.upstream.product.url", "http://10.0.0.9:8080/, http://10.0.0.10"),
            ("gateway.upstream.product.connections_max", "7"),
            ("gateway.route.0.prefix", "/products"),
            ("gateway.route.0.upstream", "product"),
            ("gateway.route.1.prefix", "/"),
            ("gateway.route.1.upstream", "product"),
            ("gateway.route.1.limit", "main"),
            ("gateway.route.2.prefix", "/orders"),
            ("gateway.route.2.upstream", "product"),
            ("gateway.route.2.class", "order"),
            ("gateway.route.2.pass", "spring"),
            ("gateway.upstream.product.order_wait", "200ms"),
            ("gateway.limit.main.per_client", "30/m"),
            ("gateway.limit.main.global", "2000/s"),
            ("gateway.trusted_proxies", "10.0.0.0/8, 192.0.2.1"),
        ])
        .unwrap();
        let product = &config.upstreams[1];
        assert_eq!(product.authorities[1].as_str(), "10.0.0.10");
        assert_eq!((product.authorities[0].as_str(), product.connections_max), ("10.0.0.9:8080", 7));
        let class = RequestClass::Browse;
        let root = RouteConfig { prefix: String::new(), upstream: 1, limit: 3, class, pass: None };
        assert_eq!(config.routes[6], root);
        assert_eq!(config.routes[7].pass, Some("spring".parse().unwrap()));
        let classes: Vec<RequestClass> = config.routes.iter().map(|route| route.class).collect();
        assert_eq!(classes[..5], [RequestClass::Signup; 5]);
        assert_eq!(classes[5..], [RequestClass::Browse, RequestClass::Browse, RequestClass::Order]);
        assert_eq!(product.order_wait, Duration::from_millis(200));
        assert_eq!(config.limits[3].per_client.per, Duration::from_mins(1));
        assert_eq!(config.limits[3].global.unwrap().count.get(), 2000);
        assert_eq!(config.http.proxies.len(), 2);
    }

    #[test]
    fn every_mistake_is_reported_with_its_key() {
        let mistakes = read(&[
            ("gateway.upstream.typo.url", "http://10.0.0.9"),
            ("gateway.upstream.main.url", "https://10.0.0.9"),
            ("gateway.route.0.prefix", "/a/../b"),
            ("gateway.route.0.upstream", "main"),
            ("gateway.route.1.prefix", "/e/"),
            ("gateway.route.1.upstream", "main"),
            ("gateway.route.2.prefix", "/x"),
            ("gateway.route.2.upstream", "product"),
            ("gateway.route.2.class", "signup"),
            ("gateway.route.2.pass", "Spring!"),
            ("gateway.limit.signup.per_client", "0/s"),
            ("gateway.access_log.lines", "some"),
            ("gateway.access_log.format", "xml"),
            ("gateway.access_log.client", "all"),
            ("gateway.trusted_proxies", "10.0.0.0/99"),
            ("gateway.redirect_listen", "0.0.0.0:80"),
        ])
        .unwrap_err();
        for key in [
            "gateway.upstream.typo.url",
            "gateway.upstream.main.url",
            "gateway.route.0.prefix",
            "gateway.route.1.prefix",
            "gateway.upstream.product.url",
            "gateway.route.2.class",
            "gateway.route.2.pass",
            "gateway.limit.signup.per_client",
            "gateway.access_log.lines",
            "gateway.access_log.format",
            "gateway.access_log.client",
            "gateway.trusted_proxies",
            "gateway.redirect_listen",
        ] {
            assert!(mistakes.iter().any(|line| line.contains(key)), "{key}: {mistakes:?}");
        }
    }
}
