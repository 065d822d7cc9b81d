//! An order service for tests: it keeps real orders with tombstones, as docs/order-service.md asks, and fails call by call in
//! whatever way a test wants. It speaks HTTP/1.1 by hand, since half of those ways are no HTTP any more.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

/// A call as it arrived.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `PUT` or `DELETE`.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// How many calls came for this path, this one included.
    pub nth: usize,
    /// The headers, their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
    /// When it came.
    pub at: Instant,
}

impl Asked {
    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// What the service does with a call. `does`: whether it carries the call out before it fails.
#[derive(Debug, Clone)]
pub enum Play {
    /// Carries it out and says so.
    Honest,
    /// Says something else.
    Say {
        /// See above.
        does: bool,
        /// The status code.
        status: u16,
        /// The content type.
        kind: &'static str,
        /// The body.
        body: String,
    },
    /// Sends the caller elsewhere, and does nothing.
    Redirect(String),
    /// Never answers.
    Silent {
        /// See above.
        does: bool,
    },
    /// Closes the connection without a word.
    Close {
        /// See above.
        does: bool,
    },
    /// Carries it out, and closes the connection in the middle of the answer.
    Cut,
    /// Lets the call lie until the gate lets one through, then carries it out, whether or not the caller still waits.
    Late(Arc<Semaphore>),
    /// Carries it out and says so, but so much later.
    After(Duration),
}

impl Play {
    /// A no by the contract: nothing was made.
    pub fn no(status: u16) -> Self {
        Self::Say { does: false, status, kind: PROBLEM, body: r#"{"title":"no"}"#.into() }
    }

    /// An error page: nothing was made.
    pub fn page(status: u16) -> Self {
        Self::Say { does: false, status, kind: "text/html", body: "<h1>Sorry</h1>".into() }
    }

    /// The order is made, and the answer is this body.
    pub fn yes(body: impl Into<String>) -> Self {
        Self::Say { does: true, status: 200, kind: JSON, body: body.into() }
    }
}

/// An order that the service keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its order number; empty if there never was an order.
    pub order_no: String,
    /// `false` behind a tombstone.
    pub live: bool,
}

type Script = Box<dyn Fn(&Asked) -> Play + Send + Sync>;

/// A running order service; its orders are gone with it.
#[derive(Clone)]
pub struct OrderStub {
    address: SocketAddr,
    signup: Arc<Mutex<SignupState>>,
}

struct SignupState {
    script: Script,
    asked: Vec<Asked>,
    orders: BTreeMap<String, Kept>,
}

impl std::fmt::Debug for OrderStub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OrderStub({})", self.address)
    }
}

impl OrderStub {
    /// An honest one on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.unwrap_or_else(|e| panic!("no free port: {e}"));
        let address = listener.local_addr().unwrap_or_else(|e| panic!("no address: {e}"));
        let signup =
            SignupState { script: Box::new(|_| Play::Honest), asked: Vec::new(), orders: BTreeMap::new() };
        let stub = Self { address, signup: Arc::new(Mutex::new(signup)) };
        spawn(stub.clone().accept(listener));
        stub
    }

    /// Where it is, `http://127.0.0.1:40000`.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Decides from now on what is done with each call.
    pub fn play(&self, script: impl Fn(&Asked) -> Play + Send + Sync + 'static) {
        self.signup().script = Box::new(script);
    }

    /// Every call so far, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.signup().asked.clone()
    }

    /// How many calls came so far.
    pub fn calls(&self) -> usize {
        self.signup().asked.len()
    }

    /// Orders and tombstones, by `{event}:{key}`.
    pub fn orders(&self) -> BTreeMap<String, Kept> {
        self.signup().orders.clone()
    }

    fn signup(&self) -> MutexGuard<'_, SignupState> {
        self.signup.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn accept(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let stub = self.clone();
            spawn(async move {
                // A caller that goes away ends its own connection only.
                drop(stub.serve(stream).await);
            });
        }
    }

    async fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut unread = Vec::new();
        while let Some(asked) = read_call(&mut stream, &mut unread).await? {
            let (asked, play) = self.note(asked);
            match play {
                Play::Honest => answer(&mut stream, self.carry_out(&asked), "").await?,
                Play::Say { does, status, kind, body } => {
                    self.carry_out_if(does, &asked);
                    answer(&mut stream, (status, kind, body), "").await?;
                }
                Play::Redirect(to) => {
                    answer(&mut stream, (302, JSON, String::new()), &format!("location: {to}\r\n")).await?;
                }
                Play::Silent { does } => {
                    self.carry_out_if(does, &asked);
                    // Until the caller gives up.
                    stream.read_u8().await?;
                }
                Play::Close { does } => {
                    self.carry_out_if(does, &asked);
                    return Ok(());
                }
                Play::Cut => {
                    let (status, _, body) = self.carry_out(&asked);
                    let half = &body[..body.len() / 2];
                    let head = head(status, JSON, body.len(), "");
                    return stream.write_all(format!("{head}{half}").as_bytes()).await;
                }
                Play::Late(gate) => {
                    gate.acquire().await.unwrap_or_else(|e| panic!("{e}")).forget();
                    answer(&mut stream, self.carry_out(&asked), "").await?;
                }
                Play::After(time) => {
                    tokio::time::sleep(time).await;
                    answer(&mut stream, self.carry_out(&asked), "").await?;
                }
            }
        }
        Ok(())
    }

    fn note(&self, asked: Asked) -> (Asked, Play) {
        let mut signup = self.signup();
        let nth = signup.asked.iter().filter(|before| before.path == asked.path).count() + 1;
        let asked = Asked { nth, ..asked };
        signup.asked.push(asked.clone());
        let play = (signup.script)(&asked);
        (asked, play)
    }

    fn carry_out_if(&self, does: bool, asked: &Asked) {
        if does {
            self.carry_out(asked);
        }
    }

    /// What the contract asks for.
    fn carry_out(&self, asked: &Asked) -> (u16, &'static str, String) {
        let Some(key) = asked.path.strip_prefix("/orders/").map(str::to_owned) else {
            return (404, PROBLEM, r#"{"title":"nothing here"}"#.into());
        };
        let orders = &mut self.signup().orders;
        let next = format!("ORDER-{}", orders.len() + 1);
        match asked.method.as_str() {
            "PUT" => {
                let made = orders.entry(key).or_insert(Kept { order_no: next, live: true });
                if made.live {
                    (200, JSON, json!({ "order_no": made.order_no }).to_string())
                } else {
                    (410, PROBLEM, r#"{"title":"taken back"}"#.into())
                }
            }
            "DELETE" => {
                orders.entry(key).or_insert(Kept { order_no: String::new(), live: false }).live = false;
                (204, JSON, String::new())
            }
            _ => (405, PROBLEM, r#"{"title":"no such method"}"#.into()),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a test's runtime ends it with the test")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

/// The next call on the connection; `None` once the caller closed it.
async fn read_call(stream: &mut TcpStream, unread: &mut Vec<u8>) -> std::io::Result<Option<Asked>> {
    loop {
        if let Some((asked, length)) = parse(unread) {
            unread.drain(..length);
            return Ok(Some(asked));
        }
        if stream.read_buf(unread).await? == 0 {
            return Ok(None);
        }
    }
}

/// A call and its length, once it is there whole.
fn parse(bytes: &[u8]) -> Option<(Asked, usize)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let text = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = text.split("\r\n");
    let mut first = lines.next()?.split(' ').map(str::to_owned);
    let (method, path) = (first.next()?, first.next()?);
    let headers: BTreeMap<_, _> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = headers.get("content-length").map_or(Some(0), |length| length.parse().ok())?;
    let body = bytes.get(end + 4..end + 4 + length)?.to_vec();
    Some((Asked { method, path, nth: 0, headers, body, at: Instant::now() }, end + 4 + length))
}

async fn answer(
    stream: &mut TcpStream,
    (status, kind, body): (u16, &str, String),
    more: &str,
) -> std::io::Result<()> {
    let head = head(status, kind, body.len(), more);
    stream.write_all(format!("{head}{body}").as_bytes()).await
}

fn head(status: u16, kind: &str, length: usize, more: &str) -> String {
    // A 204 has no body, so it must not announce one.
    let length = if status == 204 { String::new() } else { format!("content-length: {length}\r\n") };
    format!("HTTP/1.1 {status} As Told\r\ncontent-type: {kind}\r\n{length}{more}\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Http, HttpError};
    use bytes::Bytes;
    use hyper::Method;

    async fn call(stub: &OrderStub, method: Method) -> Result<u16, HttpError> {
        let http = Http::new(stub.base()).with_timeout(std::time::Duration::from_millis(200));
        http.send(method, "/orders/spring:1", &[], Bytes::from("{}")).await.map(|answer| answer.status)
    }

    #[tokio::test]
    async fn it_makes_one_order_for_a_key_and_none_behind_a_tombstone() {
        let stub = OrderStub::start().await;
        for (method, status) in
            [(Method::PUT, 200), (Method::PUT, 200), (Method::DELETE, 204), (Method::PUT, 410)]
        {
            assert_eq!(call(&stub, method).await, Ok(status));
        }
        let kept = Kept { order_no: "ORDER-1".into(), live: false };
        assert_eq!(stub.orders(), BTreeMap::from([("spring:1".to_owned(), kept)]));
        assert_eq!(stub.asked().iter().map(|asked| asked.nth).collect::<Vec<_>>(), [1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn it_fails_as_it_was_told_and_carries_out_what_it_was_told() {
        let stub = OrderStub::start().await;
        stub.play(|asked| match asked.nth {
            1 => Play::Silent { does: false },
            2 => Play::Close { does: false },
            3 => Play::page(503),
            4 => Play::Close { does: true },
            5 => Play::Cut,
            _ => Play::Silent { does: true },
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
