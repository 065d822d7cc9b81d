//! The two APIs against what they say of themselves: Schemathesis reads the served description, and finds nothing that does not
//! fit. What each endpoint does is tested elsewhere.

use std::path::Path;
use std::process::Command;

use crate::operating::CliHarness;
use crate::output_text;

const TOOL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/schemathesis");
const FETCH: &str =
    "pip install --target target/tools/schemathesis schemathesis==4.32.5   (in the workspace)";

/// What the operator API needs beside its description. Any rev will do, so that changes go through. A change may meet an event in a state
/// that forbids it, and reads may come too early: that is no mistake of a request that fits, and one that does not may meet the
/// same before it is looked at.
const OF_THE_OPERATOR: &str = r#"
[parameters]
"header.If-Match" = "*"
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 410, 412, 422, 429, "5xx"]
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 409, 412, 413, 414, 415, 421, 422, 428, 431]
[checks.missing_required_header]
expected-statuses = [401, 428]
"#;

/// Asks what the description allows, and some that it does not, as bounded as a test must be. Each operation must have been asked.
fn finds_nothing(url: &str, folder: &Path, examples: &str, more: &[&str]) {
    assert!(
        Path::new(TOOL).join("schemathesis/__init__.py").is_file(),
        "this test needs Schemathesis; install it with:\n  {FETCH}"
    );
    let out = Command::new("python3")
        .args(["-m", "schemathesis.cli", "run", &format!("{url}/openapi.json")])
        .args(["--max-examples", examples, "--workers", "1", "--checks", "all", "--seed", "20261122"])
        .args(["--phases", "examples,coverage,fuzzing", "--no-color"])
        .args(["--request-timeout", "120", "--max-response-time", "120"])
        .args(more)
        // It keeps what it learnt in the working directory, and reads its settings there.
        .current_dir(folder)
        .env("PYTHONPATH", Path::new(TOOL).canonicalize().unwrap())
        .output()
        .unwrap();
    let text = output_text(&out);
    assert!(out.status.success(), "{text}");
    let (cases, all, tested) =
        (count(&text, "", " generated, "), count(&text, "Selected: ", "/"), count(&text, "Tested: ", ""));
    assert!(tested == all && cases > 10 * all, "{cases} requests to {tested} of {all} operations: {text}");
}

/// The number between two texts on one line.
fn count(text: &str, before: &str, after: &str) -> usize {
    let found = text.lines().find_map(|line| {
        let rest = line.trim().strip_prefix(before)?;
        rest[..rest.find(after).filter(|at| *at > 0).unwrap_or(rest.len())].parse().ok()
    });
    found.unwrap_or_else(|| panic!("no number between {before:?} and {after:?} in {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signup_does_what_its_description_says() {
    let harness = CliHarness::start().await;
    let receipt = harness.open_event().await;
    let known = format!("[parameters]\n\"path.receipt\" = \"{receipt}\"\n");
    std::fs::write(harness.folder.path().join("schemathesis.toml"), known).unwrap();
    finds_nothing(&harness.signup, harness.folder.path(), "15", &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_does_what_its_description_says() {
    let harness = CliHarness::start().await;
    harness.open_event().await;
    std::fs::write(harness.folder.path().join("schemathesis.toml"), OF_THE_OPERATOR).unwrap();
    let header = format!("Authorization: Bearer {}", harness.token);
    // Fewer: it likes to make a million seats, which takes the ledger seconds each time.
    // A stream does not end. So many wrong tokens get 429; that each route requires one is tested elsewhere.
    let more = ["--header", &header, "--exclude-path-regex", "/stream/", "--exclude-checks", "ignored_auth"];
    finds_nothing(&harness.operator, harness.folder.path(), "8", &more);
}
