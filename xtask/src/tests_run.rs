//! `cargo xtask test`: checks the requirements of the tests, and runs the tests and the examples in the documentation.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::requirements;
use crate::step::{self, Stopwatch, cargo};

const ADVICE: &str = "Read the first failure above, and run that test alone with `cargo xtask test <part of its name>`. \
    The files of a failed test are kept in the folder that it prints.";

/// Runs the tests whose names contain one of the filters, or all tests without a filter.
pub(crate) fn run(install: bool, filters: &[String]) -> Result<()> {
    let clock = Stopwatch::start();
    requirements::ensure(install)?;
    let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
    if step::works(cargo(&["nextest", "--version"])) {
        step::run(cargo(&[&["nextest", "run", "--workspace"], &*filters].concat()), ADVICE)?;
    } else {
        let targets = TestTargets::of_workspace()?;
        let parallel = cargo(
            &[&["test", "--workspace", "--no-fail-fast", "--lib", "--bins"], &*targets.parallel()].concat(),
        );
        let serial = cargo(&[&["test", "--workspace", "--no-fail-fast"], &*targets.serial()].concat());
        let results = [with(parallel, &filters), with(serial, &[&["--test-threads=1"], &*filters].concat())]
            .map(|command| step::run(command, ADVICE));
        results.into_iter().collect::<Result<()>>()?;
    }
    if filters.is_empty() && has_doctest(step::root()) {
        step::run(cargo(&["test", "--workspace", "--doc"]), ADVICE)?;
    }
    println!(
        "\nTests passed in {}. Screenshots: {}",
        clock.text(),
        step::root().join("target/screens").display()
    );
    Ok(())
}

/// The test programs of the workspace.
struct TestTargets(BTreeSet<String>);

/// Test programs that start whole systems or a browser. They run their tests one at a time: in parallel on a small machine the tests
/// would slow each other down. `.config/nextest.toml` does the same for nextest.
const SERIAL: [&str; 2] = ["page", "system"];

impl TestTargets {
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
            .filter(|name| !SERIAL.contains(&name.as_str()))
            .flat_map(|name| ["--test", name])
            .collect()
    }

    fn serial(&self) -> Vec<&str> {
        self.0
            .iter()
            .filter(|name| SERIAL.contains(&name.as_str()))
            .flat_map(|name| ["--test", name])
            .collect()
    }
}

/// Adds arguments for the test programs.
fn with(mut command: Command, arguments: &[&str]) -> Command {
    command.arg("--").args(arguments);
    command
}

/// Whether a crate has an example in its documentation. Without one, `cargo test --doc` takes longer than the tests.
fn has_doctest(root: &Path) -> bool {
    folders(root).iter().any(|package| any_source(&package.join("src"), &has_example))
}

fn folders(parent: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

fn any_source(folder: &Path, predicate: &dyn Fn(&str) -> bool) -> bool {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut sources = files.filter(|path| path.extension().is_some_and(|end| end == "rs"));
    sources.any(|path| std::fs::read_to_string(path).is_ok_and(|text| predicate(&text)))
        || folders(folder).iter().any(|inner| any_source(inner, predicate))
}

/// Whether a doc comment has a code block that rustdoc would run: one in Rust, or without a language.
fn has_example(source: &str) -> bool {
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
    fn only_a_code_block_in_rust_is_an_example() {
        let fence = "```";
        assert!(has_example(&format!("/// {fence}\n/// f();\n/// {fence}\nfn f() {{}}")));
        assert!(has_example(&format!("//! {fence}text\n//! a\n//! {fence}\n//! {fence}rust\n//! f();")));
        assert!(!has_example(&format!("/// {fence}text\n/// a -> b\n/// {fence}\nfn f() {{}}")));
        assert!(!has_example("/// f"));
    }
}
