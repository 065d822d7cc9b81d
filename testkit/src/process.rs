//! A child process of a test: its output in a file, its life ended with the test's, and the ways tests end it before.

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How much of the log is printed when a test fails.
const TAIL_MAX: usize = 8 * 1024;

/// Clock ticks a second: `USER_HZ` is 100 on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// CPU time that a process has used, its own and the kernel's for it, in steps of 10 ms; none if it is gone. Linux only.
pub fn cpu_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name may hold spaces and brackets; proc(5) counts it as the second field.
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u32>().ok());
    TICK * ticks.sum::<u32>()
}

/// A running program, killed on drop with all that it started.
#[derive(Debug)]
pub struct Running {
    name: String,
    pid: Pid,
    child: Child,
    log_file: PathBuf,
    /// Where this process' own lines begin: a restarted one writes behind its predecessor's.
    log_start: u64,
}

impl Running {
    /// Starts a program in a bare environment: PATH, and what `env` says. Both outputs are appended to `log_file`.
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
        let pid = pid.with_context(|| format!("{name} has no process id"))?;
        Ok(Self { name, pid, child, log_file: log_file.to_owned(), log_start })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Ends it as a power cut would (SIGKILL), and waits until it is gone.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.with_context(|| format!("cannot kill {}", self.name))
    }

    /// Ends it and all that it started, as a power cut would (SIGKILL), and waits until they are gone.
    pub async fn kill_family(&mut self) -> Result<()> {
        if matches!(self.child.try_wait(), Ok(None)) {
            kill_family(self.pid);
        }
        self.kill().await
    }

    /// Asks it to end (SIGTERM). If it has not by then, it is killed, and that is an error.
    pub async fn stop(&mut self, grace: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        if let Ok(status) = tokio::time::timeout(grace, self.child.wait()).await {
            return Ok(status?);
        }
        self.kill().await?;
        bail!("{} did not stop within {grace:?}\n{}", self.name, self.tail())
    }

    /// Freezes it (SIGSTOP), as a pause of its machine would.
    pub fn freeze(&mut self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on after `freeze`.
    pub fn thaw(&mut self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Waits until it ends by itself.
    pub async fn wait(&mut self, timeout: Duration) -> Result<ExitStatus> {
        match tokio::time::timeout(timeout, self.child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => bail!("{} still runs after {timeout:?}\n{}", self.name, self.tail()),
        }
    }

    /// The first line of its log that holds `pattern`, as soon as it is written whole.
    pub async fn wait_for_line(&mut self, pattern: &str, timeout: Duration) -> Result<String> {
        let found = tokio::time::timeout(timeout, async {
            loop {
                // Asked before the log is read: what a process wrote before it ended is found.
                let ended = self.child.try_wait()?;
                if let Some(line) = whole_lines(&self.log()).find(|line| line.contains(pattern)) {
                    return Ok(line.to_owned());
                }
                if let Some(status) = ended {
                    bail!("{} ended ({status}) without {pattern:?}\n{}", self.name, self.tail());
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        });
        match found.await {
            Ok(line) => line,
            Err(_) => bail!("{} wrote no {pattern:?} within {timeout:?}\n{}", self.name, self.tail()),
        }
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        let mut bytes = Vec::new();
        if let Ok(mut file) = std::fs::File::open(&self.log_file)
            && file.seek(SeekFrom::Start(self.log_start)).is_ok()
        {
            // What could be read before an error is still worth showing.
            let _ = file.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A signal to the process; an error once it has been waited for, when its id may be another's.
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

    /// Leaves nothing running, so that ports and files are free when drop returns.
    fn reap(&mut self) {
        // One that has been waited for has given its id back.
        if matches!(self.child.try_wait(), Ok(None)) {
            kill_family(self.pid);
            // It is dead by now: this takes it out of the process table, and tokio does so later if it fails.
            let _ = self.child.try_wait();
        }
    }
}

impl Drop for Running {
    #[expect(clippy::print_stderr, reason = "the test runner shows it with the failed test")]
    fn drop(&mut self) {
        self.reap();
        if std::thread::panicking() {
            eprintln!("{}", self.tail());
        }
    }
}

/// Kills a process with everything it started, and waits until all are gone: what still runs writes into folders that
/// are being removed.
pub(crate) fn kill_family(ancestor: Pid) {
    let family = family(ancestor);
    for pid in &family {
        // It may have ended already.
        let _ = kill_process(*pid, Signal::KILL);
    }
    for _ in 0..400 {
        if family.iter().all(|pid| parent(*pid).is_none()) {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The process and its descendants, parents first.
fn family(ancestor: Pid) -> Vec<Pid> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
    let parents: Vec<_> = pids.filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut family = vec![ancestor];
    let mut next = 0;
    while let Some(of) = family.get(next).copied() {
        family.extend(parents.iter().filter(|(_, parent)| *parent == of).map(|(pid, _)| *pid));
        next += 1;
    }
    family
}

/// The parent of a process that lives: a zombie does nothing any more.
fn parent(pid: Pid) -> Option<Pid> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // The program's name comes before, in brackets, and may hold anything.
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
    async fn what_a_process_started_goes_with_it() -> Result<()> {
        let folder = crate::folder::TempFolder::new("family");
        let script = "sleep 600 & (sleep 600 & echo ready; wait) & wait";
        let log = folder.path().join("log");
        let mut shell = Running::start(Path::new("/bin/sh"), &["-c", script], &[], &log)?;
        shell.wait_for_line("ready", Duration::from_secs(10)).await?;
        let family = family(shell.pid);
        assert_eq!(family.len(), 4, "{family:?}");
        drop(shell);
        assert!(family.iter().all(|pid| parent(*pid).is_none()));
        Ok(())
    }
}
