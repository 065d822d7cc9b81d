//! The cookie of a session: readable by no script, sent to this host only and from its own pages only.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::session::LIFE_MS;

/// The name where browsers store cookies only over HTTPS. The prefix makes them refuse one of another host or path.
const SECURE_NAME: &str = "__Host-firstcome-session";
/// The name on the machine itself, which is reached by plain HTTP: not every browser stores a `Secure` cookie there.
const LOCAL_NAME: &str = "firstcome-session";

/// Whether the request is addressed to the machine itself.
pub(crate) fn is_loopback(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
        .map_or(host, |(name, _)| name);
    name.eq_ignore_ascii_case("localhost") || name == "[::1]" || name.starts_with("127.")
}

fn name(headers: &HeaderMap) -> &'static str {
    if is_loopback(headers) { LOCAL_NAME } else { SECURE_NAME }
}

/// The secret of the session that the request belongs to.
pub(crate) fn session(headers: &HeaderMap) -> Option<&str> {
    let name = name(headers);
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

/// The header that stores the secret in the browser; an empty secret removes it.
pub(crate) fn set_session(headers: &HeaderMap, secret: &str) -> HeaderValue {
    let secure = if is_loopback(headers) { "" } else { "; Secure" };
    let age = if secret.is_empty() { 0 } else { LIFE_MS / 1000 };
    let cookie =
        format!("{}={secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}{secure}", name(headers));
    HeaderValue::try_from(cookie).unwrap_or_else(|_| unreachable!("base64 is valid in a header"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &'static str, cookie: &'static str) -> HeaderMap {
        HeaderMap::from_iter([
            (header::HOST, HeaderValue::from_static(host)),
            (header::COOKIE, HeaderValue::from_static(cookie)),
        ])
    }

    #[test]
    fn the_cookie_is_secure_except_on_the_machine_itself() {
        for host in ["localhost:8090", "127.0.0.1:8090", "[::1]:8090", "LOCALHOST"] {
            assert_eq!(session(&headers(host, "lang=ko; firstcome-session=abc")), Some("abc"), "{host}");
            assert!(!set_session(&headers(host, ""), "abc").to_str().unwrap().contains("Secure"));
        }
        for host in ["console.example", "localhost.evil.example:8090"] {
            assert_eq!(session(&headers(host, "firstcome-session=abc")), None, "{host}");
            assert_eq!(session(&headers(host, "__Host-firstcome-session=abc")), Some("abc"));
            let set = set_session(&headers(host, ""), "abc");
            assert!(
                set.to_str()
                    .unwrap()
                    .starts_with("__Host-firstcome-session=abc; Path=/; HttpOnly; SameSite=Strict;")
            );
            assert!(set.to_str().unwrap().ends_with("; Secure"));
        }
    }
}
