//! The files of the repository.

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "rs")
}

pub(crate) fn is_page(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "md")
}

pub(crate) fn is_test(path: &Path) -> bool {
    path.iter().any(|part| part == "tests" || part == "tests.rs")
}

/// Fails with the violations, if there are any.
pub(crate) fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// The files of the repository, by their path within it.
pub(crate) fn files(which: &dyn Fn(&Path) -> bool) -> Vec<(PathBuf, String)> {
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
