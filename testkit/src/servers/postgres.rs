//! A Postgres cluster of a test's own, which can be killed and started again. Never the machine's own cluster.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::folder::TempFolder;
use crate::process::Running;

const READY: &str = "database system is ready to accept connections";
const START_MAX: Duration = Duration::from_mins(1);
const INSTALL: &str = "apt-get install -y --no-install-recommends postgresql";

/// Postgres trusts whoever reaches it, on 127.0.0.1 only. It is as durable as a real one: settings that
/// matter are left alone, `fsync` above all.
#[derive(Debug)]
pub struct Postgres {
    // Fields drop in this order: the server goes before its files.
    server: Running,
    port: u16,
    programs: PathBuf,
    folder: TempFolder,
}

impl Postgres {
    /// A new, empty cluster; about 0.8 seconds, most of it `initdb`.
    ///
    /// # Panics
    /// If Postgres is not installed, or does not start.
    pub async fn start() -> Self {
        match Self::try_start().await {
            Ok(started) => started,
            Err(why) => panic!("{why:#}"),
        }
    }

    async fn try_start() -> Result<Self> {
        let programs = programs()?;
        let folder = TempFolder::new("pg");
        init(&programs, folder.path())?;
        // Somebody else may take the port before Postgres does.
        let mut tries = 0;
        let (server, port) = loop {
            let port = free_port()?;
            match serve(&programs, folder.path(), port).await {
                Ok(server) => break (server, port),
                Err(why) if tries == 5 => return Err(why),
                Err(_) => tries += 1,
            }
        };
        Ok(Self { server, port, programs, folder })
    }

    /// The address of its database `postgres`, as its superuser.
    pub fn url(&self) -> String {
        self.url_as("postgres")
    }

    /// The address for another of its users.
    pub fn url_as(&self, user: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/postgres", self.port)
    }

    /// The process id of the server that all its others come from.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Ends all its processes as a power cut would (SIGKILL).
    pub async fn kill(&mut self) -> Result<()> {
        self.server.kill_family().await
    }

    /// Starts it again after `kill`, on the same files and the same port.
    pub async fn restart(&mut self) -> Result<()> {
        self.server = serve(&self.programs, self.folder.path(), self.port).await?;
        Ok(())
    }
}

/// The folder of the installed programs; the newest, if there are several.
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

/// Postgres refuses to run as root; then it runs as nobody.
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
        let given = Command::new("chown").arg("nobody:nogroup").arg(&data).status()?;
        ensure!(given.success(), "cannot give {} to nobody", data.display());
    }
    let words = command(&programs.join("initdb"), root);
    let made = Command::new(&words[0])
        .args(&words[1..])
        .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale"])
        .args(["--no-sync", "--wal-segsize=1", "--no-instructions", "-D"])
        .arg(&data)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", words[0]))?;
    if !made.status.success() {
        bail!("initdb failed: {}", String::from_utf8_lossy(&made.stderr));
    }
    Ok(())
}

async fn serve(programs: &Path, folder: &Path, port: u16) -> Result<Running> {
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
    let mut server = Running::start(Path::new(&words[0]), &args, &[("LC_ALL", "C")], &folder.join("log"))?;
    server.wait_for_line(READY, START_MAX).await?;
    Ok(server)
}

/// A port that nobody uses now, below those that the kernel gives to clients: one of theirs could be taken, or even reach
/// itself, while the server is down.
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

    #[tokio::test]
    async fn a_killed_cluster_comes_back_on_its_port_with_its_files() {
        let mut postgres = Postgres::start().await;
        let (url, pid) = (postgres.url(), postgres.pid());
        postgres.kill().await.unwrap();
        assert!(std::net::TcpStream::connect(("127.0.0.1", postgres.port)).is_err());
        postgres.restart().await.unwrap();
        assert_eq!(postgres.url(), url);
        assert_ne!(postgres.pid(), pid);
        assert!(postgres.server.log().contains("was not properly shut down"), "{}", postgres.server.log());
        let (port, folder) = (postgres.port, postgres.folder.path().to_owned());
        drop(postgres);
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
        assert!(!folder.exists());
    }
}
