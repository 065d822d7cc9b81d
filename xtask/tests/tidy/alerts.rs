//! The samples for Prometheus and Grafana: they use only metrics that the program records, each alert has an entry in the runbook and
//! a test, and `promtool` accepts them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workspace::{assert_none, files, is_rust, is_test};

const RULES: &str = "ops/prometheus-rules.yml";
const TESTS: &str = "ops/prometheus-rules.test.yml";
/// What Prometheus appends to the name of a histogram.
const SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The names of metrics in a text.
fn metrics(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("firstcome_")).map(str::to_owned).collect()
}

/// The names that the sources record.
fn recorded() -> BTreeSet<String> {
    let sources = files(&|path| is_rust(path) && !is_test(path));
    let quoted = |text: &str| text.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let names = sources.iter().flat_map(|(_, text)| quoted(text));
    names.filter(|name| metrics(name).contains(name)).collect()
}

fn alerts() -> Vec<String> {
    let names = text(RULES);
    let names = names.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    names.map(str::to_owned).collect()
}

#[test]
fn rules_and_dashboard_use_only_metrics_that_are_recorded() {
    let recorded = recorded();
    assert!(recorded.len() >= 25, "{recorded:?}");
    let is_recorded = |name: &str| {
        let base = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix));
        recorded.contains(name) || base.is_some_and(|base| recorded.contains(base))
    };
    for path in [RULES, TESTS, "ops/grafana.json"] {
        let unknown: Vec<String> = metrics(&text(path))
            .into_iter()
            .filter(|name| !is_recorded(name))
            .map(|name| format!("{path}: no source records {name}"))
            .collect();
        assert_none(&unknown);
    }
}

#[test]
fn each_alert_has_an_entry_in_the_runbook_and_a_test() {
    let (runbook, tests, alerts) = (text("docs/operations.md"), text(TESTS), alerts());
    assert!(alerts.len() >= 10, "{alerts:?}");
    for alert in &alerts {
        assert!(runbook.contains(&format!("\n### {alert}\n")), "docs/operations.md: no entry for {alert}");
        assert!(tests.contains(&format!("alertname=\"{alert}\"")), "{TESTS}: no test of {alert}");
        let link = format!("docs/operations.md#{}'", alert.to_lowercase());
        assert!(text(RULES).contains(&link), "{RULES}: {alert} has no link to its entry");
    }
}

#[test]
fn the_dashboard_is_json_with_a_query_in_each_panel() {
    let dashboard: serde_json::Value = serde_json::from_str(&text("ops/grafana.json")).unwrap_or_default();
    let panels = dashboard["panels"].as_array().map_or(&[][..], Vec::as_slice);
    assert!(panels.len() >= 10);
    for panel in panels {
        let queries = panel["targets"].as_array().map_or(0, Vec::len);
        assert!(queries > 0 && panel["title"].is_string(), "{panel}");
    }
}

#[test]
fn promtool_accepts_the_rules_and_their_tests() {
    let tool = root().join("target/tools/prometheus/usr/bin/promtool");
    let tool = if tool.exists() { tool } else { PathBuf::from("promtool") };
    if Command::new(&tool).arg("--version").output().is_err() {
        println!("not checked: promtool is missing; `cargo xtask test --install` unpacks it");
        return;
    }
    for arguments in
        [["check", "config", "ops/prometheus.yml"], ["check", "rules", RULES], ["test", "rules", TESTS]]
    {
        let checked = Command::new(&tool).args(arguments).current_dir(root()).output();
        let checked = checked.unwrap_or_else(|e| panic!("{}: {e}", tool.display()));
        let output = [checked.stdout, checked.stderr].concat();
        assert!(checked.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output));
    }
}
