//! Known violations of the rules. Each list may only shrink.

/// The import loops, by crate, with the files in `src/` of each.
pub(crate) const LOOPS: &[(&str, &[&str])] = &[];

/// The type names with more than one meaning, and how many definitions each has.
pub(crate) const REPEATED_NAMES: &[(&str, usize)] = &[];

/// The crates and files of the root that still use retired words.
pub(crate) const RETIRED_WORDS: &[&str] = &[];
