//! Rules of this repository that neither the compiler nor clippy checks.
//! Rules about the text of one file are here. Each rule about the structure of the workspace has a module.

use std::path::{Path, PathBuf};

use crate::workspace::{assert_none, files, is_page, is_rust, is_test};

mod alerts;
mod crates;
mod functions;
mod imports;
mod modules;
mod type_names;
mod words;
mod workspace;

const LINES_MAX: usize = 400;
/// File names that do not describe the content.
const EMPTY_NAMES: [&str; 9] =
    ["mod", "util", "utils", "helper", "helpers", "common", "types", "misc", "manager"];
/// Terms for which GLOSSARY.md has another word.
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
    (concat!("#[", "ignore"), "enable the test or remove it"),
    (concat!("FIX", "ME"), "fix it, or document it"),
    (concat!("XX", "X"), "fix it, or document it"),
];

type Rule = fn(&Path, &str) -> Vec<String>;

#[test]
fn each_source_file_starts_with_its_purpose() {
    check(&is_rust, no_purpose);
}

#[test]
fn no_source_file_has_more_than_400_lines() {
    check(&|path| is_rust(path) && !is_test(path), too_long);
}

#[test]
fn each_file_name_describes_the_content() {
    check(&is_rust, empty_name);
}

#[test]
fn terms_are_those_of_the_glossary() {
    let own = |path: &Path| path.ends_with("GLOSSARY.md") || path.ends_with("xtask/tests/tidy/main.rs");
    check(&|path| (is_rust(path) || is_page(path)) && !own(path), other_word);
}

#[test]
fn no_file_is_unfinished() {
    check(&is_rust, unfinished);
}

#[test]
fn each_rule_finds_its_violation() {
    let found = |rule: Rule, path: &str, text: &str| !rule(Path::new(path), text).is_empty();
    assert!(found(no_purpose, "a.rs", "use std::fs;\n"));
    assert!(!found(no_purpose, "a.rs", "//! The queue.\n"));
    let long = "//! x\n".repeat(LINES_MAX);
    assert!(found(too_long, "a.rs", &format!("{long}fn f() {{}}\n")));
    assert!(!found(too_long, "a.rs", &format!("{long}#[cfg(test)]\nmod tests {{\n{long}}}\n")));
    assert!(found(empty_name, "queue/src/mod.rs", "") && found(empty_name, "queue/src/utils.rs", ""));
    assert!(!found(empty_name, "queue/src/batch.rs", ""));
    assert!(found(other_word, "README.md", "Your Queue\n  position is kept.\n"));
    assert!(found(unfinished, "a.rs", &format!("// {}", UNFINISHED[1].0)));
    assert!(found(unfinished, "a.rs", &format!("// {}: why?", UNFINISHED[2].0)));
    assert!(!found(unfinished, "a.rs", "// 010-XXXX-1234"));
}

fn no_purpose(_: &Path, text: &str) -> Vec<String> {
    if text.starts_with("//! ") { vec![] } else { vec!["start it with `//!` and its purpose".into()] }
}

fn too_long(_: &Path, text: &str) -> Vec<String> {
    let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = code.lines().count();
    if lines > LINES_MAX {
        vec![format!("{lines} lines outside tests, more than {LINES_MAX}: split it by topic")]
    } else {
        vec![]
    }
}

fn empty_name(path: &Path, _: &str) -> Vec<String> {
    let parts = path.iter().map(|part| part.to_string_lossy());
    let empty = parts.filter(|part| EMPTY_NAMES.contains(&part.trim_end_matches(".rs")));
    empty.map(|part| format!("{part} does not describe the content: rename it")).collect()
}

fn other_word(_: &Path, text: &str) -> Vec<String> {
    let text = text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    let found = OTHER_WORDS.iter().filter(|(word, _)| text.contains(word));
    found.map(|(word, better)| format!("instead of \"{word}\" write {better} (GLOSSARY.md)")).collect()
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

fn check(which: &dyn Fn(&Path) -> bool, rule: Rule) {
    let files = files(which);
    assert!(!files.is_empty(), "the rule applies to no file");
    let violations = |(path, text): &(PathBuf, String)| {
        rule(path, text).into_iter().map(|wrong| format!("{}: {wrong}", path.display())).collect::<Vec<_>>()
    };
    assert_none(&files.iter().flat_map(violations).collect::<Vec<_>>());
}
