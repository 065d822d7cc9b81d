//! The addresses of one service, and the choice among them: each request goes to the address that has the fewest requests in flight. A
//! connection is opened only when that address has none idle, so that there are never more than requests at once.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use metrics::Gauge;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::address::Address;
use super::concurrency::ConcurrencyLimit;
use super::connection::UpstreamConnection;
use super::health::{AwayReason, WEIGHT_MAX};
use crate::config::UpstreamConfig;
use crate::meter::Counted;

/// How long after a refused connection the second and last attempt follows: a restarting service is away for a moment.
const RETRY_AFTER: Duration = Duration::from_millis(20);
/// A request whose client left after this time counts as one without a response, if the address has sent none to any request
/// meanwhile: otherwise an address that hangs would look idle to impatient clients.
const ABANDONED_AFTER: Duration = Duration::from_secs(1);

/// The addresses of one service.
pub(super) struct Pool {
    addresses: Vec<Address>,
    /// The address at which the next search begins, so that equally busy ones take turns.
    next_address: AtomicUsize,
    /// Held while an address leaves, so that no two leave because of each other.
    leaving: Mutex<()>,
    concurrency: Arc<ConcurrencyLimit>,
    connections_max: usize,
    connect_timeout: Duration,
    idle_timeout: Duration,
    open: Gauge,
}

/// The addresses that accepted no connection for a request.
#[derive(Debug, Clone, Copy, Default)]
struct TriedAddresses {
    /// The bit of each.
    bits: u64,
    /// Whether one of them was silent.
    is_silent: bool,
}

/// One request at one address, until it is dropped.
pub(super) struct AddressUse {
    pool: Arc<Pool>,
    at: usize,
    is_probe: bool,
    /// When the request began, and how many responses the address had sent then. `None` when its result is known.
    awaited: Option<(Instant, u64)>,
}

impl Pool {
    pub(super) fn new(config: &UpstreamConfig, concurrency: Arc<ConcurrencyLimit>, open: Gauge) -> Self {
        let address = |authority| Address::new(authority, &config.name);
        Self {
            addresses: config.authorities.iter().map(address).collect(),
            next_address: AtomicUsize::new(0),
            leaving: Mutex::new(()),
            concurrency,
            connections_max: config.connections_max,
            connect_timeout: config.connect_timeout,
            idle_timeout: config.idle_timeout,
            open,
        }
    }

    /// The address for the next request. `is_read` if losing the request loses nothing.
    pub(super) fn choose(self: &Arc<Self>, now: Instant, is_read: bool) -> Option<AddressUse> {
        self.choose_untried(now, is_read, TriedAddresses::default())
    }

    /// Like [`Self::choose`], without the addresses that were tried; `None` if no other one is left.
    fn choose_untried(
        self: &Arc<Self>,
        now: Instant,
        is_read: bool,
        tried: TriedAddresses,
    ) -> Option<AddressUse> {
        let first = self.next_address.fetch_add(1, Ordering::Relaxed);
        let len = self.addresses.len();
        let untried = (0..len).map(|nth| (first + nth) % len).filter(|at| tried.bits & bit(*at) == 0);
        let mut least = None;
        for at in untried.clone() {
            let address = &self.addresses[at];
            match address.load(now) {
                Some(load) if least.is_none_or(|(least, _)| load < least) => least = Some((load, at)),
                None if address.health.begin_probe(now, is_read) => return Some(self.begin(at, now, true)),
                Some(_) | None => {}
            }
        }
        let at = least.map(|(_, at)| at).or_else(|| self.last_resort(untried, tried.is_silent))?;
        Some(self.begin(at, now, false))
    }

    /// The best of these addresses, which are all away: one with an idle connection, or one that refuses connections at once. One that
    /// is silent costs the connect timeout, which is spent once for a request.
    fn last_resort(&self, untried: impl Iterator<Item = usize>, has_waited: bool) -> Option<usize> {
        let is_silent = |at: usize| self.addresses[at].health.is_silent();
        let allowed = untried.filter(|at| !(has_waited && is_silent(*at)));
        allowed.min_by_key(|at| (!self.addresses[*at].has_idle(), is_silent(*at)))
    }

    fn begin(self: &Arc<Self>, at: usize, now: Instant, is_probe: bool) -> AddressUse {
        let address = &self.addresses[at];
        address.begin_request();
        AddressUse { pool: Arc::clone(self), at, is_probe, awaited: Some((now, address.responses())) }
    }

    /// Opens a connection to the chosen address, or to the next one that accepts, before `deadline`.
    pub(super) async fn connect(
        self: &Arc<Self>,
        mut chosen: Option<AddressUse>,
        deadline: Instant,
        is_read: bool,
    ) -> io::Result<(AddressUse, Box<UpstreamConnection>)> {
        let (mut tried, mut failed) = (TriedAddresses::default(), None);
        loop {
            let chosen = chosen.take().or_else(|| self.choose_untried(Instant::now(), is_read, tried));
            let Some(address) = chosen else {
                return Err(failed.unwrap_or_else(|| ErrorKind::TimedOut.into()));
            };
            tried.bits |= bit(address.at);
            match self.connect_to(address, deadline).await {
                Ok(connected) => return Ok(connected),
                Err(error) => {
                    tried.is_silent |= error.kind() == ErrorKind::TimedOut;
                    failed = Some(error);
                }
            }
        }
    }

    async fn connect_to(
        &self,
        mut address: AddressUse,
        deadline: Instant,
    ) -> io::Result<(AddressUse, Box<UpstreamConnection>)> {
        let limit = deadline.min(Instant::now() + self.connect_timeout);
        let result = tokio::time::timeout_at(limit, self.open(&address.address().text)).await;
        // The time is taken after the attempt, which can last as long as an address is away.
        match result.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())) {
            Ok(connection) => {
                address.connected(Instant::now());
                Ok((address, connection))
            }
            Err(error) => {
                address.refused(Instant::now(), &error);
                Err(error)
            }
        }
    }

    async fn open(&self, address: &str) -> io::Result<Box<UpstreamConnection>> {
        let stream = match dial(address).await {
            // With several addresses the next one is tried at once; a single one gets a second chance.
            Err(error) if is_refusal(&error) && self.addresses.len() == 1 => {
                tokio::time::sleep(RETRY_AFTER).await;
                dial(address).await?
            }
            dialled => dialled?,
        };
        UpstreamConnection::over(stream, Counted::up(&self.open)).await.map_err(io::Error::other)
    }

    /// Closes connections past the idle timeout, and updates what depends on the time.
    pub(super) fn tick(&self, now: Instant) {
        for address in &self.addresses {
            address.close_idle(now, self.idle_timeout);
            address.health.forget_absence(now);
            address.meter.set_in_flight(address.in_flight());
        }
        self.adjust(now);
    }

    /// Sets the concurrency limit to what the available addresses bear: when one of two is away, the other one does not get the
    /// requests of both.
    fn adjust(&self, now: Instant) {
        let weights: Vec<usize> = self.addresses.iter().map(|address| address.health.weight(now)).collect();
        for (address, weight) in self.addresses.iter().zip(&weights) {
            address.meter.set_available(*weight > 0);
        }
        let share = self.connections_max.div_ceil(self.addresses.len());
        // While no address has its whole weight, a lower limit would only refuse what no other address serves.
        let is_slow_start = weights.contains(&WEIGHT_MAX);
        let capacity = |(address, weight): (&Address, &usize)| match weight {
            0 => address.in_flight().min(share),
            _ if is_slow_start => (share * weight).div_ceil(WEIGHT_MAX),
            _ => share,
        };
        let is_any_available = weights.iter().any(|weight| *weight > 0);
        let capacity: usize = self.addresses.iter().zip(&weights).map(capacity).sum();
        let max = if is_any_available { capacity.min(self.connections_max) } else { self.connections_max };
        self.concurrency.set_max(max, now);
    }

    /// How many addresses besides `at` are in use.
    fn others_in_use(&self, at: usize, now: Instant) -> usize {
        let others = self.addresses.iter().enumerate().filter(|(other, _)| *other != at);
        others.filter(|(_, address)| address.health.weight(now) > 0).count()
    }

    /// Whether `at` may leave because it does not respond: at least half of the addresses must stay in use, because more of them hang
    /// together only if something that they share does.
    fn is_ejectable(&self, at: usize, now: Instant) -> bool {
        2 * self.others_in_use(at, now) >= self.addresses.len()
    }
}

impl AddressUse {
    fn address(&self) -> &Address {
        &self.pool.addresses[self.at]
    }

    /// An idle connection to the address.
    pub(super) fn take_idle(&self, now: Instant) -> Option<Box<UpstreamConnection>> {
        self.address().take_idle(now, self.pool.idle_timeout)
    }

    /// Keeps a free connection for the next request.
    pub(super) fn put(&self, connection: Box<UpstreamConnection>, now: Instant) {
        self.address().put(connection, now);
    }

    fn connected(&mut self, now: Instant) {
        let health = &self.address().health;
        if !health.is_normal() && health.connected(now) {
            // That was the result of the probe.
            self.is_probe = false;
            self.pool.adjust(now);
        }
    }

    fn refused(&mut self, now: Instant, error: &io::Error) {
        let awaited = self.awaited.take();
        let is_silent = error.kind() == ErrorKind::TimedOut;
        let reason = if is_silent { AwayReason::Silent } else { AwayReason::Refusing };
        let leaving = self.pool.leaving.lock();
        if is_silent && !self.is_probe && !self.may_leave_as_silent(now, awaited) {
            return;
        }
        self.address().health.refused(now, reason, self.is_probe);
        drop(leaving);
        self.pool.adjust(now);
    }

    /// Whether one connect timeout takes the address out of use. It can be a single lost packet, so that the address stays if it has
    /// responded meanwhile, or if no other one is left.
    fn may_leave_as_silent(&self, now: Instant, awaited: Option<(Instant, u64)>) -> bool {
        let has_responded = awaited.is_some_and(|(_, responses)| self.address().responses() != responses);
        !has_responded && self.pool.others_in_use(self.at, now) > 0
    }

    /// The head of the response arrived.
    pub(super) fn responded(&mut self, now: Instant) {
        self.awaited = None;
        let address = self.address();
        address.count_response();
        address.health.responded(now, self.is_probe);
        if self.is_probe {
            tracing::info!(address = address.text, "an address of an upstream responds again");
            self.pool.adjust(now);
        }
    }

    /// No response arrived in time, or the connection broke before it.
    pub(super) fn failed(&mut self, now: Instant) {
        self.awaited = None;
        let address = self.address();
        let leaving = self.pool.leaving.lock();
        let has_left = address.health.failed(now, self.is_probe, self.pool.is_ejectable(self.at, now));
        drop(leaving);
        if has_left {
            address.meter.count_ejection();
            tracing::warn!(address = address.text, "an address of an upstream does not respond, and is away");
            self.pool.adjust(now);
        }
    }

    /// The client left before the result was known.
    fn abandoned(&mut self, since: Instant, responses: u64) {
        let now = Instant::now();
        let has_waited = now.saturating_duration_since(since) >= ABANDONED_AFTER
            && self.address().responses() == responses;
        if self.is_probe {
            self.address().health.probe_abandoned(now, has_waited);
        } else if has_waited {
            self.failed(now);
        }
    }
}

impl Drop for AddressUse {
    fn drop(&mut self) {
        if let Some((since, responses)) = self.awaited.take() {
            self.abandoned(since, responses);
        }
        let address = self.address();
        address.end_request();
        if !address.health.is_normal() {
            // Its permits end with its requests.
            self.pool.adjust(Instant::now());
        }
    }
}

/// The bit of an address in the set of tried ones; an upstream has at most 64 addresses.
fn bit(at: usize) -> u64 {
    1 << (at % 64)
}

fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset)
}

async fn dial(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::waiting::ClassQueues;

    /// A pool of so many addresses, which are not connected to.
    fn pool(addresses: usize) -> Arc<Pool> {
        let second = Duration::from_secs(1);
        let config = UpstreamConfig {
            name: "test".into(),
            authorities: (1..=addresses).map(|port| format!("127.0.0.1:{port}").parse().unwrap()).collect(),
            connections_max: 64,
            order_wait: second,
            connect_timeout: second,
            answer_timeout: second,
            pause_timeout: second,
            exchange_timeout: second,
            idle_timeout: second,
        };
        let queues = ClassQueues::new(config.connections_max, config.order_wait);
        let meter = crate::meter::UpstreamMeter::new("test");
        let concurrency =
            ConcurrencyLimit::new(config.connections_max, queues, meter.in_flight(), meter.queue());
        Arc::new(Pool::new(&config, Arc::new(concurrency), Gauge::noop()))
    }

    fn in_use(pool: &Pool, now: Instant) -> usize {
        pool.addresses.iter().filter(|address| address.health.weight(now) > 0).count()
    }

    fn time_out(pool: &Arc<Pool>, at: usize, now: Instant) {
        pool.begin(at, now, false).refused(now, &ErrorKind::TimedOut.into());
    }

    #[test]
    fn the_last_address_stays_in_use_when_it_is_silent() {
        for addresses in [1, 2, 5] {
            let (pool, now) = (pool(addresses), Instant::now());
            for _ in 0..3 {
                (0..addresses).for_each(|at| time_out(&pool, at, now));
            }
            assert_eq!(in_use(&pool, now), 1, "of {addresses}");
            assert_eq!(pool.choose(now, false).unwrap().at, addresses - 1);
        }
    }

    #[test]
    fn an_address_that_responded_during_a_connect_timeout_is_not_silent() {
        let (pool, now) = (pool(2), Instant::now());
        let mut attempt = pool.begin(0, now, false);
        pool.begin(0, now, false).responded(now);
        attempt.refused(now, &ErrorKind::TimedOut.into());
        assert_eq!(in_use(&pool, now), 2);
        time_out(&pool, 0, now);
        assert_eq!(in_use(&pool, now), 1);
    }

    #[test]
    fn an_address_that_refuses_is_a_better_last_resort_than_a_silent_one() {
        let (pool, now) = (pool(3), Instant::now());
        (0..2).for_each(|at| time_out(&pool, at, now));
        pool.begin(2, now, false).refused(now, &ErrorKind::ConnectionRefused.into());
        assert_eq!(in_use(&pool, now), 0);
        let mut tried = TriedAddresses::default();
        assert_eq!(pool.choose(now, false).unwrap().at, 2);
        tried.bits = bit(2);
        let silent = pool.choose_untried(now, false, tried).unwrap().at;
        assert!(silent < 2);
        tried = TriedAddresses { bits: tried.bits | bit(silent), is_silent: true };
        assert!(pool.choose_untried(now, false, tried).is_none(), "a request waits for one silent address");
    }

    #[test]
    fn addresses_that_hang_together_are_ejected_up_to_half_of_them() {
        for (addresses, ejected) in [(1, 0), (2, 1), (3, 1), (4, 2), (7, 3)] {
            let (pool, now) = (pool(addresses), Instant::now());
            for _ in 0..10 {
                (0..addresses).for_each(|at| pool.begin(at, now, false).failed(now));
            }
            assert_eq!(in_use(&pool, now), addresses - ejected, "of {addresses}");
        }
    }
}
