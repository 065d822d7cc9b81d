//! `cargo xtask test`: what the tests need, the tests, the examples in the documentation.

use std::path::Path;

use anyhow::Result;

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
        // `--tests` leaves the examples in the documentation out, which follow if there are any.
        step::run(
            cargo(&[&["test", "--workspace", "--tests", "--no-fail-fast", "--"], &*filters].concat()),
            ADVICE,
        )?;
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
