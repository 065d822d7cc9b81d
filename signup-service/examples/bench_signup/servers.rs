//! The two servers: the signup service on a Redis that syncs every write, and a bare axum POST. Each runs in a child process with one
//! thread and the same accept loop.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use domain::event::{CAPACITY_MAX, Text};
use domain::keys::Root;
use domain::{Epoch, EventId, EventSettings, EventState, Keyring, Kid};
use queue::{
    ArmRequest, Continuity, Durability, Projection, Queue, QueueJournal, RedisOptions, RedisRole, SeatFigures,
};
use serde::{Deserialize, Serialize};
use service::Context;
use service::telemetry::LogFormat;
use testkit::{RedisKind, RedisServer, TempFolder};

/// The kind of a server.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ServerKind {
    /// JSON in, JSON out, nothing stored.
    Bare,
    /// The whole signup service, with durability in Redis only.
    Signup,
    /// The same with a journal.
    Journal,
}

/// A private Redis, and a folder for the journal of a server that uses it.
pub(crate) struct Redis {
    server: RedisServer,
    journal: TempFolder,
}

impl Redis {
    pub(crate) async fn start() -> Self {
        // A rewrite of the append-only file would be a third process on two cores and distort the result.
        let server = RedisServer::start_with(RedisKind::Redis, &["--auto-aof-rewrite-percentage", "0"]).await;
        Queue::install_redis(&RedisOptions::new(server.url(), RedisRole::Worker)).await.unwrap();
        Self { server, journal: TempFolder::new("journal") }
    }
}

/// A server in a child process, killed on drop.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    child: Child,
}

impl Server {
    pub(crate) async fn start(kind: ServerKind, redis: &Redis) -> Self {
        let word = match kind {
            ServerKind::Bare => "bare",
            ServerKind::Signup => "signup",
            ServerKind::Journal => "journal",
        };
        let program = std::env::current_exe().unwrap();
        let mut child = Command::new(program)
            .args(["serve", word, &redis.server.url(), redis.journal.path().to_str().unwrap()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = child.stdout.take().unwrap();
        let line = tokio::task::spawn_blocking(move || BufReader::new(out).lines().next()).await.unwrap();
        Self { address: line.unwrap().unwrap().parse().unwrap(), child }
    }
}

impl Server {
    /// CPU time used so far.
    pub(crate) fn cpu(&self) -> Duration {
        testkit::cpu_time(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The child: prints its address and serves until it is killed.
pub(crate) fn serve(args: &[String]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // Metrics are on, as in the released program. Both servers pay for them.
        service::telemetry::init(LogFormat::Text, "warn").unwrap();
        let context = Context::system();
        let listener = service::http::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = if args[0] == "bare" {
            service::http::serve(listener, bare(), service::http::Limits::default(), &context).unwrap()
        } else {
            let durability = match args[0].as_str() {
                "journal" => {
                    Durability::Journal { folder: PathBuf::from(&args[2]), rng: Arc::clone(&context.rng) }
                }
                _ => Durability::Local,
            };
            let queue = armed_queue(&args[1], durability, &context).await;
            let kid = Kid::new("k1").unwrap();
            let keys = Keyring::new(kid.clone(), [(kid, Root::new([7; 32]))]).unwrap();
            let config = signup_service::Config::default();
            signup_service::start(config, queue, Arc::new(keys), listener, &context).await.unwrap()
        };
        println!("{address}");
        std::future::pending::<()>().await;
    });
}

#[derive(Deserialize)]
struct Application {
    name: String,
    phone: String,
    consent: bool,
}

#[derive(Serialize)]
struct Accepted {
    event: &'static str,
    number: usize,
    ok: bool,
}

fn bare() -> Router {
    let accept = |Json(application): Json<Application>| async move {
        let number = application.name.len() + application.phone.len();
        (StatusCode::CREATED, Json(Accepted { event: "bench", number, ok: application.consent }))
    };
    Router::new().route("/application/com/v1/create/application/{event}", post(accept))
}

/// The event of a round. Each round has its own, so that none starts with a longer queue than the first.
pub(crate) fn event_of(round: usize) -> String {
    format!("bench-{round}")
}

/// A queue that is armed as by a leader, with a limit above the number of applications that the benchmark can send.
async fn armed_queue(url: &str, durability: Durability, context: &Context) -> Queue {
    let options = RedisOptions { durability: Some(durability), ..RedisOptions::new(url, RedisRole::Worker) };
    let queue = Queue::open_redis(options).await.unwrap();
    let all: Vec<EventSettings> =
        (0..crate::ROUNDS).map(|round| settings(&event_of(round), (context.now)())).collect();
    let events: Vec<_> = all.iter().map(|settings| settings.id.clone()).collect();
    queue.publish(&events).await.unwrap();
    for settings in all {
        open(&queue, settings).await;
    }
    for event in &events {
        register_journal(&queue, event).await;
    }
    queue
}

/// Registers the journal of this process, as a leader does.
async fn register_journal(queue: &Queue, event: &EventId) {
    let is_registered =
        |journals: &[QueueJournal]| journals.first().is_some_and(|journal| journal.replayed.is_some());
    let mut journals = queue.journals(event).await.unwrap();
    while !is_registered(&journals) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        journals = queue.journals(event).await.unwrap();
        let ids: Vec<String> = journals.iter().map(|journal| journal.id.clone()).collect();
        queue.keep_journals(event, 1, &ids).await.unwrap();
    }
    // The process notes it within its next look.
    tokio::time::sleep(Duration::from_millis(600)).await;
}

async fn open(queue: &Queue, settings: EventSettings) {
    let event = settings.id.clone();
    let arming = ArmRequest {
        epoch: Epoch(1),
        number_limit: 0,
        continuity: Continuity::Unknown,
        settings: settings.clone(),
        rev: 1,
    };
    queue.arm(&event, 1, arming).await.unwrap();
    let projection = Projection {
        rev: 1,
        settings,
        state: EventState::Open,
        number_limit: CAPACITY_MAX,
        round: 1,
        figures: SeatFigures::default(),
        settled_seq: None,
        judged_epoch: Epoch(0),
        lost_epoch: Epoch(0),
        called: Vec::new(),
        outcomes: Vec::new(),
    };
    queue.project(&event, 1, projection).await.unwrap();
}

fn settings(event: &str, now: i64) -> EventSettings {
    EventSettings {
        capacity: 1000,
        pace: "1".parse().unwrap(),
        in_flight_max: 1,
        applications_max: CAPACITY_MAX,
        settle_after_close: false,
        ..EventSettings::new(event.parse().unwrap(), Text::new("벤치", "Bench"), now - 1000, now + 3_600_000)
    }
}
