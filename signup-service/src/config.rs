//! The signup service's settings.

use service::config::Part;
use service::http::Network;

/// What the signup service is told when it starts.
#[derive(Debug, Clone)]
pub struct Config {
    /// What links begin with, `https://event.example.com`; empty makes them relative.
    pub public_url: String,
    /// How often a page near the head of the queue polls.
    pub poll_near_ms: i64,
    /// How often a page far from it polls.
    pub poll_far_ms: i64,
    /// How often the documents are made anew from the queue.
    pub refresh_ms: i64,
    /// Most applications that may wait for the queue at once; above it 503.
    pub max_waiting_applies: usize,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            public_url: String::new(),
            poll_near_ms: 1000,
            poll_far_ms: 10_000,
            refresh_ms: 250,
            max_waiting_applies: 2000,
            trusted_proxies: Vec::new(),
        }
    }
}

impl Config {
    /// Reads the settings; mistakes are left with the part.
    pub fn read(part: &mut Part<'_>) -> Self {
        let usual = Self::default();
        let near = part.duration_ms("poll_near_ms", usual.poll_near_ms, 100..=60_000);
        let far = part.duration_ms("poll_far_ms", usual.poll_far_ms, 100..=600_000);
        if far < near {
            part.mistake("poll_far_ms", "must not be below poll_near_ms");
        }
        Self {
            public_url: public_url(part),
            poll_near_ms: near,
            poll_far_ms: far,
            refresh_ms: part.duration_ms("refresh_ms", usual.refresh_ms, 50..=10_000),
            max_waiting_applies: usize::try_from(part.integer("max_waiting_applies", 1..=1_000_000, 2000))
                .unwrap_or(usual.max_waiting_applies),
            trusted_proxies: Network::read_all(part, "trusted_proxies"),
        }
    }
}

fn public_url(part: &mut Part<'_>) -> String {
    let text = part.text("public_url", "");
    let plain = text.is_empty() || text.starts_with("http://") || text.starts_with("https://");
    if !plain {
        part.mistake("public_url", "begins with http:// or https://");
    }
    text.trim_end_matches('/').to_owned()
}
