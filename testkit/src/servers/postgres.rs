//! A private Postgres cluster that a test can kill and start again. Never the cluster of the machine.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::folder::TempFolder;
use crate::process::ChildProcess;

const READY: &str = "database system is ready to accept connections";
const START_MAX: Duration = Duration::from_mins(1);
const INSTALL: &str = "apt-get install -y --no-install-recommends postgresql";

/// Postgres with `trust` authentication on 127.0.0.1. It is as durable as in production: settings that matter, `fsync` above all,
/// keep their defaults.
#[derive(Debug)]
pub struct Postgres {
    // Fields drop in this order: the server before its files.
    server: ChildProcess,
    port: u16,
    programs: PathBuf,
    folder: TempFolder,
}

impl Postgres {
    /// Starts an empty cluster; takes about 0.8 s, most of it for `initdb`.
    ///
    /// # Panics
    /// If Postgres is not installed, or does not start.
    pub async fn start() -> Self {
        match Self::try_start().await {
            Ok(started) => started,
            Err(error) => panic!("{error:#}"),
        }
    }

    async fn try_start() -> Result<Self> {
        let programs = programs()?;
        let folder = TempFolder::new("pg");
        init(&programs, folder.path())?;
        // Another process may take the port before Postgres does.
        let mut tries = 0;
        let (server, port) = loop {
            let port = free_port()?;
            match serve(&programs, folder.path(), port).await {
                Ok(server) => break (server, port),
                Err(error) if tries == 5 => return Err(error),
                Err(_) => tries += 1,
            }
        };
        Ok(Self { server, port, programs, folder })
    }

    /// The URL of its database `postgres`, as the superuser.
    pub fn url(&self) -> String {
        self.url_as("postgres")
    }

    /// The URL for another user.
    pub fn url_as(&self, user: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/postgres", self.port)
    }

    /// The ID of its main process.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Kills all its processes (SIGKILL), as a power failure would.
    pub async fn kill(&mut self) -> Result<()> {
        self.server.kill_tree().await?;
        remove_shared_memory(self.folder.path());
        Ok(())
    }

    /// Copies its files. Only after `kill`.
    pub fn copy_data(&self, to: &Path) -> Result<()> {
        copy(&self.folder.path().join("data"), to)
    }

    /// Replaces its files by a copy. Only after `kill`.
    pub fn put_back(&self, from: &Path) -> Result<()> {
        let data = self.folder.path().join("data");
        std::fs::remove_dir_all(&data)?;
        copy(from, &data)
    }

    /// Starts it again after `kill`, with the same files and port.
    pub async fn restart(&mut self) -> Result<()> {
        self.server = serve(&self.programs, self.folder.path(), self.port).await?;
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.server.end();
        remove_shared_memory(self.folder.path());
    }
}

/// Removes the shared memory segment of a cluster that was killed, which outlives it. A machine has 4,096 of them at most, and without
/// one no cluster starts.
fn remove_shared_memory(folder: &Path) {
    // The seventh line has the key and the ID of the segment.
    let lock = std::fs::read_to_string(folder.join("data/postmaster.pid")).unwrap_or_default();
    let id = lock.lines().nth(6).and_then(|line| line.split_whitespace().nth(1));
    if let Some(id) = id {
        // It fails if the cluster has removed the segment itself.
        let _ = Command::new("ipcrm").args(["-m", id]).stderr(Stdio::null()).status();
    }
}

/// Copies a folder with the owners of its files.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status()?;
    ensure!(copied.success(), "cannot copy {} to {}", from.display(), to.display());
    Ok(())
}

/// The folder of the installed programs, of the newest version.
fn programs() -> Result<PathBuf> {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<_> = installed.map(|entry| entry.path().join("bin")).collect();
    versions.sort_by_key(|bin| version(bin));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = versions
        .into_iter()
        .rev()
        .chain(std::env::split_paths(&path))
        .find(|bin| bin.join("initdb").is_file());
    found.with_context(|| format!("these tests need Postgres; install it with (as root):\n  {INSTALL}"))
}

fn version(bin: &Path) -> Option<u32> {
    bin.parent()?.file_name()?.to_str()?.parse().ok()
}

/// The start of a command line. Postgres refuses to run as root, so root runs it as the user `nobody`.
fn command(program: &Path, root: bool) -> Vec<String> {
    let mut words = Vec::new();
    if root {
        words.extend(
            ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"].map(ToOwned::to_owned),
        );
    }
    words.push(program.to_string_lossy().into_owned());
    words
}

fn init(programs: &Path, folder: &Path) -> Result<()> {
    let root = rustix::process::geteuid().is_root();
    let data = folder.join("data");
    std::fs::create_dir(&data)?;
    if root {
        let changed = Command::new("chown").arg("nobody:nogroup").arg(&data).status()?;
        ensure!(changed.success(), "cannot change the owner of {} to nobody", data.display());
    }
    let words = command(&programs.join("initdb"), root);
    let output = Command::new(&words[0])
        .args(&words[1..])
        .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale"])
        .args(["--no-sync", "--wal-segsize=1", "--no-instructions", "-D"])
        .arg(&data)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", words[0]))?;
    if !output.status.success() {
        bail!("initdb failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

async fn serve(programs: &Path, folder: &Path, port: u16) -> Result<ChildProcess> {
    let data = folder.join("data").to_string_lossy().into_owned();
    let port = port.to_string();
    let mut words = command(&programs.join("postgres"), rustix::process::geteuid().is_root());
    words.extend(["-D", &data, "-p", &port].map(ToOwned::to_owned));
    for setting in [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "max_connections=100",
        "shared_buffers=16MB",
    ] {
        words.extend(["-c".to_owned(), setting.to_owned()]);
    }
    let args: Vec<_> = words[1..].iter().map(String::as_str).collect();
    let mut server =
        ChildProcess::start(Path::new(&words[0]), &args, &[("LC_ALL", "C")], &folder.join("log"))?;
    server.wait_for_line(READY, START_MAX).await?;
    Ok(server)
}

/// A free port below the kernel's range for clients: a client could take a port of that range, or even connect to itself, while the
/// server is down.
fn free_port() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 1900).unwrap_or_default() * 10;
    for _ in 0..1000 {
        let port = 11_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port is free between 11000 and 31000")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The IDs of all shared memory segments of the machine.
    fn shared_memory() -> Vec<String> {
        let segments = std::fs::read_to_string("/proc/sysvipc/shm").unwrap();
        segments.lines().filter_map(|line| line.split_whitespace().nth(1)).map(ToOwned::to_owned).collect()
    }

    #[tokio::test]
    async fn a_killed_cluster_restarts_on_its_port_with_its_files() {
        let mut postgres = Postgres::start().await;
        let url = postgres.url();
        let pid = postgres.pid();
        postgres.kill().await.unwrap();
        assert!(std::net::TcpStream::connect(("127.0.0.1", postgres.port)).is_err());
        postgres.restart().await.unwrap();
        assert_eq!(postgres.url(), url);
        assert_ne!(postgres.pid(), pid);
        assert!(postgres.server.log().contains("was not properly shut down"), "{}", postgres.server.log());
        let port = postgres.port;
        let folder = postgres.folder.path().to_owned();
        let lock = std::fs::read_to_string(folder.join("data/postmaster.pid")).unwrap();
        let segment = lock.lines().nth(6).unwrap().split_whitespace().nth(1).unwrap();
        assert!(shared_memory().contains(&segment.to_owned()), "{lock}");
        drop(postgres);
        assert!(!shared_memory().contains(&segment.to_owned()), "nothing outlives the cluster");
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
        assert!(!folder.exists());
    }
}
