//! The operator API in a process of its own, and the program as an operator runs it.

use std::process::Command;

use testkit::ChildProcess;

use crate::harness::PROGRAM;
use crate::processes::{GRACE, ProcessHandles};

const TOKEN: &str = "fct_of-the-test";

pub(crate) struct OperatorProcess {
    process: ChildProcess,
    url: String,
}

impl OperatorProcess {
    /// The settings of the operator's token.
    pub(crate) fn settings() -> String {
        let hash = operator::hash_of(TOKEN);
        format!("[[operator.token]]\nname = \"kim\"\nrole = \"operator\"\nhash = \"{hash}\"\n")
    }

    pub(crate) async fn start(processes: &mut ProcessHandles) -> Self {
        let port = testkit::free_port();
        let listen = format!("operator.listen=127.0.0.1:{port}");
        let process = processes.process("operator", &["--set", &listen]).await;
        Self { process, url: format!("http://127.0.0.1:{port}") }
    }

    /// Runs the program as an operator does, and returns what it prints; as an error if it fails.
    pub(crate) fn run(&self, args: &[&str]) -> Result<String, String> {
        let out = Command::new(PROGRAM)
            .args(args)
            .env("FIRSTCOME_OPERATOR_URL", &self.url)
            .env("FIRSTCOME_TOKEN", TOKEN)
            .output()
            .unwrap();
        let printed = String::from_utf8(out.stdout).unwrap();
        if out.status.success() {
            Ok(printed)
        } else {
            Err(format!("{args:?}: {printed}{}", String::from_utf8_lossy(&out.stderr)))
        }
    }

    pub(crate) async fn stop(&mut self) {
        self.process.stop(GRACE).await.unwrap();
    }
}
