//! What a benchmark finds of a server, beside a peer's: rate, CPU, and whether it was the server that limited the rate.
//! It starts nothing and writes no file.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

/// Below this part of its core, a server was not what limited the rate.
const BUSY_MIN: f64 = 0.9;

/// What a round found of a server with one thread.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// Answers a second.
    pub rate: f64,
    /// Microseconds of the server's CPU for each.
    pub cpu_us: f64,
    /// How much of its core the server used.
    pub busy: f64,
}

impl Found {
    /// By the answers, the time that they took, and the CPU time that the server used for them.
    pub fn of(answers: f64, took: Duration, cpu: Duration) -> Self {
        let (took, cpu) = (took.as_secs_f64(), cpu.as_secs_f64());
        Self { rate: answers / took, cpu_us: cpu * 1e6 / answers, busy: cpu / took }
    }

    /// The round in the middle, by rate.
    ///
    /// # Panics
    /// If there is none.
    pub fn median(rounds: &[Self]) -> Self {
        let mut sorted = rounds.to_vec();
        sorted.sort_by(|a, b| a.rate.total_cmp(&b.rate));
        sorted[sorted.len() / 2]
    }

    /// Whether the server is what was measured.
    pub fn limits(&self) -> bool {
        self.busy >= BUSY_MIN
    }

    /// Ours beside a peer's: rate and CPU time, each with its name and its bar. More is better in `ratio`, for the CPU time too.
    pub fn beside(self, peer: &str, found: Self, [rate, cpu]: [(&str, Option<f64>); 2]) -> [Value; 2] {
        let valid = self.limits() && found.limits();
        let row = |(name, bar): (&str, Option<f64>), unit: &str, values: [f64; 2], ratio: f64| {
            json!({
                "name": name, "value": tenths(values[0]), "unit": unit, "peer": peer, "peer_value": tenths(values[1]),
                "ratio": (ratio * 100.0).round() / 100.0, "bar": bar.map(|bar| format!(">= {bar}")),
                "holds": bar.is_none_or(|bar| valid && ratio >= bar), "void": !valid,
            })
        };
        [
            row(rate, "1/s", [self.rate, found.rate], self.rate / found.rate),
            row(cpu, "us", [self.cpu_us, found.cpu_us], found.cpu_us / self.cpu_us),
        ]
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rate, cpu_us, busy } = self;
        let void = if self.limits() { "" } else { ", VOID: it was not the bottleneck" };
        write!(f, "{rate:>8.0}/s  {cpu_us:>6.1} us of CPU each  {:>4.0} % of its core{void}", busy * 100.0)
    }
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_holds_only_where_both_servers_were_what_limited_the_rate() {
        let found =
            |answers, busy_ms| Found::of(answers, Duration::from_secs(1), Duration::from_millis(busy_ms));
        let names = [("rate", Some(0.5)), ("cpu", None)];
        let [rate, cpu] = found(600.0, 1000).beside("peer", found(1000.0, 1000), names);
        assert_eq!(
            (&rate["ratio"], &rate["holds"], &rate["void"]),
            (&json!(0.6), &json!(true), &json!(false))
        );
        assert_eq!((&cpu["value"], &cpu["ratio"]), (&json!(1666.7), &json!(0.6)));
        let [idle, _] = found(600.0, 800).beside("peer", found(1000.0, 1000), names);
        assert_eq!((&idle["holds"], &idle["void"]), (&json!(false), &json!(true)));
        let [slow, _] = found(400.0, 1000).beside("peer", found(1000.0, 1000), names);
        assert_eq!(slow["holds"], json!(false));
    }
}
