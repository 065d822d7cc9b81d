//! `cargo xtask model`: the model of the protocol (`domain/tests/model`) within larger bounds.

use anyhow::Result;

use crate::step::{self, cargo};

const ADVICE: &str = "The steps that break a promise are printed above, in their order.";

/// Checks the model, one configuration after the other: each uses all cores.
pub(crate) fn run() -> Result<()> {
    let mut test =
        cargo(&["test", "-p", "domain", "--test", "model", "--", "--nocapture", "--test-threads=1"]);
    test.env("FIRSTCOME_MODEL_LARGE", "1");
    step::run(test, ADVICE)
}
