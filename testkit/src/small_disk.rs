//! A disk of a few megabytes that a test fills up: a tmpfs, which only root may mount.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const BALLAST: &str = "ballast";

/// A small disk, unmounted on drop.
#[derive(Debug)]
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts a disk of that many megabytes at the folder, which is created; `None` if this machine does not let the test mount one.
    pub fn mount(folder: &Path, megabytes: u32) -> io::Result<Option<Self>> {
        std::fs::create_dir_all(folder)?;
        let size = format!("size={megabytes}m");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder).stderr(Stdio::null());
        // A machine without the program cannot mount either.
        let is_mounted = mount.status().is_ok_and(|status| status.success());
        Ok(is_mounted.then(|| Self { path: folder.to_owned() }))
    }

    /// Fills the disk to the last byte.
    pub fn fill(&self) -> io::Result<()> {
        let mut file = std::fs::File::create(self.path.join(BALLAST))?;
        match io::copy(&mut io::repeat(1), &mut file) {
            Err(error) if error.kind() == io::ErrorKind::StorageFull => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(io::Error::other("the disk has no end")),
        }
    }

    /// Makes room again.
    pub fn free(&self) -> io::Result<()> {
        std::fs::remove_file(self.path.join(BALLAST))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process of the test may still have a file of it open.
        drop(Command::new("umount").arg("-l").arg(&self.path).status());
    }
}
