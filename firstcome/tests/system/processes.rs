//! The production shape: Redis, Postgres, two signup services and two workers, each in a process of its own that the test may kill.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use domain::{EventSettings, Kind, Receipt};
use serde_json::Value;
use testkit::{ChildProcess, Postgres, RedisKind, RedisServer, TempFolder, free_ports};

use crate::cluster::read_keys;
use crate::crowd::Ack;
use crate::harness::{PROGRAM, examine, receipts, verify_with};

/// The token with which the shop reports what became of its passes.
pub(crate) const SHOP_TOKEN: &str = "fct_of-the-shop";
/// How long a process may take to start or to stop.
pub(crate) const GRACE: Duration = Duration::from_secs(20);

pub(crate) struct ProcessHandles {
    // Processes go before the servers they use.
    signups: Vec<ChildProcess>,
    workers: Vec<ChildProcess>,
    pub(crate) redis: RedisServer,
    pub(crate) postgres: Postgres,
    pub(crate) folder: TempFolder,
    config: PathBuf,
    ports: Vec<u16>,
    starts: u32,
}

impl ProcessHandles {
    /// Servers, tables, functions and keys; no process of ours yet. The event stands in the settings.
    pub(crate) async fn build(event: &EventSettings) -> Self {
        // The settings of passes are those of other sections, so they come first.
        let passes = match event.kind {
            Kind::Pass => format!(
                "signup.report_token_hash = \"{}\"\nworker.report_grace = \"1s\"\n",
                operator::hash_of(SHOP_TOKEN)
            ),
            Kind::Order | Kind::Confirm => String::new(),
        };
        Self::with(&format!(
            "{passes}worker.recover_grace = \"3s\"\n[[event]]\nid = \"{}\"\ntitle_ko = \"봄\"\ntitle_en = \"Spring\"\ncapacity = {}\nopens_at = \"+0s\"\ncloses_at = \"+1h\"\n\
             pace = \"{}\"\nin_flight_max = {}\nkind = \"{}\"\ncalled_for = \"{}ms\"\nextension = \"{}ms\"\npass_target = \"{}\"\n",
            event.id,
            event.capacity,
            event.pace,
            event.in_flight_max,
            event.kind.as_str(),
            event.called_for_ms,
            event.extension_ms,
            event.pass_target
        ))
        .await
    }

    /// The same with other settings after the stores' own.
    pub(crate) async fn with(more: &str) -> Self {
        let (redis, postgres) = (RedisServer::start(RedisKind::Redis).await, Postgres::start().await);
        let folder = TempFolder::new("processes");
        let (config, keys) = (folder.path().join("processes.toml"), folder.path().join("keys.toml"));
        let text = format!(
            "ledger.url = \"{}\"\nkeys.file = \"{}\"\nadmin.listen = \"127.0.0.1:0\"\nlog.filter = \"info,business=warn\"\n{more}",
            postgres.url(),
            keys.display(),
        );
        std::fs::write(&config, text).unwrap();
        let ports = free_ports(2);
        let processes = Self {
            signups: Vec::new(),
            workers: Vec::new(),
            redis,
            postgres,
            folder,
            config,
            ports,
            starts: 0,
        };
        Self::command(&["keys", "make", keys.to_str().unwrap()]);
        processes.migrate();
        processes
    }

    /// Adds settings for the processes that are started from now on.
    pub(crate) fn configure(&self, more: &str) {
        let text = std::fs::read_to_string(&self.config).unwrap();
        std::fs::write(&self.config, format!("{more}{text}")).unwrap();
    }

    fn command(args: &[&str]) {
        let out = Command::new(PROGRAM).args(args).output().unwrap();
        assert!(
            out.status.success(),
            "{args:?}: {}{}",
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        );
    }

    /// `firstcome migrate`: also what an operator does after Redis lost everything, its functions included.
    pub(crate) fn migrate(&self) {
        Self::command(&[
            "migrate",
            "--config",
            self.config.to_str().unwrap(),
            "--set",
            &self.queue_as("migrate"),
        ]);
    }

    /// The setting of the queue's address for one of the shipped users.
    fn queue_as(&self, user: &str) -> String {
        format!("queue.url={}", self.redis.url_of(user))
    }

    pub(crate) async fn start(&mut self) {
        self.start_workers().await;
        for nth in 0..self.ports.len() {
            let signup = self.start_signup(nth).await;
            self.signups.push(signup);
        }
    }

    /// Starts the two workers.
    pub(crate) async fn start_workers(&mut self) {
        for _ in 0..2 {
            let worker = self.process("worker", &[]).await;
            self.workers.push(worker);
        }
    }

    /// kill -9 of all workers, which stay away.
    pub(crate) async fn kill_workers(&mut self) {
        for mut worker in self.workers.drain(..) {
            worker.kill().await.unwrap();
        }
    }

    /// Starts a role in a process of its own.
    pub(crate) async fn process(&mut self, role: &str, more: &[&str]) -> ChildProcess {
        self.starts += 1;
        let log = self.folder.path().join(format!("log-{}-{role}", self.starts));
        let queue = self.queue_as(role);
        // The operator API has no user at the queue.
        let queue = if role == "operator" { &[][..] } else { &["--set", &queue] };
        let args =
            [&["serve", "--role", role, "--config", self.config.to_str().unwrap()], queue, more].concat();
        let mut running = ChildProcess::start(Path::new(PROGRAM), &args, &[], &log).unwrap();
        running.wait_for_line("serving on", GRACE).await.unwrap();
        running
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        self.ports.iter().map(|port| format!("http://127.0.0.1:{port}")).collect()
    }

    /// kill -9 of a signup service, which is then started again.
    pub(crate) async fn restart_signup(&mut self, nth: usize) {
        self.signups[nth].kill().await.unwrap();
        self.signups[nth] = self.start_signup(nth).await;
    }

    /// kill -9 of a signup service, which stays away.
    pub(crate) async fn kill_signup(&mut self, nth: usize) {
        self.signups[nth].kill().await.unwrap();
    }

    /// Starts a signup service that was killed.
    pub(crate) async fn start_signup_again(&mut self, nth: usize) {
        self.signups[nth] = self.start_signup(nth).await;
    }

    /// kill -9 of a worker, which is then started again.
    pub(crate) async fn restart_worker(&mut self, nth: usize) {
        self.workers[nth].kill().await.unwrap();
        self.workers[nth] = self.process("worker", &[]).await;
    }

    /// kill -9 of one signup service and one worker, which are then started again.
    pub(crate) async fn restart_both(&mut self, nth: usize) {
        self.signups[nth].kill().await.unwrap();
        self.workers[nth].kill().await.unwrap();
        self.signups[nth] = self.start_signup(nth).await;
        self.workers[nth] = self.process("worker", &[]).await;
    }

    /// Stops the execution of a signup service for a while.
    pub(crate) async fn pause_signup(&mut self, nth: usize, pause: Duration) {
        self.signups[nth].freeze().unwrap();
        tokio::time::sleep(pause).await;
        self.signups[nth].thaw().unwrap();
    }

    /// Stops the execution of a worker for a while.
    pub(crate) async fn pause_worker(&mut self, nth: usize, pause: Duration) {
        self.workers[nth].freeze().unwrap();
        tokio::time::sleep(pause).await;
        self.workers[nth].thaw().unwrap();
    }

    /// The journal of a signup service.
    pub(crate) fn journal(&self, nth: usize) -> PathBuf {
        self.folder.path().join(format!("journal-{nth}"))
    }

    async fn start_signup(&mut self, nth: usize) -> ChildProcess {
        let listen = format!("signup.listen=127.0.0.1:{}", self.ports[nth]);
        let journal = format!("signup.journal={}", self.journal(nth).display());
        self.process("signup", &["--set", &listen, "--set", &journal]).await
    }

    /// Stops every process in order, then lets the program judge what is stored.
    pub(crate) async fn stop_and_verify(&mut self, acks: &[Ack]) -> Value {
        self.stop().await;
        self.verify(&receipts(acks), &[])
    }

    /// The same with the shop's own list of orders: these numbers ordered there with a pass.
    pub(crate) async fn stop_and_verify_passes(&mut self, acks: &[Ack], ordered: &[u32]) -> Value {
        self.stop().await;
        let ring = read_keys(&self.folder.path().join("keys.toml"));
        let line = |number: &u32| {
            let receipt = Receipt::read(&acks[*number as usize - 1].receipt, &ring).unwrap();
            format!("spring:{} A-{number}\n", receipt.app_key.guid())
        };
        let file = self.folder.path().join("orders");
        std::fs::write(&file, ordered.iter().map(line).collect::<String>()).unwrap();
        self.verify(&receipts(acks), &["--orders", file.to_str().unwrap()])
    }

    /// Stops signup services and workers in order.
    pub(crate) async fn stop(&mut self) {
        for mut process in self.signups.drain(..).chain(self.workers.drain(..)) {
            process.stop(GRACE).await.unwrap();
        }
    }

    /// Lets the program judge what is stored, by receipts, one per line. It must find no violation.
    pub(crate) fn verify(&self, receipts: &str, more: &[&str]) -> Value {
        let queue = self.queue_as("verify");
        let args = [&["--config", self.config.to_str().unwrap(), "--set", &queue], more].concat();
        verify_with(&args, self.folder.path(), receipts)
    }

    /// The report of the program on what is stored.
    pub(crate) fn examine(&self, receipts: &str, more: &[&str]) -> Value {
        let queue = self.queue_as("verify");
        let args = [&["--config", self.config.to_str().unwrap(), "--set", &queue], more].concat();
        examine(&args, self.folder.path(), receipts)
    }
}
