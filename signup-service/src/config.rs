//! Settings of the signup service.

use service::config::Part;
use service::http::Network;

use crate::member::MemberConfig;
use crate::messages::Tone;

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
            trusted_proxies: Vec::new(),
            member: None,
        }
    }
}

impl Config {
    /// Reads the settings and reports mistakes in this section.
    pub fn read(part: &mut Part<'_>) -> Self {
        let defaults = Self::default();
        let near = part.duration_ms("poll_near", defaults.poll_near_ms, 100..=60_000);
        let far = part.duration_ms("poll_far", defaults.poll_far_ms, 100..=600_000);
        if far < near {
            part.mistake("poll_far", "must not be below poll_near");
        }
        Self {
            public_url: public_url(part),
            poll_near_ms: near,
            poll_far_ms: far,
            refresh_ms: part.duration_ms("refresh", defaults.refresh_ms, 50..=10_000),
            apply_calls_max: usize::try_from(part.integer("apply_calls_max", 1..=1_000_000, 2000))
                .unwrap_or(defaults.apply_calls_max),
            tone: part.parse("tone", "friendly"),
            trusted_proxies: Network::read_all(part, "trusted_proxies"),
            member: MemberConfig::read(&mut part.part("member")),
        }
    }
}

fn public_url(part: &mut Part<'_>) -> String {
    let text = part.text("public_url", "");
    let is_valid = text.is_empty() || text.starts_with("http://") || text.starts_with("https://");
    if !is_valid {
        part.mistake("public_url", "must begin with http:// or https://");
    }
    text.trim_end_matches('/').to_owned()
}
