//! A running shop in a temporary folder, shared by the tests.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};
use service::Context;
use service::tasks::Shutdown;
use shop::capacity::Capacity;
use shop::{Config, Shop};
use testkit::{HttpClient, HttpResponse, TempFolder, seeded};

/// A fast shop with a large capacity, so that a test fails only for its own subject.
pub(crate) fn quick() -> Config {
    let capacity = Capacity { work_ms: 1, concurrency: 64, ..Capacity::default() };
    Config { main: capacity.clone(), product: capacity.clone(), order: capacity, ..Config::default() }
}

pub(crate) struct ShopHarness {
    pub(crate) http: HttpClient,
    pub(crate) folder: TempFolder,
    shop: Shop,
    ctx: Context,
}

impl ShopHarness {
    pub(crate) async fn open() -> Self {
        Self::open_with(quick()).await
    }

    pub(crate) async fn open_with(config: Config) -> Self {
        Self::open_in(TempFolder::new("shop"), config).await
    }

    pub(crate) async fn open_in(folder: TempFolder, config: Config) -> Self {
        let ctx = Context { rng: seeded(7), ..Context::system() };
        let listener = service::http::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let config = Config { database: folder.path().join("shop.db"), ..config };
        let shop = shop::start(config, listener, &ctx).await.unwrap();
        Self { http: HttpClient::new(format!("http://{}", shop.address)), folder, shop, ctx }
    }

    /// Stops the shop gracefully and returns how the tasks ended.
    pub(crate) async fn stop(self) -> (Shutdown, TempFolder) {
        let ended = self.ctx.tasks.shut_down(Duration::from_secs(10)).await;
        self.shop.close().await;
        (ended, self.folder)
    }

    pub(crate) fn readiness(&self) -> String {
        self.ctx.health.readiness().report
    }

    /// The files of the database, the write-ahead log included.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let names = ["shop.db", "shop.db-wal", "shop.db-shm"];
        names.iter().map(|name| self.folder.path().join(name)).filter(|file| file.exists()).collect()
    }

    pub(crate) async fn put(&self, event: &str, key: &str) -> HttpResponse {
        self.put_body(event, key, &body(event)).await
    }

    pub(crate) async fn put_body(&self, event: &str, key: &str, body: &Value) -> HttpResponse {
        self.call(Method::PUT, &format!("/order/int/v1/orders/{event}:{key}"), body.to_string()).await
    }

    pub(crate) async fn delete(&self, event: &str, key: &str) -> HttpResponse {
        self.call(Method::DELETE, &format!("/order/int/v1/orders/{event}:{key}"), String::new()).await
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: String) -> HttpResponse {
        let json = [("content-type", "application/json")];
        self.http.send(method, path, &json, Bytes::from(body)).await.unwrap()
    }

    /// The live orders of an event, as `verify` reads them.
    pub(crate) async fn live(&self, event: &str) -> Vec<String> {
        let response = self.http.get(&format!("/order/int/v1/list/order/{event}")).await.unwrap();
        assert_eq!(response.status, 200);
        response.text().lines().map(str::to_owned).collect()
    }

    pub(crate) async fn figure(&self) -> Value {
        self.http.get("/order/int/v1/get/figure").await.unwrap().json()
    }
}

/// The key of the nth application.
pub(crate) fn key(nth: u32) -> String {
    format!("{nth:032x}")
}

pub(crate) fn body(event: &str) -> Value {
    json!({ "event": event, "number": 41207, "guid": "74f8e04a2ea886508a525de79f28e6d5", "name": "홍길동", "phone": "+821012345678" })
}

pub(crate) fn order_no(response: &HttpResponse) -> String {
    response.json()["order_no"]
        .as_str()
        .unwrap_or_else(|| panic!("{}: {}", response.status, response.text()))
        .to_owned()
}

/// Status and stable code of a problem.
pub(crate) fn problem(response: &HttpResponse) -> (u16, String) {
    assert_eq!(response.header("content-type"), Some("application/problem+json"), "{}", response.text());
    (response.status, response.json()["code"].as_str().unwrap().to_owned())
}
