//! The limit of concurrent requests of one service. While a permit is free, taking and releasing it is one atomic operation. When all
//! are held, requests wait in the queue of their class, and a released permit goes directly to the next of them.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Waker, ready};
use std::time::Duration;

use metrics::Gauge;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::waiting::{ClassQueues, NextGrant, WaitState, WaiterId};
use crate::class::RequestClass;
use crate::meter::QueueMeter;

/// The bit of the state that is set while requests wait. No permit is free then.
const WAITING: usize = 1;
/// One permit in the state.
const PERMIT: usize = 2;

/// The limit of one service.
pub(super) struct ConcurrencyLimit {
    /// The number of permits held, times [`PERMIT`], and [`WAITING`]. `WAITING` changes only under the lock of the queues.
    state: AtomicUsize,
    /// Changes only under the lock of the queues.
    max: AtomicUsize,
    queues: Mutex<ClassQueues>,
    in_flight: Gauge,
    meter: QueueMeter,
}

/// One request's permit, released when dropped.
pub(crate) struct ConcurrencyPermit(Arc<ConcurrencyLimit>);

/// A request in the queue of its class, which it leaves when dropped.
pub(super) struct QueuedRequest {
    limit: Arc<ConcurrencyLimit>,
    /// `None` once it has left the queue.
    id: Option<WaiterId>,
    class: RequestClass,
    since: Instant,
    deadline: Instant,
}

/// What a request gets that found no free permit.
pub(super) enum Enqueued {
    /// A permit that was released meanwhile.
    Granted(ConcurrencyPermit),
    Queued(QueuedRequest),
    /// The queue of its class is full.
    Refused,
}

impl ConcurrencyLimit {
    pub(super) fn new(max: usize, queues: ClassQueues, in_flight: Gauge, meter: QueueMeter) -> Self {
        let max = AtomicUsize::new(max);
        Self { state: AtomicUsize::new(0), max, queues: Mutex::new(queues), in_flight, meter }
    }

    /// A permit; `None` if all are held.
    pub(super) fn try_acquire(self: &Arc<Self>) -> Option<ConcurrencyPermit> {
        self.state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |state| self.one_more(state)).ok()?;
        Some(self.new_permit())
    }

    /// The state with one more permit held, if one is free.
    fn one_more(&self, state: usize) -> Option<usize> {
        (state & WAITING == 0 && state / PERMIT < self.max()).then_some(state + PERMIT)
    }

    fn max(&self) -> usize {
        self.max.load(Ordering::Relaxed)
    }

    fn held(&self) -> usize {
        self.state.load(Ordering::Relaxed) / PERMIT
    }

    /// Changes the number of permits. Permits that are held stay valid; further ones go to the requests that wait.
    pub(super) fn set_max(&self, max: usize, now: Instant) {
        if max == self.max() {
            return;
        }
        let mut queues = self.queues.lock();
        self.max.store(max, Ordering::Relaxed);
        let mut waking = Vec::new();
        while !queues.is_empty() && self.held() < max {
            let next = queues.grant_next(now);
            if next.is_granted {
                self.state.fetch_add(PERMIT, Ordering::Relaxed);
                self.in_flight.increment(1.0);
            }
            waking.extend(next.granted.into_iter().chain(next.refused));
        }
        self.after_removal(&queues);
        drop(queues);
        // Outside the lock: waking can run code of the task, which may need it.
        waking.into_iter().for_each(Waker::wake);
    }

    /// Changes the bounds of the queues, for so many permits at most.
    pub(super) fn set_queue_bounds(&self, permits: usize, order_wait: Duration) {
        self.queues.lock().set_bounds(permits, order_wait);
    }

    fn new_permit(self: &Arc<Self>) -> ConcurrencyPermit {
        self.in_flight.increment(1.0);
        ConcurrencyPermit(Arc::clone(self))
    }

    /// Adds a request to the queue of its class.
    pub(super) fn enqueue(self: &Arc<Self>, class: RequestClass, now: Instant) -> Enqueued {
        // Crawlers never wait, and need no lock.
        if class == RequestClass::Bot {
            self.meter.refused(class);
            return Enqueued::Refused;
        }
        let mut queues = self.queues.lock();
        if !queues.has_room(class) {
            drop(queues);
            self.meter.refused(class);
            return Enqueued::Refused;
        }
        let acquire_or_wait = |state| Some(self.one_more(state).unwrap_or(state | WAITING));
        let before = self.state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, acquire_or_wait);
        if before.is_ok_and(|state| self.one_more(state).is_some()) {
            return Enqueued::Granted(self.new_permit());
        }
        let (id, deadline) = queues.push(class, now);
        self.meter.set_length(class, queues.len(class));
        Enqueued::Queued(QueuedRequest { limit: Arc::clone(self), id: Some(id), class, since: now, deadline })
    }

    /// Hands a permit to the next request that waits, or frees it.
    fn release(&self, now: Instant) {
        let one_less = |state| (state & WAITING == 0).then(|| state - PERMIT);
        if self.state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_err() {
            self.hand_over(now);
        } else {
            self.in_flight.decrement(1.0);
        }
    }

    fn hand_over(&self, now: Instant) {
        let mut queues = self.queues.lock();
        let is_over = self.held() > self.max();
        let next = if is_over { NextGrant::default() } else { queues.grant_next(now) };
        if !next.is_granted {
            self.in_flight.decrement(1.0);
            self.state.fetch_sub(PERMIT, Ordering::Relaxed);
        }
        self.after_removal(&queues);
        drop(queues);
        // Outside the lock: waking can run code of the task, which may need it.
        next.granted.into_iter().chain(next.refused).for_each(Waker::wake);
    }

    /// Updates the state and the gauges after requests have left the queues.
    fn after_removal(&self, queues: &ClassQueues) {
        if queues.is_empty() {
            self.state.fetch_and(!WAITING, Ordering::Relaxed);
        }
        self.meter.set_lengths(|class| queues.len(class));
    }
}

impl Drop for ConcurrencyPermit {
    fn drop(&mut self) {
        self.0.release(Instant::now());
    }
}

impl QueuedRequest {
    /// Waits for the permit; `None` if it takes too long.
    pub(super) async fn permit(mut self) -> Option<ConcurrencyPermit> {
        let mut timeout = pin!(tokio::time::sleep_until(self.deadline));
        let is_granted = poll_fn(|cx| match self.poll_state(cx.waker()) {
            Poll::Ready(is_granted) => Poll::Ready(is_granted),
            Poll::Pending => {
                ready!(timeout.as_mut().poll(cx));
                Poll::Ready(matches!(self.leave(), Some(WaitState::Granted)))
            }
        })
        .await;
        if is_granted {
            self.limit.meter.waited(self.class, self.since.elapsed());
            return Some(ConcurrencyPermit(Arc::clone(&self.limit)));
        }
        self.limit.meter.refused(self.class);
        None
    }

    /// Ready when it is decided whether the request gets a permit. It has left the queue then.
    fn poll_state(&mut self, waker: &Waker) -> Poll<bool> {
        let Some(id) = self.id else { return Poll::Ready(false) };
        let mut queues = self.limit.queues.lock();
        let is_granted = match queues.state(id) {
            WaitState::Waiting(Some(known)) if known.will_wake(waker) => return Poll::Pending,
            WaitState::Waiting(known) => {
                *known = Some(waker.clone());
                return Poll::Pending;
            }
            WaitState::Granted => true,
            WaitState::Refused => false,
        };
        queues.remove(id);
        self.id = None;
        Poll::Ready(is_granted)
    }

    /// Leaves the queue, and returns the last state in it unless it has left before.
    fn leave(&mut self) -> Option<WaitState> {
        let id = self.id.take()?;
        let mut queues = self.limit.queues.lock();
        let state = queues.remove(id);
        self.limit.after_removal(&queues);
        Some(state)
    }
}

impl Drop for QueuedRequest {
    fn drop(&mut self) {
        if matches!(self.leave(), Some(WaitState::Granted)) {
            // The client left between the grant and this moment.
            self.limit.release(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::task::JoinSet;

    use super::*;
    use RequestClass::{Bot, Browse, Order, Signup};

    const ORDER_WAIT: Duration = Duration::from_millis(300);

    fn limit(max: usize, order_wait: Duration) -> Arc<ConcurrencyLimit> {
        let queues = ClassQueues::new(max, order_wait);
        Arc::new(ConcurrencyLimit::new(max, queues, Gauge::noop(), QueueMeter::new("test")))
    }

    fn queued(limit: &Arc<ConcurrencyLimit>, class: RequestClass, now: Instant) -> Option<QueuedRequest> {
        match limit.enqueue(class, now) {
            Enqueued::Queued(queued) => Some(queued),
            _ => None,
        }
    }

    fn is_unused(limit: &ConcurrencyLimit) -> bool {
        limit.state.load(Ordering::SeqCst) == 0 && limit.queues.lock().is_unused()
    }

    #[test]
    fn a_dropped_permit_can_be_acquired_again() {
        let limit = limit(2, ORDER_WAIT);
        let (one, two) = (limit.try_acquire(), limit.try_acquire());
        assert!(one.is_some() && two.is_some() && limit.try_acquire().is_none());
        drop(one);
        let again = limit.try_acquire();
        assert!(again.is_some() && limit.try_acquire().is_none());
    }

    #[tokio::test]
    async fn a_released_permit_goes_to_a_waiting_request_and_not_to_a_new_one() {
        let limit = limit(1, ORDER_WAIT);
        let held = limit.try_acquire();
        let (order, browse) = (queued(&limit, Order, Instant::now()), queued(&limit, Browse, Instant::now()));
        drop(held);
        assert!(limit.try_acquire().is_none());
        let permit = order.unwrap().permit().await;
        assert!(permit.is_some() && limit.try_acquire().is_none());
        drop(permit);
        assert!(browse.unwrap().permit().await.is_some());
        assert!(is_unused(&limit));
    }

    #[tokio::test]
    async fn a_request_that_waited_too_long_gets_no_permit() {
        let limit = limit(1, Duration::from_millis(20));
        let held = limit.try_acquire();
        let begun = Instant::now();
        assert!(queued(&limit, Order, begun).unwrap().permit().await.is_none());
        assert!(begun.elapsed() >= Duration::from_millis(20));
        assert!(queued(&limit, Bot, Instant::now()).is_none());
        drop(held);
        assert!(is_unused(&limit));
    }

    #[test]
    fn a_permit_that_was_granted_to_a_client_which_left_goes_to_the_next() {
        let limit = limit(1, ORDER_WAIT);
        let held = limit.try_acquire();
        let mut waiting: Vec<_> = (0..3).filter_map(|_| queued(&limit, Order, Instant::now())).collect();
        drop(held);
        drop(waiting.remove(0));
        assert_eq!(waiting[0].poll_state(Waker::noop()), Poll::Ready(true));
        drop(ConcurrencyPermit(Arc::clone(&limit)));
        drop(waiting);
        assert!(is_unused(&limit));
    }

    #[test]
    fn the_shed_path_allocates_no_entry() {
        let limit = limit(1, ORDER_WAIT);
        let _held = limit.try_acquire();
        let _waiting = queued(&limit, Browse, Instant::now());
        let entries = limit.queues.lock().entries();
        for class in [Browse, Bot] {
            assert!(matches!(limit.enqueue(class, Instant::now()), Enqueued::Refused));
        }
        assert_eq!(limit.queues.lock().entries(), entries);
    }

    /// A step of a schedule. The numbers choose one of the requests that hold a permit or wait.
    #[derive(Debug, Clone, Copy)]
    enum Step {
        Arrive(RequestClass),
        Release,
        Poll(usize),
        Leave(usize),
        Advance(u64),
        SetMax(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let class = prop::sample::select(RequestClass::ALL.to_vec());
        prop_oneof![
            4 => class.prop_map(Step::Arrive),
            3 => Just(Step::Release),
            2 => any::<usize>().prop_map(Step::Poll),
            1 => any::<usize>().prop_map(Step::Leave),
            1 => (0_u64..60).prop_map(Step::Advance),
            1 => (1_usize..5).prop_map(Step::SetMax),
        ]
    }

    /// A schedule under way, on a clock of its own.
    struct Schedule {
        limit: Arc<ConcurrencyLimit>,
        max: usize,
        now: Instant,
        permits: usize,
        waiting: Vec<QueuedRequest>,
    }

    impl Schedule {
        fn new(max: usize) -> Self {
            Self { limit: limit(max, ORDER_WAIT), max, now: Instant::now(), permits: 0, waiting: Vec::new() }
        }

        /// Holds a permit without its guard, because the guard reads the real clock.
        fn hold(&mut self, permit: ConcurrencyPermit) {
            std::mem::forget(permit);
            self.permits += 1;
        }

        fn take(&mut self, step: Step) {
            match step {
                Step::Arrive(class) => self.arrive(class),
                Step::Release if self.permits > 0 => self.release(),
                Step::Poll(at) if !self.waiting.is_empty() => self.poll(at % self.waiting.len()),
                Step::Leave(at) if !self.waiting.is_empty() => self.leave(at % self.waiting.len()),
                Step::Advance(ms) => self.now += Duration::from_millis(ms),
                Step::SetMax(max) => self.set_max(max),
                _ => {}
            }
            self.check();
        }

        /// Permits above a lowered limit stay, so that the limit holds only as far as they end.
        fn set_max(&mut self, max: usize) {
            self.max = max.max(self.limit.held());
            self.limit.set_max(max, self.now);
        }

        fn arrive(&mut self, class: RequestClass) {
            if let Some(permit) = self.limit.try_acquire() {
                assert!(self.limit.queues.lock().is_empty(), "a new request passed one that waits");
                return self.hold(permit);
            }
            let has_room = self.limit.queues.lock().has_room(class);
            match self.limit.enqueue(class, self.now) {
                Enqueued::Granted(_) => panic!("a permit was free for `try_acquire`"),
                Enqueued::Queued(queued) => self.waiting.push(queued),
                Enqueued::Refused => assert!(!has_room, "{class:?} was refused with room in its queue"),
            }
        }

        /// Releases a permit, and checks that it went to the request which a naive search finds.
        fn release(&mut self) {
            let before = self.granted();
            let is_over = self.limit.held() > self.limit.max();
            let expected = if is_over { Vec::new() } else { self.expected() };
            self.permits -= 1;
            self.limit.release(self.now);
            let after = self.granted();
            let new: Vec<_> = after.into_iter().filter(|id| !before.contains(id)).collect();
            assert!(new.len() <= 1 && (new.is_empty() == expected.is_empty()), "{new:?} of {expected:?}");
            assert!(new.iter().all(|id| expected.contains(id)), "{new:?} is not among {expected:?}");
        }

        fn granted(&self) -> Vec<WaiterId> {
            self.ids(|state, _| matches!(state, WaitState::Granted))
        }

        fn ids(&self, is: impl Fn(&WaitState, &QueuedRequest) -> bool) -> Vec<WaiterId> {
            let mut queues = self.limit.queues.lock();
            let known = self.waiting.iter().filter_map(|queued| Some((queued.id?, queued)));
            known.filter(|(id, queued)| is(queues.state(*id), queued)).map(|(id, _)| id).collect()
        }

        /// The requests that may get the next permit: the oldest or newest one in time, of the first class that has one, and of the
        /// last class, which gets one permit of 32.
        fn expected(&self) -> Vec<WaiterId> {
            let in_time = |class| {
                let wait = self.limit.queues.lock().wait_max(class, self.now);
                self.ids(|state, queued| {
                    matches!(state, WaitState::Waiting(_))
                        && queued.class == class
                        && self.now.saturating_duration_since(queued.since) <= wait
                })
            };
            let classes: Vec<_> =
                [Order, Signup, Browse].map(in_time).into_iter().filter(|ids| !ids.is_empty()).collect();
            let ends = |ids: &Vec<WaiterId>| [ids[0], ids[ids.len() - 1]];
            classes.first().into_iter().chain(classes.last()).flat_map(ends).collect()
        }

        fn poll(&mut self, at: usize) {
            let mut queued = self.waiting.remove(at);
            match queued.poll_state(Waker::noop()) {
                Poll::Pending => self.waiting.insert(at, queued),
                Poll::Ready(true) => self.permits += 1,
                Poll::Ready(false) => {}
            }
        }

        /// A client leaves; a permit that it was granted goes on.
        fn leave(&mut self, at: usize) {
            let mut queued = self.waiting.remove(at);
            if matches!(queued.leave(), Some(WaitState::Granted)) {
                self.limit.release(self.now);
            }
        }

        fn check(&self) {
            let state = self.limit.state.load(Ordering::SeqCst);
            let is_empty = self.limit.queues.lock().is_empty();
            assert_eq!(state / PERMIT, self.permits + self.granted().len(), "permits are lost or made");
            assert!(state / PERMIT <= self.max);
            assert_eq!(state & WAITING != 0, !is_empty);
            assert!(is_empty || state / PERMIT >= self.limit.max(), "requests wait while a permit is free");
        }

        fn finish(mut self) {
            while let Some(at) = self.waiting.len().checked_sub(1) {
                self.leave(at);
                self.check();
            }
            for _ in 0..self.permits {
                self.limit.release(self.now);
            }
            assert!(is_unused(&self.limit));
        }
    }

    proptest! {
        #[test]
        fn no_schedule_loses_a_permit_or_passes_a_request_over(
            max in 1_usize..5,
            steps in prop::collection::vec(step(), 1..300),
        ) {
            let mut schedule = Schedule::new(max);
            for step in steps {
                schedule.take(step);
            }
            schedule.finish();
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn requests_that_end_panic_or_are_cancelled_leave_no_permit_behind() {
        let limit = limit(3, Duration::from_millis(5));
        let mut tasks = JoinSet::new();
        for n in 0..2000_usize {
            let limit = Arc::clone(&limit);
            tasks.spawn(async move {
                let class = RequestClass::ALL[n % 4];
                let permit = match limit.try_acquire() {
                    Some(permit) => Some(permit),
                    None => match limit.enqueue(class, Instant::now()) {
                        Enqueued::Granted(permit) => Some(permit),
                        Enqueued::Queued(queued) => {
                            let wait = Duration::from_micros(n as u64 % 7 * 500);
                            tokio::time::timeout(wait, queued.permit()).await.ok().flatten()
                        }
                        Enqueued::Refused => None,
                    },
                };
                tokio::task::yield_now().await;
                assert!(n % 5 != 0 || permit.is_none(), "on purpose");
            });
            if n % 50 == 0 {
                tokio::task::yield_now().await;
            }
        }
        while tasks.join_next().await.is_some() {}
        assert!(is_unused(&limit));
    }
}
