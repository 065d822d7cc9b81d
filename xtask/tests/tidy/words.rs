//! Retired words do not return: invented terms for which the crates have a name, and pronouns that hide who acts.

use std::path::{Path, PathBuf};

use crate::workspace::{assert_none, files};

/// A retired word or phrase, and what to write instead. Words are found in identifiers too: `DeskState` and `desk_state` contain `desk`.
const RETIRED: [(&str, &str); 29] = [
    ("anybody", PERSON),
    ("chore", "task"),
    ("desk", "signup service"),
    ("desks", "signup services"),
    ("door", "gateway"),
    ("doors", "gateways"),
    ("everybody", PERSON),
    ("fleet", "cluster"),
    ("glance", "queue status"),
    ("knee", "saturation point"),
    ("letterhead", "response headers"),
    ("mover", "admission"),
    ("movers", "admission"),
    ("newcomer", "candidate"),
    ("newcomers", "candidates"),
    ("nobody", PERSON),
    ("seldom", "rarely, or the type's name"),
    ("somebody", PERSON),
    ("steward", "inbox"),
    ("stewards", "inbox"),
    ("the book", "the ledger"),
    ("the line", "the queue"),
    ("town", "cluster"),
    ("valve", "release, or intake"),
    ("valves", "release and intake"),
    ("whoever", PERSON),
    ("whom", PERSON),
    ("wish", "cancel request"),
    ("wishes", "cancel requests"),
];
const PERSON: &str = "the client, the applicant, the process";

/// Files that may use a retired word.
const ALLOWED: [(&str, &str); 5] = [
    // The name of a system user.
    ("testkit/src/servers/postgres.rs", "nobody"),
    // Applicants' pages.
    ("signup-service/src/messages/english.rs", "the line"),
    ("xtask/tests/tidy/words.rs", "*"),
    // The text of a licence.
    ("operator/assets/uplot.js", "whom"),
    // The history keeps the words of its time.
    ("CHANGELOG.md", "*"),
];
const EXTENSIONS: [&str; 8] = ["css", "html", "js", "lua", "md", "rs", "sql", "toml"];

/// A use of a retired word, with the file.
struct Use {
    file: PathBuf,
    word: &'static str,
    instead: &'static str,
}

#[test]
fn no_file_uses_a_retired_word() {
    let message =
        |used: Use| format!("{}: instead of \"{}\" write {}", used.file.display(), used.word, used.instead);
    assert_none(&uses().into_iter().map(message).collect::<Vec<_>>());
}

/// All uses that are not allowed.
fn uses() -> Vec<Use> {
    let has_text = |path: &Path| {
        path.extension().is_some_and(|end| EXTENSIONS.iter().any(|extension| end == *extension))
    };
    let files = files(&has_text);
    assert!(files.len() >= 100, "too few files were found");
    files.iter().flat_map(|(path, text)| uses_in(path, text)).collect()
}

fn uses_in(path: &Path, text: &str) -> Vec<Use> {
    let text = words(text);
    let is_allowed = |word: &str| {
        ALLOWED.iter().any(|(file, allowed)| path == Path::new(file) && ["*", word].contains(allowed))
    };
    let found = RETIRED.iter().filter(|(word, _)| text.contains(&format!(" {word} ")) && !is_allowed(word));
    found.map(|(word, instead)| Use { file: path.to_owned(), word, instead }).collect()
}

/// The words of a text in lower case, each between two spaces. Identifiers are split at underscores and capitals.
fn words(text: &str) -> String {
    let mut words = String::from(" ");
    let mut before = ' ';
    for c in text.chars() {
        if c.is_uppercase() && before.is_lowercase() {
            words.push(' ');
        }
        if c.is_alphanumeric() {
            words.extend(c.to_lowercase());
        } else if !words.ends_with(' ') {
            words.push(' ');
        }
        before = c;
    }
    words.push(' ');
    words
}

#[test]
fn a_retired_word_is_found_in_prose_and_identifiers() {
    let found = |text: &str| uses_in(Path::new("x/src/a.rs"), text).len();
    for text in ["the desk", "fn desk_state()", "struct SignupDesk;", "# Desk\n", "in the\n  Line."] {
        assert_eq!(found(text), 1, "{text}");
    }
    assert_eq!(found("// the lines of a desktop, outdoors"), 0);
    assert_eq!(uses_in(Path::new("CHANGELOG.md"), "the desk").len(), 0);
}
