//! An order service for tests. It keeps orders and tombstones as docs/order-service.md requires, and fails single calls in any way
//! that a test chooses. It writes HTTP/1.1 by hand, since half of the failures are not valid HTTP.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

/// A call as it arrived.
#[derive(Debug, Clone)]
pub struct ReceivedCall {
    /// `PUT` or `DELETE`.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// How many calls arrived for this path, this one included.
    pub nth: usize,
    /// The headers, with names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
    /// When it arrived.
    pub at: Instant,
}

impl ReceivedCall {
    /// A header; empty if it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body as JSON; null if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// How the service treats a call. `executes`: whether it carries the call out before it fails.
#[derive(Debug, Clone)]
pub enum Behavior {
    /// Carries the call out and confirms it.
    Normal,
    /// Sends another response.
    Respond {
        /// See [`Behavior`].
        executes: bool,
        /// The status code.
        status: u16,
        /// The content type.
        kind: &'static str,
        /// The body.
        body: String,
    },
    /// Redirects to this address, and executes nothing.
    Redirect(String),
    /// Sends no response.
    NoResponse {
        /// See [`Behavior`].
        executes: bool,
    },
    /// Closes the connection without a response.
    Close {
        /// See [`Behavior`].
        executes: bool,
    },
    /// Carries the call out, and closes the connection in the middle of the response.
    Truncate,
    /// Waits for a permit, then carries the call out, whether or not the caller still waits.
    Gate(Arc<Semaphore>),
    /// Carries the call out and confirms it after this time.
    Delay(Duration),
}

impl Behavior {
    /// Rejects by the contract, without an order.
    pub fn reject(status: u16) -> Self {
        Self::Respond { executes: false, status, kind: PROBLEM, body: r#"{"title":"no"}"#.into() }
    }

    /// Responds with an HTML error page, without an order.
    pub fn error_page(status: u16) -> Self {
        Self::Respond { executes: false, status, kind: "text/html", body: "<h1>Sorry</h1>".into() }
    }

    /// Makes the order, and responds 200 with this body.
    pub fn accept(body: impl Into<String>) -> Self {
        Self::Respond { executes: true, status: 200, kind: JSON, body: body.into() }
    }
}

/// An order or tombstone that the service keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOrder {
    /// The order number; empty if there was never an order.
    pub order_no: String,
    /// `false` for a tombstone.
    pub is_live: bool,
}

type BehaviorFn = Box<dyn Fn(&ReceivedCall) -> Behavior + Send + Sync>;

/// A running order service. Its orders end with it.
#[derive(Clone)]
pub struct OrderStub {
    address: SocketAddr,
    state: Arc<Mutex<StubState>>,
}

struct StubState {
    behavior: BehaviorFn,
    received: Vec<ReceivedCall>,
    orders: BTreeMap<String, StoredOrder>,
}

struct StubResponse {
    status: u16,
    kind: &'static str,
    body: String,
}

impl std::fmt::Debug for OrderStub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OrderStub({})", self.address)
    }
}

impl OrderStub {
    /// Starts a service with normal behavior on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.unwrap_or_else(|e| panic!("no free port: {e}"));
        let address = listener.local_addr().unwrap_or_else(|e| panic!("no address: {e}"));
        let behavior: BehaviorFn = Box::new(|_| Behavior::Normal);
        let state = StubState { behavior, received: Vec::new(), orders: BTreeMap::new() };
        let stub = Self { address, state: Arc::new(Mutex::new(state)) };
        spawn(stub.clone().accept_all(listener));
        stub
    }

    /// Its base URL, such as `http://127.0.0.1:40000`.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the behavior for each call from now on.
    pub fn behave(&self, behavior: impl Fn(&ReceivedCall) -> Behavior + Send + Sync + 'static) {
        self.state.lock().behavior = Box::new(behavior);
    }

    /// All calls so far, in order.
    pub fn received(&self) -> Vec<ReceivedCall> {
        self.state.lock().received.clone()
    }

    /// The number of calls so far.
    pub fn call_count(&self) -> usize {
        self.state.lock().received.len()
    }

    /// Orders and tombstones, by `{event}:{key}`.
    pub fn orders(&self) -> BTreeMap<String, StoredOrder> {
        self.state.lock().orders.clone()
    }

    async fn accept_all(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let stub = self.clone();
            spawn(async move {
                // A caller that disconnects ends only its own connection.
                drop(stub.serve(stream).await);
            });
        }
    }

    async fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut unread = Vec::new();
        while let Some(call) = read_call(&mut stream, &mut unread).await? {
            let (call, behavior) = self.record(call);
            match behavior {
                Behavior::Normal => respond(&mut stream, &self.execute(&call), "").await?,
                Behavior::Respond { executes, status, kind, body } => {
                    self.execute_if(executes, &call);
                    respond(&mut stream, &StubResponse { status, kind, body }, "").await?;
                }
                Behavior::Redirect(to) => {
                    let redirect = StubResponse { status: 302, kind: JSON, body: String::new() };
                    respond(&mut stream, &redirect, &format!("location: {to}\r\n")).await?;
                }
                Behavior::NoResponse { executes } => {
                    self.execute_if(executes, &call);
                    // Until the caller closes.
                    stream.read_u8().await?;
                }
                Behavior::Close { executes } => {
                    self.execute_if(executes, &call);
                    return Ok(());
                }
                Behavior::Truncate => {
                    let StubResponse { status, kind, body } = self.execute(&call);
                    let half = &body[..body.len() / 2];
                    let head = head(status, kind, body.len(), "");
                    return stream.write_all(format!("{head}{half}").as_bytes()).await;
                }
                Behavior::Gate(gate) => {
                    gate.acquire().await.unwrap_or_else(|e| panic!("{e}")).forget();
                    respond(&mut stream, &self.execute(&call), "").await?;
                }
                Behavior::Delay(time) => {
                    tokio::time::sleep(time).await;
                    respond(&mut stream, &self.execute(&call), "").await?;
                }
            }
        }
        Ok(())
    }

    fn record(&self, call: ReceivedCall) -> (ReceivedCall, Behavior) {
        let mut state = self.state.lock();
        let nth = state.received.iter().filter(|before| before.path == call.path).count() + 1;
        let call = ReceivedCall { nth, ..call };
        state.received.push(call.clone());
        let behavior = (state.behavior)(&call);
        (call, behavior)
    }

    fn execute_if(&self, executes: bool, call: &ReceivedCall) {
        if executes {
            self.execute(call);
        }
    }

    /// Carries a call out by the contract.
    fn execute(&self, call: &ReceivedCall) -> StubResponse {
        let problem = |status, body: &str| StubResponse { status, kind: PROBLEM, body: body.into() };
        let Some(key) = call.path.strip_prefix("/orders/").map(str::to_owned) else {
            return problem(404, r#"{"title":"nothing here"}"#);
        };
        let orders = &mut self.state.lock().orders;
        let next = format!("ORDER-{}", orders.len() + 1);
        match call.method.as_str() {
            "PUT" => {
                let order = orders.entry(key).or_insert(StoredOrder { order_no: next, is_live: true });
                if order.is_live {
                    let body = json!({ "order_no": order.order_no }).to_string();
                    StubResponse { status: 200, kind: JSON, body }
                } else {
                    problem(410, r#"{"title":"taken back"}"#)
                }
            }
            "DELETE" => {
                let tombstone = StoredOrder { order_no: String::new(), is_live: false };
                orders.entry(key).or_insert(tombstone).is_live = false;
                StubResponse { status: 204, kind: JSON, body: String::new() }
            }
            _ => problem(405, r#"{"title":"no such method"}"#),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the runtime of the test ends the task")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

/// The next call on the connection; `None` once the caller has closed it.
async fn read_call(stream: &mut TcpStream, unread: &mut Vec<u8>) -> std::io::Result<Option<ReceivedCall>> {
    loop {
        if let Some((call, length)) = parse(unread) {
            unread.drain(..length);
            return Ok(Some(call));
        }
        if stream.read_buf(unread).await? == 0 {
            return Ok(None);
        }
    }
}

/// A call and its length in bytes, once it has arrived completely.
fn parse(bytes: &[u8]) -> Option<(ReceivedCall, usize)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let text = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = text.split("\r\n");
    let mut first = lines.next()?.split(' ').map(str::to_owned);
    let method = first.next()?;
    let path = first.next()?;
    let headers: BTreeMap<_, _> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = headers.get("content-length").map_or(Some(0), |length| length.parse().ok())?;
    let body = bytes.get(end + 4..end + 4 + length)?.to_vec();
    let call = ReceivedCall { method, path, nth: 0, headers, body, at: Instant::now() };
    Some((call, end + 4 + length))
}

async fn respond(stream: &mut TcpStream, response: &StubResponse, headers: &str) -> std::io::Result<()> {
    let StubResponse { status, kind, body } = response;
    let head = head(*status, kind, body.len(), headers);
    stream.write_all(format!("{head}{body}").as_bytes()).await
}

fn head(status: u16, kind: &str, length: usize, headers: &str) -> String {
    // A 204 has no body, so it must not announce one.
    let length = if status == 204 { String::new() } else { format!("content-length: {length}\r\n") };
    format!("HTTP/1.1 {status} Stub\r\ncontent-type: {kind}\r\n{length}{headers}\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{HttpClient, HttpError};
    use bytes::Bytes;
    use hyper::Method;

    async fn call(stub: &OrderStub, method: Method) -> Result<u16, HttpError> {
        let http = HttpClient::new(stub.base()).with_timeout(Duration::from_millis(200));
        http.send(method, "/orders/spring:1", &[], Bytes::from("{}")).await.map(|response| response.status)
    }

    #[tokio::test]
    async fn a_stub_makes_one_order_per_key_and_none_behind_a_tombstone() {
        let stub = OrderStub::start().await;
        for (method, status) in
            [(Method::PUT, 200), (Method::PUT, 200), (Method::DELETE, 204), (Method::PUT, 410)]
        {
            assert_eq!(call(&stub, method).await, Ok(status));
        }
        let stored = StoredOrder { order_no: "ORDER-1".into(), is_live: false };
        assert_eq!(stub.orders(), BTreeMap::from([("spring:1".to_owned(), stored)]));
        assert_eq!(stub.received().iter().map(|call| call.nth).collect::<Vec<_>>(), [1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn a_stub_fails_and_executes_as_its_behavior_says() {
        let stub = OrderStub::start().await;
        stub.behave(|call| match call.nth {
            1 => Behavior::NoResponse { executes: false },
            2 => Behavior::Close { executes: false },
            3 => Behavior::error_page(503),
            4 => Behavior::Close { executes: true },
            5 => Behavior::Truncate,
            _ => Behavior::NoResponse { executes: true },
        });
        assert!(matches!(call(&stub, Method::PUT).await, Err(HttpError::TimedOut(_))));
        assert!(matches!(call(&stub, Method::PUT).await, Err(HttpError::Broken(_))));
        assert_eq!(call(&stub, Method::PUT).await, Ok(503));
        assert_eq!(stub.orders().len(), 0);
        assert!(matches!(call(&stub, Method::PUT).await, Err(HttpError::Broken(_))));
        assert_eq!(stub.orders().len(), 1);
        assert!(matches!(call(&stub, Method::PUT).await, Err(HttpError::Broken(_))));
        assert!(matches!(call(&stub, Method::PUT).await, Err(HttpError::TimedOut(_))));
    }
}
