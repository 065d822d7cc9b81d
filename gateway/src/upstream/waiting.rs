//! The requests that wait for a permit of one service, in a queue for each class. It knows no permits and no tasks: the caller passes
//! the time, and wakes the tasks after it has released its lock.

use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use crate::class::RequestClass;

/// A queue that has not been empty for longer is standing: the requests are not a short burst, and waiting does not help them.
const STANDING_AFTER: Duration = Duration::from_millis(100);
/// One of so many permits goes to the lowest class that waits, so that orders cannot starve all others.
const AGING_PERIOD: u32 = 32;
/// The longest waits of signup and browse requests: in a queue that is not standing, and in one that is.
const SIGNUP_WAITS: Waits =
    Waits { short_queue: Duration::from_millis(150), standing: Duration::from_millis(40) };
const BROWSE_WAITS: Waits =
    Waits { short_queue: Duration::from_millis(50), standing: Duration::from_millis(10) };

/// How long a request of one class may wait.
#[derive(Debug, Clone, Copy)]
struct Waits {
    short_queue: Duration,
    standing: Duration,
}

/// A waiting request: its index in the queues until it is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WaiterId(usize);

/// What a waiting request knows of its permit.
#[derive(Debug)]
pub(super) enum WaitState {
    /// It is in its queue.
    Waiting(Option<Waker>),
    /// It got a permit, which it must take or return.
    Granted,
    /// It waited too long.
    Refused,
}

#[derive(Debug)]
struct Waiter {
    class: RequestClass,
    since: Instant,
    state: WaitState,
    /// The neighbours in the queue: the one that came before, and the one that came after.
    before: Option<usize>,
    after: Option<usize>,
}

/// The queue of one class: a doubly linked list, because a request may leave from the middle.
#[derive(Debug)]
struct ClassQueue {
    oldest: Option<usize>,
    newest: Option<usize>,
    len: usize,
    len_max: usize,
    waits: Waits,
    /// Since when the queue has not been empty.
    occupied_since: Option<Instant>,
}

impl ClassQueue {
    fn is_standing(&self, now: Instant) -> bool {
        self.occupied_since.is_some_and(|since| now.saturating_duration_since(since) > STANDING_AFTER)
    }

    fn wait_max(&self, now: Instant) -> Duration {
        if self.is_standing(now) { self.waits.standing } else { self.waits.short_queue }
    }
}

/// How many requests of a class may wait, and for how long, at a service with so many permits.
fn bounds(class: RequestClass, permits: usize, order_wait: Duration) -> (usize, Waits) {
    let orders = Waits { short_queue: order_wait, standing: order_wait / 2 };
    match class {
        RequestClass::Order => (permits.saturating_mul(4), orders),
        RequestClass::Signup => (permits.saturating_mul(2), SIGNUP_WAITS),
        RequestClass::Browse => (permits.div_ceil(2), BROWSE_WAITS),
        RequestClass::Bot => (0, BROWSE_WAITS),
    }
}

/// A request that got a permit, and the tasks that the caller must wake.
#[derive(Debug, Default)]
pub(super) struct NextGrant {
    /// Whether a request got the permit.
    pub(super) is_granted: bool,
    /// The task of that request, if it has been polled.
    pub(super) granted: Option<Waker>,
    /// The tasks of requests that waited too long. Nearly always empty, and then without an allocation.
    pub(super) refused: Vec<Waker>,
}

/// The queues of one service.
#[derive(Debug)]
pub(super) struct ClassQueues {
    waiters: Vec<Option<Waiter>>,
    unused: Vec<usize>,
    queues: [ClassQueue; RequestClass::ALL.len()],
    granted_count: u32,
}

impl ClassQueues {
    /// The queues of a service with so many permits, whose orders wait at most `order_wait`.
    pub(super) fn new(permits: usize, order_wait: Duration) -> Self {
        let queue = |class| {
            let (len_max, waits) = bounds(class, permits, order_wait);
            ClassQueue { oldest: None, newest: None, len: 0, len_max, waits, occupied_since: None }
        };
        Self {
            waiters: Vec::new(),
            unused: Vec::new(),
            queues: RequestClass::ALL.map(queue),
            granted_count: 0,
        }
    }

    /// Changes the bounds. Requests that wait keep their deadlines.
    pub(super) fn set_bounds(&mut self, permits: usize, order_wait: Duration) {
        for (class, queue) in RequestClass::ALL.into_iter().zip(&mut self.queues) {
            (queue.len_max, queue.waits) = bounds(class, permits, order_wait);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queues.iter().all(|queue| queue.len == 0)
    }

    /// The number of requests of a class that wait.
    pub(super) fn len(&self, class: RequestClass) -> usize {
        self.queues[class as usize].len
    }

    pub(super) fn has_room(&self, class: RequestClass) -> bool {
        let queue = &self.queues[class as usize];
        queue.len < queue.len_max && !queue.waits.short_queue.is_zero()
    }

    /// Adds a request, and returns it with the time until which it waits.
    pub(super) fn push(&mut self, class: RequestClass, now: Instant) -> (WaiterId, Instant) {
        let before = self.queues[class as usize].newest;
        let state = WaitState::Waiting(None);
        let waiter = Some(Waiter { class, since: now, state, before, after: None });
        let at = if let Some(at) = self.unused.pop() {
            self.waiters[at] = waiter;
            at
        } else {
            self.waiters.push(waiter);
            self.waiters.len() - 1
        };
        if let Some(before) = before {
            self.waiter(before).after = Some(at);
        }
        let queue = &mut self.queues[class as usize];
        queue.oldest.get_or_insert(at);
        queue.newest = Some(at);
        queue.len += 1;
        queue.occupied_since.get_or_insert(now);
        (WaiterId(at), now + queue.wait_max(now))
    }

    /// The state of a request.
    pub(super) fn state(&mut self, id: WaiterId) -> &mut WaitState {
        &mut self.waiter(id.0).state
    }

    /// Removes a request and returns its last state. A granted one leaves its permit to the caller.
    pub(super) fn remove(&mut self, id: WaiterId) -> WaitState {
        if matches!(self.state(id), WaitState::Waiting(_)) {
            self.unlink(id.0);
        }
        self.unused.push(id.0);
        match self.waiters[id.0].take() {
            Some(waiter) => waiter.state,
            None => unreachable!("only the request itself removes its entry"),
        }
    }

    /// Grants a permit to the next request, unless none waits, and refuses those before it that waited too long.
    pub(super) fn grant_next(&mut self, now: Instant) -> NextGrant {
        let mut next = NextGrant::default();
        let mut classes = [RequestClass::Order, RequestClass::Signup, RequestClass::Browse];
        if self.granted_count % AGING_PERIOD == AGING_PERIOD - 1 {
            classes.reverse();
        }
        for class in classes {
            while let Some(at) = self.next_of(class, now) {
                let wait_max = self.queues[class as usize].wait_max(now);
                self.unlink(at);
                let waiter = self.waiter(at);
                let is_late = now.saturating_duration_since(waiter.since) > wait_max;
                let state = if is_late { WaitState::Refused } else { WaitState::Granted };
                let WaitState::Waiting(waker) = std::mem::replace(&mut waiter.state, state) else {
                    unreachable!("only waiting requests are in a queue");
                };
                if !is_late {
                    self.granted_count = self.granted_count.wrapping_add(1);
                    return NextGrant { is_granted: true, granted: waker, ..next };
                }
                next.refused.extend(waker);
            }
        }
        next
    }

    /// The oldest request of a class; of browse requests in a standing queue the newest, because the oldest is about to be late.
    fn next_of(&self, class: RequestClass, now: Instant) -> Option<usize> {
        let queue = &self.queues[class as usize];
        if class == RequestClass::Browse && queue.is_standing(now) { queue.newest } else { queue.oldest }
    }

    fn unlink(&mut self, at: usize) {
        let waiter = self.waiter(at);
        let class = waiter.class;
        let before = waiter.before;
        let after = waiter.after;
        if let Some(before) = before {
            self.waiter(before).after = after;
        }
        if let Some(after) = after {
            self.waiter(after).before = before;
        }
        let queue = &mut self.queues[class as usize];
        if before.is_none() {
            queue.oldest = after;
        }
        if after.is_none() {
            queue.newest = before;
        }
        queue.len -= 1;
        if queue.len == 0 {
            queue.occupied_since = None;
        }
    }

    #[cfg(test)]
    pub(super) fn wait_max(&self, class: RequestClass, now: Instant) -> Duration {
        self.queues[class as usize].wait_max(now)
    }

    /// The number of entries, used or not.
    #[cfg(test)]
    pub(super) fn entries(&self) -> usize {
        self.waiters.len()
    }

    #[cfg(test)]
    pub(super) fn is_unused(&self) -> bool {
        self.is_empty() && self.waiters.iter().all(Option::is_none)
    }

    fn waiter(&mut self, at: usize) -> &mut Waiter {
        match &mut self.waiters[at] {
            Some(waiter) => waiter,
            None => unreachable!("an entry exists until its request removes it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RequestClass::{Bot, Browse, Order, Signup};

    const ORDER_WAIT: Duration = Duration::from_millis(300);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// The requests in the order in which they get a permit at `now`.
    fn grants(queues: &mut ClassQueues, waiting: &[WaiterId], now: Instant) -> Vec<usize> {
        let mut granted: Vec<usize> = Vec::new();
        while queues.grant_next(now).is_granted {
            for (at, id) in waiting.iter().enumerate() {
                if matches!(queues.state(*id), WaitState::Granted) && !granted.contains(&at) {
                    granted.push(at);
                }
            }
        }
        granted
    }

    #[test]
    fn orders_come_before_signups_and_those_before_browsing_each_first_come_first_served() {
        let (mut queues, now) = (ClassQueues::new(10, ORDER_WAIT), Instant::now());
        let classes = [Browse, Signup, Order, Browse, Order, Signup];
        let waiting: Vec<_> = classes.iter().map(|class| queues.push(*class, now).0).collect();
        assert_eq!(grants(&mut queues, &waiting, now), [2, 4, 1, 5, 0, 3]);
        assert!(queues.is_empty());
    }

    #[test]
    fn one_permit_of_32_goes_to_the_lowest_class_that_waits() {
        let (mut queues, now) = (ClassQueues::new(100, ORDER_WAIT), Instant::now());
        let browse: Vec<_> = (0..3).map(|_| queues.push(Browse, now).0).collect();
        let orders: Vec<_> = (0..100).map(|_| queues.push(Order, now).0).collect();
        let waiting: Vec<_> = browse.into_iter().chain(orders).collect();
        let granted = grants(&mut queues, &waiting, now);
        assert_eq!([granted[31], granted[63], granted[95]], [0, 1, 2]);
        assert_eq!(granted.iter().take(96).filter(|at| **at < 3).count(), 3);
    }

    #[test]
    fn browsing_is_served_newest_first_while_its_queue_is_standing() {
        let (mut queues, begun) = (ClassQueues::new(10, ORDER_WAIT), Instant::now());
        let first = queues.push(Browse, begun).0;
        let now = begun + ms(101);
        let waiting = [first, queues.push(Browse, now).0, queues.push(Browse, now).0];
        assert_eq!(grants(&mut queues, &waiting, now), [2, 1], "the first has waited too long");
        assert!(matches!(queues.state(first), WaitState::Refused));
        // The queue was empty in between.
        let now = now + ms(200);
        let waiting = [queues.push(Browse, now).0, queues.push(Browse, now).0];
        assert_eq!(grants(&mut queues, &waiting, now), [0, 1]);
    }

    #[test]
    fn signups_and_orders_are_never_served_newest_first() {
        for class in [Signup, Order] {
            let (mut queues, begun) = (ClassQueues::new(10, ORDER_WAIT), Instant::now());
            queues.push(class, begun);
            let now = begun + ms(130);
            let waiting = [queues.push(class, now).0, queues.push(class, now).0];
            assert_eq!(grants(&mut queues, &waiting, now + ms(10)), [0, 1], "{class:?}");
        }
    }

    #[test]
    fn a_request_waits_less_long_in_a_standing_queue() {
        for (class, short_queue, standing) in [(Order, 300, 150), (Signup, 150, 40), (Browse, 50, 10)] {
            let (mut queues, begun) = (ClassQueues::new(10, ORDER_WAIT), Instant::now());
            assert_eq!(queues.push(class, begun).1, begun + ms(short_queue), "{class:?}");
            let later = begun + ms(101);
            let (id, deadline) = queues.push(class, later);
            assert_eq!(deadline, later + ms(standing), "{class:?}");
            assert!(!queues.grant_next(later + ms(standing + 1)).is_granted, "{class:?}");
            assert!(matches!(queues.state(id), WaitState::Refused), "{class:?}");
        }
    }

    #[test]
    fn each_queue_is_bounded_by_the_permits() {
        for (class, len_max) in [(Order, 40), (Signup, 20), (Browse, 5), (Bot, 0)] {
            let (mut queues, now) = (ClassQueues::new(10, ORDER_WAIT), Instant::now());
            let mut len = 0;
            while queues.has_room(class) {
                queues.push(class, now);
                len += 1;
            }
            assert_eq!(len, len_max, "{class:?}");
        }
        assert!(!ClassQueues::new(10, Duration::ZERO).has_room(Order));
    }

    #[test]
    fn a_request_can_leave_from_the_middle() {
        let (mut queues, now) = (ClassQueues::new(10, ORDER_WAIT), Instant::now());
        let waiting: Vec<_> = (0..5).map(|_| queues.push(Order, now).0).collect();
        for at in [2, 0, 4] {
            queues.remove(waiting[at]);
        }
        assert_eq!(queues.len(Order), 2);
        let rest = [waiting[1], waiting[3]];
        assert_eq!(grants(&mut queues, &rest, now), [0, 1]);
        // Its entry is used again.
        assert!(queues.push(Order, now).0.0 < 5);
    }
}
