//! `cargo xtask test`: what the tests need, the tests, the examples in the documentation.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::needs;
use crate::step::{self, Stopwatch, cargo};

const ADVICE: &str = "Read the first failure above; run it alone with `cargo xtask test <part of its name>`. \
    What a failed test wrote is kept, in the folder that it names.";

/// Runs the tests whose names contain one of the filters; all without a filter.
pub(crate) fn run(install: bool, filters: &[String]) -> Result<()> {
    let clock = Stopwatch::start();
    needs::ensure(install)?;
    let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
    if step::works(cargo(&["nextest", "--version"])) {
        step::run(cargo(&[&["nextest", "run", "--workspace"], &*filters].concat()), ADVICE)?;
    } else {
        let targets = Targets::of_workspace()?;
        let parallel = cargo(
            &[&["test", "--workspace", "--no-fail-fast", "--lib", "--bins"], &*targets.parallel()].concat(),
        );
        let alone = cargo(&[&["test", "--workspace", "--no-fail-fast"], &*targets.alone()].concat());
        let results = [with(parallel, &filters), with(alone, &[&["--test-threads=1"], &*filters].concat())]
            .map(|command| step::run(command, ADVICE));
        results.into_iter().collect::<Result<()>>()?;
    }
    if filters.is_empty() && has_doctest(step::root()) {
        step::run(cargo(&["test", "--workspace", "--doc"]), ADVICE)?;
    }
    println!(
        "\nTests passed in {}. Screenshots: {}",
        clock.shown(),
        step::root().join("target/screens").display()
    );
    Ok(())
}

/// The test binaries of the workspace. Those that start whole systems or a browser run their tests one after the other: side by side
/// on a small machine they would measure each other. `.config/nextest.toml` says the same to nextest.
struct Targets(BTreeSet<String>);

const ALONE: [&str; 2] = ["page", "system"];

impl Targets {
    fn of_workspace() -> Result<Self> {
        let output =
            cargo(&["metadata", "--no-deps", "--format-version=1"]).stderr(Stdio::inherit()).output()?;
        let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata failed")?;
        let packages = metadata["packages"].as_array().into_iter().flatten();
        let targets = packages.flat_map(|package| package["targets"].as_array().into_iter().flatten());
        let tests = targets.filter(|target| target["kind"][0] == "test");
        Ok(Self(tests.filter_map(|target| target["name"].as_str().map(str::to_owned)).collect()))
    }

    fn parallel(&self) -> Vec<&str> {
        self.0
            .iter()
            .filter(|name| !ALONE.contains(&name.as_str()))
            .flat_map(|name| ["--test", name])
            .collect()
    }

    fn alone(&self) -> Vec<&str> {
        self.0
            .iter()
            .filter(|name| ALONE.contains(&name.as_str()))
            .flat_map(|name| ["--test", name])
            .collect()
    }
}

/// The command with these arguments for the test programs.
fn with(mut command: Command, arguments: &[&str]) -> Command {
    command.arg("--").args(arguments);
    command
}

/// Whether any crate has an example in its documentation: without one, looking takes cargo longer than the tests.
fn has_doctest(root: &Path) -> bool {
    folders(root).iter().any(|package| any_source(&package.join("src"), &opens_example))
}

fn folders(of: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(of).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

fn any_source(folder: &Path, holds: &dyn Fn(&str) -> bool) -> bool {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut sources = files.filter(|path| path.extension().is_some_and(|end| end == "rs"));
    sources.any(|path| std::fs::read_to_string(path).is_ok_and(|text| holds(&text)))
        || folders(folder).iter().any(|inner| any_source(inner, holds))
}

/// A block of code in a doc comment that rustdoc would run: the first fence names no other language.
fn opens_example(source: &str) -> bool {
    let docs = source
        .lines()
        .map(str::trim_start)
        .filter_map(|line| line.strip_prefix("///").or_else(|| line.strip_prefix("//!")).map(str::trim));
    let mut fences = docs.filter_map(|line| line.strip_prefix("```"));
    fences.by_ref().step_by(2).any(|language| language.is_empty() || language.starts_with("rust"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_is_told_from_a_drawing() {
        let fence = "```";
        assert!(opens_example(&format!("/// {fence}\n/// f();\n/// {fence}\nfn f() {{}}")));
        assert!(opens_example(&format!("//! {fence}text\n//! a\n//! {fence}\n//! {fence}rust\n//! f();")));
        assert!(!opens_example(&format!("/// {fence}text\n/// a -> b\n/// {fence}\nfn f() {{}}")));
        assert!(!opens_example("/// f"));
    }
}
