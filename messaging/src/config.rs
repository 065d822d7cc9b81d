//! The settings of messaging.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use domain::{DomainEventKind, DomainEventKinds, Millis};
use service::config::Part;
use service::http::Network;

use crate::target::Target;
use crate::webhook::{AllowedNetworks, SecretKey};

/// Longest name of a deployment, in bytes.
const DEPLOYMENT_MAX: usize = 40;
/// The waits before the attempts of a webhook delivery, in milliseconds: 0, 5 s, 5 min, 30 min, then 2 to 24 hours.
const RETRY_MS: [Millis; 10] =
    [0, 5000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 50_400_000, 72_000_000, 86_400_000];
/// The default time limit of a webhook request, and its range, in milliseconds.
const TIMEOUT_MS: Millis = 15_000;
const TIMEOUT_RANGE_MS: RangeInclusive<Millis> = 1000..=60_000;

/// The settings of messaging.
#[derive(Debug, Clone)]
pub struct Config {
    /// The name of this installation, in the source of each domain event.
    pub deployment: String,
    /// The kinds of domain events that are written.
    pub kinds: DomainEventKinds,
    /// The targets that they are sent to.
    pub targets: Vec<Target>,
    /// The settings of webhooks. Without them there are none.
    pub webhook: Option<WebhookConfig>,
}

/// The settings of webhooks.
#[derive(Debug, Clone)]
pub struct WebhookConfig {
    /// The key that seals the secrets of endpoints.
    pub key: SecretKey,
    /// Networks that may be called although they are not public.
    pub allowed: AllowedNetworks,
    /// Ports besides 443.
    pub ports: Vec<u16>,
    /// A PEM file of certificates that are trusted besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// The time limit of a request.
    pub timeout: Duration,
    /// The waits before the attempts, in milliseconds. After the last attempt a delivery is dead.
    pub retry_ms: Vec<Millis>,
}

impl WebhookConfig {
    /// The defaults with this key.
    pub fn new(key: SecretKey) -> Self {
        Self {
            key,
            allowed: AllowedNetworks::default(),
            ports: Vec::new(),
            ca_file: None,
            timeout: duration(TIMEOUT_MS),
            retry_ms: RETRY_MS.to_vec(),
        }
    }

    /// Reads the settings; `None` without a key.
    fn read(part: &mut Part<'_>) -> Option<Self> {
        let allowed = AllowedNetworks(Network::read_all(part, "allow"));
        let texts = part.texts("ports");
        let ports = texts.iter().filter_map(|text| read_port(part, text)).collect();
        let timeout = duration(part.duration_ms("timeout", TIMEOUT_MS, TIMEOUT_RANGE_MS));
        let ca_file = part.optional_text("ca_file").map(PathBuf::from);
        let key = read_key(part)?;
        Some(Self { allowed, ports, ca_file, timeout, ..Self::new(key) })
    }
}

fn read_port(settings: &mut Part<'_>, text: &str) -> Option<u16> {
    let port = text.parse().ok().filter(|port| *port > 0);
    if port.is_none() {
        settings.mistake("ports", &format!("'{text}' is no port"));
    }
    port
}

fn duration(ms: Millis) -> Duration {
    Duration::from_millis(ms.unsigned_abs())
}

/// Reads the key as text, or from a file of its own.
fn read_key(part: &mut Part<'_>) -> Option<SecretKey> {
    let (name, text) = match (part.secret_text("key"), part.secret_file("key_file")) {
        (Some(text), _) => ("key", text),
        (None, Some(file)) => match std::fs::read_to_string(&file) {
            Ok(text) => ("key_file", text),
            Err(error) => {
                part.mistake("key_file", &format!("cannot be read: {error}"));
                return None;
            }
        },
        (None, None) => return None,
    };
    match text.parse::<SecretKey>() {
        Ok(key) => Some(key),
        Err(error) => {
            part.mistake(name, &error.to_string());
            None
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            deployment: "local".into(),
            kinds: DomainEventKinds::default(),
            targets: vec![Target::log()],
            webhook: None,
        }
    }
}

impl Config {
    /// Reads the settings and reports mistakes in this section.
    pub fn read(part: &mut Part<'_>) -> Self {
        let default = Self::default();
        let deployment = part.text("deployment", &default.deployment);
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if deployment.is_empty() || deployment.len() > DEPLOYMENT_MAX || !deployment.chars().all(plain) {
            part.mistake("deployment", "has 1 to 40 characters of a-z, 0-9 and '-'");
        }
        let names = part.texts("types");
        let mut kinds = Vec::new();
        for name in &names {
            match name.parse::<DomainEventKind>() {
                Ok(kind) => kinds.push(kind),
                Err(_) => {
                    part.mistake("types", &format!("'{name}' is no domain event; docs/events.md lists them"));
                }
            }
        }
        let kinds = if names.is_empty() { default.kinds } else { DomainEventKinds::of(kinds) };
        let webhook = WebhookConfig::read(&mut part.part("webhook"));
        Self { deployment, kinds, webhook, ..default }
    }
}
