//! Proxies of other makers, on which the recipes of the docs are run. They are no requirement of the tests, which say if they go without.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::{ChildProcess, TempFolder, listens_soon};

/// Where `cargo xtask test --install` puts them.
const TOOLS: &str = "../target/tools";

/// Which proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerProxyKind {
    /// nginx.
    Nginx,
    /// Envoy.
    Envoy,
}

impl PeerProxyKind {
    fn program(self) -> Option<PathBuf> {
        let (name, file) = match self {
            Self::Nginx => ("nginx", "nginx/usr/sbin/nginx"),
            Self::Envoy => ("envoy", "envoy/envoy/_bin/envoy"),
        };
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let in_path = std::env::split_paths(&paths).map(|folder| folder.join(name));
        let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join(TOOLS).join(file);
        in_path.chain([tool]).find(|file| file.is_file())
    }
}

/// A running proxy.
#[derive(Debug)]
pub struct PeerProxy {
    _process: ChildProcess,
    _folder: TempFolder,
}

impl PeerProxy {
    /// Starts a proxy with these settings, which make it listen on the port: for nginx the content of `http`, for Envoy all. `None`, and
    /// a message, if it is not installed.
    #[expect(clippy::print_stderr, reason = "a check that is left out is reported")]
    pub fn start(kind: PeerProxyKind, settings: &str, port: u16) -> Result<Option<Self>> {
        let Some(program) = kind.program() else {
            eprintln!("{kind:?} was not tested: it is missing (cargo xtask test --install)");
            return Ok(None);
        };
        let folder = TempFolder::new("peer-proxy");
        let path = folder.path().to_str().context("the folder's path is not text")?.to_owned();
        let file = format!("{path}/settings.yaml");
        let log = folder.path().join("log");
        let process = match kind {
            PeerProxyKind::Nginx => {
                std::fs::write(&file, nginx_settings(settings, &path))?;
                ChildProcess::start(&program, &["-p", &path, "-c", &file, "-e", "stderr"], &[], &log)?
            }
            PeerProxyKind::Envoy => {
                std::fs::write(&file, settings)?;
                let args = ["-c", &file, "--concurrency", "1", "--disable-hot-restart", "-l", "warning"];
                ChildProcess::start(&program, &args, &[], &log)?
            }
        };
        // Each waits for 5 s.
        let listens = (0..4).any(|_| listens_soon(([127, 0, 0, 1], port).into()));
        ensure!(listens, "{kind:?} does not listen:\n{}", std::fs::read_to_string(&log).unwrap_or_default());
        Ok(Some(Self { _process: process, _folder: folder }))
    }
}

/// The first block of this language below a heading of a guide.
pub fn recipe(guide: &str, heading: &str, language: &str) -> String {
    let section = guide.split(&format!("\n### {heading}\n")).nth(1);
    let block = section.and_then(|section| section.split(&format!("```{language}\n")).nth(1));
    let block = block.and_then(|block| block.split("```").next());
    block.unwrap_or_else(|| panic!("no {language} below {heading}")).to_owned()
}

/// Replaces an address of the recipe, which must have it.
pub fn replaced(recipe: &str, from: &str, to: &str) -> String {
    assert!(recipe.contains(from), "{from} is not in\n{recipe}");
    recipe.replace(from, to)
}

/// The recipe by which nginx asks the gateway, on this port and with these addresses.
pub fn nginx_asking(guide: &str, port: u16, gateway_admin: SocketAddr, shop: SocketAddr) -> String {
    let recipe = recipe(guide, "nginx asks the gateway", "nginx");
    let recipe = replaced(&recipe, "10.0.0.8:9093", &gateway_admin.to_string());
    let recipe = replaced(&recipe, "listen 443 ssl;", &format!("listen 127.0.0.1:{port};"));
    let recipe = replaced(&recipe, "10.0.0.20:8080", &shop.to_string());
    let lines = recipe.lines().filter(|line| !line.contains("ssl_certificate"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Everything that nginx writes is in the folder.
fn nginx_settings(http: &str, folder: &str) -> String {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {folder}/{name};"))
        .concat();
    format!(
        "daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log stderr;\n\
         events {{ worker_connections 256; }}\nhttp {{ access_log off; {temporary}\n{http}\n}}\n"
    )
}
