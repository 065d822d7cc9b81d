//! `cargo xtask ci`: all that must hold before a merge, the quickest to fail first.

use anyhow::Result;

use crate::step::{self, Stopwatch, cargo};
use crate::tests_run;

/// Runs every step; the first that fails ends it.
pub(crate) fn run() -> Result<()> {
    let clock = Stopwatch::start();
    components()?;
    step::run(cargo(&["fmt", "--all", "--check"]), "Run `cargo fmt --all` and commit what it changed.")?;
    tests_run::run(true, &[])?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    step::run(
        cargo(&clippy),
        "Mend what clippy names, or `#[expect(.., reason = \"..\")]` it with a reason.",
    )?;
    let mut doc = cargo(&["doc", "--workspace", "--no-deps"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    step::run(doc, "Mend the links and comments that rustdoc names.")?;
    deny()?;
    println!("\nAll is well, in {}.", clock.shown());
    Ok(())
}

/// rustfmt and clippy, which a minimal installation of Rust leaves out.
fn components() -> Result<()> {
    if step::works(cargo(&["fmt", "--version"])) && step::works(cargo(&["clippy", "--version"])) {
        return Ok(());
    }
    let add = step::program("rustup", &["component", "add", "rustfmt", "clippy"]);
    step::run(add, "Install rustfmt and clippy for the Rust that `cargo --version` names.")
}

fn deny() -> Result<()> {
    if !step::works(cargo(&["deny", "--version"])) {
        println!("\ncargo-deny is not installed: licences and sources of dependencies were not checked.");
        return Ok(());
    }
    // `advisories` needs a database from the network, which a merge must not wait for.
    let deny = cargo(&["deny", "check", "bans", "licenses", "sources"]);
    step::run(deny, "deny.toml says what is allowed and why; take another crate or make the case there.")
}
