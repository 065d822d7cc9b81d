//! The lock that gives the file to one process.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

/// Within the time of all tries, a process that is just ending, or a handle that was just dropped, releases the file.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// Takes the file for this process. The lock is a file beside it, because SQLite releases its own locks between transactions.
pub(super) async fn acquire(file: &Path) -> Result<File, String> {
    let mut path = OsString::from(file);
    path.push(".lock");
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| format!("its lock file cannot be opened: check the folder ({error})"))?;
    for _ in 0..TRIES {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(PAUSE).await,
            Err(TryLockError::Error(error)) => {
                return Err(format!("its lock file cannot be locked: check the file system ({error})"));
            }
        }
    }
    Err("another process has this queue open: stop it, or set another file".to_owned())
}
