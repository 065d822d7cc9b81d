//! An operator at work with the program alone: what `--help` tells is enough to bring an event from its making to its end.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use testkit::{ChildProcess, HttpClient, TempFolder};

use crate::{PROGRAM, output_text, run};

const SOON: Duration = Duration::from_secs(20);

/// A system on embedded stores, and an operator with a token.
pub(crate) struct CliHarness {
    _system: ChildProcess,
    pub(crate) folder: TempFolder,
    pub(crate) operator: String,
    pub(crate) signup: String,
    pub(crate) health: String,
    pub(crate) token: String,
}

impl CliHarness {
    pub(crate) async fn start() -> Self {
        let folder = TempFolder::new("harness");
        let made = output_text(&run(&["keys", "token", "kim"]));
        let token = made.lines().map(str::trim).find(|line| line.starts_with("fct_")).unwrap().to_owned();
        let table = made[made.find("[[operator.token]]").unwrap()..].to_owned();
        assert!(!table.contains(&token), "{made}");
        let (config, log) = (folder.path().join("firstcome.toml"), folder.path().join("log"));
        let data = folder.path().join("data");
        let text = format!(
            "data.folder = \"{}\"\nsignup.listen = \"127.0.0.1:0\"\nadmin.listen = \"127.0.0.1:0\"\noperator.listen = \"127.0.0.1:0\"\n\
             messaging.webhook.key = \"{}\"\nmessaging.webhook.allow = \"127.0.0.1\"\n{table}",
            data.display(),
            "5".repeat(64)
        );
        std::fs::write(&config, text).unwrap();
        let args = ["serve", "--config", config.to_str().unwrap()];
        let mut system = ChildProcess::start(Path::new(PROGRAM), &args, &[], &log).unwrap();
        system.wait_for_line("serving on", SOON).await.unwrap();
        // Three listeners, in the order in which they are opened: the signup service, the operator API, health.
        let log = system.log();
        let mut at =
            log.lines().filter_map(|line| line.split("listening on ").nth(1)?.split_whitespace().next());
        let url = |at: Option<&str>| format!("http://{}", at.unwrap().trim_matches('"'));
        let (signup, operator, health) = (url(at.next()), url(at.next()), url(at.next()));
        Self { _system: system, folder, operator, signup, health, token }
    }

    fn program(&self, args: &[&str]) -> Output {
        Command::new(PROGRAM)
            .args(args)
            .env("FIRSTCOME_OPERATOR_URL", &self.operator)
            .env("FIRSTCOME_TOKEN", &self.token)
            .output()
            .unwrap()
    }

    pub(crate) fn done(&self, args: &[&str]) -> String {
        let out = self.program(args);
        assert!(out.status.success(), "{args:?}: {}", output_text(&out));
        String::from_utf8(out.stdout).unwrap()
    }

    pub(crate) fn ends_with(&self, code: i32, args: &[&str]) -> String {
        let out = self.program(args);
        assert_eq!(out.status.code(), Some(code), "{args:?}: {}", output_text(&out));
        output_text(&out)
    }

    /// Creates and opens the event `spring`, waits for the first order, and returns its receipt.
    pub(crate) async fn open_event(&self) -> String {
        let fixed =
            ["event", "create", "spring", "--title-ko", "봄", "--title-en", "Spring", "--capacity", "50"];
        self.done(&[&fixed[..], &["--opens-at", "+1h", "--closes-at", "+2h", "--pace", "100"]].concat());
        self.done(&["event", "open", "spring"]);
        let receipt = self.apply("010-1234-5678").await;
        self.until("one ordered", |event| event["seats"]["sold"] == 1).await;
        receipt
    }

    fn event(&self) -> Value {
        serde_json::from_str(&self.done(&["event", "get", "spring", "--json"])).unwrap()
    }

    async fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) {
        for _ in 0..200 {
            if holds(&self.event()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("not {what}: {}", self.event());
    }

    /// Waits until the log has every domain event, and prints that in one line.
    async fn until_delivered(&self) {
        for _ in 0..100 {
            let status = self.done(&["outbox", "status", "spring"]);
            let mut counts = status.split(", ").next().unwrap().rsplit(' ');
            if status.starts_with("log ") && counts.next() == counts.nth(1) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("not delivered: {}", self.done(&["outbox", "status"]));
    }

    /// Applies at the signup service as soon as it knows the event to be open, and gives the receipt.
    async fn apply(&self, phone: &str) -> String {
        let http = HttpClient::new(&self.signup);
        let body = serde_json::json!({"name": "홍길동", "phone": phone, "consent": true});
        let path = "/application/com/v1/create/application/spring";
        for _ in 0..200 {
            let answer = http.post_json(path, &body, &[("idempotency-key", phone)]).await.unwrap();
            if answer.status == 201 {
                return answer.json()["receipt"].as_str().unwrap().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{phone} could not apply");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_help_of_event_create_has_examples_and_hides_the_token() {
    let harness = CliHarness::start().await;
    let help = harness.done(&["event", "create", "--help"]);
    for part in [
        "--title-ko",
        "--capacity",
        "2026-11-29T20:00:00+09:00",
        "+10m",
        "--pace",
        "FIRSTCOME_OPERATOR_URL",
        "Example",
    ] {
        assert!(help.contains(part), "'{part}' is not in:\n{help}");
    }
    assert!(!help.contains(&harness.token));
}

/// Asserts that the metrics of the dashboard are those of a program that has taken orders. The gateway does not run, no round of the
/// leader failed, and no target is behind.
async fn find_the_metrics_of_the_dashboard(harness: &CliHarness) {
    let shown = HttpClient::new(&harness.health).get("/metrics").await.unwrap();
    let shown = String::from_utf8_lossy(&shown.body).into_owned();
    let dashboard = include_str!("../../../ops/grafana.json");
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let names = dashboard.split(|c| !is_name(c)).filter(|word| word.starts_with("firstcome_"));
    let absent =
        ["firstcome_gateway_", "firstcome_leader_round_failures", "firstcome_eta_error", "firstcome_outbox_"];
    let expected: Vec<&str> =
        names.filter(|name| !absent.iter().any(|other| name.starts_with(other))).collect();
    assert!(expected.len() >= 10, "{expected:?}");
    for name in expected {
        assert!(shown.lines().any(|line| line.starts_with(name)), "{name} is not in:\n{shown}");
    }
}

fn show_the_result(harness: &CliHarness) {
    let sums = harness.done(&["event", "result", "spring"]);
    assert!(sums.contains("accepted 2 = ordered 2 + waiting 0"), "{sums}");
    let file = harness.folder.path().join("result.csv");
    harness.done(&["event", "export", "spring", "--bom", "--output", file.to_str().unwrap()]);
    let written = std::fs::read_to_string(&file).unwrap();
    assert_eq!(written.lines().count(), 4, "{written}");
    assert!(written.starts_with("\u{feff}number,guid,") && written.contains("accepted 2 = "), "{written}");
    assert_eq!(written.trim_start_matches('\u{feff}'), harness.done(&["event", "export", "spring"]));
    let found = harness.done(&["application", "find", "spring", "2"]);
    assert!(found.starts_with("number 2  ordered") && found.contains("application.ordered"), "{found}");
    harness.ends_with(3, &["application", "find", "spring", "3"]);
}

fn set_an_automatic_pace(harness: &CliHarness) {
    let auto = ["pace", "auto", "spring", "--min", "20", "--max", "50", "--target-p95-ms", "1500"];
    harness.done(&auto);
    assert!(harness.ends_with(2, &auto[..5]).contains("--max"));
    let shown = harness.done(&["pace", "get", "spring"]);
    assert!(shown.contains("50/s (auto 20 to 50/s, p95 within 1500 ms)"), "{shown}");
    harness.done(&["pace", "auto", "spring", "--off"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_runs_an_event_from_creation_to_settlement_by_command() {
    let harness = CliHarness::start().await;
    let create = "event create spring --title-ko 봄 --title-en Spring --capacity 3 --opens-at +1h --closes-at +2h --pace 100 \
        --settle-after-close false --color #1d4ed8";
    harness.done(&create.split_whitespace().collect::<Vec<_>>());
    assert_eq!(
        (harness.event()["state"].as_str(), harness.event()["rev"].as_i64()),
        (Some("scheduled"), Some(1))
    );
    harness.done(&["event", "update", "spring", "--product-name-ko", "귤", "--product-name-en", "Mandarins"]);
    assert!(harness.ends_with(2, &["event", "update", "spring", "--color", "red"]).contains("/color"));
    harness.done(&["announcement", "set", "spring", "--ko", "곧 시작해요", "--en", "Soon"]);
    harness.done(&["pace", "set", "spring", "50", "--in-flight-max", "7", "--reason", "a slow shop"]);
    set_an_automatic_pace(&harness);
    harness.done(&["capacity", "set", "spring", "4", "--reason", "one more"]);
    let lower = ["capacity", "set", "spring", "2", "--reason", "fewer"];
    assert!(harness.ends_with(2, &lower).contains("--yes"));
    harness.done(&[&lower[..], &["--yes"]].concat());
    harness.done(&["event", "open", "spring"]);
    harness.apply("010-1234-5678").await;
    harness.until("one ordered", |event| event["seats"]["sold"] == 1).await;
    harness.done(&["release", "pause", "spring"]);
    harness.apply("010-1234-5679").await;
    harness.until("one waiting or held", |event| event["queue"]["seq"] == 2).await;
    assert_eq!(harness.event()["seats"]["sold"], 1);
    harness.done(&["release", "resume", "spring"]);
    harness.until("both ordered", |event| event["seats"]["sold"] == 2).await;
    let details = harness.done(&["event", "get", "spring"]);
    for part in ["last number 2", "#1d4ed8", "귤 | Mandarins"] {
        assert!(details.contains(part), "'{part}' is not in:\n{details}");
    }

    let close = ["event", "close", "spring", "--reason", "sold out"];
    assert!(harness.ends_with(2, &close).contains("--yes"));
    harness.done(&[&close[..], &["--yes"]].concat());
    harness.until("closed", |event| event["state"] == "closed").await;
    let settle = ["event", "settle", "spring", "--reason", "the queue is empty"];
    assert!(harness.ends_with(2, &settle).contains("--yes"));
    harness.done(&[&settle[..], &["--yes"]].concat());
    harness.until("settled", |event| event["state"] == "settled").await;

    let audit = harness.done(&["audit", "list", "spring"]);
    for part in [
        "create",
        "announcement",
        "pace 100 -> 50",
        "(a slow shop)",
        "auto_pace: auto_pace - -> auto 20 to 50/s",
        "capacity 3 -> 4",
        "pause",
        "close",
        "settle",
    ] {
        assert!(audit.contains(part), "'{part}' is not in:\n{audit}");
    }
    show_the_result(&harness);
    find_the_metrics_of_the_dashboard(&harness).await;
    assert!(harness.done(&["event", "list"]).contains("spring"));
    assert!(harness.done(&["application", "list", "spring"]).trim().is_empty());
    drop(harness.folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_verify_reads_the_ledger_of_a_running_program() {
    let harness = CliHarness::start().await;
    harness.open_event().await;
    let data = harness.folder.path().join("data");
    let verify = ["audit", "verify", "--data", data.to_str().unwrap()];
    let whole = harness.done(&verify);
    let head = whole.trim().rsplit_once(' ').unwrap().1;
    assert!(whole.contains("; the chain is whole"), "{whole}");
    harness.done(&[&verify[..], &["--kept", head]].concat());
    let foreign = "ab".repeat(32);
    assert!(harness.ends_with(9, &[&verify[..], &["--kept", &foreign]].concat()).contains("MISSING ab"));
}

#[tokio::test(flavor = "multi_thread")]
async fn top_prints_one_screen_and_otherwise_needs_a_terminal() {
    let harness = CliHarness::start().await;
    harness.open_event().await;
    let top = harness.done(&["top", "--once"]);
    assert!(top.contains("spring  open  release running") && top.contains("sold 1 of 50"), "{top}");
    assert!(harness.done(&["top", "spring", "--once", "--json"]).contains("\"calls_per_s\""));
    assert!(harness.ends_with(2, &["top"]).contains("--once"));
    assert!(harness.ends_with(3, &["top", "winter", "--once"]).contains("does not exist"));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_has_its_own_exit_code() {
    let harness = CliHarness::start().await;
    let create = [
        "event",
        "create",
        "spring",
        "--title-ko",
        "봄",
        "--title-en",
        "Spring",
        "--capacity",
        "3",
        "--opens-at",
        "+1h",
        "--closes-at",
        "+2h",
        "--pace",
        "100",
    ];
    harness.done(&create);
    harness.ends_with(5, &create);
    harness.ends_with(2, &["event", "update", "spring"]);
    harness.ends_with(2, &["event", "update", "spring", "--applications-max", "1"]);
    harness.ends_with(3, &["event", "get", "missing"]);
    harness.ends_with(2, &["application", "reject", "spring", "nope", "--reason", "x"]);
    harness.ends_with(3, &["application", "reject", "spring", &"ab".repeat(16), "--reason", "x"]);
    let early = harness.ends_with(5, &["event", "settle", "spring", "--reason", "x", "--yes"]);
    assert!(early.contains("scheduled"), "{early}");
    harness.done(&["pace", "set", "spring", "80", "--reason", "faster"]);
    let stale = harness.ends_with(5, &["pace", "set", "spring", "90", "--if-rev", "1"]);
    assert!(stale.contains("kim  pace: pace 100 -> 80 (faster)"), "{stale}");
    assert_eq!(harness.event()["pace"], "80");
    let with = |operator: &str, token: &str| {
        let mut command = Command::new(PROGRAM);
        command
            .args(["event", "list", "--operator-url", operator])
            .env("FIRSTCOME_TOKEN", token)
            .output()
            .unwrap()
    };
    assert_eq!(with(&harness.operator, "wrong").status.code(), Some(4));
    assert_eq!(with(&harness.operator, "").status.code(), Some(2));
    assert_eq!(with("https://127.0.0.1:1", "x").status.code(), Some(2));
    assert_eq!(with("http://127.0.0.1:1", "x").status.code(), Some(7));
    let file = harness.folder.path().join("token");
    std::fs::write(&file, format!("{}\n", harness.token)).unwrap();
    let mut command = Command::new(PROGRAM);
    let out = command
        .args(["event", "list", "--operator-url", &harness.operator, "--token-file", file.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", output_text(&out));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_role_needs_only_the_ledger() {
    let (folder, postgres) = (TempFolder::new("operator"), testkit::Postgres::start().await);
    ledger::Ledger::migrate(&postgres.url()).await.unwrap();
    let made = output_text(&run(&["keys", "token", "lee", "--role", "viewer"]));
    let token = made.lines().map(str::trim).find(|line| line.starts_with("fct_")).unwrap();
    let (config, log) = (folder.path().join("operator.toml"), folder.path().join("log"));
    let table = &made[made.find("[[operator.token]]").unwrap()..];
    let text = format!(
        "ledger.url = \"{}\"\nadmin.listen = \"127.0.0.1:0\"\noperator.listen = \"127.0.0.1:0\"\n{table}",
        postgres.url()
    );
    std::fs::write(&config, text).unwrap();
    let args = ["serve", "--role", "operator", "--config", config.to_str().unwrap()];
    let mut operator = ChildProcess::start(Path::new(PROGRAM), &args, &[], &log).unwrap();
    let line = operator.wait_for_line("serving on", SOON).await.unwrap();
    let url = line.split("serving on ").nth(1).unwrap().split_whitespace().next().unwrap();
    let program = |args: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.args(args).env("FIRSTCOME_OPERATOR_URL", url).env("FIRSTCOME_TOKEN", token).output().unwrap()
    };
    let listed = program(&["event", "list"]);
    assert!(
        listed.status.success() && output_text(&listed).contains("no event yet"),
        "{}",
        output_text(&listed)
    );
    let paused = program(&["release", "pause", "spring"]);
    assert_eq!(
        (paused.status.code(), output_text(&paused).contains("may read")),
        (Some(4), true),
        "{}",
        output_text(&paused)
    );
    operator.stop(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sends_domain_events_again_by_command() {
    let harness = CliHarness::start().await;
    harness.open_event().await;
    harness.until_delivered().await;
    harness.done(&["outbox", "replay", "log", "spring", "--from", "1", "--reason", "a lost log"]);
    let audit = harness.done(&["audit", "list", "spring"]);
    assert!(audit.contains("replay") && audit.contains("(a lost log)"), "{audit}");
    harness.ends_with(3, &["outbox", "status", "autumn"]);
    harness.ends_with(5, &["outbox", "replay", "crm", "spring", "--from", "1"]);
}
