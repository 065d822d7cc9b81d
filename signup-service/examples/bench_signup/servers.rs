//! The two servers: the signup service on a Redis that syncs every write, and a bare axum POST. Each runs in a child process with one
//! thread and the same accept loop.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
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
    /// The signup service with a progress document that changes every second.
    Polled,
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

    /// How many commands it has run since its start.
    pub(crate) fn commands(&self) -> u64 {
        let stats = self.server.run("INFO commandstats").unwrap();
        let calls = stats.split(":calls=").skip(1).map(|rest| rest.split(',').next().unwrap());
        calls.map(|calls| calls.parse::<u64>().unwrap()).sum()
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
            ServerKind::Polled => "polled",
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
        let document = Arc::new(ArcSwap::from_pointee(BareDocument::new(0)));
        let mut polled = None;
        let address = if args[0] == "bare" {
            let router = bare(Arc::clone(&document));
            service::http::serve(listener, router, service::http::Limits::default(), &context).unwrap()
        } else {
            let durability = match args[0].as_str() {
                "journal" => {
                    Durability::Journal { folder: PathBuf::from(&args[2]), rng: Arc::clone(&context.rng) }
                }
                _ => Durability::Local,
            };
            let queue = armed_queue(&args[1], durability, &context).await;
            polled = (args[0] == "polled").then(|| queue.clone());
            let kid = Kid::new("k1").unwrap();
            let keys = Keyring::new(kid.clone(), [(kid, Root::new([7; 32]))]).unwrap();
            let config = signup_service::Config::default();
            signup_service::start(config, queue, Arc::new(keys), listener, &context).await.unwrap()
        };
        println!("{address}");
        // Both documents change once a second, as while orders are made.
        for second in 1_u32.. {
            tokio::time::sleep(Duration::from_secs(1)).await;
            document.store(Arc::new(BareDocument::new(second)));
            if let Some(queue) = &polled {
                let settings = settings(&event_of(0), (context.now)());
                let event = settings.id.clone();
                queue.project(&event, 1, projection(settings, 1 + i64::from(second), second)).await.unwrap();
            }
        }
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

/// A document as long as the progress document of an event.
struct BareDocument {
    tag: HeaderValue,
    body: Bytes,
}

impl BareDocument {
    fn new(second: u32) -> Self {
        let body = format!("{{\"second\":{second},\"more\":\"{}\"}}", "x".repeat(460));
        let tag = HeaderValue::from_str(&format!("W/\"{second:016x}\"")).unwrap();
        Self { tag, body: body.into() }
    }
}

async fn bare_get(State(document): State<Arc<ArcSwap<BareDocument>>>, headers: HeaderMap) -> Response {
    let document = document.load();
    let tag = [(header::ETAG, document.tag.clone())];
    if headers.get(header::IF_NONE_MATCH) == Some(&document.tag) {
        return (StatusCode::NOT_MODIFIED, tag).into_response();
    }
    let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (tag, json, document.body.clone()).into_response()
}

fn bare(document: Arc<ArcSwap<BareDocument>>) -> Router {
    let accept = |Json(application): Json<Application>| async move {
        let number = application.name.len() + application.phone.len();
        (StatusCode::CREATED, Json(Accepted { event: "bench", number, ok: application.consent }))
    };
    Router::new()
        .route("/application/com/v1/create/application/{event}", post(accept))
        .route("/event/com/v1/get/progress/{event}", get(bare_get))
        .with_state(document)
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
    queue.project(&event, 1, projection(settings, 1, 0)).await.unwrap();
}

fn projection(settings: EventSettings, round: i64, sold: u32) -> Projection {
    let figures = SeatFigures {
        sold,
        free: settings.capacity,
        held: 0,
        at: settings.opens_at + i64::from(sold) * 1000,
    };
    Projection {
        rev: 1,
        settings,
        state: EventState::Open,
        number_limit: CAPACITY_MAX,
        round,
        figures,
        settled_seq: None,
        judged_epoch: Epoch(0),
        lost_epoch: Epoch(0),
        called: Vec::new(),
        outcomes: Vec::new(),
    }
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
