//! `cargo xtask bench`: measures, in release builds, never judged by a test. Each writes `target/bench/<name>.json`.

use anyhow::{Result, bail};

use crate::step::{self, cargo};

/// Runs the benchmark of that name.
pub(crate) fn run(name: &str, long: bool) -> Result<()> {
    let (package, example) = match name {
        "queue" => ("queue", "bench_queue"),
        "signup" => ("signup-service", "bench_signup"),
        "gateway" => ("gateway", "bench_gateway"),
        other => bail!("there is no benchmark {other:?}; there are: line, signup, gateway"),
    };
    let out = step::root().join("target/bench").join(format!("{name}.json"));
    let mut command = cargo(&["run", "--release", "-p", package, "--example", example, "--"]);
    command.arg(&out).args(long.then_some("--long"));
    step::run(command, "Is there memory for it, and do the tests of this package pass?")?;
    println!("written: {}", out.display());
    Ok(())
}
