//! A private folder of a test. It is removed afterwards, but kept if the test fails, so that its files can be examined.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

/// How often and in which interval a removal is repeated: children of a process that was just killed may still write.
const REMOVE_TRIES: u32 = 100;
const REMOVE_INTERVAL: Duration = Duration::from_millis(20);

/// A private folder, removed on drop.
#[derive(Debug)]
pub struct TempFolder {
    path: PathBuf,
}

impl TempFolder {
    /// Creates an empty folder with `name` in its own name. `name` must be short: the path of a Unix socket holds 107 bytes.
    ///
    /// # Panics
    /// If the folder cannot be created.
    pub fn new(name: &str) -> Self {
        let folder = tempfile::Builder::new().prefix(&format!("fc-{name}-")).tempdir();
        let path = folder.map(TempDir::keep);
        Self { path: path.unwrap_or_else(|error| panic!("cannot create a folder: {error}")) }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TempFolder {
    #[expect(clippy::print_stderr, reason = "the test runner shows it with the failed test")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("test folder kept: {}", self.path.display());
            return;
        }
        for _ in 0..REMOVE_TRIES {
            if std::fs::remove_dir_all(&self.path).is_ok() || !self.path.exists() {
                return;
            }
            std::thread::sleep(REMOVE_INTERVAL);
        }
        eprintln!("cannot remove the test folder: {}", self.path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_private_and_removed_afterwards() {
        let one = TempFolder::new("same");
        let two = TempFolder::new("same");
        assert_ne!(one.path(), two.path());
        std::fs::write(one.path().join("file"), "x").unwrap();
        let path = one.path().to_owned();
        drop(one);
        assert!(!path.exists());
    }

    #[test]
    fn the_folder_of_a_failed_test_is_kept() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let failed = std::thread::spawn(move || {
            let folder = TempFolder::new("kept");
            sender.send(folder.path().to_owned()).unwrap();
            panic!("expected by the test");
        });
        assert!(failed.join().is_err());
        let path = receiver.recv().unwrap();
        assert!(path.exists());
        std::fs::remove_dir(path).unwrap();
    }
}
