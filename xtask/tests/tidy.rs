//! The rules of this repository that neither the compiler nor clippy knows, held by a test instead of a review.
//! Each rule looks at one file and tells what is wrong with it; the last test proves that each can.

use std::fs;
use std::path::{Path, PathBuf};

/// Which crate may use which of ours: arrows only go down.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("service", &[]),
    ("queue", &["domain"]),
    ("ledger", &["domain"]),
    ("signup-service", &["queue", "domain", "service"]),
    ("worker", &["queue", "ledger", "domain", "service"]),
    ("operator", &["ledger", "domain", "service"]),
    ("gateway", &["queue", "domain", "service"]),
    ("shop", &["service"]),
    ("loadtest", &["domain"]),
    ("firstcome", PRODUCT),
    ("testkit", &[]),
    ("xtask", &[]),
];
/// What may be linked into the program.
const PRODUCT: &[&str] =
    &["domain", "service", "queue", "ledger", "signup-service", "worker", "operator", "gateway", "shop"];
const LINES_MAX: usize = 400;
/// Names that say nothing about what is in a file.
const EMPTY_NAMES: [&str; 9] =
    ["mod", "util", "utils", "helper", "helpers", "common", "types", "misc", "manager"];
/// What GLOSSARY.md has another word for.
const OTHER_WORDS: [(&str, &str); 7] = [
    ("queue position", "number, or ahead"),
    ("position in the queue", "number, or ahead"),
    ("queue number", "number"),
    ("ticket number", "number"),
    ("waiting list", "the queue, or the waitlist"),
    ("dequeue", "admit"),
    ("admission token", "pass"),
];
/// Written so that this file passes its own test.
const UNFINISHED: [(&str, &str); 3] = [
    (concat!("#[", "ignore"), "a test runs or goes"),
    (concat!("FIX", "ME"), "mend it, or say what is known in docs"),
    (concat!("XX", "X"), "mend it, or say what is known in docs"),
];

type Rule = fn(&Path, &str) -> Vec<String>;

#[test]
fn the_arrows_between_crates_only_go_down() {
    let manifests = files(&|path| path.ends_with("Cargo.toml") && path != Path::new("Cargo.toml"));
    let ours: Vec<String> = manifests.iter().map(|(_, text)| package_name(&table(text))).collect();
    assert!(ours.len() >= 8, "these are not all crates: {ours:?}");
    hold(
        &manifests
            .iter()
            .flat_map(|(path, text)| wrong_arrows(path, &table(text), &ours))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn every_source_file_says_what_it_is_for() {
    check(&is_rust, no_purpose);
}

#[test]
fn no_source_file_is_too_long_to_read_at_once() {
    check(&|path| is_rust(path) && !is_test(path), too_long);
}

#[test]
fn every_file_is_named_for_what_it_holds() {
    check(&is_rust, empty_name);
}

#[test]
fn words_mean_what_the_glossary_says() {
    let own = |path: &Path| path.ends_with("GLOSSARY.md") || path.ends_with("xtask/tests/tidy.rs");
    check(&|path| (is_rust(path) || is_page(path)) && !own(path), other_word);
}

#[test]
fn nothing_is_left_unfinished() {
    check(&is_rust, unfinished);
}

#[test]
fn each_rule_catches_what_it_is_for() {
    let caught = |rule: Rule, path: &str, text: &str| !rule(Path::new(path), text).is_empty();
    assert!(caught(no_purpose, "a.rs", "use std::fs;\n"));
    assert!(!caught(no_purpose, "a.rs", "//! The line.\n"));
    let long = "//! x\n".repeat(LINES_MAX);
    assert!(caught(too_long, "a.rs", &format!("{long}fn f() {{}}\n")));
    assert!(!caught(too_long, "a.rs", &format!("{long}#[cfg(test)]\nmod tests {{\n{long}}}\n")));
    assert!(caught(empty_name, "queue/src/mod.rs", "") && caught(empty_name, "queue/src/utils.rs", ""));
    assert!(!caught(empty_name, "queue/src/line.rs", ""));
    assert!(caught(other_word, "README.md", "Your Queue\n  position is kept.\n"));
    assert!(caught(unfinished, "a.rs", &format!("// {}", UNFINISHED[1].0)));
    assert!(caught(unfinished, "a.rs", &format!("// {}: why?", UNFINISHED[2].0)));
    assert!(!caught(unfinished, "a.rs", "// 010-XXXX-1234"));
}

#[test]
fn each_wrong_arrow_is_caught() {
    let ours: Vec<String> = ARROWS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let wrong = |manifest: &str| wrong_arrows(Path::new("x"), &table(manifest), &ours).len();
    let signup = "package.name = 'signup-service'\n";
    assert_eq!(wrong(&format!("{signup}[dependencies]\nqueue.workspace = true\nserde = '1'")), 0);
    assert_eq!(wrong(&format!("{signup}[dependencies]\nledger.workspace = true")), 1);
    assert_eq!(
        wrong(&format!("{signup}[dependencies]\nbook = {{ package = 'ledger', path = '../ledger' }}")),
        1
    );
    assert_eq!(wrong(&format!("{signup}[target.'cfg(unix)'.dependencies]\nledger.workspace = true")), 1);
    assert_eq!(wrong(&format!("{signup}[dependencies]\ntestkit.workspace = true")), 1);
    assert_eq!(wrong(&format!("{signup}[dev-dependencies]\ntestkit.workspace = true")), 0);
    assert_eq!(wrong("package.name = 'newcomer'"), 1);
    assert_eq!(wrong("package.name = 'firstcome'\n[dev-dependencies]\nloadtest.workspace = true"), 0);
}

fn no_purpose(_: &Path, text: &str) -> Vec<String> {
    let told = text.starts_with("//! ");
    if told { vec![] } else { vec!["begin it with `//!`: what it is for, and what it is not".into()] }
}

fn too_long(_: &Path, text: &str) -> Vec<String> {
    let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = code.lines().count();
    if lines > LINES_MAX {
        vec![format!("{lines} lines outside tests, above {LINES_MAX}: what in it has a name of its own?")]
    } else {
        vec![]
    }
}

fn empty_name(path: &Path, _: &str) -> Vec<String> {
    let parts = path.iter().map(|part| part.to_string_lossy());
    let empty = parts.filter(|part| EMPTY_NAMES.contains(&part.trim_end_matches(".rs")));
    empty.map(|part| format!("{part} says nothing: name it for what it holds")).collect()
}

fn other_word(_: &Path, text: &str) -> Vec<String> {
    let text = text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    let found = OTHER_WORDS.iter().filter(|(word, _)| text.contains(word));
    found.map(|(word, better)| format!("not \"{word}\": say {better} (GLOSSARY.md)")).collect()
}

fn unfinished(_: &Path, text: &str) -> Vec<String> {
    let found = UNFINISHED.iter().filter(|(mark, _)| {
        text.match_indices(mark).any(|(at, _)| {
            let letter = |c: char| c.is_alphanumeric() || c == '_';
            !text[..at].ends_with(letter) && !text[at + mark.len()..].starts_with(letter)
        })
    });
    found.map(|(mark, advice)| format!("{mark}: {advice}")).collect()
}

fn wrong_arrows(path: &Path, manifest: &toml::Table, ours: &[String]) -> Vec<String> {
    let name = package_name(manifest);
    let Some((_, allowed)) = ARROWS.iter().find(|(of, _)| *of == name) else {
        return vec![format!(
            "{}: {name} is new: draw its arrows in ARROWS, xtask/tests/tidy.rs",
            path.display()
        )];
    };
    let allowed_in_tests = |dep: &str| dep == "testkit" || name == "firstcome" || allowed.contains(&dep);
    let mut wrong = Vec::new();
    for (section, dep) in dependencies(manifest) {
        let fine = if section == "dev-dependencies" {
            allowed_in_tests(&dep)
        } else {
            allowed.contains(&dep.as_str())
        };
        if ours.contains(&dep) && !fine {
            wrong.push(format!("{}: {name} must not use {dep} in [{section}]", path.display()));
        }
    }
    wrong
}

/// Every dependency with the section that it stands in, those of single targets too.
fn dependencies(manifest: &toml::Table) -> Vec<(&'static str, String)> {
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let parts = targets.into_iter().flat_map(toml::Table::values).filter_map(toml::Value::as_table);
    let mut found = Vec::new();
    for part in std::iter::once(manifest).chain(parts) {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let deps = part.get(section).and_then(toml::Value::as_table);
            for (key, value) in deps.into_iter().flatten() {
                let renamed = value.get("package").and_then(toml::Value::as_str);
                found.push((section, renamed.unwrap_or(key).to_owned()));
            }
        }
    }
    found
}

fn table(manifest: &str) -> toml::Table {
    manifest.parse().unwrap_or_else(|e| panic!("{e}\n{manifest}"))
}

fn package_name(manifest: &toml::Table) -> String {
    manifest["package"]["name"].as_str().unwrap_or_default().to_owned()
}

fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "rs")
}

fn is_page(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "md")
}

fn is_test(path: &Path) -> bool {
    path.iter().any(|part| part == "tests" || part == "tests.rs")
}

fn check(which: &dyn Fn(&Path) -> bool, rule: Rule) {
    let files = files(which);
    assert!(!files.is_empty(), "a rule without a file to look at holds nothing");
    let told = |(path, text): &(PathBuf, String)| {
        rule(path, text).into_iter().map(|wrong| format!("{}: {wrong}", path.display())).collect::<Vec<_>>()
    };
    hold(&files.iter().flat_map(told).collect::<Vec<_>>());
}

fn hold(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// The files of the repository, by their path within it.
fn files(which: &dyn Fn(&Path) -> bool) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())).flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir()
                && !name.starts_with('.')
                && !["target", "data", "node_modules"].contains(&&*name)
            {
                folders.push(path);
            } else if path.is_file()
                && let Ok(inside) = path.strip_prefix(&root)
                && which(inside)
                && let Ok(text) = fs::read_to_string(&path)
            {
                found.push((inside.to_owned(), text));
            }
        }
    }
    found.sort();
    found
}
