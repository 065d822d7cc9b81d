//! The operator API's settings: by which names it may be reached, and who may come in.

use std::net::SocketAddr;

use domain::Kid;
use service::config::Part;

use crate::token::Token;

/// By these names an operator API on one's own machine is reached.
const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// What the operator API is told when it starts.
#[derive(Debug, Clone)]
pub struct Config {
    /// Names, without a port, by which the operator API may be reached; a request for another one was led here by a foreign page.
    pub hosts: Vec<String>,
    /// Who may come in.
    pub tokens: Vec<Token>,
    /// The key id that new events' application keys derive from: the `current` of the key file.
    pub pepper: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { hosts: LOCAL.map(str::to_owned).to_vec(), tokens: Vec::new(), pepper: "k1".into() }
    }
}

impl Config {
    /// Reads the settings; mistakes are left with the part.
    pub fn read(part: &mut Part<'_>) -> Self {
        let usual = Self::default();
        let hosts: Vec<String> = part.texts("hosts").iter().map(|host| host.to_ascii_lowercase()).collect();
        let pepper = part.text("pepper", &usual.pepper);
        if Kid::new(&pepper).is_none() {
            part.mistake("pepper", "is a key id: 1 to 8 of a-z and 0-9");
        }
        let mut tokens: Vec<Token> = Vec::new();
        for part in &mut part.list("token") {
            if let Some(token) = Token::read(part) {
                if tokens.iter().any(|other| other.name == token.name) {
                    part.mistake("name", "is taken: the audit must tell people apart");
                }
                tokens.push(token);
            }
        }
        Self { hosts: if hosts.is_empty() { usual.hosts } else { hosts }, tokens, pepper }
    }

    /// The same, reachable by the address that it listens on, too.
    pub(crate) fn reached_at(mut self, address: SocketAddr) -> Self {
        self.hosts.push(match address {
            SocketAddr::V4(v4) => v4.ip().to_string(),
            SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
        });
        self
    }

    /// Whether a `Host` names this room.
    pub(crate) fn is_own(&self, host: &str) -> bool {
        let port_from = host.rfind(':').filter(|at| host[at + 1..].bytes().all(|b| b.is_ascii_digit()));
        let name = port_from.map_or(host, |at| &host[..at]);
        self.hosts.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_ours_by_name_whatever_its_port() {
        let config = Config::default().reached_at("[2001:db8::7]:8090".parse().unwrap());
        for own in ["localhost", "LOCALHOST:8090", "127.0.0.1:1", "[::1]:8090", "[::1]", "[2001:db8::7]:8090"]
        {
            assert!(config.is_own(own), "{own}");
        }
        for foreign in
            ["", "evil.example", "localhost.evil.example:8090", "127.0.0.1:80:x", "::1", "[::2]:8090"]
        {
            assert!(!config.is_own(foreign), "{foreign}");
        }
    }
}
