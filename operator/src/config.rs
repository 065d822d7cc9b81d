//! Settings of the operator API: the host names that it accepts and the tokens.

use std::net::SocketAddr;

use domain::Kid;
use messaging::SecretKey;
use service::config::Part;

use crate::token::Token;

/// Host names that reach an operator API on the same machine.
const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Settings of the operator API.
#[derive(Debug, Clone)]
pub struct Config {
    /// Accepted host names, without a port. A request for any other name comes from a foreign page (DNS rebinding).
    pub hosts: Vec<String>,
    /// The tokens that are accepted.
    pub tokens: Vec<Token>,
    /// The key id from which the application keys of new events derive: `current` in the key file.
    pub pepper: String,
    /// The key that seals the secrets of webhook endpoints. Without one there are no webhooks.
    pub webhook_key: Option<SecretKey>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hosts: LOCAL.map(str::to_owned).to_vec(),
            tokens: Vec::new(),
            pepper: "k1".into(),
            webhook_key: None,
        }
    }
}

impl Config {
    /// Reads the settings and reports mistakes in this section.
    pub fn read(part: &mut Part<'_>) -> Self {
        let default = Self::default();
        let hosts: Vec<String> = part.texts("hosts").iter().map(|host| host.to_ascii_lowercase()).collect();
        let pepper = part.text("pepper", &default.pepper);
        if Kid::new(&pepper).is_none() {
            part.mistake("pepper", "is a key id: 1 to 8 of a-z and 0-9");
        }
        let mut tokens: Vec<Token> = Vec::new();
        for part in &mut part.list("token") {
            if let Some(token) = Token::read(part) {
                if tokens.iter().any(|other| other.name == token.name) {
                    part.mistake("name", "is used twice: the audit tells operators apart by name");
                }
                tokens.push(token);
            }
        }
        let hosts = if hosts.is_empty() { default.hosts } else { hosts };
        Self { hosts, tokens, pepper, webhook_key: None }
    }

    /// Accepts the listener's own address, too.
    pub(crate) fn reached_at(mut self, address: SocketAddr) -> Self {
        self.hosts.push(match address {
            SocketAddr::V4(v4) => v4.ip().to_string(),
            SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
        });
        self
    }

    /// Whether a `Host` header names this API, whatever its port.
    pub(crate) fn accepts_host(&self, host: &str) -> bool {
        let port_from = host.rfind(':').filter(|at| host[at + 1..].bytes().all(|b| b.is_ascii_digit()));
        let name = port_from.map_or(host, |at| &host[..at]);
        self.hosts.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_accepted_by_name_whatever_its_port() {
        let config = Config::default().reached_at("[2001:db8::7]:8090".parse().unwrap());
        for own in ["localhost", "LOCALHOST:8090", "127.0.0.1:1", "[::1]:8090", "[::1]", "[2001:db8::7]:8090"]
        {
            assert!(config.accepts_host(own), "{own}");
        }
        for foreign in
            ["", "evil.example", "localhost.evil.example:8090", "127.0.0.1:80:x", "::1", "[::2]:8090"]
        {
            assert!(!config.accepts_host(foreign), "{foreign}");
        }
    }
}
