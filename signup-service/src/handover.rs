//! The way of a pass from a form to the shop. A shop whose site can read a cookie of this service gets it as a cookie, behind a redirect.
//! Any other shop gets it in the body of a POST, from a page that the browser sends on by itself. So no address has a pass, and neither
//! does a log or a `Referer`.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use domain::pass::COOKIE;

use crate::config::Config;
use crate::issued_pass::IssuedPass;
use crate::pages;
use crate::response::see_other;
use crate::site::{host, is_within};
use crate::state::SignupState;

/// How a pass reaches the shop.
#[derive(Debug, PartialEq, Eq)]
enum Handover<'a> {
    /// In a cookie for this domain and its subdomains; without a domain, for the host of this service.
    Cookie { domain: Option<&'a str> },
    /// In the body of a POST.
    Post,
}

impl<'a> Handover<'a> {
    fn of(config: &'a Config, target: &str) -> Self {
        let shop = host(target);
        match config.pass_cookie_domain.as_deref() {
            Some(domain) if is_within(shop, domain) => Self::Cookie { domain: Some(domain) },
            _ if !shop.is_empty() && shop == host(&config.public_url) => Self::Cookie { domain: None },
            _ => Self::Post,
        }
    }
}

/// Leads the browser to the shop's page with the pass.
pub(crate) fn to_shop(
    signup: &SignupState,
    issued: &IssuedPass,
    receipt: &str,
    headers: &HeaderMap,
) -> Response {
    let policy = |name| (HeaderName::from_static("referrer-policy"), HeaderValue::from_static(name));
    match Handover::of(&signup.config, issued.target()) {
        Handover::Cookie { domain } => {
            let headers = [(header::SET_COOKIE, cookie(issued, domain)), policy("no-referrer")];
            (headers, see_other(issued.target())).into_response()
        }
        // The origin alone, without the path and its receipt: under `no-referrer` the shop would get `Origin: null`.
        Handover::Post => {
            let mut response = pages::handover::page(signup, issued, receipt, headers).into_response();
            let (name, value) = policy("strict-origin");
            response.headers_mut().insert(name, value);
            response
        }
    }
}

fn cookie(issued: &IssuedPass, domain: Option<&str>) -> HeaderValue {
    let left_s = (issued.expires_at - issued.now).div_euclid(1000).max(0);
    let domain = domain.map_or_else(String::new, |domain| format!("; Domain={domain}"));
    let secure = if issued.target().starts_with("https://") { "; Secure" } else { "" };
    let token = &issued.token;
    let text = format!("{COOKIE}={token}; Path=/{domain}; Max-Age={left_s}; HttpOnly; SameSite=Lax{secure}");
    let mut value = HeaderValue::try_from(text)
        .unwrap_or_else(|_| unreachable!("base64 and a checked domain are valid in a header"));
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_goes_to_shops_that_can_get_it_only() {
        let handover = |public_url: &str, domain: Option<&str>, target| {
            let config = Config {
                public_url: public_url.into(),
                pass_cookie_domain: domain.map(Into::into),
                ..Config::default()
            };
            match Handover::of(&config, target) {
                Handover::Cookie { domain } => domain.unwrap_or("host").to_owned(),
                Handover::Post => "post".to_owned(),
            }
        };
        let (event, domain) = ("https://event.example.com", Some("example.com"));
        for (public_url, domain, target, expected) in [
            (event, domain, "https://shop.example.com/order", "example.com"),
            (event, domain, "https://example.com", "example.com"),
            (event, domain, "https://event.example.com/order", "example.com"),
            (event, domain, "https://badexample.com/", "post"),
            (event, domain, "https://example.com.evil.net/", "post"),
            (event, None, "https://event.example.com/order", "host"),
            (event, None, "https://shop.example.com/order", "post"),
            ("", None, "https://shop.example.com/order", "post"),
            ("http://127.0.0.1:8000", None, "http://127.0.0.1:9000/order", "host"),
        ] {
            assert_eq!(handover(public_url, domain, target), expected, "{public_url} {domain:?} {target}");
        }
    }
}
