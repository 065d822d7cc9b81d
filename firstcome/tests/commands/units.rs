//! The systemd units in `ops/`: each role has a user of its own, all are hardened alike, and each finds its secrets.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use testkit::TempFolder;

use super::{PROGRAM, output_text};

const ROLES: [&str; 4] = ["gateway", "signup", "worker", "operator"];
/// What differs from role to role.
const OWN_KEYS: [&str; 7] =
    ["Description", "Environment", "ExecReload", "ExecStart", "LoadCredential", "StateDirectory", "User"];

/// The `Key=value` lines of the unit of a role, in order.
fn unit(role: &str) -> Vec<(String, String)> {
    let path = format!("{}/../ops/firstcome-{role}.service", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(path).unwrap();
    let pairs = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn values(unit: &[(String, String)], key: &str) -> Vec<String> {
    unit.iter().filter(|(own, _)| own == key).map(|(_, value)| value.clone()).collect()
}

#[test]
fn each_unit_runs_its_role_as_a_user_of_its_own() {
    for role in ROLES {
        let unit = unit(role);
        assert_eq!(values(&unit, "User"), [format!("firstcome-{role}")]);
        assert_eq!(values(&unit, "DynamicUser"), ["yes"]);
        let start = format!("serve --role {role} --config /etc/firstcome/{role}.toml");
        assert!(values(&unit, "ExecStart")[0].ends_with(&start));
    }
}

#[test]
fn all_units_are_hardened_alike() {
    let common = |role| {
        let lines = unit(role).into_iter().filter(|(key, _)| !OWN_KEYS.contains(&key.as_str()));
        lines.collect::<Vec<_>>()
    };
    let expected = common("gateway");
    for role in ROLES {
        assert_eq!(common(role), expected, "{role}");
    }
    let settings = [
        ("CapabilityBoundingSet", ""),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("SystemCallFilter", "@system-service"),
        ("UMask", "0077"),
        ("StartLimitIntervalSec", "0"),
    ];
    for (key, value) in settings {
        assert!(expected.contains(&(key.to_owned(), value.to_owned())), "{key}={value}");
    }
}

#[test]
fn each_unit_passes_the_secrets_that_its_settings_name() {
    for role in ROLES {
        let settings = format!("{}/../ops/{role}.toml", env!("CARGO_MANIFEST_DIR"));
        let table: toml::Table = fs::read_to_string(&settings).unwrap().parse().unwrap();
        let named = [("queue", "url_file"), ("ledger", "url_file"), ("keys", "file")]
            .into_iter()
            .filter_map(|(part, key)| table.get(part)?.get(key)?.as_str());
        let unit = unit(role);
        let credentials = values(&unit, "LoadCredential");
        let sources = credentials.iter().map(|credential| credential.split_once(':').unwrap().1);
        assert_eq!(sources.collect::<BTreeSet<_>>(), named.collect::<BTreeSet<_>>(), "{role}");
    }
}

#[test]
fn a_unit_that_keeps_a_journal_may_write_it() {
    let unit = unit("signup");
    let folder = &values(&unit, "StateDirectory")[0];
    let journal = format!("FIRSTCOME_SIGNUP__JOURNAL=%S/{folder}/journal");
    assert!(values(&unit, "Environment").contains(&journal), "{unit:?}");
}

#[test]
fn the_program_reads_the_credentials_instead_of_the_files_that_its_settings_name() {
    for role in ROLES {
        let unit = unit(role);
        let folder = TempFolder::new("credentials");
        for credential in values(&unit, "LoadCredential") {
            let (name, _) = credential.split_once(':').unwrap();
            fs::write(folder.path().join(name), "redis://user:password@127.0.0.1/0").unwrap();
        }
        let mut print = Command::new(PROGRAM);
        print.args(["config", "print", "--role", role, "--config"]);
        print.arg(format!("{}/../ops/{role}.toml", env!("CARGO_MANIFEST_DIR")));
        for variable in values(&unit, "Environment") {
            let (name, value) = variable.split_once('=').unwrap();
            print.env(name, value.replace("%d", folder.path().to_str().unwrap()).replace("%S", "/var/lib"));
        }
        let printed = print.output().unwrap();
        let text = output_text(&printed);
        assert!(printed.status.success(), "{role}: {text}");
        let from_environment = text.lines().filter(|line| line.contains("FIRSTCOME_")).count();
        assert_eq!(from_environment, values(&unit, "Environment").len(), "{role}: {text}");
    }
}
