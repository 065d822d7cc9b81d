//! The page that a browser gets when its request is not forwarded: small, self-contained, in the signup service's colours. It also stands
//! in for the signup service while that does not respond.

use axum::http::HeaderValue;
use data_encoding::BASE64;
use sha2::{Digest as _, Sha256};

use crate::messages::{self, RefusalText};
use service::Language;

const CSS: &str = ":root{color-scheme:light dark;--bg:#f3f5f8;--ink:#14171d;--soft:#545c6b;--key:#1d4ed8}\
@media(prefers-color-scheme:dark){:root{--bg:#0e1014;--ink:#f2f4f8;--soft:#aab2c0;--key:#93b4ff}}\
body{margin:0 auto;max-width:30rem;padding:56px 20px 24px;background:var(--bg);color:var(--ink);\
font:17px/1.5 system-ui,-apple-system,\"Apple SD Gothic Neo\",\"Malgun Gothic\",\"Noto Sans KR\",sans-serif;word-break:keep-all}\
h1{margin:8px 0 6px;font-size:1.6rem;line-height:1.3;letter-spacing:-.02em}\
p{margin:0 0 12px;color:var(--soft)}\
a{color:var(--key);display:inline-flex;align-items:center;min-height:48px}";

/// Reloads the page after the seconds that it names, or as soon as it is visible after them.
const SCRIPT: &str = "const s=document.querySelector('[data-s]').dataset.s;\
setTimeout(()=>{const go=()=>{if(!document.hidden)location.reload()};document.onvisibilitychange=go;go()},s*1000)";

/// What the reader of the page can do next.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Next<'a> {
    /// Nothing: a retry does not help.
    Nothing,
    /// The page reloads by itself after these seconds.
    Reload(u32),
    /// The reader can submit the form again after these seconds. A reload would lose it.
    SendAgain(u32),
    /// Follow this link.
    Go(&'a str),
}

/// The parts that all pages share.
pub(crate) struct RefusalPage {
    policy: HeaderValue,
}

impl RefusalPage {
    pub(crate) fn new() -> Self {
        let hash = |text: &str| BASE64.encode(&Sha256::digest(text));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; base-uri 'none'; frame-ancestors 'none'",
            hash(CSS),
            hash(SCRIPT)
        );
        let policy =
            HeaderValue::from_str(&policy).unwrap_or_else(|_| unreachable!("base64 fits in a header"));
        Self { policy }
    }

    /// The content security policy, which allows only the page's own style and script.
    pub(crate) fn policy(&self) -> HeaderValue {
        self.policy.clone()
    }

    /// The HTML of one page.
    pub(crate) fn html(language: Language, message: RefusalText, next: Next<'_>) -> String {
        let messages = messages::of(language);
        let RefusalText { head, text } = message;
        let refresh = match next {
            // Only without scripts: a page must not reload while it is not looked at.
            Next::Reload(seconds) => {
                format!("<noscript><meta http-equiv=\"refresh\" content=\"{seconds}\"></noscript>")
            }
            _ => String::new(),
        };
        let script = match next {
            Next::Reload(_) => format!("<script>{SCRIPT}</script>"),
            _ => String::new(),
        };
        let again = match next {
            Next::Nothing => String::new(),
            Next::Reload(seconds) => {
                let told = messages.again.replace("{s}", &seconds.to_string());
                format!(
                    "<p role=\"status\" data-s=\"{seconds}\">{told}</p><p><a href=\"\">{}</a></p>",
                    messages.now
                )
            }
            Next::SendAgain(seconds) => {
                format!("<p role=\"status\">{}</p>", messages.send_again.replace("{s}", &seconds.to_string()))
            }
            Next::Go(link) => format!("<p><a href=\"{link}\">{}</a></p>", messages.to_event),
        };
        format!(
            "<!doctype html><html lang=\"{}\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta name=\"robots\" content=\"noindex\">\
             <title>{head}</title><link rel=\"icon\" href=\"data:,\">{refresh}<style>{CSS}</style></head>\
             <body><main><h1>{head}</h1><p>{text}</p>{again}</main>{script}</body></html>",
            language.tag()
        )
    }
}
