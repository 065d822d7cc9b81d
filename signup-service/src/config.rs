//! Settings of the signup service.

use data_encoding::HEXLOWER_PERMISSIVE;
use service::config::Part;
use service::http::Network;
use sha2::{Digest as _, Sha256};

use crate::member::MemberConfig;
use crate::messages::Tone;
use crate::site::{host, is_within};

/// The token of the shop. Only its hash is kept, so that the settings hold no secret, and the time of a comparison reveals nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct ReportToken([u8; 32]);

impl std::fmt::Debug for ReportToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReportToken")
    }
}

impl ReportToken {
    /// The token with this text.
    pub fn new(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// The token with this hash, as `firstcome keys report-token` prints it.
    fn of_hash(hash: &str) -> Option<Self> {
        let hex = hash.strip_prefix("sha256:")?;
        HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?.try_into().ok().map(Self)
    }
}

/// The settings in `[signup]`.
#[derive(Debug, Clone)]
pub struct Config {
    /// The base URL of links, such as `https://event.example.com`. If empty, links are relative.
    pub public_url: String,
    /// How often a page near the head of the queue polls, in milliseconds.
    pub poll_near_ms: i64,
    /// How often a page far from the head polls, in milliseconds.
    pub poll_far_ms: i64,
    /// How often the progress documents are rendered from the queue, in milliseconds.
    pub refresh_ms: i64,
    /// The maximum number of applications being written to the queue at once. Further ones get 503.
    pub apply_calls_max: usize,
    /// How the Korean texts address applicants.
    pub tone: Tone,
    /// The domain of the cookie in which passes go to a shop of the same site, such as `example.com`. Without one, a shop on the host of
    /// `public_url` gets a cookie of that host.
    pub pass_cookie_domain: Option<String>,
    /// The bearer token with which the shop reports results. Without one, no report is accepted.
    pub report_token: Option<ReportToken>,
    /// Proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<Network>,
    /// How members of the shop are identified; without it, events of identity `member` accept no application.
    pub member: Option<MemberConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            public_url: String::new(),
            poll_near_ms: 1000,
            poll_far_ms: 10_000,
            refresh_ms: 250,
            apply_calls_max: 2000,
            tone: Tone::default(),
            pass_cookie_domain: None,
            report_token: None,
            trusted_proxies: Vec::new(),
            member: None,
        }
    }
}

impl Config {
    /// Reads the settings and reports mistakes in this section.
    pub fn read(part: &mut Part<'_>) -> Self {
        let defaults = Self::default();
        let (poll_near_ms, poll_far_ms) = poll_periods(part, &defaults);
        let public_url = public_url(part);
        Self {
            pass_cookie_domain: pass_cookie_domain(part, &public_url),
            public_url,
            poll_near_ms,
            poll_far_ms,
            refresh_ms: part.duration_ms("refresh", defaults.refresh_ms, 50..=10_000),
            apply_calls_max: usize::try_from(part.integer("apply_calls_max", 1..=1_000_000, 2000))
                .unwrap_or(defaults.apply_calls_max),
            tone: part.parse("tone", "friendly"),
            report_token: report_token(part),
            trusted_proxies: Network::read_all(part, "trusted_proxies"),
            member: MemberConfig::read(&mut part.part("member")),
        }
    }
}

fn poll_periods(part: &mut Part<'_>, defaults: &Config) -> (i64, i64) {
    let near = part.duration_ms("poll_near", defaults.poll_near_ms, 100..=60_000);
    let far = part.duration_ms("poll_far", defaults.poll_far_ms, 100..=600_000);
    if far < near {
        part.mistake("poll_far", "must not be below poll_near");
    }
    (near, far)
}

fn public_url(part: &mut Part<'_>) -> String {
    let text = part.text("public_url", "");
    let is_valid = text.is_empty() || text.starts_with("http://") || text.starts_with("https://");
    if !is_valid {
        part.mistake("public_url", "must begin with http:// or https://");
    }
    text.trim_end_matches('/').to_owned()
}

fn report_token(part: &mut Part<'_>) -> Option<ReportToken> {
    let hash = part.secret_text("report_token_hash")?;
    let token = ReportToken::of_hash(&hash);
    if token.is_none() {
        part.mistake(
            "report_token_hash",
            "is 'sha256:' and 64 hexadecimal digits, as `firstcome keys report-token` prints it",
        );
    }
    token
}

fn pass_cookie_domain(part: &mut Part<'_>, public_url: &str) -> Option<String> {
    let domain = part.optional_text("pass_cookie_domain")?;
    // A browser takes no cookie for a domain that the page is not in.
    if !domain.contains('.') || !is_within(host(public_url), &domain) {
        part.mistake(
            "pass_cookie_domain",
            "must be the domain of public_url, as 'example.com' of 'https://event.example.com'",
        );
    }
    Some(domain)
}
