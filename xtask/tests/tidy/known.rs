//! Known violations of the rules. Each list may only shrink.

/// The import loops, by crate, with the files in `src/` of each.
pub(crate) const LOOPS: &[(&str, &[&str])] = &[
    (
        "queue",
        &[
            "redis.rs",
            "redis/batch.rs",
            "redis/check.rs",
            "redis/check/version.rs",
            "redis/lead.rs",
            "redis/read.rs",
            "redis/server.rs",
        ],
    ),
    ("queue", &["sqlite/apply.rs", "sqlite/lead.rs", "sqlite/writer.rs"]),
    ("signup-service", &["event_page.rs", "pages.rs", "receipt_page.rs"]),
    ("signup-service", &["events.rs", "proof.rs", "request_body.rs", "state.rs", "status.rs"]),
    ("signup-service", &["messages.rs", "messages/english.rs", "messages/korean.rs"]),
];

/// The type names with more than one meaning, and how many definitions each has.
pub(crate) const REPEATED_NAMES: &[(&str, usize)] =
    &[("Answer", 3), ("Asked", 3), ("Command", 3), ("Facts", 2), ("Fault", 2), ("Finding", 2)];

/// The crates and files of the root that still use retired words.
pub(crate) const RETIRED_WORDS: &[&str] = &["queue"];
