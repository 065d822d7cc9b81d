//! The processes of production over real stores, and what a fault does to them.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use testkit::order_stub::Behavior;
use testkit::{OrderStub, SmallDisk};
use tokio::time::Instant;

use super::fault::Fault;
use super::people::People;
use super::report::Run;
use crate::crowd::{Ack, Crowd};
use crate::harness::receipts;
use crate::operator_process::OperatorProcess;
use crate::processes::ProcessHandles;

const SEATS: u32 = 300;
/// Seats that the operator adds whenever fewer are left, so that orders go on as long as faults do.
const SEATS_LEFT_MIN: u64 = 100;
const JOURNAL_DISK_MB: u32 = 64;
const POLL: Duration = Duration::from_millis(50);

pub(super) struct ChaosSystem {
    /// The disks of the journals, unmounted before their folder is removed.
    disks: Vec<Option<SmallDisk>>,
    // Processes go before the servers they use.
    operator: OperatorProcess,
    processes: ProcessHandles,
    orders: OrderStub,
    copy: PathBuf,
    ledger_copy: PathBuf,
}

impl ChaosSystem {
    pub(super) async fn open() -> Self {
        let orders = OrderStub::start().await;
        let mut processes = ProcessHandles::with(&format!(
            "signup.trusted_proxies = \"127.0.0.1\"\nworker.recover_grace = \"10s\"\nworker.order_service = \"{}\"\nworker.call_timeout = \"1s\"\n{}",
            orders.base(),
            OperatorProcess::settings()
        ))
        .await;
        let disk = |nth| SmallDisk::mount(&processes.journal(nth), JOURNAL_DISK_MB).unwrap();
        let disks = (0..2).map(disk).collect();
        processes.start().await;
        let operator = OperatorProcess::start(&mut processes).await;
        let copy = processes.folder.path().join("copy");
        let ledger_copy = processes.folder.path().join("ledger-copy");
        let system = Self { disks, operator, processes, orders, copy, ledger_copy };
        system.create_event();
        system.crowd().until("the event to be open", |progress| progress["state"] == "open").await;
        system
    }

    fn create_event(&self) {
        let seats = SEATS.to_string();
        let names = ["event", "create", "spring", "--title-ko", "봄", "--title-en", "Spring"];
        let times = ["--opens-at", "+1s", "--closes-at", "+2h", "--settle-after-close", "false"];
        let limits = ["--capacity", &seats, "--pace", "100", "--in-flight-max", "40"];
        self.operator.run(&[&names[..], &times, &limits].concat()).unwrap();
    }

    pub(super) fn crowd(&self) -> Crowd {
        Crowd::before_all(&self.processes.urls(), "spring")
    }

    /// The event as the operator sees it; `None` while Postgres is away.
    fn event(&self) -> Option<Value> {
        serde_json::from_str(&self.operator.run(&["event", "get", "spring", "--json"]).ok()?).ok()
    }

    /// Waits until that many more applications are acknowledged and orders created. Seats are added when they run out.
    pub(super) async fn until_busy(&mut self, people: &People, count: u32, max: Duration) -> bool {
        let acknowledged = people.acknowledged() + count;
        let orders = self.orders.call_count() + count as usize;
        let deadline = Instant::now() + max;
        let mut looked = Instant::now() - max;
        while Instant::now() < deadline {
            if people.acknowledged() >= acknowledged && self.orders.call_count() >= orders {
                return true;
            }
            if looked.elapsed() > Duration::from_secs(1) {
                looked = Instant::now();
                self.add_seats();
            }
            tokio::time::sleep(POLL).await;
        }
        false
    }

    fn add_seats(&self) {
        let Some(event) = self.event() else { return };
        let free = event["seats"]["free"].as_u64().unwrap_or(0);
        if free < SEATS_LEFT_MIN {
            let capacity = (event["capacity"].as_u64().unwrap_or(0) + 200).to_string();
            // An error means that Postgres is away; the next look tries again.
            let _ =
                self.operator.run(&["capacity", "set", "spring", &capacity, "--reason", "chaos", "--yes"]);
        }
    }

    /// Whether this machine lets a test do it: filling a disk needs the right to mount one.
    pub(super) fn is_possible(&self, fault: &Fault) -> bool {
        !matches!(fault, Fault::FillJournal(nth, _) if self.disks[*nth].is_none())
    }

    pub(super) async fn strike(&mut self, fault: &Fault, dice: &mut fastrand::Rng) {
        match fault {
            Fault::KillSignup(nth) => self.processes.restart_signup(*nth).await,
            Fault::KillWorker(nth) => self.processes.restart_worker(*nth).await,
            Fault::KillBoth(nth) => self.processes.restart_both(*nth).await,
            Fault::PauseSignup(nth, pause) => self.processes.pause_signup(*nth, *pause).await,
            Fault::PauseWorker(nth, pause) => self.processes.pause_worker(*nth, *pause).await,
            Fault::KillPostgres(away) => {
                self.processes.postgres.kill().await.unwrap();
                tokio::time::sleep(*away).await;
                self.processes.postgres.restart().await.unwrap();
            }
            Fault::RestorePostgres => {
                let postgres = &mut self.processes.postgres;
                postgres.kill().await.unwrap();
                if self.ledger_copy.exists() {
                    postgres.put_back(&self.ledger_copy).unwrap();
                } else {
                    postgres.copy_data(&self.ledger_copy).unwrap();
                }
                postgres.restart().await.unwrap();
            }
            Fault::FailOrders(failure, duration) => {
                let (behavior, odds) = (failure.behavior(), dice.u32(2..5));
                let dice = parking_lot::Mutex::new(dice.fork());
                self.orders.behave(move |_| {
                    if dice.lock().u32(0..odds) > 0 { behavior.clone() } else { Behavior::Normal }
                });
                tokio::time::sleep(*duration).await;
                self.orders.behave(|_| Behavior::Normal);
            }
            Fault::PauseRelease(duration) => {
                self.operator.run(&["release", "pause", "spring"]).unwrap();
                tokio::time::sleep(*duration).await;
                self.operator.run(&["release", "resume", "spring"]).unwrap();
            }
            Fault::RaiseCapacity(seats) => {
                let capacity = self.event().unwrap()["capacity"].as_u64().unwrap() + u64::from(*seats);
                let set = ["capacity", "set", "spring", &capacity.to_string(), "--reason", "chaos", "--yes"];
                self.operator.run(&set).unwrap();
            }
            Fault::FillJournal(nth, duration) => {
                let disk = self.disks[*nth].as_ref().unwrap();
                disk.fill().unwrap();
                tokio::time::sleep(*duration).await;
                disk.free().unwrap();
            }
            _ => self.strike_redis(fault).await,
        }
    }

    async fn strike_redis(&mut self, fault: &Fault) {
        let redis = &mut self.processes.redis;
        if let Fault::PauseRedis(pause) = fault {
            redis.freeze().unwrap();
            tokio::time::sleep(*pause).await;
            redis.thaw().unwrap();
            return;
        }
        redis.kill().await.unwrap();
        match fault {
            Fault::TearRedis => redis.tear_last_write().unwrap(),
            Fault::WipeRedis | Fault::WipeWithoutSignup(..) => redis.wipe().unwrap(),
            Fault::RestoreRedis | Fault::RestoreUnderNewSignups if self.copy.exists() => {
                redis.put_back(&self.copy).unwrap();
            }
            _ => self.take_copy(),
        }
        let dead: &[usize] = match fault {
            Fault::WipeWithoutSignup(nth, _) => std::slice::from_ref(nth),
            Fault::RestoreUnderNewSignups => &[0, 1],
            _ => &[],
        };
        for nth in dead {
            self.processes.kill_signup(*nth).await;
        }
        self.processes.redis.restart().await.unwrap();
        if let Fault::WipeRedis | Fault::WipeWithoutSignup(..) = fault {
            self.processes.migrate();
        }
        if let Fault::WipeWithoutSignup(_, away) = fault {
            tokio::time::sleep(*away).await;
        }
        for nth in dead {
            self.processes.start_signup_again(*nth).await;
        }
    }

    /// Copies the files of Redis, which is dead, for a later fault.
    fn take_copy(&mut self) {
        if self.copy.exists() {
            std::fs::remove_dir_all(&self.copy).unwrap();
        }
        self.processes.redis.copy_data(&self.copy).unwrap();
    }

    /// Ends the event and lets the program judge queue, ledger and the order service's own list.
    pub(super) async fn judge(mut self, acks: Vec<Ack>, run: &mut Run, max: Duration) {
        run.acknowledged = acks.len() as u64;
        for verb in ["close", "settle"] {
            if let Err(error) = self.end(verb).await {
                run.fail("I12", format!("{verb}: {error}"));
            }
        }
        let deadline = Instant::now() + max;
        let mut event = self.event();
        while event.as_ref().is_none_or(|event| event["state"] != "settled") && Instant::now() < deadline {
            tokio::time::sleep(POLL).await;
            event = self.event();
        }
        let event = event.unwrap_or_default();
        if event["state"] != "settled" {
            run.fail("I12", format!("not settled within {max:?}: {event}"));
        }
        run.seats = event["capacity"].as_u64().unwrap_or(0);
        self.operator.stop().await;
        self.processes.stop().await;
        let orders = self.orders.orders();
        let live = orders.iter().filter(|(_, order)| order.is_live);
        let list: Vec<_> = live.map(|(id, order)| format!("{id} {}", order.order_no)).collect();
        run.orders = list.len() as u64;
        let file = self.processes.folder.path().join("orders");
        std::fs::write(&file, list.join("\n")).unwrap();
        let report = self.processes.examine(&receipts(&acks), &["--orders", file.to_str().unwrap()]);
        for check in report["checks"].as_array().unwrap() {
            if check["violations"].as_u64() != Some(0) || !check["not_checked"].is_null() {
                run.fail(check["name"].as_str().unwrap(), check.to_string());
            }
        }
    }

    async fn end(&self, verb: &str) -> Result<(), String> {
        let mut result = Err(String::new());
        for _ in 0..200 {
            result = self.operator.run(&["event", verb, "spring", "--reason", "the end", "--yes"]);
            if result.is_ok() {
                break;
            }
            tokio::time::sleep(POLL * 4).await;
        }
        result.map(drop)
    }
}
