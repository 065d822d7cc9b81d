//! Versions that a queue must not run on, or whose vulnerabilities an operator should know. The list is checked against the
//! advisories by hand; a distribution may have fixed a version without changing its number.

use std::collections::HashMap;

use super::Finding;

type Version = (u32, u32, u32);

/// Of each release series, the first version in which the use-after-free of Lua (CVE-2025-49844) and the related ones are fixed.
const REDIS_FIXED: [Version; 5] = [(7, 2, 11), (7, 4, 6), (8, 0, 4), (8, 2, 2), (8, 3, 0)];
const VALKEY_FIXED: [Version; 4] = [(7, 2, 11), (8, 0, 6), (8, 1, 4), (9, 0, 0)];
const LUA_VULNERABILITY: &str = "a caller's Lua can take over the server (CVE-2025-49844)";

pub(super) fn findings(info: &HashMap<&str, &str>) -> Vec<Finding> {
    let (product, told, fixed) = match (info.get("valkey_version"), info.get("redis_version")) {
        (Some(told), _) => ("Valkey", told, &VALKEY_FIXED[..]),
        (None, Some(told)) => ("Redis", told, &REDIS_FIXED[..]),
        (None, None) => return vec![Finding::warn("this Redis does not tell its version")],
    };
    let Some(version) = parse(told) else {
        return vec![Finding::warn(format!("this {product} calls its version {told:?}"))];
    };
    let mut findings = Vec::new();
    if version < (7, 0, 0) {
        findings.push(Finding::refuse(format!(
            "this is {product} {told}: the queue needs functions, from 7.0 on"
        )));
    } else if product == "Redis" && (version.0, version.1) == (7, 0) {
        let what = format!("this is Redis {told}, whose line is not mended any more: {LUA_VULNERABILITY}");
        findings.push(Finding::warn(format!("{what}, unless your distribution mended it")));
    } else if is_vulnerable(version, fixed) {
        findings.push(Finding::refuse(format!(
            "this is {product} {told}, with which {LUA_VULNERABILITY}: update it"
        )));
    }
    if product == "Redis" && ((7, 2, 0)..=(8, 6, 2)).contains(&version) {
        let what = format!("this is Redis {told}: evicting clients can crash it (CVE-2026-23479)");
        findings.push(Finding::warn(format!("{what}; keep maxmemory-clients 0, or update past 8.6.2")));
    }
    findings
}

/// Whether the version is older than the fixed one of its series; a series without a fixed one is compared with the newest.
fn is_vulnerable(version: Version, fixed: &[Version]) -> bool {
    let series = fixed.iter().find(|fixed| (fixed.0, fixed.1) == (version.0, version.1));
    match series {
        Some(first_fixed) => version < *first_fixed,
        None => fixed.last().is_some_and(|newest| version < *newest),
    }
}

fn parse(told: &str) -> Option<Version> {
    let mut parts = told.split(['.', '-']).map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    fn severities(field: &'static str, version: &'static str) -> Vec<Severity> {
        findings(&HashMap::from([(field, version)])).into_iter().map(|finding| finding.severity).collect()
    }

    #[test]
    fn a_version_that_is_known_to_be_open_is_refused() {
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
