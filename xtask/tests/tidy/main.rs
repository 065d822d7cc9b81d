//! The rules of this repository that neither the compiler nor clippy knows, held by a test instead of a review.
//! Rules about the text of one file are here; rules about the structure of the workspace have a module each.

use std::path::{Path, PathBuf};

use crate::workspace::{files, hold, is_page, is_rust, is_test};

mod crates;
mod functions;
mod imports;
mod known;
mod modules;
mod type_names;
mod workspace;

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
    let own = |path: &Path| path.ends_with("GLOSSARY.md") || path.ends_with("xtask/tests/tidy/main.rs");
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

fn check(which: &dyn Fn(&Path) -> bool, rule: Rule) {
    let files = files(which);
    assert!(!files.is_empty(), "a rule without a file to look at holds nothing");
    let told = |(path, text): &(PathBuf, String)| {
        rule(path, text).into_iter().map(|wrong| format!("{}: {wrong}", path.display())).collect::<Vec<_>>()
    };
    hold(&files.iter().flat_map(told).collect::<Vec<_>>());
}
