//! `cargo xtask chaos`: many seeds of the chaos test, added up in `target/chaos/report.json`.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::requirements;
use crate::step::{self, cargo, program};
use crate::task::ChaosArgs;

const ADVICE: &str = "A seed whose run broke a promise is printed with the invariant. `cargo xtask chaos --seeds N` plays it again.";

/// Plays the seeds. With `resume` the report continues; otherwise it starts anew.
pub(crate) fn run(args: &ChaosArgs) -> Result<()> {
    requirements::ensure(false)?;
    let folder = step::root().join("target/chaos");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let report = folder.join("report.json");
    if !args.resume && report.exists() {
        std::fs::remove_file(&report).with_context(|| format!("cannot remove {}", report.display()))?;
    }
    ensure!(args.seeds.first <= args.seeds.last, "the first seed is above the last: nothing to play");
    let profile: &[&str] = if args.release { &["--release"] } else { &[] };
    let mut test: Command = cargo(&[&["test"], profile, &["-p", "firstcome", "--test", "system"]].concat());
    test.args(["--", "chaos::", "--nocapture"])
        .env("CHAOS_FIRST_SEED", args.seeds.first.to_string())
        .env("CHAOS_SEEDS", (args.seeds.last - args.seeds.first + 1).to_string())
        .env("CHAOS_FAULTS", args.faults.to_string())
        .env("CHAOS_COMMIT", commit())
        .env("CHAOS_REPORT", &report);
    let result = step::run(test, ADVICE);
    println!("written: {}", report.display());
    result
}

/// The short hash of the commit; empty outside a repository.
fn commit() -> String {
    let output = program("git", &["rev-parse", "--short", "HEAD"]).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_default()
}
