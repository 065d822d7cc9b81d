//! Throughput of a service at its saturation point, beyond it, and afterwards. In virtual time, with a seeded generator.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use service::Tasks;
use shop::capacity::Capacity;
use shop::simulated_service::SimulatedService;
use testkit::seeded;

use crate::virtual_time::VirtualTime;

/// A response later than this counts as lost: the client has left.
const PATIENCE: Duration = Duration::from_millis(500);

fn capacity() -> Capacity {
    Capacity { work_ms: 40, concurrency: 8, queue_max: 80, ..Capacity::default() }
}

/// A service in virtual time, with the arrival and response time of each request.
struct Load {
    time: VirtualTime,
    service: Arc<SimulatedService>,
    tasks: Tasks,
    answered: Arc<Mutex<Vec<(Duration, Duration)>>>,
}

impl Load {
    fn new() -> Self {
        let (time, tasks) = (VirtualTime::default(), Tasks::default());
        let service = Arc::new(SimulatedService::new(capacity(), seeded(42), time.sleep_fn(), tasks.clone()));
        Self { time, service, tasks, answered: Arc::default() }
    }

    /// Sends requests at a constant rate, whether or not earlier ones have a response (an open load).
    async fn offer(&self, per_second: f64, length: Duration) {
        let (begun, step) = (self.time.now(), Duration::from_secs_f64(1.0 / per_second));
        let mut at = begun;
        while at < begun + length {
            self.time.run_until(at).await;
            let (time, service, answered) =
                (self.time.clone(), Arc::clone(&self.service), Arc::clone(&self.answered));
            self.spawn(async move {
                let Some(request) = service.accept() else { return };
                if service.work(request, 1).await.is_ok() {
                    answered.lock().unwrap().push((at, time.now()));
                }
            });
            at += step;
        }
        self.time.run_until(begun + length).await;
    }

    fn spawn(&self, request: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_isolated("request", request);
    }

    /// Timely responses per second, for requests that arrived in this period.
    fn goodput(&self, from: Duration, to: Duration) -> f64 {
        let answered = self.answered.lock().unwrap();
        let good = answered.iter().filter(|(came, at)| (from..to).contains(came) && *at <= *came + PATIENCE);
        per_second(good.count(), from, to)
    }

    /// Responses per second, timely or not.
    fn throughput(&self, from: Duration, to: Duration) -> f64 {
        let answered = self.answered.lock().unwrap();
        let all = answered.iter().filter(|(_, at)| (from..to).contains(at)).count();
        per_second(all, from, to)
    }
}

fn per_second(count: usize, from: Duration, to: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap()) / (to.as_secs_f64() - from.as_secs_f64())
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test]
async fn below_saturation_every_request_is_served_in_time() {
    let load = Load::new();
    load.offer(0.9 * capacity().peak(), seconds(20)).await;
    load.time.run_until(seconds(25)).await;
    let goodput = load.goodput(seconds(0), seconds(20)) / capacity().peak();
    assert!((0.89..=0.91).contains(&goodput), "{goodput}");
    let slowest = load.answered.lock().unwrap().iter().map(|(came, at)| at.abs_diff(*came)).max().unwrap();
    assert!(slowest < Duration::from_millis(100), "{slowest:?}");
}

#[tokio::test]
async fn beyond_saturation_throughput_falls() {
    // At exactly its capacity the queue grows randomly and passes the saturation point sooner or later, rarely within ten seconds.
    let (at, beyond) = (Load::new(), Load::new());
    at.offer(capacity().peak(), seconds(10)).await;
    at.time.run_until(seconds(20)).await;
    let at_once = at.goodput(seconds(0), seconds(10)) / capacity().peak();
    assert!(at_once > 0.9, "{at_once}");

    beyond.offer(3.0 * capacity().peak(), seconds(30)).await;
    let (from, to) = (seconds(5), seconds(30));
    let in_time = beyond.goodput(from, to) / capacity().peak();
    let at_all = beyond.throughput(from, to) / capacity().peak();
    assert!(in_time < 0.01 && (0.1..0.2).contains(&at_all), "{in_time} in time, {at_all} at all");
}

/// A closed load: each client sends its next request after a response. This measures the law point by point.
#[tokio::test]
async fn throughput_follows_the_law_for_a_fixed_number_of_clients() {
    for under_way in [4, 8, 16, 40] {
        let (load, length) = (Load::new(), seconds(30));
        for _ in 0..under_way {
            let (time, service, answered) =
                (load.time.clone(), Arc::clone(&load.service), Arc::clone(&load.answered));
            load.spawn(async move {
                while let Some(request) = service.accept() {
                    if service.work(request, 1).await.is_err() {
                        return;
                    }
                    answered.lock().unwrap().push((time.now(), time.now()));
                }
            });
        }
        load.time.run_until(length).await;
        let predicted =
            capacity().peak() * (f64::from(under_way) / 8.0).min(1.0) / capacity().slowdown(under_way);
        let ratio = load.throughput(seconds(2), length) / predicted;
        assert!((0.95..=1.05).contains(&ratio), "{under_way} under way: {ratio} of what the law predicts");
    }
}

#[tokio::test]
async fn a_service_recovers_by_itself_after_an_overload() {
    let load = Load::new();
    load.offer(3.0 * capacity().peak(), seconds(10)).await;
    load.offer(0.5, seconds(20)).await;
    let recovered = seconds(30);
    load.offer(0.8 * capacity().peak(), seconds(10)).await;
    load.time.run_until(seconds(45)).await;
    let goodput = load.goodput(recovered, recovered + seconds(10)) / capacity().peak();
    assert!((0.79..=0.81).contains(&goodput), "{goodput}");
}

#[tokio::test]
async fn two_runs_with_one_seed_are_equal() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let load = Load::new();
        load.offer(2.0 * capacity().peak(), seconds(3)).await;
        runs.push(load.answered.lock().unwrap().clone());
    }
    assert!(runs[0] == runs[1] && !runs[0].is_empty());
}
