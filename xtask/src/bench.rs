//! `cargo xtask bench`: benchmarks in release builds. Each writes `target/bench/<name>.json`. No test depends on the results.

use anyhow::Result;

use crate::requirements;
use crate::step::{self, cargo};
use crate::task::Bench;

/// Runs a benchmark.
pub(crate) fn run(bench: Bench) -> Result<()> {
    let (name, package, example, option) = match bench {
        Bench::Queue { long } => ("queue", "queue", "bench_queue", long.then_some("--long")),
        Bench::Signup => ("signup", "signup-service", "bench_signup", None),
        Bench::Polls => ("polls", "signup-service", "bench_signup", Some("--polls")),
        Bench::Gateway => ("gateway", "gateway", "bench_gateway", None),
        Bench::Outbox => ("outbox", "worker", "bench_outbox", None),
        Bench::Overload { quick } => ("overload", "gateway", "bench_overload", quick.then_some("--quick")),
    };
    match bench {
        Bench::Gateway => requirements::for_bench_gateway()?,
        Bench::Overload { .. } => requirements::for_bench_overload()?,
        Bench::Queue { .. } | Bench::Signup | Bench::Polls | Bench::Outbox => {}
    }
    let out = step::root().join("target/bench").join(format!("{name}.json"));
    let mut command = cargo(&["run", "--release", "-p", package, "--example", example, "--"]);
    command.arg(&out).args(option);
    step::run(command, "Check that there is enough memory, and that the tests of this package pass.")?;
    println!("written: {}", out.display());
    Ok(())
}
