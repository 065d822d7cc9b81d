//! A child process of a test. Its output goes to a file; it is killed at the end of the test at the latest.

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How many bytes of the log are printed when a test fails.
const TAIL_MAX: usize = 8 * 1024;

/// Clock ticks a second: `USER_HZ` is 100 on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// The user and system CPU time of a process, in steps of 10 ms; zero if the process has ended. Linux only.
pub fn cpu_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name may contain spaces and parentheses; proc(5) counts it as the second field.
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u32>().ok());
    TICK * ticks.sum::<u32>()
}

/// A running program, killed on drop together with its descendants.
#[derive(Debug)]
pub struct ChildProcess {
    name: String,
    pid: Pid,
    child: Child,
    log_file: PathBuf,
    /// Where the output of this process begins: a restarted process appends to the same file.
    log_start: u64,
}

impl ChildProcess {
    /// Starts a program with only PATH and `env` in its environment. Both outputs are appended to `log_file`.
    pub fn start(program: &Path, args: &[&str], env: &[(&str, &str)], log_file: &Path) -> Result<Self> {
        let mut out = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log_file)
            .with_context(|| format!("cannot write {}", log_file.display()))?;
        let log_start = out.seek(SeekFrom::End(0))?;
        let child = Command::new(program)
            .args(args)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stderr(out.try_clone()?)
            .stdout(out)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let pid = pid.with_context(|| format!("{name} has no process ID"))?;
        Ok(Self { name, pid, child, log_file: log_file.to_owned(), log_start })
    }

    /// Its process ID.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Kills it (SIGKILL), as a power failure would, and waits until it has ended.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.with_context(|| format!("cannot kill {}", self.name))
    }

    /// Kills it and its descendants (SIGKILL), and waits until they have ended.
    pub async fn kill_tree(&mut self) -> Result<()> {
        if matches!(self.child.try_wait(), Ok(None)) {
            kill_tree(self.pid);
        }
        self.kill().await
    }

    /// Asks it to stop (SIGTERM). If it still runs after `grace`, it is killed, and the result is an error.
    pub async fn stop(&mut self, grace: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        if let Ok(status) = tokio::time::timeout(grace, self.child.wait()).await {
            return Ok(status?);
        }
        self.kill().await?;
        bail!("{} did not stop within {grace:?}\n{}", self.name, self.tail())
    }

    /// Asks it to read its settings again (SIGHUP).
    pub fn reload(&mut self) -> Result<()> {
        self.signal(Signal::HUP)
    }

    /// Stops its execution (SIGSTOP), as a pause of its machine would.
    pub fn freeze(&mut self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Continues it after `freeze`.
    pub fn thaw(&mut self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Waits until it ends.
    pub async fn wait(&mut self, timeout: Duration) -> Result<ExitStatus> {
        match tokio::time::timeout(timeout, self.child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => bail!("{} still runs after {timeout:?}\n{}", self.name, self.tail()),
        }
    }

    /// Waits for the first complete line of its log that contains `pattern`, and returns it.
    pub async fn wait_for_line(&mut self, pattern: &str, timeout: Duration) -> Result<String> {
        let found = tokio::time::timeout(timeout, async {
            loop {
                // Before reading the log, so that the last lines of a process are found.
                let ended = self.child.try_wait()?;
                if let Some(line) = whole_lines(&self.log()).find(|line| line.contains(pattern)) {
                    return Ok(line.to_owned());
                }
                if let Some(status) = ended {
                    bail!("{} ended ({status}) without {pattern:?}\n{}", self.name, self.tail());
                }
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        });
        match found.await {
            Ok(line) => line,
            Err(_) => bail!("{} wrote no {pattern:?} within {timeout:?}\n{}", self.name, self.tail()),
        }
    }

    /// Its output so far.
    pub fn log(&self) -> String {
        let mut bytes = Vec::new();
        if let Ok(mut file) = std::fs::File::open(&self.log_file)
            && file.seek(SeekFrom::Start(self.log_start)).is_ok()
        {
            // The part that was read before an error is still useful.
            let _ = file.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Sends a signal. An error if the process has ended: its ID may belong to another process.
    fn signal(&mut self, signal: Signal) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} has ended already ({status})\n{}", self.name, self.tail());
        }
        kill_process(self.pid, signal).with_context(|| format!("cannot signal {}", self.name))
    }

    fn tail(&self) -> String {
        let log = self.log();
        let from = log.ceil_char_boundary(log.len().saturating_sub(TAIL_MAX));
        format!("--- end of {}\n{}\n---", self.log_file.display(), log[from..].trim_end())
    }

    /// Kills the process tree, so that its ports and files are free when drop returns.
    /// Kills it and its descendants, unless it has ended.
    pub(crate) fn end(&mut self) {
        // The ID of a process that was waited for may belong to another process.
        if matches!(self.child.try_wait(), Ok(None)) {
            kill_tree(self.pid);
            // Removes it from the process table. If this fails, tokio does it later.
            let _ = self.child.try_wait();
        }
    }
}

impl Drop for ChildProcess {
    #[expect(clippy::print_stderr, reason = "the test runner shows it with the failed test")]
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            eprintln!("{}", self.tail());
        }
    }
}

/// Kills a process and its descendants, and waits until all have ended: a running one would write into folders that are being
/// removed.
pub(crate) fn kill_tree(ancestor: Pid) {
    let tree = process_tree(ancestor);
    for pid in &tree {
        // An error means that it has already ended.
        let _ = kill_process(*pid, Signal::KILL);
    }
    for _ in 0..400 {
        if tree.iter().all(|pid| parent(*pid).is_none()) {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The process and its descendants, parents first.
fn process_tree(ancestor: Pid) -> Vec<Pid> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
    let parents: Vec<_> = pids.filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut tree = vec![ancestor];
    let mut next = 0;
    while let Some(of) = tree.get(next).copied() {
        tree.extend(parents.iter().filter(|(_, parent)| *parent == of).map(|(pid, _)| *pid));
        next += 1;
    }
    tree
}

/// The parent of a running process; `None` for a zombie, which executes nothing.
fn parent(pid: Pid) -> Option<Pid> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // The name of the program stands before, in parentheses, and may contain any character.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    if fields.next()? == "Z" { None } else { Pid::from_raw(fields.next()?.parse().ok()?) }
}

fn whole_lines(log: &str) -> impl Iterator<Item = &str> {
    log.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn descendants_are_killed_with_their_process() -> Result<()> {
        let folder = crate::folder::TempFolder::new("tree");
        let script = "sleep 600 & (sleep 600 & echo ready; wait) & wait";
        let log = folder.path().join("log");
        let mut shell = ChildProcess::start(Path::new("/bin/sh"), &["-c", script], &[], &log)?;
        shell.wait_for_line("ready", Duration::from_secs(10)).await?;
        let tree = process_tree(shell.pid);
        assert_eq!(tree.len(), 4, "{tree:?}");
        drop(shell);
        assert!(tree.iter().all(|pid| parent(*pid).is_none()));
        Ok(())
    }
}
