//! Accessibility of a page, checked by axe-core (MPL-2.0, for tests only). It runs inside the page.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::Browser;

/// Where `cargo xtask test --install` puts axe-core.
const FILE: &str = "../target/tools/axe/node_modules/axe-core/axe.min.js";
/// All rules of WCAG 2.0 to 2.2, levels A and AA, and the best practices. Each violation is one line: the rule, and what breaks it.
const RUN: &str = "const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    return axe.run(document, { runOnly: tags, resultTypes: ['violations'] }).then(result => result.violations.map(v =>
        `${v.id} (${v.impact}): ${v.help}: ${v.nodes.map(node => node.html + ' ' + node.failureSummary).join(' | ')}`))";

/// Whether axe-core is there.
pub fn is_installed() -> bool {
    file().is_file()
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE)
}

/// The violations of the page that the browser shows. None is found, and a message printed, if axe-core is not installed: npm, which
/// downloads it, is not a requirement of the tests.
#[expect(clippy::print_stderr, reason = "a check that is left out is reported")]
pub async fn violations(browser: &Browser) -> Result<Vec<String>> {
    let Ok(source) = std::fs::read_to_string(file()) else {
        eprintln!(
            "accessibility was not checked: axe-core is missing (cargo xtask test --install, which needs npm)"
        );
        return Ok(Vec::new());
    };
    if browser.script("return typeof axe").await? == "undefined" {
        browser.script(&source).await?;
    }
    let found = browser.script(RUN).await?;
    let found = found.as_array().context("axe-core returned no list")?;
    Ok(found.iter().map(|line| line.as_str().map_or_else(|| line.to_string(), str::to_owned)).collect())
}
