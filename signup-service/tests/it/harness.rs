//! The test fixture: a queue that a leader has armed, and a signup service on it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use domain::event::Text;
use domain::keys::Root;
use domain::{Epoch, EventId, EventSettings, EventState, Keyring, Kid, Number, Outcome};
use http_body_util::BodyExt as _;
use queue::{
    ArmRequest, Continuity, ProjectedOutcome, Projection, Queue, RedisOptions, RedisRole, SeatFigures,
};
use serde_json::{Value, json};
use service::http::Handler as _;
use service::{Context, Health, Tasks};
use signup_service::{Config, SignupHandler, SignupState};
use testkit::{ManualClock, RedisServer, TempFolder, seeded};

/// When the event opens: 2026-11-22 20:00:00 in Korea.
pub(crate) const OPENS: i64 = 1_795_345_200_000;
/// When the event closes.
pub(crate) const CLOSES: i64 = OPENS + 3_600_000;
/// The phone number of the applicant that the tests follow.
pub(crate) const PHONE: &str = "010-1234-5678";

pub(crate) const CREATE: &str = "/application/com/v1/create/application/spring";
pub(crate) const FIND: &str = "/application/com/v1/find/application";
pub(crate) const PROGRESS: &str = "/event/com/v1/get/progress/spring";

/// A response with its whole body.
#[derive(Debug)]
pub(crate) struct ReceivedResponse {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl ReceivedResponse {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
    /// Status and code of a problem response.
    pub(crate) fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        (self.status, self.json()["code"].as_str().unwrap().to_owned())
    }
}

pub(crate) fn spring() -> EventId {
    "spring".parse().unwrap()
}

pub(crate) fn settings(id: &str) -> EventSettings {
    EventSettings {
        capacity: 2,
        pace: "5".parse().unwrap(),
        in_flight_max: 10,
        applications_max: 1000,
        settle_after_close: false,
        ..EventSettings::new(
            id.parse().unwrap(),
            Text::new("봄맞이 특가 세트", "Spring special set"),
            OPENS,
            CLOSES,
        )
    }
}

pub(crate) fn keys() -> Arc<Keyring> {
    let kid = Kid::new("k1").unwrap();
    Arc::new(Keyring::new(kid.clone(), [(kid, Root::new([7; 32]))]).unwrap())
}

pub(crate) struct SignupHarness {
    pub(crate) clock: ManualClock,
    pub(crate) queue: Queue,
    pub(crate) signup: Arc<SignupState>,
    pub(crate) ctx: Context,
    /// What the leader projects next. Rev and round rise with each projection.
    pub(crate) projection: Projection,
    _folder: Option<TempFolder>,
}

impl SignupHarness {
    /// An event whose queue is not armed yet.
    pub(crate) async fn unarmed() -> Self {
        Self::unarmed_with(Config::default()).await
    }

    pub(crate) async fn unarmed_with(config: Config) -> Self {
        let folder = TempFolder::new("signup");
        let clock = ManualClock::at(OPENS + 1000);
        let queue = Queue::open_sqlite(&folder.path().join("queue.db"), clock.now()).await.unwrap();
        Self { _folder: Some(folder), ..Self::before(queue, clock, config) }
    }

    /// An open event whose queue is on this server, with all connections established.
    pub(crate) async fn open_on(server: &RedisServer, response_timeout: Duration) -> Self {
        let clock = ManualClock::at(OPENS + 1000);
        let options = RedisOptions {
            hand_clock: Some(clock.now()),
            response_timeout,
            ..RedisOptions::new(server.url(), RedisRole::Worker)
        };
        Queue::install_redis(&options).await.unwrap();
        let queue = Queue::open_redis(options).await.unwrap();
        let mut harness = Self::before(queue, clock, Config::default());
        harness.arm("spring").await;
        harness.queue.publish(&[spring()]).await.unwrap();
        harness.project(|_| ()).await;
        harness.apply_many(8).await;
        harness
    }

    fn before(queue: Queue, clock: ManualClock, config: Config) -> Self {
        let ctx =
            Context { now: clock.now(), rng: seeded(1), tasks: Tasks::default(), health: Health::default() };
        let signup = Arc::new(SignupState::new(config, queue.clone(), keys(), &ctx));
        let projection = Projection {
            rev: 1,
            settings: settings("spring"),
            state: EventState::Open,
            number_limit: 500,
            round: 1,
            figures: SeatFigures { sold: 0, free: 2, held: 0, at: OPENS },
            settled_seq: None,
            judged_epoch: Epoch(0),
            lost_epoch: Epoch(0),
            called: Vec::new(),
            outcomes: Vec::new(),
        };
        Self { clock, queue, signup, ctx, projection, _folder: None }
    }

    /// An open event with two seats.
    pub(crate) async fn open() -> Self {
        Self::open_with(Config::default()).await
    }

    pub(crate) async fn open_with(config: Config) -> Self {
        let mut harness = Self::unarmed_with(config).await;
        harness.arm("spring").await;
        harness.queue.publish(&[spring()]).await.unwrap();
        harness.project(|_| ()).await;
        harness
    }

    pub(crate) async fn arm(&self, event: &str) {
        let arming = ArmRequest {
            epoch: Epoch(1),
            number_limit: 0,
            continuity: Continuity::Unknown,
            settings: settings(event),
            rev: 1,
        };
        self.queue.arm(&event.parse().unwrap(), 1, arming).await.unwrap();
    }

    /// The next round of the leader, followed by a refresh of the signup service.
    pub(crate) async fn project(&mut self, change: impl FnOnce(&mut Projection)) {
        self.projection.rev += 1;
        self.projection.round += 1;
        change(&mut self.projection);
        self.queue.project(&self.projection.settings.id, 1, self.projection.clone()).await.unwrap();
        self.signup.refresh().await;
    }

    /// The leader admits all numbers up to this one.
    pub(crate) async fn admit_through(&self, through: u32) {
        let head = self.queue.head(&spring(), through).await.unwrap();
        let keys: Vec<_> =
            head.waiting.iter().filter(|w| w.number.get() <= through).map(|w| w.app_key).collect();
        self.queue.admitted(&spring(), 1, through, &keys, 0).await.unwrap();
        self.signup.refresh().await;
    }

    /// The leader projects the outcome of a number.
    pub(crate) async fn project_outcome(&mut self, number: u32, outcome: Outcome, order_no: Option<&str>) {
        let projected = ProjectedOutcome { outcome, order_no: order_no.map(str::to_owned) };
        self.project(|p| p.outcomes = vec![(Number::new(number).unwrap(), projected)]).await;
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> ReceivedResponse {
        let peer = request.extensions().get::<Peer>().map_or(CLIENT, |peer| peer.0);
        let handler = SignupHandler::new(Arc::clone(&self.signup)).unwrap();
        let (parts, body) = handler.handle(request, &peer).await.response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        ReceivedResponse { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> ReceivedResponse {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn get_in(&self, path: &str, language: &str) -> ReceivedResponse {
        let request = Request::get(path).header("accept-language", language);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> ReceivedResponse {
        let mut request = Request::post(path).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    pub(crate) async fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> ReceivedResponse {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    /// Applies with this idempotency key.
    pub(crate) async fn apply(&self, phone: &str, key: Option<&str>) -> ReceivedResponse {
        let headers: Vec<_> = key.map(|key| ("idempotency-key", key)).into_iter().collect();
        self.post(CREATE, &application(phone), &headers).await
    }

    /// Sends this many applications to an empty queue, each with its phone number as the key. The last one is from [`PHONE`] with the
    /// key `mine`; its response is returned.
    pub(crate) async fn apply_many(&self, count: u32) -> ReceivedResponse {
        for i in 1..count {
            let phone = earlier_phone(i);
            assert_eq!(self.apply(&phone, Some(&phone)).await.status, 201);
        }
        self.apply(PHONE, Some("mine")).await
    }
}

/// The phone number of the application with this number, sent by [`SignupHarness::apply_many`].
pub(crate) fn earlier_phone(number: u32) -> String {
    format!("010-9000-{number:04}")
}

/// The peer of a request, if a test sets it.
#[derive(Clone, Copy)]
struct Peer(SocketAddr);

const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 4711);

/// The request, from this peer address.
pub(crate) fn from_address(mut request: Request<Body>, address: &str) -> Request<Body> {
    request.extensions_mut().insert(Peer(SocketAddr::new(address.parse().unwrap(), 4711)));
    request
}

pub(crate) fn application(phone: &str) -> Value {
    json!({ "name": "홍길동", "phone": phone, "consent": true })
}

/// The path of the status of an application.
pub(crate) fn status_path(applied: &Value) -> String {
    format!("/application/com/v1/get/application/{}", applied["receipt"].as_str().unwrap())
}

/// The path to cancel an application.
pub(crate) fn cancel_path(applied: &Value) -> String {
    format!("/application/com/v1/cancel/application/{}", applied["receipt"].as_str().unwrap())
}
