//! `cargo xtask ci`: all checks before a merge, the fastest to fail first.

use anyhow::Result;

use crate::step::{self, Stopwatch, cargo};
use crate::tests_run;

/// Runs every step, and stops at the first that fails.
pub(crate) fn run() -> Result<()> {
    let clock = Stopwatch::start();
    components()?;
    step::run(cargo(&["fmt", "--all", "--check"]), "Run `cargo fmt --all` and commit what it changed.")?;
    tests_run::run(true, &[])?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    step::run(
        cargo(&clippy),
        "Fix what clippy reports, or add `#[expect(.., reason = \"..\")]` with a reason.",
    )?;
    let mut doc = cargo(&["doc", "--workspace", "--no-deps"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    step::run(doc, "Fix the links and comments that rustdoc reports.")?;
    deny()?;
    println!("\nAll checks passed in {}.", clock.text());
    Ok(())
}

/// Installs rustfmt and clippy if they are missing, as in a minimal installation of Rust.
fn components() -> Result<()> {
    if step::works(cargo(&["fmt", "--version"])) && step::works(cargo(&["clippy", "--version"])) {
        return Ok(());
    }
    let add = step::program("rustup", &["component", "add", "rustfmt", "clippy"]);
    step::run(add, "Install rustfmt and clippy for the version that `cargo --version` prints.")
}

fn deny() -> Result<()> {
    if !step::works(cargo(&["deny", "--version"])) {
        println!(
            "\ncargo-deny is not installed: the licences and sources of the dependencies were not checked."
        );
        return Ok(());
    }
    // `advisories` needs a database from the network, and a merge must not depend on the network.
    let deny = cargo(&["deny", "check", "bans", "licenses", "sources"]);
    step::run(
        deny,
        "deny.toml states what is allowed and why. Choose another crate, or add an exception with a reason.",
    )
}
