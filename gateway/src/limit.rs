//! Rate limits: requests per client, and of all clients together. Concurrency is limited elsewhere (`in_flight`, `upstream`).

mod client_buckets;
mod in_flight;
mod monotonic_clock;

use std::num::NonZeroU32;

use domain::Now;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::client::ClientKey;
use crate::config::{LimitConfig, Rate};
use client_buckets::ClientBuckets;
pub(crate) use in_flight::{InFlight, InFlightGuard};
use monotonic_clock::MonotonicClock;

type PerClient = RateLimiter<ClientKey, ClientBuckets, MonotonicClock, NoOpMiddleware<Nanos>>;
type Global = RateLimiter<NotKeyed, InMemoryState, MonotonicClock, NoOpMiddleware<Nanos>>;

/// The limit of a group of routes.
pub(crate) struct Limit {
    per_client: PerClient,
    buckets: ClientBuckets,
    /// The time in which a client's bucket gains one request.
    period: Nanos,
    global: Option<Global>,
}

impl Limit {
    pub(crate) fn new(config: &LimitConfig, keys_max: usize, now: &Now) -> Self {
        let each = quota(config.per_client, config.burst);
        let buckets = ClientBuckets::new(keys_max);
        let per_client = RateLimiter::new(each, buckets.clone(), MonotonicClock::new(now));
        let global = config.global.map(|rate| {
            // A burst of a tenth of a second, so that a crowd passes evenly.
            let burst = NonZeroU32::new(rate.count.get() / 10).unwrap_or(NonZeroU32::MIN);
            RateLimiter::new(quota(rate, burst), InMemoryState::default(), MonotonicClock::new(now))
        });
        Self { per_client, buckets, period: each.replenish_interval().into(), global }
    }

    /// Takes one request of the client's limit; false if it is used up.
    pub(crate) fn allows_client(&self, client: ClientKey) -> bool {
        self.per_client.check_key(&client).is_ok()
    }

    /// Returns one request to the client's limit: it was refused for a cause that is not the client's.
    pub(crate) fn refund_client(&self, client: ClientKey) {
        self.buckets.refund(client, self.period);
    }

    /// Takes one request of the limit of all clients; false if it is used up.
    pub(crate) fn allows_any(&self) -> bool {
        self.global.as_ref().is_none_or(|global| global.check().is_ok())
    }

    /// Evicts clients whose bucket has refilled; returns how many remain.
    pub(crate) fn evict_idle(&self) -> usize {
        self.per_client.retain_recent();
        self.per_client.len()
    }
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

    fn limit(per_client: &str, burst: u32, global: Option<&str>, keys_max: usize) -> (Limit, ManualClock) {
        let clock = ManualClock::at(1_000_000);
        let config = LimitConfig {
            name: "x".into(),
            per_client: per_client.parse().unwrap(),
            burst: burst.try_into().unwrap(),
            global: global.map(|rate| rate.parse().unwrap()),
        };
        (Limit::new(&config, keys_max, &clock.now()), clock)
    }

    fn client(n: u32) -> ClientKey {
        crate::client::ClientKeys::of(std::net::Ipv4Addr::from_bits(n).into()).client()
    }

    fn granted(limit: &Limit, client: ClientKey, of: usize) -> usize {
        (0..of).filter(|_| limit.allows_client(client)).count()
    }

    #[test]
    fn a_client_gets_its_burst_and_then_its_rate() {
        let (limit, clock) = limit("20/s", 40, None, 1000);
        assert_eq!(granted(&limit, client(1), 100), 40);
        assert_eq!(granted(&limit, client(2), 1), 1);
        clock.advance(500);
        assert_eq!(granted(&limit, client(1), 100), 10);
        clock.advance(60_000);
        assert_eq!(granted(&limit, client(1), 100), 40);
    }

    #[test]
    fn a_refunded_request_can_be_sent_again_and_a_full_bucket_stays_full() {
        for keys_max in [1000, 1] {
            let (limit, clock) = limit("20/s", 40, None, keys_max);
            for _ in 0..1000 {
                assert!(limit.allows_client(client(1)));
                limit.refund_client(client(1));
            }
            limit.refund_client(client(2));
            assert_eq!(granted(&limit, client(1), 100), 40);
            clock.advance(60_000);
            limit.refund_client(client(1));
            assert_eq!(granted(&limit, client(1), 100), 40);
        }
    }

    #[test]
    fn all_clients_together_get_the_global_rate() {
        let (limit, clock) = limit("20/s", 40, Some("100/s"), 1000);
        let granted = |limit: &Limit| (0..1000).filter(|_| limit.allows_any()).count();
        assert_eq!(granted(&limit), 10);
        clock.advance(1000);
        assert_eq!(granted(&limit), 10);
    }

    #[test]
    fn a_clock_set_back_locks_no_client_out() {
        let (limit, clock) = limit("20/s", 40, None, 1000);
        granted(&limit, client(1), 100);
        clock.advance(-3_600_000);
        assert_eq!(granted(&limit, client(1), 1), 0);
        clock.advance(1000);
        assert_eq!(granted(&limit, client(1), 100), 20);
    }

    #[test]
    fn a_million_new_clients_use_bounded_memory_and_lock_no_known_client_out() {
        let (limit, clock) = limit("20/s", 40, None, 10_000);
        let known: Vec<_> = (0..100).map(|n| client(0x0a00_0000 + n)).collect();
        let mut refusals = 0;
        for n in 0..1_000_000 {
            // A second brings 100,000 new clients, five requests of each known client, and one eviction.
            if n % 20_000 == 0 {
                clock.advance(200);
                refusals += known.iter().filter(|client| !limit.allows_client(**client)).count();
            }
            if n % 100_000 == 90_000 {
                limit.evict_idle();
            }
            limit.allows_client(client(0xc000_0000 + n));
            assert!(n % 50_000 != 0 || limit.per_client.len() <= 10_000);
        }
        assert_eq!(refusals, 0, "clients known before the flood keep their own limit");
        assert!(limit.per_client.len() <= 10_000);
        // An abuser among the new clients is limited, too, and a new client is not locked out for good.
        assert!(granted(&limit, client(0xffff_0001), 10_000) <= 40);
        clock.advance(10_000);
        assert!(limit.allows_client(client(0xffff_0002)));
        clock.advance(120_000);
        assert_eq!(limit.evict_idle(), 0, "every client is evicted in the end");
    }
}
