//! What every page is wrapped in: one answer with style and script inside, allowed by their hashes, compressed. It knows no state.

use std::io::Write as _;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

use service::Language;

/// A script of a page, with the policy that allows it.
#[derive(Debug)]
pub(crate) struct Script {
    /// The source.
    pub(crate) source: String,
    policy: HeaderValue,
}

/// The parts that all pages share.
#[derive(Debug)]
pub(crate) struct Shell {
    /// The style.
    pub(crate) css: String,
    /// The script of an event's page.
    pub(crate) apply: Script,
    /// The script of a receipt's page.
    pub(crate) wait: Script,
}

/// A rendered page, with what its headers need.
pub(crate) struct Page<'a> {
    /// The status.
    pub(crate) status: StatusCode,
    /// The document.
    pub(crate) html: String,
    /// The script in it.
    pub(crate) script: &'a Script,
    /// Its language.
    pub(crate) language: Language,
    /// Whether the language was asked for by hand, and so is to be remembered.
    pub(crate) remember: bool,
    /// Seconds to wait before the next try.
    pub(crate) retry_after: Option<u32>,
}

impl Shell {
    /// Prepares style and scripts.
    pub(crate) fn new() -> Self {
        let css = squeezed(include_str!("../assets/page.css"));
        let core = include_str!("../assets/core.js");
        let script = |own: &str| {
            let source = squeezed(&format!("{core}\n{own}"));
            let policy = policy(&css, &source);
            Script { source, policy }
        };
        let apply = script(include_str!("../assets/apply.js"));
        let wait = script(include_str!("../assets/wait.js"));
        Self { css, apply, wait }
    }
}

impl Page<'_> {
    /// The answer, compressed if the client takes that.
    pub(crate) fn answer(self, headers: &HeaderMap) -> Response {
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        let squeezed = takes_gzip(headers).then(|| gzip(self.html.as_bytes())).flatten();
        let mut answer = match squeezed {
            Some(body) => {
                let coding = [(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))];
                (self.status, coding, body).into_response()
            }
            None => (self.status, self.html).into_response(),
        };
        let told = answer.headers_mut();
        told.insert(header::CONTENT_TYPE, html);
        told.insert(header::CONTENT_SECURITY_POLICY, self.script.policy.clone());
        told.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(self.language.tag()));
        told.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        told.insert(header::VARY, HeaderValue::from_static("Accept-Language, Accept-Encoding, Cookie"));
        told.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer"));
        if self.remember {
            told.insert(header::SET_COOKIE, lang_cookie(self.language));
        }
        if let Some(seconds) = self.retry_after {
            told.insert(header::RETRY_AFTER, seconds.into());
        }
        answer
    }
}

fn lang_cookie(language: Language) -> HeaderValue {
    HeaderValue::from_static(match language {
        Language::Korean => "lang=ko; Path=/; Max-Age=31536000; SameSite=Lax",
        Language::English => "lang=en; Path=/; Max-Age=31536000; SameSite=Lax",
    })
}

/// The hashes allow exactly our style and our script: a text that slipped through unescaped still could not run.
fn policy(css: &str, script: &str) -> HeaderValue {
    let hash = |text: &str| data_encoding::BASE64.encode(&Sha256::digest(text.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; img-src data:; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        hash(css),
        hash(script)
    );
    HeaderValue::from_str(&policy).unwrap_or_else(|_| unreachable!("base64 fits in a header"))
}

/// Without the indents and comment lines that are for us.
fn squeezed(source: &str) -> String {
    let lines = source.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).into_iter().filter_map(|v| v.to_str().ok());
    accepted.flat_map(|list| list.split(',')).any(|item| {
        let (coding, q) = item.split_once(';').unwrap_or((item, ""));
        let refused = q.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
        coding.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

fn gzip(body: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2), Compression::new(6));
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_used_only_if_taken() {
        for (accepted, taken) in
            [("gzip, br", true), ("br;q=1, GZIP;q=0.5", true), ("gzip;q=0", false), ("br", false)]
        {
            let headers =
                HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(accepted))]);
            assert_eq!(takes_gzip(&headers), taken, "{accepted}");
        }
    }

    #[test]
    fn the_script_s_comments_stay_at_home() {
        let shell = Shell::new();
        assert!(shell.wait.source.contains("const place") && !shell.wait.source.contains("standing.rs"));
        // An inline script ends at the first `</script`, whatever it is in.
        assert!(!shell.apply.source.contains("</") && !shell.wait.source.contains("</"));
    }
}
