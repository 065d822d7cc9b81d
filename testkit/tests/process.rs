//! Child processes, tested with a shell.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use testkit::{ChildProcess, TempFolder};

const SOON: Duration = Duration::from_secs(10);
/// The shell waits for a child process, so that its trap can run.
const WAIT_LONG: &str = "sleep 20 & trap 'kill $!; echo bye; exit 3' TERM; echo ready on port 4711; wait";

fn shell(script: &str, folder: &TempFolder) -> ChildProcess {
    let log = folder.path().join("shell.log");
    ChildProcess::start(Path::new("/bin/sh"), &["-c", script], &[("GREETING", "안녕")], &log).unwrap()
}

fn is_running(pid: u32) -> bool {
    // A zombie has ended; only its parent has not waited for it.
    let output = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output().unwrap();
    !matches!(output.stdout.first(), None | Some(b'Z'))
}

#[tokio::test]
async fn a_line_of_output_is_found_once_it_is_complete() -> Result<()> {
    let folder = TempFolder::new("line");
    let mut shell =
        shell("printf 'half'; echo ' and half'; echo $GREETING HOME=$HOME >&2; sleep 600", &folder);
    assert_eq!(shell.wait_for_line("half", SOON).await?, "half and half");
    assert_eq!(
        shell.wait_for_line("안녕", SOON).await?,
        "안녕 HOME=",
        "the environment contains only what was passed"
    );
    Ok(())
}

#[tokio::test]
async fn waiting_for_a_line_fails_with_the_log_when_the_process_ends() {
    let folder = TempFolder::new("dead");
    let mut shell = shell("echo cannot open the ledger; exit 5", &folder);
    let error = shell.wait_for_line("ready", SOON).await.unwrap_err().to_string();
    assert!(error.contains("exit status: 5") && error.contains("cannot open the ledger"), "{error}");
}

#[tokio::test]
async fn waiting_for_a_missing_line_ends_at_the_timeout() {
    let folder = TempFolder::new("silent");
    let mut shell = shell("sleep 600", &folder);
    let error = shell.wait_for_line("ready", Duration::from_millis(100)).await.unwrap_err().to_string();
    assert!(error.contains("no \"ready\" within 100ms"), "{error}");
}

#[tokio::test]
async fn a_restarted_process_has_only_its_own_log() -> Result<()> {
    let folder = TempFolder::new("again");
    shell("echo ready 1", &folder).wait(SOON).await?;
    let mut second = shell("echo ready 2; sleep 600", &folder);
    assert_eq!(second.wait_for_line("ready", SOON).await?, "ready 2");
    Ok(())
}

#[tokio::test]
async fn stop_lets_a_process_finish_and_kill_does_not() -> Result<()> {
    let folder = TempFolder::new("stop");
    let mut polite = shell(WAIT_LONG, &folder);
    polite.wait_for_line("ready on port", SOON).await?;
    assert_eq!(polite.stop(SOON).await?.code(), Some(3));
    assert!(polite.log().ends_with("bye\n"));
    assert!(polite.stop(SOON).await.is_err(), "it has ended: its ID may belong to another process");

    let mut killed = shell(WAIT_LONG, &folder);
    killed.wait_for_line("ready", SOON).await?;
    killed.kill().await?;
    assert!(!is_running(killed.pid()));
    assert!(!killed.log().contains("bye"));
    Ok(())
}

#[tokio::test]
async fn a_process_that_does_not_stop_in_time_is_killed() -> Result<()> {
    let folder = TempFolder::new("trap");
    let mut stubborn = shell("trap '' TERM; echo ready; exec sleep 600", &folder);
    stubborn.wait_for_line("ready", SOON).await?;
    let error = stubborn.stop(Duration::from_millis(100)).await.unwrap_err().to_string();
    assert!(error.contains("did not stop"), "{error}");
    assert!(!is_running(stubborn.pid()));
    Ok(())
}

#[tokio::test]
async fn a_frozen_process_executes_nothing_until_it_is_thawed() -> Result<()> {
    let folder = TempFolder::new("ice");
    let mut shell =
        shell("trap 'echo heard; exit 0' USR1; echo ready; while :; do sleep 0.01; done", &folder);
    shell.wait_for_line("ready", SOON).await?;
    shell.freeze()?;
    Command::new("kill").args(["-USR1", &shell.pid().to_string()]).status()?;
    assert!(shell.wait_for_line("heard", Duration::from_millis(100)).await.is_err());
    shell.thaw()?;
    shell.wait_for_line("heard", SOON).await?;
    Ok(())
}

#[tokio::test]
async fn a_process_ends_with_its_test() {
    let folder = TempFolder::new("drop");
    let pid = {
        let shell = shell("exec sleep 600", &folder);
        assert!(is_running(shell.pid()));
        shell.pid()
    };
    assert!(!is_running(pid));
}
