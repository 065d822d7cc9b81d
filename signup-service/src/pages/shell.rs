//! The style and the scripts of all pages. A page contains them inline, so that it is one response; its policy allows them by hash.

use axum::http::HeaderValue;
use sha2::{Digest as _, Sha256};

/// A script, with the Content-Security-Policy of a page that has it.
#[derive(Debug)]
pub(crate) struct Script {
    /// The source.
    pub(super) source: String,
    /// The policy.
    pub(super) policy: HeaderValue,
}

/// The style and the scripts of all pages.
#[derive(Debug)]
pub(crate) struct Shell {
    /// The style.
    pub(super) css: String,
    /// The script of an event's page.
    pub(super) apply: Script,
    /// The script of a receipt's page.
    pub(super) wait: Script,
}

impl Shell {
    /// Prepares style and scripts.
    pub(crate) fn new() -> Self {
        let css = minified(include_str!("../../assets/page.css"));
        let core = include_str!("../../assets/core.js");
        let script = |page: &str| {
            let source = minified(&format!("{core}\n{page}"));
            let policy = policy(&css, &source);
            Script { source, policy }
        };
        let apply = script(include_str!("../../assets/apply.js"));
        let wait = script(include_str!("../../assets/wait.js"));
        Self { css, apply, wait }
    }
}

/// The hashes allow only this style and this script: text that was not escaped by mistake cannot run.
fn policy(css: &str, script: &str) -> HeaderValue {
    let hash = |text: &str| data_encoding::BASE64.encode(&Sha256::digest(text.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; img-src data:; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        hash(css),
        hash(script)
    );
    HeaderValue::from_str(&policy).unwrap_or_else(|_| unreachable!("base64 is valid in a header"))
}

/// The source without indentation and comment lines.
fn minified(source: &str) -> String {
    let lines = source.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_of_the_scripts_are_not_sent() {
        let shell = Shell::new();
        assert!(shell.wait.source.contains("const position") && !shell.wait.source.contains("position.rs"));
        // An inline script ends at the first `</`, even inside a string.
        assert!(!shell.apply.source.contains("</") && !shell.wait.source.contains("</"));
    }
}
