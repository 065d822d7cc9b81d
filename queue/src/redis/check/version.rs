//! Versions with vulnerabilities that a queue must not run on, or that an operator should know. The list is compared with the
//! published advisories by hand. A distribution may have fixed a version without changing its number.

use std::collections::HashMap;

use super::finding::ServerFinding;

type Version = (u32, u32, u32);

/// Of each release series, the first version in which the use-after-free of Lua (CVE-2025-49844) and related ones are fixed.
const REDIS_FIXED: [Version; 5] = [(7, 2, 11), (7, 4, 6), (8, 0, 4), (8, 2, 2), (8, 3, 0)];
const VALKEY_FIXED: [Version; 4] = [(7, 2, 11), (8, 0, 6), (8, 1, 4), (9, 0, 0)];
const LUA_VULNERABILITY: &str = "a client's Lua can take over the server (CVE-2025-49844)";

pub(super) fn findings(info: &HashMap<&str, &str>) -> Vec<ServerFinding> {
    let (product, text, fixed) = match (info.get("valkey_version"), info.get("redis_version")) {
        (Some(text), _) => ("Valkey", text, &VALKEY_FIXED[..]),
        (None, Some(text)) => ("Redis", text, &REDIS_FIXED[..]),
        (None, None) => {
            return vec![ServerFinding::warn(
                "this Redis does not report its version: its vulnerabilities are not checked",
            )];
        }
    };
    let Some(version) = parse(text) else {
        return vec![ServerFinding::warn(format!(
            "this {product} reports the version {text:?}, which is not a number: its vulnerabilities are not checked"
        ))];
    };
    let mut findings = Vec::new();
    if version < (7, 0, 0) {
        findings.push(ServerFinding::refuse(format!(
            "this is {product} {text}: install 7.0 or later, since the queue needs functions"
        )));
    } else if product == "Redis" && (version.0, version.1) == (7, 0) {
        findings.push(ServerFinding::warn(format!(
            "this is Redis {text}, a series without further fixes: unless your distribution has fixed it, {LUA_VULNERABILITY}; \
             update it"
        )));
    } else if is_vulnerable(version, fixed) {
        findings.push(ServerFinding::refuse(format!(
            "this is {product} {text}: update it, since {LUA_VULNERABILITY}"
        )));
    }
    if product == "Redis" && ((7, 2, 0)..=(8, 6, 2)).contains(&version) {
        findings.push(ServerFinding::warn(format!(
            "this is Redis {text}: keep maxmemory-clients 0, or update to a version after 8.6.2, since evicting clients can \
             crash it (CVE-2026-23479)"
        )));
    }
    findings
}

/// Whether the version is older than the first fixed one of its series. A series without one is compared with the newest.
fn is_vulnerable(version: Version, fixed: &[Version]) -> bool {
    let series = fixed.iter().find(|fixed| (fixed.0, fixed.1) == (version.0, version.1));
    match series {
        Some(first_fixed) => version < *first_fixed,
        None => fixed.last().is_some_and(|newest| version < *newest),
    }
}

fn parse(text: &str) -> Option<Version> {
    let mut parts = text.split(['.', '-']).map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    fn severities(field: &'static str, version: &'static str) -> Vec<Severity> {
        findings(&HashMap::from([(field, version)])).into_iter().map(|finding| finding.severity).collect()
    }

    #[test]
    fn a_vulnerable_version_is_refused_and_an_unmaintained_one_warned_of() {
        use Severity::{Refuse, Warn};
        assert_eq!(severities("redis_version", "6.2.20"), [Refuse]);
        assert_eq!(severities("redis_version", "7.0.15"), [Warn]);
        assert_eq!(severities("redis_version", "7.2.10"), [Refuse, Warn]);
        assert_eq!(severities("redis_version", "7.2.11"), [Warn]);
        assert_eq!(severities("redis_version", "8.1.0"), [Refuse, Warn]);
        assert_eq!(severities("redis_version", "8.2.3"), [Warn]);
        assert_eq!(severities("redis_version", "8.6.3"), []);
        assert_eq!(severities("valkey_version", "8.1.3"), [Refuse]);
        assert_eq!(severities("valkey_version", "9.1.2"), []);
        assert_eq!(severities("redis_version", "unstable"), [Warn]);
    }
}
