//! How much a client may ask, and all together. It counts requests; how many an upstream bears at once is counted there.

mod clock;
mod in_flight;
mod keys;

use std::num::NonZeroU32;

use domain::Now;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::client::ClientKey;
use crate::config::{LimitConfig, Rate};
use clock::Steady;
pub(crate) use in_flight::{InFlight, InFlightGuard};
use keys::Keys;

type PerClient = RateLimiter<ClientKey, Keys, Steady, NoOpMiddleware<Nanos>>;
type Global = RateLimiter<NotKeyed, InMemoryState, Steady, NoOpMiddleware<Nanos>>;

/// The limit of a group of routes.
pub(crate) struct Limit {
    per_client: PerClient,
    global: Option<Global>,
}

impl Limit {
    pub(crate) fn new(config: &LimitConfig, keys_max: usize, now: &Now) -> Self {
        let each = quota(config.per_client, config.burst);
        let per_client = RateLimiter::new(each, Keys::new(keys_max), Steady::new(now));
        let global = config.global.map(|rate| {
            // A tenth of a second at once: a crowd is let through evenly.
            let burst = NonZeroU32::new(rate.count.get() / 10).unwrap_or(NonZeroU32::MIN);
            RateLimiter::new(quota(rate, burst), InMemoryState::default(), Steady::new(now))
        });
        Self { per_client, global }
    }

    /// Whether the client may ask once more.
    pub(crate) fn lets(&self, client: ClientKey) -> bool {
        self.per_client.check_key(&client).is_ok()
    }

    /// Whether one more may be asked by anybody.
    pub(crate) fn lets_anybody(&self) -> bool {
        self.global.as_ref().is_none_or(|global| global.check().is_ok())
    }

    /// Forgets clients that are as if they had never been here; how many are still known.
    pub(crate) fn forget_idle(&self) -> usize {
        self.per_client.retain_recent();
        self.per_client.len()
    }
}

fn quota(rate: Rate, burst: NonZeroU32) -> Quota {
    let period = rate.per / rate.count.get();
    match Quota::with_period(period) {
        Some(quota) => quota.allow_burst(burst),
        None => unreachable!("at most a million a second, so that the period is not zero"),
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
        ClientKey::of(std::net::Ipv4Addr::from_bits(n).into())
    }

    fn granted(limit: &Limit, client: ClientKey, of: usize) -> usize {
        (0..of).filter(|_| limit.lets(client)).count()
    }

    #[test]
    fn a_client_gets_its_burst_and_then_its_rate_and_no_other_pays_for_it() {
        let (limit, clock) = limit("20/s", 40, None, 1000);
        assert_eq!(granted(&limit, client(1), 100), 40);
        assert_eq!(granted(&limit, client(2), 1), 1);
        clock.advance(500);
        assert_eq!(granted(&limit, client(1), 100), 10);
        clock.advance(60_000);
        assert_eq!(granted(&limit, client(1), 100), 40);
    }

    #[test]
    fn all_together_get_what_is_for_all() {
        let (limit, clock) = limit("20/s", 40, Some("100/s"), 1000);
        let granted = |limit: &Limit| (0..1000).filter(|_| limit.lets_anybody()).count();
        assert_eq!(granted(&limit), 10);
        clock.advance(1000);
        assert_eq!(granted(&limit), 10);
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out() {
        let (limit, clock) = limit("20/s", 40, None, 1000);
        granted(&limit, client(1), 100);
        clock.advance(-3_600_000);
        assert_eq!(granted(&limit, client(1), 1), 0);
        clock.advance(1000);
        assert_eq!(granted(&limit, client(1), 100), 20);
    }

    #[test]
    fn a_million_strangers_take_no_more_memory_and_lock_no_known_client_out() {
        let (limit, clock) = limit("20/s", 40, None, 10_000);
        let known: Vec<_> = (0..100).map(|n| client(0x0a00_0000 + n)).collect();
        let mut refused = 0;
        for n in 0..1_000_000 {
            // A second of 100,000 strangers; each known client asks five times in it, and the gateway tidies once.
            if n % 20_000 == 0 {
                clock.advance(200);
                refused += known.iter().filter(|client| !limit.lets(**client)).count();
            }
            if n % 100_000 == 90_000 {
                limit.forget_idle();
            }
            limit.lets(client(0xc000_0000 + n));
            assert!(n % 50_000 != 0 || limit.per_client.len() <= 10_000);
        }
        assert_eq!(refused, 0, "clients that were here before the flood keep their own limit");
        assert!(limit.per_client.len() <= 10_000);
        // An abuser among the strangers is held all the same, and a stranger is not shut out for good.
        assert!(granted(&limit, client(0xffff_0001), 10_000) <= 40);
        clock.advance(10_000);
        assert!(limit.lets(client(0xffff_0002)));
        clock.advance(120_000);
        assert_eq!(limit.forget_idle(), 0, "nobody is remembered for ever");
    }
}
