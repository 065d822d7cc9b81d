//! The settings of messaging.

use domain::{DomainEventKind, DomainEventKinds};
use service::config::Part;

use crate::target::Target;

/// Longest name of a deployment, in bytes.
const DEPLOYMENT_MAX: usize = 40;

/// The settings of messaging.
#[derive(Debug, Clone)]
pub struct Config {
    /// The name of this installation, in the source of each domain event.
    pub deployment: String,
    /// The kinds of domain events that are written.
    pub kinds: DomainEventKinds,
    /// The targets that they are sent to.
    pub targets: Vec<Target>,
}

impl Default for Config {
    fn default() -> Self {
        Self { deployment: "local".into(), kinds: DomainEventKinds::default(), targets: vec![Target::log()] }
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
        Self { deployment, kinds, ..default }
    }
}
