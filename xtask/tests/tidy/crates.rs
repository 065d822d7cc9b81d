//! The dependencies between our crates are those that ARCHITECTURE.md states, and they only point to a lower level.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::workspace::{assert_none, files};

/// Pairs of crates without a path from the first to the second, whatever ARCHITECTURE.md states.
const NEVER: [(&str, &str); 4] =
    [("signup-service", "ledger"), ("gateway", "ledger"), ("operator", "queue"), ("firstcome", "loadtest")];

/// The crates that each crate uses.
type Arrows = BTreeMap<String, BTreeSet<String>>;

/// What ARCHITECTURE.md states.
#[derive(Debug, Default)]
struct Stated {
    levels: BTreeMap<String, u32>,
    arrows: Arrows,
}

/// A `Cargo.toml`.
struct Manifest {
    name: String,
    /// In `[dependencies]` and `[build-dependencies]`, those of single targets too.
    uses: BTreeSet<String>,
    tests_use: BTreeSet<String>,
}

#[test]
fn stated_dependencies_are_the_actual_ones() {
    let manifests = manifests();
    assert!(manifests.len() >= 8, "too few crates were found");
    assert_none(&differences(&stated().arrows, &actual(&manifests)));
}

#[test]
fn dependencies_point_to_a_lower_level() {
    assert_none(&rising(&stated()));
}

#[test]
fn only_the_worker_reaches_both_queue_and_ledger() {
    assert_none(&forbidden(&actual(&manifests())));
}

#[test]
fn tests_use_testkit_and_what_their_crate_may_use() {
    let manifests = manifests();
    let arrows = actual(&manifests);
    let wrong = manifests.iter().flat_map(|manifest| foreign_in_tests(manifest, &arrows));
    assert_none(&wrong.collect::<Vec<_>>());
}

/// The arrows in the first code block of ARCHITECTURE.md: `level N` begins a level, each line is `crate -> crates it uses`, and a
/// line without an arrow lists crates that use none.
fn stated() -> Stated {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ARCHITECTURE.md");
    read_stated(&fs::read_to_string(path).expect("ARCHITECTURE.md is in the root"))
}

fn read_stated(text: &str) -> Stated {
    let block = text.split("```").nth(1).expect("a code block");
    let mut stated = Stated::default();
    let mut level = None;
    for line in block.lines() {
        let mut line = line.trim();
        if let Some(rest) = line.strip_prefix("level ") {
            let (number, rest) = rest.split_once(' ').expect("crates of a level");
            level = Some(number.parse().expect("the number of a level"));
            line = rest.trim();
        }
        if let Some(level) = level {
            let (names, uses) = line.split_once("->").unwrap_or((line, ""));
            for name in names.split_whitespace() {
                stated.levels.insert(name.to_owned(), level);
                stated.arrows.insert(name.to_owned(), uses.split_whitespace().map(str::to_owned).collect());
            }
        }
    }
    stated
}

fn manifests() -> Vec<Manifest> {
    files(&|path| path.ends_with("Cargo.toml") && path != Path::new("Cargo.toml"))
        .iter()
        .map(|(_, text)| read_manifest(text))
        .collect()
}

fn read_manifest(text: &str) -> Manifest {
    let manifest: toml::Table = text.parse().unwrap_or_else(|e| panic!("{e}\n{text}"));
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let parts: Vec<&toml::Table> = targets
        .into_iter()
        .flat_map(toml::Table::values)
        .filter_map(toml::Value::as_table)
        .chain([&manifest])
        .collect();
    let section = |name| parts.iter().flat_map(|part| names_in(part, name)).collect::<BTreeSet<_>>();
    Manifest {
        name: manifest["package"]["name"].as_str().unwrap_or_default().to_owned(),
        uses: &section("dependencies") | &section("build-dependencies"),
        tests_use: section("dev-dependencies"),
    }
}

fn names_in(part: &toml::Table, section: &str) -> Vec<String> {
    let dependencies = part.get(section).and_then(toml::Value::as_table);
    let name = |(key, value): (&String, &toml::Value)| {
        value.get("package").and_then(toml::Value::as_str).unwrap_or(key).to_owned()
    };
    dependencies.into_iter().flatten().map(name).collect()
}

/// The arrows between the crates of this workspace.
fn actual(manifests: &[Manifest]) -> Arrows {
    let ours: BTreeSet<String> = manifests.iter().map(|manifest| manifest.name.clone()).collect();
    manifests.iter().map(|manifest| (manifest.name.clone(), &manifest.uses & &ours)).collect()
}

fn differences(stated: &Arrows, actual: &Arrows) -> Vec<String> {
    let names: BTreeSet<&String> = stated.keys().chain(actual.keys()).collect();
    let differ = names.into_iter().filter(|name| stated.get(*name) != actual.get(*name));
    let list = |arrows: &Arrows, name: &String| {
        arrows.get(name).map_or("no such crate".to_owned(), |uses| {
            uses.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
        })
    };
    differ
        .map(|name| {
            format!(
                "{name}: ARCHITECTURE.md states [{}], Cargo.toml has [{}]",
                list(stated, name),
                list(actual, name)
            )
        })
        .collect()
}

fn rising(stated: &Stated) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, uses) in &stated.arrows {
        for used in uses {
            if stated.levels.get(used).is_none_or(|level| *level >= stated.levels[name]) {
                wrong.push(format!("{name} -> {used} does not point to a lower level"));
            }
        }
    }
    wrong
}

fn forbidden(arrows: &Arrows) -> Vec<String> {
    let found = NEVER.iter().filter(|(from, to)| reachable(arrows, from).contains(*to));
    found.map(|(from, to)| format!("{from} must not reach {to}, not even through another crate")).collect()
}

fn reachable<'a>(arrows: &'a Arrows, from: &'a str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(name) = open.pop() {
        let uses = arrows.get(name).into_iter().flatten().map(String::as_str);
        open.extend(uses.filter(|used| found.insert(*used)));
    }
    found
}

/// The whole-system tests of `firstcome` may use every crate.
fn foreign_in_tests(manifest: &Manifest, arrows: &Arrows) -> Vec<String> {
    let name = &manifest.name;
    let may_use = |used: &str| used == "testkit" || name == "firstcome" || arrows[name].contains(used);
    let foreign = manifest.tests_use.iter().filter(|used| arrows.contains_key(*used) && !may_use(used));
    foreign.map(|used| format!("{name} must not use {used} in [dev-dependencies]")).collect()
}

#[test]
fn a_manifest_is_read_with_renamed_and_target_dependencies() {
    let manifest = read_manifest(
        "package.name = 'a'\n[dependencies]\nb.workspace = true\nc = { package = 'd', path = '../d' }\n\
         [target.'cfg(unix)'.dependencies]\ne = '1'\n[build-dependencies]\nf = '1'\n[dev-dependencies]\ng = '1'",
    );
    assert_eq!(manifest.name, "a");
    assert_eq!(manifest.uses.iter().collect::<Vec<_>>(), ["b", "d", "e", "f"]);
    assert_eq!(manifest.tests_use.iter().collect::<Vec<_>>(), ["g"]);
}

#[test]
fn a_difference_between_stated_and_actual_dependencies_is_found() {
    let stated = read_stated("```\na/   text\n\nlevel 1   a -> b c\nlevel 0   b c d\n```\n").arrows;
    let manifest = |name: &str, uses: &str| {
        read_manifest(&format!("package.name = '{name}'\n[dependencies]\n{uses}\nserde = '1'"))
    };
    let rest = |a| actual(&[a, manifest("b", ""), manifest("c", ""), manifest("d", "")]);
    assert!(differences(&stated, &rest(manifest("a", "b = '1'\nc = '1'"))).is_empty());
    assert_eq!(differences(&stated, &rest(manifest("a", "b = '1'"))).len(), 1, "stated, but not actual");
    assert_eq!(
        differences(&stated, &rest(manifest("a", "b = '1'\nc = '1'\nd = '1'"))).len(),
        1,
        "actual, but not stated"
    );
    let without = actual(&[manifest("a", ""), manifest("new", "")]);
    assert_eq!(
        differences(&stated, &without).len(),
        5,
        "crates that are missing, and one that is not stated"
    );
}

#[test]
fn a_dependency_on_the_same_level_is_found() {
    assert!(rising(&read_stated("```\nlevel 1   a -> b\nlevel 0   b\n```")).is_empty());
    assert_eq!(rising(&read_stated("```\nlevel 1   a -> b\n          b\n```")).len(), 1);
    assert_eq!(rising(&read_stated("```\nlevel 1   a -> b\n```")).len(), 1);
}

#[test]
fn a_forbidden_path_through_another_crate_is_found() {
    let arrows = |from: &str, by: &str, to: &str| {
        let one = |name: &str| BTreeSet::from([name.to_owned()]);
        Arrows::from([(from.to_owned(), one(by)), (by.to_owned(), one(to))])
    };
    assert_eq!(forbidden(&arrows("gateway", "service", "ledger")).len(), 1);
    assert!(forbidden(&arrows("worker", "service", "ledger")).is_empty());
}

#[test]
fn a_foreign_crate_in_tests_is_found() {
    let arrows =
        read_stated("```\nlevel 1   gateway -> queue\n firstcome\nlevel 0   queue testkit ledger\n```")
            .arrows;
    let wrong = |name: &str, used: &str| {
        let text = format!("package.name = '{name}'\n[dev-dependencies]\n{used} = '1'\nserde = '1'");
        foreign_in_tests(&read_manifest(&text), &arrows).len()
    };
    assert_eq!(wrong("gateway", "testkit") + wrong("gateway", "queue") + wrong("firstcome", "ledger"), 0);
    assert_eq!(wrong("gateway", "ledger"), 1);
}
