//! Headers and metrics of every response, panics, and the shutdown.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::get;
use axum::{Extension, Router};
use service::http::{Handler, HandlerResponse, Route, RouteName, bind, serve_handler};
use service::tasks::Shutdown;
use service::telemetry;
use testkit::RawClient;
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};

use crate::harness::{context, limits, router, start};

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let mut client = RawClient::connect(start(router(), limits(), &context())).await;
    for _ in 0..3 {
        assert_eq!(client.get("/").await.body, "hello");
    }
    client.send("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi").await;
    assert_eq!(client.response().await.body, "hi");
    assert_eq!(client.get("/").await.body, "hello");
}

/// Forwards the response of an upstream, as a proxy does.
struct Forwarding;

impl Handler for Forwarding {
    type Connection = ();

    fn connect(&self, _: SocketAddr) {}

    async fn handle(&self, _: Request, (): &()) -> HandlerResponse {
        let response = ([(header::SERVER, "shop")], "theirs").into_response();
        HandlerResponse { response, route: Route::None, as_is: true, record: None }
    }
}

#[tokio::test]
async fn security_headers_are_added_unless_the_handler_sets_them() {
    let own = get(|| async {
        [(header::CONTENT_SECURITY_POLICY, "default-src 'self'"), (header::CACHE_CONTROL, "max-age=1")]
    });
    let router = router().route("/own", own);
    let mut client = RawClient::connect(start(router, limits(), &context())).await;

    let response = client.get("/").await;
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(response.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(response.header("x-frame-options"), Some("DENY"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let policy = "default-src 'none'; frame-ancestors 'none'";
    assert_eq!(response.header("content-security-policy"), Some(policy));
    assert_eq!(response.header("server"), None);

    let response = client.get("/own").await;
    assert_eq!(response.header("content-security-policy"), Some("default-src 'self'"));
    assert_eq!(response.header("cache-control"), Some("max-age=1"));
    assert_eq!(response.header("x-frame-options"), None);

    let address =
        serve_handler(bind("127.0.0.1:0".parse().unwrap()).unwrap(), Forwarding, limits(), &context())
            .unwrap();
    let response = RawClient::connect(address).await.get("/").await;
    assert_eq!((response.header("server"), response.header("referrer-policy")), (Some("shop"), None));
}

#[tokio::test]
async fn a_missing_route_and_a_wrong_method_get_problems() {
    let missing = get(|| async { (StatusCode::NOT_FOUND, "my own words") });
    let mut client = RawClient::connect(start(router().route("/mine", missing), limits(), &context())).await;
    let response = client.get("/nowhere").await;
    assert_eq!((response.status, &response.problem()["type"]), (404, &"/problems/not-found".into()));
    client.send("DELETE / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let response = client.response().await;
    assert_eq!((response.status, &response.problem()["code"]), (405, &"method-not-allowed".into()));
    assert_eq!(response.header("allow"), Some("GET,HEAD"));
    assert_eq!(client.get("/mine").await.body, "my own words");
}

#[tokio::test]
async fn a_panic_gets_500_and_the_server_continues() {
    let ctx = context();
    let mut client = RawClient::connect(start(router(), limits(), &ctx)).await;
    let response = client.get("/panic").await;
    assert_eq!((response.status, &response.problem()["code"]), (500, &"unexpected".into()));
    assert!(!response.body.contains("expected by the test"));
    assert_eq!(client.get("/").await.body, "hello");
    assert!(!ctx.tasks.is_stopping());
}

#[tokio::test]
async fn a_handler_gets_the_address_of_the_peer() {
    let peer = get(|ConnectInfo(address): ConnectInfo<SocketAddr>| async move { address.ip().to_string() });
    let mut client =
        RawClient::connect(start(Router::new().route("/peer", peer), limits(), &context())).await;
    assert_eq!(client.get("/peer").await.body, "127.0.0.1");
}

#[tokio::test]
async fn requests_are_counted_by_route_and_not_by_path() {
    telemetry::render();
    let page = get(|| async { "a page" });
    let named = get(|| async { (Extension(RouteName("shop")), "named").into_response() });
    let router = router().route("/a/{receipt}", page).route("/named", named);
    let mut client = RawClient::connect(start(router, limits(), &context())).await;
    for path in ["/a/very-secret", "/a/other-secret", "/named"] {
        client.get(path).await;
    }
    client.send("BREW /wp-login.php HTTP/1.1\r\nhost: x\r\n\r\n").await;
    client.response().await;
    let text = telemetry::render();
    let count = |route: &str, status: &str| {
        let labels = format!("http_route=\"{route}\",http_response_status_code=\"{status}\"");
        let name = "firstcome_http_request_duration_seconds_count";
        let line = text.lines().find(|line| line.starts_with(name) && line.contains(&labels));
        line.and_then(|line| line.rsplit(' ').next()).map(str::to_owned)
    };
    assert_eq!(count("/a/{receipt}", "200").as_deref(), Some("2"), "{text}");
    assert_eq!(count("shop", "200").as_deref(), Some("1"), "{text}");
    assert!(text.contains("http_request_method=\"_OTHER\",http_route=\"none\""), "{text}");
    let from_clients = ["secret", "wp-login", "BREW"];
    assert!(from_clients.iter().all(|word| !text.contains(word)), "{text}");
}

#[tokio::test]
async fn a_shutdown_finishes_requests_and_refuses_connections() {
    let reached = Arc::new(Notify::new());
    let go = Arc::new(Semaphore::new(0));
    let notify = Arc::clone(&reached);
    let wait = Arc::clone(&go);
    let slow = get(move || async move {
        notify.notify_one();
        wait.acquire().await.unwrap().forget();
        "finished"
    });
    let ctx = context();
    let address = start(router().route("/slow", slow), limits(), &ctx);
    let mut idle = RawClient::connect(address).await;
    assert_eq!(idle.get("/").await.status, 200);
    let mut running = RawClient::connect(address).await;
    running.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    reached.notified().await;

    let tasks = ctx.tasks.clone();
    let down = tokio::join!(tasks.shut_down(Duration::from_secs(10)), async {
        ctx.tasks.stopping().await;
        assert_eq!(idle.read_to_end().await, "", "an idle connection is closed");
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        go.add_permits(1);
        let response = running.response().await;
        assert_eq!((response.body.as_str(), response.header("connection")), ("finished", Some("close")));
        assert_eq!(running.read_to_end().await, "");
    });
    assert_eq!(down.0, Shutdown::Clean);
}
