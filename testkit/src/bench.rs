//! The results of a benchmark of a server, compared with a peer: rate, CPU time, and whether the server limited the rate.
//! It starts no process and writes no file.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

/// A server that used less than this part of its core did not limit the rate.
const BUSY_MIN: f64 = 0.9;

/// The result of one round with a server of one thread.
#[derive(Debug, Clone, Copy)]
pub struct Measurement {
    /// Responses per second.
    pub rate: f64,
    /// Microseconds of CPU time per response.
    pub cpu_us: f64,
    /// The part of its core that the server used.
    pub busy: f64,
}

impl Measurement {
    /// A measurement from the number of responses, the elapsed time and the server's CPU time.
    pub fn of(responses: f64, elapsed: Duration, cpu: Duration) -> Self {
        let elapsed = elapsed.as_secs_f64();
        let cpu = cpu.as_secs_f64();
        Self { rate: responses / elapsed, cpu_us: cpu * 1e6 / responses, busy: cpu / elapsed }
    }

    /// The median by rate.
    ///
    /// # Panics
    /// If there are no rounds.
    pub fn median(rounds: &[Self]) -> Self {
        let mut sorted = rounds.to_vec();
        sorted.sort_by(|a, b| a.rate.total_cmp(&b.rate));
        sorted[sorted.len() / 2]
    }

    /// Whether the server limited the rate.
    pub fn is_bottleneck(&self) -> bool {
        self.busy >= BUSY_MIN
    }

    /// Compares the rate and the CPU time with those of a peer, each with its name and its bar. A higher `ratio` is better,
    /// for the CPU time too.
    pub fn compared_with(
        self,
        peer: &str,
        theirs: Self,
        [rate, cpu]: [(&str, Option<f64>); 2],
    ) -> [Value; 2] {
        let valid = self.is_bottleneck() && theirs.is_bottleneck();
        let row = |(name, bar): (&str, Option<f64>), unit: &str, values: [f64; 2], ratio: f64| {
            json!({
                "name": name, "value": tenths(values[0]), "unit": unit, "peer": peer, "peer_value": tenths(values[1]),
                "ratio": (ratio * 100.0).round() / 100.0, "bar": bar.map(|bar| format!(">= {bar}")),
                "holds": bar.is_none_or(|bar| valid && ratio >= bar), "valid": valid,
            })
        };
        [
            row(rate, "1/s", [self.rate, theirs.rate], self.rate / theirs.rate),
            row(cpu, "us", [self.cpu_us, theirs.cpu_us], theirs.cpu_us / self.cpu_us),
        ]
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rate, cpu_us, busy } = self;
        let note = if self.is_bottleneck() { "" } else { ", INVALID: the server was not the bottleneck" };
        write!(f, "{rate:>8.0}/s  {cpu_us:>6.1} us of CPU each  {:>4.0} % of its core{note}", busy * 100.0)
    }
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_holds_only_if_both_servers_limited_the_rate() {
        let measured = |responses, busy_ms| {
            Measurement::of(responses, Duration::from_secs(1), Duration::from_millis(busy_ms))
        };
        let names = [("rate", Some(0.5)), ("cpu", None)];
        let [rate, cpu] = measured(600.0, 1000).compared_with("peer", measured(1000.0, 1000), names);
        assert_eq!(
            (&rate["ratio"], &rate["holds"], &rate["valid"]),
            (&json!(0.6), &json!(true), &json!(true))
        );
        assert_eq!((&cpu["value"], &cpu["ratio"]), (&json!(1666.7), &json!(0.6)));
        let [idle, _] = measured(600.0, 800).compared_with("peer", measured(1000.0, 1000), names);
        assert_eq!((&idle["holds"], &idle["valid"]), (&json!(false), &json!(false)));
        let [slow, _] = measured(400.0, 1000).compared_with("peer", measured(1000.0, 1000), names);
        assert_eq!(slow["holds"], json!(false));
    }
}
