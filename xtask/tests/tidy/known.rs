//! Known violations of the rules. Each list may only shrink.

/// The import loops, by crate, with the files in `src/` of each.
pub(crate) const LOOPS: &[(&str, &[&str])] = &[
    ("signup-service", &["event_page.rs", "pages.rs", "receipt_page.rs"]),
    ("signup-service", &["events.rs", "proof.rs", "request_body.rs", "state.rs", "status.rs"]),
    ("signup-service", &["messages.rs", "messages/english.rs", "messages/korean.rs"]),
];

/// The type names with more than one meaning, and how many definitions each has.
pub(crate) const REPEATED_NAMES: &[(&str, usize)] = &[("Asked", 3), ("Facts", 2)];

/// The crates and files of the root that still use retired words.
pub(crate) const RETIRED_WORDS: &[&str] = &["queue"];
