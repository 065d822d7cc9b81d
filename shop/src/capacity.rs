//! The capacity of a simulated service: up to its saturation point it works at full speed; beyond it, every further request makes
//! all of them slower, so that throughput falls.
//!
//! The slowdown is Gunther's universal scalability law (N. J. Gunther, "A General Theory of Computational Scalability Based on
//! Rational Functions", arXiv:0808.1431): C(N) = N / (1 + a(N-1) + bN(N-1)), with a for contention and b for crosstalk. N is the
//! load: requests under way, waiting ones included, as a multiple of the saturation point, which lies at twice `concurrency`: as many
//! requests may wait as are worked on before anything slows down. Only `concurrency` requests work, so beyond the saturation point each
//! holds its slot for `work_ms * (1 + a(N-1) + bN(N-1))`. With the defaults a = b = 20 %, throughput is 62 % of the peak at N = 2
//! and 15 % with a full queue.

use service::config::Part;

/// Requests under way per slot at the saturation point.
const SATURATION_LOAD: f64 = 2.0;

/// The capacity of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capacity {
    /// How long one unit of work takes on an idle service, in milliseconds.
    pub work_ms: u32,
    /// Requests that are worked on at once; the others wait in order of arrival.
    pub concurrency: u32,
    /// Requests that may wait. A request beyond that is kept for `shed_delay_ms` and gets a 503.
    pub queue_max: u32,
    /// Contention in percent: `a` of the law.
    pub contention_pct: u32,
    /// Crosstalk in percent: `b` of the law.
    pub crosstalk_pct: u32,
    /// How long a shed request waits for its error, in milliseconds: an overloaded server responds slowly to these too.
    pub shed_delay_ms: u32,
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            work_ms: 40,
            concurrency: 16,
            queue_max: 160,
            contention_pct: 20,
            crosstalk_pct: 20,
            shed_delay_ms: 5000,
        }
    }
}

impl Capacity {
    /// Reads the capacity from a part of the settings; `self` holds the defaults.
    pub fn read(self, part: &mut Part<'_>) -> Self {
        Self {
            work_ms: number(part, "work_ms", 1..=60_000, self.work_ms),
            concurrency: number(part, "concurrency", 1..=10_000, self.concurrency),
            queue_max: number(part, "queue_max", 0..=100_000, self.queue_max),
            contention_pct: number(part, "contention_pct", 0..=1000, self.contention_pct),
            crosstalk_pct: number(part, "crosstalk_pct", 0..=1000, self.crosstalk_pct),
            shed_delay_ms: number(part, "shed_delay_ms", 0..=60_000, self.shed_delay_ms),
        }
    }

    /// Units of work per second at the saturation point: the highest throughput.
    pub fn peak(&self) -> f64 {
        f64::from(self.concurrency) * 1000.0 / f64::from(self.work_ms)
    }

    /// The factor by which work takes longer with this many requests under way.
    pub fn slowdown(&self, under_way: u32) -> f64 {
        let load = f64::from(under_way) / (SATURATION_LOAD * f64::from(self.concurrency));
        if load <= 1.0 {
            return 1.0;
        }
        let contention = f64::from(self.contention_pct) / 100.0;
        let crosstalk = f64::from(self.crosstalk_pct) / 100.0;
        1.0 + contention * (load - 1.0) + crosstalk * load * (load - 1.0)
    }
}

fn number(part: &mut Part<'_>, key: &str, range: std::ops::RangeInclusive<i64>, default: u32) -> u32 {
    u32::try_from(part.integer(key, range, i64::from(default))).unwrap_or(default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowdown_follows_the_law_beyond_the_saturation_point() {
        let capacity = Capacity { concurrency: 10, ..Capacity::default() };
        let percent = |under_way| format!("{:.0} %", 100.0 / capacity.slowdown(under_way));
        assert_eq!([1, 10, 20, 40, 110].map(percent), ["100 %", "100 %", "100 %", "62 %", "15 %"]);
    }
}
