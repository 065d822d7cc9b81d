//! What tests need of the machine beyond Rust, and the one command that brings it. Debian and its kin only.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::step;

/// A thing that tests need.
#[derive(Debug, PartialEq, Eq)]
struct Need {
    /// What it is, for people.
    what: &'static str,
    probe: Probe,
    /// The Debian packages that bring it.
    packages: &'static [&'static str],
}

/// How to see whether it is there.
#[derive(Debug, PartialEq, Eq)]
enum Probe {
    /// A program in PATH.
    Program(&'static str),
    /// A font that can write this language.
    Font(&'static str),
}

const NEEDS: [Need; 4] = [
    Need { what: "a C compiler, for SQLite", probe: Probe::Program("cc"), packages: &["gcc", "libc6-dev"] },
    Need { what: "chromium, for the pages", probe: Probe::Program("chromium"), packages: &["chromium"] },
    Need {
        what: "chromedriver, for the pages",
        probe: Probe::Program("chromedriver"),
        packages: &["chromium-driver"],
    },
    Need { what: "a Korean font", probe: Probe::Font("ko"), packages: &["fontconfig", "fonts-noto-cjk"] },
];

/// Makes sure that the tests have what they need; installs it if allowed.
pub(crate) fn ensure(install: bool) -> Result<()> {
    let missing = missing(is_there);
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.iter().map(|need| format!("  - {}", need.what)).collect::<Vec<_>>().join("\n");
    if !install {
        let command = apt_line(&missing).join(" ");
        bail!(
            "the tests need:\n{list}\nInstall that with (as root):\n  {command}\nor: cargo xtask test --install"
        );
    }
    println!("The tests need:\n{list}");
    apt(&["apt-get", "update"])?;
    apt(&apt_line(&missing))?;
    match self::missing(is_there).first() {
        Some(still) => bail!("still missing after the installation: {}", still.what),
        None => Ok(()),
    }
}

fn missing(is_there: impl Fn(&Probe) -> bool) -> Vec<&'static Need> {
    NEEDS.iter().filter(|need| !is_there(&need.probe)).collect()
}

fn apt_line(needs: &[&Need]) -> Vec<&'static str> {
    let start = ["apt-get", "install", "-y", "--no-install-recommends"];
    start.into_iter().chain(needs.iter().flat_map(|need| need.packages.iter().copied())).collect()
}

fn is_there(probe: &Probe) -> bool {
    match probe {
        Probe::Program(name) => in_path(name),
        Probe::Font(language) => {
            let listed = step::program("fc-list", &[&format!(":lang={language}"), "family"]).output();
            listed.is_ok_and(|output| !output.stdout.trim_ascii().is_empty())
        }
    }
}

fn in_path(name: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join(name).is_file())
}

fn apt(line: &[&str]) -> Result<()> {
    if !in_path("apt-get") {
        bail!(
            "there is no apt-get here: install chromium, chromedriver, a C compiler and a Korean font by hand"
        );
    }
    let mut words: Vec<&str> = if is_root() { vec![] } else { vec!["sudo"] };
    // Given to apt-get itself: sudo does not hand the environment on.
    words.extend(["env", "DEBIAN_FRONTEND=noninteractive"]);
    words.extend_from_slice(line);
    let mut command: Command = step::program(words[0], &words[1..]);
    if !is_root() {
        // sudo may have to ask for a password.
        command.stdin(Stdio::inherit());
    }
    step::run(command, "Is the machine online, and are its package sources right (/etc/apt)?")
}

fn is_root() -> bool {
    std::fs::metadata(Path::new("/proc/self")).is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complete_machine_needs_nothing() {
        assert_eq!(missing(|_| true), [] as [&Need; 0]);
    }

    #[test]
    fn the_command_names_just_what_is_missing() {
        let lacking = missing(|probe| !matches!(probe, Probe::Font(_) | Probe::Program("chromedriver")));
        let line = apt_line(&lacking).join(" ");
        assert_eq!(
            line,
            "apt-get install -y --no-install-recommends chromium-driver fontconfig fonts-noto-cjk"
        );
    }

    #[test]
    fn a_program_is_found_in_path() {
        assert!(in_path("sh"));
        assert!(!in_path("no-such-program"));
    }
}
