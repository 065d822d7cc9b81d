//! A system for one test, in this process or in a separate one, in a private folder on free ports.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::event::Text;
use domain::{DomainEvent, EventId, EventSettings, Kind, Release};
use firstcome::System;
use firstcome::setup::{ProcessRole, Setup, Stores};
use ledger::{Ledger, OrderRow};
use serde_json::Value;
use service::Context;
use service::telemetry::LogFormat;
use testkit::{ChildProcess, TempFolder};

use crate::crowd::Ack;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_firstcome");

/// An event that is open now.
pub(crate) fn event(capacity: u32, open_for_ms: i64) -> EventSettings {
    let now = service::clock::system_now();
    EventSettings {
        id: "spring".parse().unwrap(),
        title: Text { ko: "봄".into(), en: "Spring".into() },
        kind: Kind::Order,
        called_for_ms: 600_000,
        extension_ms: 300_000,
        pass_target: String::new(),
        capacity,
        opens_at: now - 1000,
        closes_at: now + open_for_ms,
        intake: true,
        release: Release::Running,
        pace: "400".parse().unwrap(),
        in_flight_max: 40,
        applications_max: 1_000_000,
        announcement: Text::default(),
        look: domain::Look::default(),
        settle_after_close: true,
        diverts: Vec::new(),
        identity: domain::Identity::Open,
        auto_pace: None,
        pepper: "k1".into(),
    }
}

/// A system in this process.
pub(crate) struct SystemHarness {
    pub(crate) system: System,
    pub(crate) event: EventId,
    pub(crate) context: Context,
    folder: TempFolder,
}

impl SystemHarness {
    pub(crate) async fn open(settings: EventSettings) -> Self {
        Self::open_with(settings, |_| ()).await
    }

    /// The same after a change of its settings.
    pub(crate) async fn open_with(settings: EventSettings, change: impl FnOnce(&mut Setup)) -> Self {
        let (folder, context, event) = (TempFolder::new("system"), Context::system(), settings.id.clone());
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut setup = Setup {
            role: ProcessRole::All,
            keys: folder.path().join("keys.toml"),
            stores: Stores::Embedded { folder: folder.path().to_owned() },
            listen: any,
            admin_listen: any,
            signup: signup_service::Config::default(),
            worker: worker::Config::default(),
            messaging: messaging::Config::default(),
            operator: None,
            gateway: None,
            events: vec![settings],
            log_format: LogFormat::Text,
            log_filter: "warn".into(),
        };
        change(&mut setup);
        let system = System::start(setup, &context).await.unwrap();
        Self { system, event, context, folder }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.system.signup.unwrap())
    }

    /// The embedded order service's list.
    pub(crate) async fn orders(&self) -> Result<Vec<OrderRow>, ledger::Error> {
        self.system.ledger.as_ref().unwrap().order_rows(&self.event).await
    }

    /// Stops all parts in order, then runs `firstcome verify`.
    pub(crate) async fn stop_and_verify(self, acks: &[Ack]) -> Value {
        let folder = self.stop().await;
        verify(folder.path(), acks)
    }

    /// The same with the shop's own list of orders.
    pub(crate) async fn stop_and_verify_with(self, acks: &[Ack], orders: &str) -> Value {
        let folder = self.stop().await;
        let file = folder.path().join("orders");
        std::fs::write(&file, orders).unwrap();
        let args = ["--data", folder.path().to_str().unwrap(), "--orders", file.to_str().unwrap()];
        verify_with(&args, folder.path(), &receipts(acks))
    }

    async fn stop(self) -> TempFolder {
        let ended = self.context.tasks.shut_down(Duration::from_secs(15)).await;
        assert_eq!(ended, service::tasks::Shutdown::Clean);
        self.system.close().await;
        self.folder
    }
}

/// Runs `firstcome verify` over a folder that no process writes to. It must find no violation.
pub(crate) fn verify(data: &Path, acks: &[Ack]) -> Value {
    verify_with(&["--data", data.to_str().unwrap()], data, &receipts(acks))
}

/// The receipts, one per line.
pub(crate) fn receipts(acks: &[Ack]) -> String {
    acks.iter().flat_map(|ack| [ack.receipt.as_str(), "\n"]).collect()
}

/// The same over whatever stores the arguments name. Receipts are left in `folder`.
pub(crate) fn verify_with(args: &[&str], folder: &Path, receipts: &str) -> Value {
    let report = examine(args, folder, receipts);
    let checks = report["checks"].as_array().unwrap();
    assert!(
        checks.iter().all(|check| check["violations"] == 0 && check["not_checked"].is_null()),
        "{report:#}"
    );
    report
}

/// The report of `firstcome verify`, whatever it finds. Receipts are left in `folder`.
pub(crate) fn examine(args: &[&str], folder: &Path, receipts: &str) -> Value {
    scan_outbox(args);
    let file = folder.join("acks");
    std::fs::write(&file, receipts).unwrap();
    let out = std::process::Command::new(PROGRAM)
        .args(["verify", "--json", "--acks"])
        .arg(&file)
        .args(args)
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&out.stdout).into_owned();
    let reports: Value = serde_json::from_str(&output)
        .unwrap_or_else(|_| panic!("verify: {output}{}", String::from_utf8_lossy(&out.stderr)));
    reports[0].clone()
}

/// Fails if a domain event does not conform to its schema, or contains personal data of the crowd or an application key.
fn scan_outbox(args: &[&str]) {
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    // The caller may be a task of a runtime, which cannot wait for another.
    let scan = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let ledger = ledger_of(&args).await;
            for event in ledger.events().await.unwrap() {
                for domain_event in ledger.domain_events(&event.settings.id).await.unwrap() {
                    assert_impersonal(&domain_event);
                }
            }
            ledger.close().await;
        });
    });
    scan.join().expect("a domain event breaks its schema or has personal data");
}

/// Opens the ledger that the arguments of `firstcome verify` name.
async fn ledger_of(args: &[String]) -> Ledger {
    let value = |name: &str| Some(&args[args.iter().position(|arg| arg == name)? + 1]);
    if let Some(folder) = value("--data") {
        let file = Path::new(folder).join("ledger.db");
        return Ledger::open_sqlite(&file, service::clock::system()).await.unwrap();
    }
    let settings: toml::Value =
        toml::from_str(&std::fs::read_to_string(value("--config").unwrap()).unwrap()).unwrap();
    Ledger::open_postgres(settings["ledger"]["url"].as_str().unwrap(), 2).await.unwrap()
}

fn assert_impersonal(domain_event: &DomainEvent) {
    let DomainEvent { kind, data, app_key, .. } = domain_event;
    assert_eq!(messaging::validate(*kind, data), Ok(()), "{data}");
    // A key whose version bits are those of a GUID is the same text.
    let key = app_key.filter(|key| key.to_string() != key.guid()).map(|key| key.to_string());
    for personal in ["사람", "홍길동", "010-", "+82"].into_iter().chain(key.as_deref()) {
        assert!(!data.contains(personal), "{kind} contains {personal}: {data}");
    }
}

/// A system in a separate process, which the test may kill.
pub(crate) struct ProcessHarness {
    pub(crate) folder: TempFolder,
    pub(crate) port: u16,
    config: PathBuf,
    starts: u32,
    running: Option<ChildProcess>,
}

impl ProcessHarness {
    pub(crate) fn build(event: &EventSettings) -> Self {
        let folder = TempFolder::new("process");
        let port = testkit::free_port();
        let config = folder.path().join("firstcome.toml");
        let text = format!(
            "data.folder = \"{}\"\nsignup.listen = \"127.0.0.1:{port}\"\nadmin.listen = \"127.0.0.1:0\"\nlog.filter = \"info\"\n\
             [[event]]\nid = \"{}\"\ntitle_ko = \"봄\"\ntitle_en = \"Spring\"\ncapacity = {}\nopens_at = \"+0s\"\ncloses_at = \"+1h\"\n\
             pace = \"{}\"\nin_flight_max = {}\n",
            folder.path().join("data").display(),
            event.id,
            event.capacity,
            event.pace,
            event.in_flight_max
        );
        std::fs::write(&config, text).unwrap();
        Self { folder, port, config, starts: 0, running: None }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) async fn start(&mut self) {
        self.starts += 1;
        let log = self.folder.path().join(format!("log-{}", self.starts));
        let args = ["serve", "--config", self.config.to_str().unwrap()];
        let mut running = ChildProcess::start(Path::new(PROGRAM), &args, &[], &log).unwrap();
        running.wait_for_line("serving on", Duration::from_secs(20)).await.unwrap();
        self.running = Some(running);
    }

    /// kill -9.
    pub(crate) async fn kill(&mut self) {
        self.running.take().unwrap().kill().await.unwrap();
    }

    pub(crate) async fn stop(&mut self) {
        self.running.take().unwrap().stop(Duration::from_secs(20)).await.unwrap();
    }
}
