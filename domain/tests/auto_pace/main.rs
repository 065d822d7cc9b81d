//! The automatic pace before an order service that becomes three times slower for 30 s.

mod simulation;

use domain::AutoPace;
use simulation::{Second, Speed, run};

const FAST: Speed = Speed { capacity: 150.0, latency_ms: 300.0 };
const SLOW: Speed = Speed { capacity: 50.0, latency_ms: 900.0 };

fn over(seconds: &[Second], f: impl Fn(&Second) -> f64) -> (f64, f64) {
    seconds.iter().map(f).fold((f64::MAX, f64::MIN), |(least, most), n| (least.min(n), most.max(n)))
}

#[test]
fn the_pace_falls_within_10_s_and_rises_without_overshoot() {
    let auto = AutoPace { min: "10".parse().unwrap(), max: "120".parse().unwrap(), target_p95_ms: 1500 };
    let run = run(&auto, "100".parse().unwrap(), 300, |s| if (60..90).contains(&s) { SLOW } else { FAST });
    assert!((run[58].pace - 120.0).abs() < 0.1, "it was at the maximum: {:?}", run[58]);
    assert!(run[68].pace < 90.0, "10 s after: {:?}", run[68]);
    // The calls that wait at the order service are served within some seconds.
    let (_, worst) = over(&run[80..], |second| second.p95_ms);
    assert!(worst <= 1500.0, "20 s after, and for the rest: {worst} ms");
    let (least, most) = over(&run[90..], |second| second.pace);
    assert!(least >= 10.0 && most <= 120.0);
    let falls_again = run[90..].windows(2).any(|pair| pair[1].pace < pair[0].pace);
    assert!(!falls_again, "it rises to what the order service bears and does not fall again");
    assert!(run[299].pace > 110.0, "{:?}", run[299]);
}

#[test]
fn before_an_order_service_below_the_maximum_the_pace_settles() {
    let auto = AutoPace { min: "10".parse().unwrap(), max: "120".parse().unwrap(), target_p95_ms: 1500 };
    let weak = Speed { capacity: 60.0, latency_ms: 300.0 };
    let run = run(&auto, "120".parse().unwrap(), 1800, |_| weak);
    let later = &run[600..];
    let mean = later.iter().map(|second| second.pace).sum::<f64>() / 1200.0;
    assert!((48.0..=61.0).contains(&mean), "{mean} of 60 calls/s");
    let steps = later.windows(2).filter(|pair| (pair[1].pace - pair[0].pace).abs() > 0.0001).count();
    assert!(steps <= 100, "{steps} steps in 20 min");
    let late = later.iter().filter(|second| second.p95_ms > 1500.0).count();
    assert!(late <= 36, "{late} of 1200 s above the target");
}
