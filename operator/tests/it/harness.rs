//! An operator API over a new ledger with one event, and helpers that send requests to it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request};
use domain::event::Text;
use domain::{AppKey, EventId, EventSettings, Number, ReqHash};
use http_body_util::BodyExt as _;
use ledger::{CallResult, Candidate, Ledger, OrderResponse, QueueReading};
use operator::{Config, OperatorState, Role, Token, router};
use serde_json::{Value, json};
use service::{Context, Health, Tasks};
use testkit::{ManualClock, TempFolder, seeded};
use tower::ServiceExt as _;

/// 2026-11-22 11:00:00 UTC; the event opens an hour later, for an hour.
pub(crate) const NOW: i64 = 1_795_345_200_000;
pub(crate) const HOUR: i64 = 3_600_000;

pub(crate) const OPERATOR: &str = "the operator's token";
pub(crate) const VIEWER: &str = "the viewer's token";

pub(crate) const GET: &str = "/event/adm/v1/get/event/spring";
pub(crate) const PACE: &str = "/gate/adm/v1/set/pace/spring";

/// A response with its whole body.
#[derive(Debug)]
pub(crate) struct TestResponse {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl TestResponse {
    pub(crate) fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{}: {error}: {text}", self.status))
    }
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
    /// Status and stable code of a problem.
    pub(crate) fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.status);
        (self.status, self.json()["code"].as_str().unwrap().to_owned())
    }
}

pub(crate) fn spring() -> EventId {
    "spring".parse().unwrap()
}

pub(crate) fn settings() -> EventSettings {
    EventSettings {
        capacity: 10,
        pace: "1000".parse().unwrap(),
        in_flight_max: 50,
        applications_max: 1000,
        ..EventSettings::new(spring(), Text::new("봄", "Spring"), NOW + HOUR, NOW + 2 * HOUR)
    }
}

pub(crate) fn config() -> Config {
    let tokens = vec![Token::new("kim", Role::Operator, OPERATOR), Token::new("lee", Role::Viewer, VIEWER)];
    Config { tokens, webhook_key: "5".repeat(64).parse().ok(), ..Config::default() }
}

pub(crate) struct OperatorHarness {
    pub(crate) clock: ManualClock,
    pub(crate) ledger: Ledger,
    pub(crate) ctx: Context,
    router: Router,
    _folder: TempFolder,
}

impl OperatorHarness {
    pub(crate) async fn open() -> Self {
        let harness = Self::empty().await;
        harness.ledger.create_event(&settings(), "setup").await.unwrap();
        harness
    }

    pub(crate) async fn empty() -> Self {
        Self::with(config()).await
    }

    /// An API that is also reached by this host name.
    pub(crate) async fn open_for(host: &str) -> Self {
        let mut config = config();
        config.hosts.push(host.to_owned());
        Self::with(config).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let (folder, clock) = (TempFolder::new("operator"), ManualClock::at(NOW));
        let ledger = Ledger::open_sqlite(&folder.path().join("ledger.db"), clock.now()).await.unwrap();
        let (tasks, health) = (Tasks::default(), Health::default());
        let ctx = Context { now: clock.now(), rng: seeded(1), tasks, health };
        let state = OperatorState::new(config, ledger.clone(), &ctx);
        let router = router(Arc::new(state)).unwrap();
        Self { clock, ledger, ctx, router, _folder: folder }
    }

    /// Sends a request unchanged.
    pub(crate) async fn send(&self, request: Request<Body>) -> TestResponse {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        TestResponse { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// Sends a request with these headers and the local host name.
    pub(crate) async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> TestResponse {
        self.request_to("localhost:8090", method, path, headers, body).await
    }

    /// Sends a request with these headers and this host name.
    pub(crate) async fn request_to(
        &self,
        host: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> TestResponse {
        let mut request = Request::builder().method(method).uri(path).header("host", host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(body.into()).unwrap();
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([10, 0, 0, 1], 4000))));
        self.send(request).await
    }

    /// Reads as the viewer.
    pub(crate) async fn get(&self, path: &str) -> TestResponse {
        self.request("GET", path, &[("authorization", &format!("Bearer {VIEWER}"))], Body::empty()).await
    }

    /// Changes something as the operator, with `If-Match` if it is not empty.
    pub(crate) async fn change(
        &self,
        method: &str,
        path: &str,
        if_match: &str,
        body: &Value,
    ) -> TestResponse {
        let authorization = format!("Bearer {OPERATOR}");
        let mut headers =
            vec![("authorization", authorization.as_str()), ("content-type", "application/json")];
        if !if_match.is_empty() {
            headers.push(("if-match", if_match));
        }
        self.request(method, path, &headers, body.to_string()).await
    }

    /// Posts with a reason.
    pub(crate) async fn post_with_reason(&self, path: &str) -> TestResponse {
        self.change("POST", path, "", &json!({"reason": "as planned"})).await
    }

    /// The number of rows in the audit.
    pub(crate) async fn audit_rows(&self) -> usize {
        self.ledger.audit(None, None, 1000).await.unwrap().len()
    }

    /// Parks an application: its order call is repeated without a clear response until the limit.
    pub(crate) async fn park(&self, number: u32) -> AppKey {
        let event = spring();
        if (self.ctx.now)() < NOW + HOUR {
            self.clock.set(NOW + HOUR + 1000);
        }
        let lead = self.ledger.acquire_leadership(&event).await.unwrap().unwrap();
        let key = AppKey([u8::try_from(number).unwrap(); 16]);
        let candidate = Candidate {
            number: Number::new(number).unwrap(),
            app_key: key,
            req_hash: ReqHash::NONE,
            contact: String::new(),
        };
        let admission =
            self.ledger.admit(&event, lead.fence, &[candidate], QueueReading::default()).await.unwrap();
        assert_eq!(admission.seated, 1);
        self.ledger.make_due(&event, &[key]).await.unwrap();
        loop {
            self.clock.advance(60_000);
            for call in self.ledger.lease_calls(&event, 10).await.unwrap().calls {
                let answer = OrderResponse::Unknown { retry_in_ms: 1 };
                let recorded = self.ledger.record_response(&call, &answer).await.unwrap();
                if (call.app_key, recorded) == (key, CallResult::Parked) {
                    return key;
                }
            }
        }
    }

    /// Freezes the event: one application is admitted under two numbers.
    pub(crate) async fn freeze(&self) {
        self.clock.set(NOW + HOUR + 1000);
        let lead = self.ledger.acquire_leadership(&spring()).await.unwrap().unwrap();
        let candidate = |n| Candidate {
            number: Number::new(n).unwrap(),
            app_key: AppKey([7; 16]),
            req_hash: ReqHash::NONE,
            contact: String::new(),
        };
        self.ledger.admit(&spring(), lead.fence, &[candidate(1)], QueueReading::default()).await.unwrap();
        self.ledger.admit(&spring(), lead.fence, &[candidate(2)], QueueReading::default()).await.unwrap_err();
    }

    /// Sends a request as a page of the console does, with these cookies.
    pub(crate) async fn page(&self, method: &str, path: &str, cookie: &str, form: &str) -> TestResponse {
        let headers = [
            ("cookie", cookie),
            ("content-type", "application/x-www-form-urlencoded"),
            ("origin", "http://localhost:8090"),
            ("sec-fetch-site", "same-origin"),
            ("accept-language", "en"),
        ];
        self.request(method, path, &headers, form.to_owned()).await
    }

    /// Logs in, and returns the cookie.
    pub(crate) async fn log_in(&self, token: &str) -> String {
        let form = format!("token={}", token.replace(' ', "+").replace('\'', "%27"));
        let response = self.page("POST", "/login", "", &form).await;
        assert_eq!((response.status, response.header("location")), (303, "/"));
        response.header("set-cookie").split(';').next().unwrap().to_owned()
    }

    /// The router, for a test that reads a response while it is sent.
    pub(crate) fn router(&self) -> Router {
        self.router.clone()
    }
}

impl TestResponse {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}
