//! A folder of a test's own, gone afterwards; kept if the test fails, so that what it wrote can be looked at.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A private folder, removed on drop.
#[derive(Debug)]
pub struct TempFolder {
    path: PathBuf,
}

impl TempFolder {
    /// A new, empty folder with `name` in its own name. Keep `name` short: the path of a Unix socket holds 107 bytes.
    pub fn new(name: &str) -> Self {
        loop {
            let nth = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("fc-{name}-{}-{nth}", std::process::id()));
            match std::fs::create_dir(&path) {
                Ok(()) => return Self { path },
                // Left by an earlier process of the same id.
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => panic!("cannot make {}: {e}", path.display()),
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TempFolder {
    #[expect(clippy::print_stderr, reason = "the test runner shows it with the failed test")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("kept for you to look at: {}", self.path.display());
            return;
        }
        // The children of a process that was just killed may still be writing into it for a moment.
        for _ in 0..100 {
            if std::fs::remove_dir_all(&self.path).is_ok() || !self.path.exists() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        eprintln!("left over: {}", self.path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_its_tests_own_and_gone_afterwards() {
        let (one, two) = (TempFolder::new("same"), TempFolder::new("same"));
        assert_ne!(one.path(), two.path());
        std::fs::write(one.path().join("file"), "x").unwrap();
        let path = one.path().to_owned();
        drop(one);
        assert!(!path.exists());
    }

    #[test]
    fn the_folder_of_a_failed_test_is_kept() {
        let (tell, told) = std::sync::mpsc::channel();
        let failed = std::thread::spawn(move || {
            let folder = TempFolder::new("kept");
            tell.send(folder.path().to_owned()).unwrap();
            panic!("as planned");
        });
        assert!(failed.join().is_err());
        let path = told.recv().unwrap();
        assert!(path.exists());
        std::fs::remove_dir(path).unwrap();
    }
}
