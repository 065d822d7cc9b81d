//! The styles and the scripts of all pages. A page contains them inline, so that it is one response; its policy allows them by hash.

use axum::http::HeaderValue;
use domain::look::web_origin;
use sha2::{Digest as _, Sha256};

/// The style and the script of a kind of page, with its Content-Security-Policy.
#[derive(Debug)]
pub(crate) struct Assets {
    /// The style.
    pub(super) css: String,
    /// The source of the script.
    pub(super) script: String,
    /// The policy.
    pub(super) policy: HeaderValue,
}

impl Assets {
    fn new(css: &str, script: &str) -> Self {
        let (css, script) = (minified(css), script.to_owned());
        let policy = policy(&css, &script, "'self'", "");
        Self { css, script, policy }
    }

    /// The policy of a page whose forms may also lead to this address of a shop.
    pub(super) fn policy_with_forms_to(&self, target: &str) -> HeaderValue {
        let own = "form-action 'self'";
        let origin = web_origin(target).unwrap_or_default();
        let policy = self.policy.to_str().unwrap_or_default().replace(own, &format!("{own} {origin}"));
        HeaderValue::from_str(&policy).unwrap_or_else(|_| self.policy.clone())
    }
}

/// The styles and the scripts of all pages.
#[derive(Debug)]
pub(crate) struct Shell {
    /// For pages with a form: an event's page.
    pub(super) apply: Assets,
    /// For pages without a form: a receipt's page.
    pub(super) wait: Assets,
    /// For receipts of events that call applicants.
    pub(super) call: Assets,
    /// The layout of what an operator adds to a page.
    pub(super) look: String,
    /// For the page that sends a pass to a shop.
    pub(super) handover: Assets,
    /// The script of previews.
    pub(super) preview: String,
}

impl Shell {
    /// Prepares styles and scripts.
    pub(crate) fn new() -> Self {
        let base = include_str!("../../assets/base.css");
        let core = include_str!("../../assets/core.js");
        let assets = |css: &str, script: &str| {
            Assets::new(&format!("{base}\n{css}"), &compact(&minified(&format!("{core}\n{script}"))))
        };
        let (css, script) = (include_str!("../../assets/receipt.css"), include_str!("../../assets/wait.js"));
        let apply = assets(include_str!("../../assets/form.css"), include_str!("../../assets/apply.js"));
        let call = assets(
            &[css, include_str!("../../assets/called.css")].join("\n"),
            // First, since the other one may have to show the time at once.
            &[include_str!("../../assets/called.js"), script].join("\n"),
        );
        let wait = assets(css, script);
        let handover = Assets::new(base, "document.forms[0].submit()");
        let preview = minified(include_str!("../../assets/preview.js"));
        let look = minified(include_str!("../../assets/look.css"));
        Self { apply, wait, call, look, handover, preview }
    }
}

/// The hashes allow only this style and this script: text that was not escaped by mistake cannot run. Requests and forms may go to
/// `target`, and images come from `images` only.
pub(super) fn policy(css: &str, script: &str, target: &str, images: &str) -> HeaderValue {
    let hash = |text: &str| data_encoding::BASE64.encode(&Sha256::digest(text.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src {target}; \
         img-src data: {images}; form-action {target}; base-uri 'none'; frame-ancestors 'none'",
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

/// The script without spaces around punctuation. Texts between apostrophes stay as they are.
fn compact(script: &str) -> String {
    let parts = script.split('\'').enumerate();
    let parts = parts.map(|(i, part)| if i % 2 == 0 { compact_code(part) } else { part.to_owned() });
    parts.collect::<Vec<_>>().join("'").replace(";\n", ";")
}

fn compact_code(code: &str) -> String {
    // `+` and `-` are not among them: `a + +b` would change its meaning.
    let is_punctuation = |c: char| "{}()[];,:?=<>&|!".contains(c);
    let mut compact = String::with_capacity(code.len());
    let mut chars = code.chars().peekable();
    while let Some(c) = chars.next() {
        let is_between =
            compact.ends_with(is_punctuation) || chars.peek().is_some_and(|next| is_punctuation(*next));
        if c != ' ' || !is_between {
            compact.push(c);
        }
    }
    compact
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_spaces_of_the_code_are_removed() {
        assert_eq!(
            compact("const a = (b, c) => b + ' = ' + +c;\nlet d = '(, )';"),
            "const a=(b,c)=>b + ' = ' + +c;let d='(, )';"
        );
    }

    #[test]
    fn comments_of_the_scripts_are_not_sent() {
        let shell = Shell::new();
        assert!(shell.wait.script.contains("const position") && !shell.wait.script.contains("position.rs"));
        // An inline script ends at the first `</`, even inside a string.
        assert!(!shell.apply.script.contains("</") && !shell.wait.script.contains("</"));
    }
}
