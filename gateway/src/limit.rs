//! Rate limits: requests per client, and of all clients together. Concurrency is limited elsewhere (`in_flight`, `upstream`).

mod client_table;
mod in_flight;
mod monotonic_clock;

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use domain::Now;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use metrics::Counter;

use crate::client::{ClientKey, ClientKeys};
use crate::config::{Config, LimitConfig, Rate};
use client_table::{BucketRate, ClientTable};
pub(crate) use in_flight::{InFlight, InFlightGuard};
use monotonic_clock::MonotonicClock;

/// The rate of all clients together. governor serves it well: there are as many keys as limits.
type Global = RateLimiter<NotKeyed, InMemoryState, MonotonicClock, NoOpMiddleware<Nanos>>;

/// The limits of all groups of routes.
pub(crate) struct RateLimits {
    buckets: Arc<Buckets>,
    groups: Vec<Limit>,
}

/// The buckets of all clients, which outlive the limits when those change.
struct Buckets {
    table: ClientTable,
    clock: MonotonicClock,
}

/// The limit of a group of routes.
struct Limit {
    /// Distinguishes the buckets of this limit from the client's other ones.
    salt: u64,
    per_client: BucketRate,
    global: Option<Global>,
    policy: HeaderValue,
    name: String,
}

/// A request that was counted for its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CountedRequest {
    /// In how many buckets: the client's, and those of its networks up to the first that exceeds its rate.
    buckets: usize,
    /// Whether a network that the client is in exceeds its rate. The client may be one of many there, and is not at fault.
    pub(crate) is_crowded: bool,
}

/// A client exceeds its rate.
#[derive(Debug, Clone)]
pub(crate) struct RateExceeded {
    /// Until the next request is due.
    pub(crate) wait: Duration,
    /// `RateLimit-Policy`.
    pub(crate) policy: HeaderValue,
    /// `RateLimit`.
    pub(crate) state: HeaderValue,
}

impl RateExceeded {
    /// The wait in whole seconds.
    pub(crate) fn wait_s(&self) -> u64 {
        whole_seconds(self.wait)
    }
}

impl RateLimits {
    /// `replaced` counts clients whose bucket was replaced before it was full.
    pub(crate) fn new(config: &Config, now: &Now, replaced: Counter) -> Self {
        let table = ClientTable::new(config.keys_max, replaced);
        let buckets = Arc::new(Buckets { table, clock: MonotonicClock::new(now) });
        Self { buckets, groups: Limit::all(config, now) }
    }

    /// These limits, changed to those of a config: a client that has used up its rate gets no new one by it.
    pub(crate) fn changed_to(&self, config: &Config, now: &Now) -> Self {
        Self { buckets: Arc::clone(&self.buckets), groups: Limit::all(config, now) }
    }

    /// Takes one request of a limit of the client, and of the networks that it is in.
    pub(crate) fn count(&self, limit: usize, client: &ClientKeys) -> Result<CountedRequest, RateExceeded> {
        let limit = &self.groups[limit];
        let now = self.buckets.clock.micros();
        let mut buckets = 0;
        for (key, times) in client.all() {
            match self.buckets.table.take(limit.key(key), limit.per_client.times(times), now) {
                Ok(()) => buckets += 1,
                Err(wait) if buckets == 0 => return Err(limit.exceeded(wait)),
                Err(_) => return Ok(CountedRequest { buckets, is_crowded: true }),
            }
        }
        Ok(CountedRequest { buckets, is_crowded: false })
    }

    /// Returns a request to the client's limit: it was refused for a cause that is not the client's.
    pub(crate) fn refund(&self, limit: usize, client: &ClientKeys, request: CountedRequest) {
        let limit = &self.groups[limit];
        for (key, times) in client.all().take(request.buckets) {
            self.buckets.table.refund(limit.key(key), limit.per_client.times(times));
        }
    }

    /// Takes further requests of a limit of the client, as many as it has at most.
    pub(crate) fn charge(&self, limit: usize, client: &ClientKeys, requests: u32) {
        let limit = &self.groups[limit];
        let now = self.buckets.clock.micros();
        for (key, times) in client.all() {
            let rate = limit.per_client.times(times);
            for _ in 0..requests {
                if self.buckets.table.take(limit.key(key), rate, now).is_err() {
                    break;
                }
            }
        }
    }

    /// Takes one request of the limit of all clients; false if it is used up.
    pub(crate) fn allows_any(&self, limit: usize) -> bool {
        self.groups[limit].global.as_ref().is_none_or(|global| global.check().is_ok())
    }
}

impl Limit {
    fn all(config: &Config, now: &Now) -> Vec<Self> {
        config.limits.iter().map(|limit| Self::new(limit, now)).collect()
    }

    fn new(config: &LimitConfig, now: &Now) -> Self {
        let global = config.global.map(|rate| {
            // A burst of a tenth of a second, so that a crowd passes evenly.
            let burst = NonZeroU32::new(rate.count.get() / 10).unwrap_or(NonZeroU32::MIN);
            RateLimiter::new(quota(rate, burst), InMemoryState::default(), MonotonicClock::new(now))
        });
        Self {
            // By the name, so that a client keeps its buckets when other limits come or go. Both the set and the tag of a bucket differ.
            salt: BuildHasherDefault::<DefaultHasher>::default().hash_one(&config.name),
            per_client: BucketRate::new(config.per_client, config.burst),
            global,
            policy: policy(config),
            name: config.name.clone(),
        }
    }

    /// The key of a client's bucket.
    fn key(&self, client: ClientKey) -> u64 {
        client.hash().wrapping_add(self.salt)
    }

    fn exceeded(&self, wait: Duration) -> RateExceeded {
        let seconds = whole_seconds(wait);
        let state = header_value(&format!("\"{}\";r=0;t={seconds}", self.name));
        RateExceeded { wait, policy: self.policy.clone(), state }
    }
}

impl BucketRate {
    fn new(rate: Rate, burst: NonZeroU32) -> Self {
        let period = u64::try_from(rate.per.as_micros()).unwrap_or(u64::MAX) / u64::from(rate.count.get());
        Self { period, tolerance: period * u64::from(burst.get() - 1) }
    }

    /// The rate and the burst of so many clients.
    fn times(self, times: usize) -> Self {
        let period = (self.period / times as u64).max(1);
        // As many times the requests at once, in the same time.
        Self { period, tolerance: self.tolerance + self.period - period }
    }
}

/// `RateLimit-Policy` of a limit: the burst, and the time in which an empty bucket fills up (draft-ietf-httpapi-ratelimit-headers).
fn policy(config: &LimitConfig) -> HeaderValue {
    let time = config.per_client.per.saturating_mul(config.burst.get()) / config.per_client.count.get();
    header_value(&format!("\"{}\";q={};w={}", config.name, config.burst, whole_seconds(time)))
}

/// A time in seconds, rounded up, and at least one: a client that may retry after 0 seconds retries at once.
fn whole_seconds(time: Duration) -> u64 {
    time.as_millis().div_ceil(1000).max(1).try_into().unwrap_or(u64::MAX)
}

fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| unreachable!("a limit's name is plain text"))
}

fn quota(rate: Rate, burst: NonZeroU32) -> Quota {
    let period = rate.per / rate.count.get();
    match Quota::with_period(period) {
        Some(quota) => quota.allow_burst(burst),
        None => unreachable!("a rate is at most a million per second, so the period is not zero"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::ManualClock;

    /// One limit, the clock, and a config's other settings by default.
    fn limits(
        per_client: &str,
        burst: u32,
        global: Option<&str>,
        keys_max: usize,
    ) -> (RateLimits, ManualClock) {
        let clock = ManualClock::at(1_000_000);
        let settings = service::Settings::load(None, std::iter::empty(), &[]).unwrap();
        let mut config = Config::read(&mut settings.part("gateway"));
        config.keys_max = keys_max;
        config.limits = vec![LimitConfig {
            name: "x".into(),
            per_client: per_client.parse().unwrap(),
            burst: burst.try_into().unwrap(),
            global: global.map(|rate| rate.parse().unwrap()),
        }];
        (RateLimits::new(&config, &clock.now(), Counter::noop()), clock)
    }

    fn client(n: u32) -> ClientKeys {
        ClientKeys::of(std::net::Ipv4Addr::from_bits(n).into())
    }

    fn granted(limits: &RateLimits, client: &ClientKeys, of: usize) -> usize {
        (0..of).filter(|_| limits.count(0, client).is_ok()).count()
    }

    #[test]
    fn a_client_gets_its_burst_and_then_its_rate() {
        let (limits, clock) = limits("20/s", 40, None, 1000);
        assert_eq!(granted(&limits, &client(1), 100), 40);
        assert_eq!(granted(&limits, &client(2), 1), 1);
        clock.advance(500);
        assert_eq!(granted(&limits, &client(1), 100), 10);
        clock.advance(60_000);
        assert_eq!(granted(&limits, &client(1), 100), 40);
    }

    #[test]
    fn the_fastest_and_the_slowest_rate_are_exact() {
        for (rate, burst, ms, expected) in [
            ("1000000/s", 1, 1, 1),
            ("1000000/s", 1000, 1, 1000),
            ("1/m", 1, 59_999, 0),
            ("1/m", 1, 60_000, 1),
        ] {
            let (limits, clock) = limits(rate, burst, None, 1000);
            granted(&limits, &client(1), 2000);
            clock.advance(ms);
            assert_eq!(granted(&limits, &client(1), 2000), expected, "{rate}, {burst} at once, {ms} ms");
        }
    }

    #[test]
    fn a_refunded_request_can_be_sent_again_and_a_full_bucket_stays_full() {
        for keys_max in [1000, 1] {
            let (limits, clock) = limits("20/s", 40, None, keys_max);
            for _ in 0..1000 {
                let request = limits.count(0, &client(1)).unwrap();
                limits.refund(0, &client(1), request);
            }
            limits.refund(0, &client(2), CountedRequest { buckets: 1, is_crowded: false });
            assert_eq!(granted(&limits, &client(1), 100), 40);
            clock.advance(60_000);
            limits.refund(0, &client(1), CountedRequest { buckets: 1, is_crowded: false });
            assert_eq!(granted(&limits, &client(1), 100), 40);
        }
    }

    #[test]
    fn a_charge_takes_what_there_is_and_delays_no_longer() {
        let (limits, clock) = limits("20/s", 40, None, 1000);
        limits.charge(0, &client(1), 10);
        assert_eq!(granted(&limits, &client(1), 100), 30);
        limits.charge(0, &client(1), 1000);
        clock.advance(500);
        assert_eq!(granted(&limits, &client(1), 100), 10);
    }

    #[test]
    fn all_clients_together_get_the_global_rate() {
        let (limits, clock) = limits("20/s", 40, Some("100/s"), 1000);
        let granted = |limits: &RateLimits| (0..1000).filter(|_| limits.allows_any(0)).count();
        assert_eq!(granted(&limits), 10);
        clock.advance(1000);
        assert_eq!(granted(&limits), 10);
    }

    #[test]
    fn a_clock_set_back_locks_no_client_out() {
        let (limits, clock) = limits("20/s", 40, None, 1000);
        granted(&limits, &client(1), 100);
        clock.advance(-3_600_000);
        assert_eq!(granted(&limits, &client(1), 1), 0);
        clock.advance(1000);
        assert_eq!(granted(&limits, &client(1), 100), 20);
    }

    #[test]
    fn an_ipv6_network_over_its_rate_is_crowded_and_its_clients_keep_their_own() {
        let (limits, clock) = limits("20/s", 40, None, 1000);
        let client = |n: u32| ClientKeys::of(format!("2001:db8:0:{n:x}::1").parse().unwrap());
        let is_crowded = |n: u32| limits.count(0, &client(n)).unwrap().is_crowded;
        // Each client is within its burst of 40; four of them use up that of the /56.
        for n in 0..4 {
            assert!((0..40).all(|_| !is_crowded(n)), "{n}");
        }
        assert!((4..10).all(is_crowded));
        assert!(!is_crowded(0x100), "the next /56");
        clock.advance(1000);
        assert_eq!((10..200).filter(|n| !is_crowded(*n)).count(), 80, "20/s of each of four clients");
        // A refund returns what was taken, and no more.
        let request = limits.count(0, &client(201)).unwrap();
        limits.refund(0, &client(201), request);
        assert!(is_crowded(202));
        clock.advance(13);
        let request = limits.count(0, &client(203)).unwrap();
        assert!(!request.is_crowded && is_crowded(204));
        limits.refund(0, &client(203), request);
        assert!(!is_crowded(205) && is_crowded(206));
    }

    #[test]
    fn a_refused_client_is_told_its_policy_and_when_to_come_again() {
        let (limits, _clock) = limits("30/m", 10, None, 1000);
        assert_eq!(granted(&limits, &client(1), 100), 10);
        let exceeded = limits.count(0, &client(1)).unwrap_err();
        assert_eq!(exceeded.wait, Duration::from_secs(2));
        assert_eq!(
            (&exceeded.policy, &exceeded.state),
            (&"\"x\";q=10;w=20".parse().unwrap(), &"\"x\";r=0;t=2".parse().unwrap())
        );
    }
}
