//! `cargo xtask bench`: measures, in release builds, never judged by a test. Each writes `target/bench/<name>.json`.

use anyhow::Result;

use crate::needs;
use crate::step::{self, cargo};
use crate::task::Bench;

/// Runs a benchmark.
pub(crate) fn run(bench: Bench) -> Result<()> {
    let (name, package, example, long) = match bench {
        Bench::Queue { long } => ("queue", "queue", "bench_queue", long),
        Bench::Signup => ("signup", "signup-service", "bench_signup", false),
        Bench::Gateway => ("gateway", "gateway", "bench_gateway", false),
    };
    if name == "gateway" {
        needs::for_bench_gateway()?;
    }
    let out = step::root().join("target/bench").join(format!("{name}.json"));
    let mut command = cargo(&["run", "--release", "-p", package, "--example", example, "--"]);
    command.arg(&out).args(long.then_some("--long"));
    step::run(command, "Is there memory for it, and do the tests of this package pass?")?;
    println!("written: {}", out.display());
    Ok(())
}
