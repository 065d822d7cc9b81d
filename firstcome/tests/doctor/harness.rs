//! Runs `firstcome doctor` and reads its report.

use serde_json::Value;
use testkit::OrderStub;
use testkit::order_stub::{Behavior, ReceivedCall};
use tokio::process::Command;

/// The exit code and report of a run.
#[derive(Debug)]
pub(crate) struct DoctorRun {
    pub(crate) code: Option<i32>,
    pub(crate) report: Value,
}

impl DoctorRun {
    /// The names of the failed checks.
    pub(crate) fn wrong(&self) -> Vec<&str> {
        let findings = self.report["checks"].as_array().unwrap().iter();
        findings.filter(|f| f["verdict"] == "WRONG").map(|f| f["name"].as_str().unwrap()).collect()
    }

    /// The result of a check, and how to fix it.
    pub(crate) fn finding(&self, name: &str) -> (String, String) {
        let finding = self.report["checks"].as_array().unwrap().iter().find(|f| f["name"] == name);
        let finding = finding.unwrap_or_else(|| panic!("'{name}' is not in {:#}", self.report));
        let text = |member: &str| finding[member].as_str().unwrap_or_default().to_owned();
        (text("response"), text("fix"))
    }

    /// The result of the only failed check, and how to fix it.
    pub(crate) fn only_wrong(&self, name: &str) -> (String, String) {
        assert_eq!(self.wrong(), [name], "{:#}", self.report);
        assert_eq!(self.code, Some(1));
        let (response, fix) = self.finding(name);
        assert!(!fix.is_empty());
        (response, fix)
    }
}

/// The program's output and exit code.
pub(crate) async fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_firstcome")).args(args).output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (out.status.code(), text(out.stdout), text(out.stderr))
}

/// Examines a service with few calls and the default timeout, so that a busy machine causes no finding.
pub(crate) async fn examine(url: &str, more: &[&str]) -> DoctorRun {
    let usual = ["doctor", "order-service", url, "--json", "--calls", "3"];
    let (code, out, error) = run(&[&usual, more].concat()).await;
    let report = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{code:?} {out} {error}"));
    DoctorRun { code, report }
}

/// Examines a stub with this behavior.
pub(crate) async fn examine_stub(
    script: impl Fn(&ReceivedCall) -> Behavior + Send + Sync + 'static,
) -> (DoctorRun, OrderStub) {
    examine_stub_with(&[], script).await
}

/// The same with more arguments.
pub(crate) async fn examine_stub_with(
    more: &[&str],
    script: impl Fn(&ReceivedCall) -> Behavior + Send + Sync + 'static,
) -> (DoctorRun, OrderStub) {
    let stub = OrderStub::start().await;
    stub.behave(script);
    (examine(&stub.base(), more).await, stub)
}

/// A correct service: refuses bodies that are not applications.
pub(crate) fn careful(call: &ReceivedCall) -> Behavior {
    let application = call.method != "PUT" || call.json()["guid"].is_string();
    if application { Behavior::Normal } else { Behavior::reject(400) }
}
