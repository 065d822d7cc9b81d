//! A running system with one event, and the few things that an applicant's hands do.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use domain::event::Text;
use domain::{EventSettings, Kind, Release};
use firstcome::System;
use firstcome::setup::{ProcessRole, Setup, Stores};
use serde_json::json;
use service::Context;
use service::telemetry::LogFormat;
use signup_service::ReportToken;
use testkit::browser::{Browser, Options, screen_path};
use testkit::{HttpClient, TempFolder};

/// The token with which the shop reports what became of its passes.
pub(crate) const SHOP_TOKEN: &str = "fct_of-the-shop";

/// Patience with a page; an answer that needs it all is a failure.
pub(crate) const SOON: Duration = Duration::from_secs(15);

pub(crate) struct Stage {
    pub(crate) base: String,
    pub(crate) opens_at: i64,
    setup: Setup,
    context: Context,
    system: System,
    folder: TempFolder,
}

pub(crate) struct Play {
    pub(crate) capacity: u32,
    pub(crate) opens_in_ms: i64,
    pub(crate) open_for_ms: i64,
    pub(crate) kind: Kind,
    pub(crate) called_for_ms: i64,
    /// Where a pass leads to: empty in other kinds.
    pub(crate) pass_target: String,
    /// The address that links have.
    pub(crate) public_url: &'static str,
    pub(crate) pace: &'static str,
    pub(crate) in_flight_max: u32,
    pub(crate) order_service: Option<String>,
}

impl Default for Play {
    fn default() -> Self {
        Self {
            kind: Kind::Order,
            called_for_ms: 600_000,
            pass_target: String::new(),
            public_url: "",
            capacity: 3,
            opens_in_ms: -1000,
            open_for_ms: 600_000,
            pace: "100",
            in_flight_max: 10,
            order_service: None,
        }
    }
}

impl Stage {
    pub(crate) async fn open(play: Play) -> Self {
        let (folder, context) = (TempFolder::new("page"), Context::system());
        let now = (context.now)();
        let event = EventSettings {
            id: "spring".parse().unwrap(),
            title: Text { ko: "봄맞이 특가 세트".into(), en: "Spring special set".into() },
            kind: play.kind,
            called_for_ms: play.called_for_ms,
            extension_ms: 300_000,
            pass_target: play.pass_target.clone(),
            capacity: play.capacity,
            opens_at: now + play.opens_in_ms,
            closes_at: now + play.opens_in_ms + play.open_for_ms,
            intake: true,
            release: Release::Running,
            pace: play.pace.parse().unwrap(),
            in_flight_max: play.in_flight_max,
            applications_max: 100_000,
            announcement: Text::default(),
            look: domain::Look::default(),
            settle_after_close: true,
            diverts: Vec::new(),
            identity: domain::Identity::Open,
            auto_pace: None,
            pepper: "k1".into(),
        };
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut setup = Setup {
            role: ProcessRole::All,
            keys: folder.path().join("keys.toml"),
            stores: Stores::Embedded { folder: folder.path().to_owned() },
            listen: any,
            admin_listen: any,
            signup: signup_service::Config {
                public_url: play.public_url.into(),
                report_token: Some(ReportToken::new(SHOP_TOKEN)),
                ..signup_service::Config::default()
            },
            worker: worker::Config { order_service: play.order_service, ..worker::Config::default() },
            messaging: messaging::Config::default(),
            operator: None,
            gateway: None,
            events: vec![event],
            log_format: LogFormat::Text,
            log_filter: "warn".into(),
        };
        let system = Box::pin(System::start(setup.clone(), &context)).await.unwrap();
        setup.listen = system.signup.unwrap();
        let opens_at = now + play.opens_in_ms;
        let stage =
            Self { opens_at, base: format!("http://{}", setup.listen), setup, context, system, folder };
        stage.until("/e/spring").await;
        stage
    }

    /// Waits until the page answers: the queue is armed a moment after the start.
    async fn until(&self, path: &str) {
        let http = HttpClient::new(&self.base);
        for _ in 0..200 {
            if http.get(path).await.is_ok_and(|answer| answer.status == 200) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{path} never answered");
    }

    /// Stops everything, loses the queue, and starts again at the same address.
    pub(crate) async fn lose_the_queue(self) -> Self {
        let Self { base, opens_at, setup, context, system, folder } = self;
        context.tasks.shut_down(SOON).await;
        system.close().await;
        for file in ["queue.db", "queue.db-wal", "queue.db-shm"] {
            let _ = std::fs::remove_file(folder.path().join(file));
        }
        let context = Context::system();
        let system = Box::pin(System::start(setup.clone(), &context)).await.unwrap();
        Self { base, opens_at, setup, context, system, folder }
    }

    /// The progress document.
    pub(crate) async fn progress(&self) -> serde_json::Value {
        let path = "/event/com/v1/get/progress/spring";
        HttpClient::new(&self.base).get(path).await.unwrap().json()
    }

    /// Waits until the queue has this number. It reads the queue, because the signup service would restore the number from the receipt.
    pub(crate) async fn until_known(&self, number: u32) {
        let (event, number) = ("spring".parse().unwrap(), domain::Number::new(number).unwrap());
        for _ in 0..600 {
            if let Ok(Some(_)) = self.system.queue.as_ref().unwrap().app_key_of(&event, number).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("number {number} was not restored");
    }

    pub(crate) fn event_page(&self) -> String {
        format!("{}/e/spring", self.base)
    }

    /// Another person applies, without a browser.
    pub(crate) async fn others_apply(&self, people: u32) {
        let http = HttpClient::new(&self.base);
        for person in 0..people {
            let body =
                json!({ "name": "다른 사람", "phone": format!("010-7777-{person:04}"), "consent": true });
            for _ in 0..100 {
                let answer = http
                    .post_json("/application/com/v1/create/application/spring", &body, &[])
                    .await
                    .unwrap();
                if answer.status == 201 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

pub(crate) async fn phone(language: &str, javascript: bool) -> Browser {
    Browser::start(Options { language: language.into(), javascript, ..Options::default() }).await.unwrap()
}

pub(crate) async fn fill_in(browser: &Browser, name: &str, number: &str) {
    browser.fill("#name", name).await.unwrap();
    browser.fill("#phone", number).await.unwrap();
    browser.click("#consent").await.unwrap();
}

pub(crate) async fn wait(browser: &Browser, css: &str) {
    browser.wait_for(css, SOON).await.unwrap();
}

pub(crate) async fn picture(browser: &Browser, name: &str) {
    browser.screenshot(&screen_path(name)).await.unwrap();
}

/// Nothing sticks out at the right: the page fits a phone.
pub(crate) async fn fits(browser: &Browser) {
    let width =
        browser.script("return [document.documentElement.scrollWidth, window.innerWidth]").await.unwrap();
    assert!(width[0].as_i64() <= width[1].as_i64(), "the page is {width:?} wide");
}
