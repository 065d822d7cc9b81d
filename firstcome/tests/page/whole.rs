//! The whole picture on a phone: the shop by its gateway, its product that becomes the event, the order in the shop, and the control
//! room beside it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use domain::event::Text;
use domain::{EventSettings, Kind, Release};
use firstcome::System;
use firstcome::setup::{OperatorSettings, ProcessRole, Setup, Stores};
use service::telemetry::LogFormat;
use service::{Context, Settings};
use testkit::{Browser, TempFolder};

use crate::stage::{SOON, fill_in, fits, phone, picture, wait};

const TOKEN: &str = "fct_of-the-test";
const OPENS_IN_MS: i64 = 8000;
const PRODUCT: &str = "a[href='/products/4']";

struct Whole {
    gateway: String,
    operator: String,
    _system: System,
    _folder: TempFolder,
}

impl Whole {
    async fn open() -> Self {
        let (folder, context) = (TempFolder::new("whole"), Context::system());
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let config = shop::Config { database: folder.path().join("shop.db"), ..shop::Config::default() };
        let shop = shop::start(config, service::http::bind(any).unwrap(), &context).await.unwrap();
        let token = operator::Token::new("kim", operator::Role::Viewer, TOKEN);
        let operator = operator::Config { tokens: vec![token], ..operator::Config::default() };
        let setup = Setup {
            role: ProcessRole::All,
            keys: folder.path().join("keys.toml"),
            stores: Stores::Embedded { folder: folder.path().to_owned() },
            listen: any,
            admin_listen: any,
            signup: signup_service::Config::default(),
            worker: worker::Config {
                order_service: Some(format!("http://{}/order/int/v1", shop.address)),
                ..worker::Config::default()
            },
            messaging: messaging::Config::default(),
            operator: Some(OperatorSettings { listen: any, config: operator }),
            gateway: Some(gateway(shop.address)),
            events: vec![event((context.now)() + OPENS_IN_MS)],
            log_format: LogFormat::Text,
            log_filter: "warn".into(),
        };
        let system = System::start(setup, &context).await.unwrap();
        system.until_ready(&context).await.unwrap();
        let url = |at: Option<SocketAddr>| format!("http://{}", at.unwrap());
        Self {
            gateway: url(system.gateway),
            operator: url(system.operator),
            _system: system,
            _folder: folder,
        }
    }
}

fn gateway(shop: SocketAddr) -> gateway::Config {
    let settings = [
        ("listen", "127.0.0.1:0".to_owned()),
        ("upstream.shop.url", format!("http://{shop}")),
        ("route.0.prefix", "/".to_owned()),
        ("route.0.upstream", "shop".to_owned()),
    ];
    let settings = settings.map(|(key, value)| (format!("gateway.{key}"), value));
    let mut settings = Settings::load(None, std::iter::empty(), &settings).unwrap();
    let gateway = gateway::Config::read(&mut settings.part("gateway"));
    settings.finish().unwrap();
    gateway
}

fn event(opens_at: i64) -> EventSettings {
    EventSettings {
        id: "spring".parse().unwrap(),
        title: Text { ko: "봄맞이 특가 세트".into(), en: "Spring special set".into() },
        kind: Kind::Order,
        called_for_ms: 600_000,
        extension_ms: 300_000,
        pass_target: String::new(),
        capacity: 100,
        opens_at,
        closes_at: opens_at + 600_000,
        intake: true,
        release: Release::Running,
        pace: "4".parse().unwrap(),
        in_flight_max: 10,
        applications_max: 100_000,
        announcement: Text::default(),
        look: domain::Look::default(),
        settle_after_close: true,
        diverts: vec!["/products/4".into()],
        identity: domain::Identity::Open,
        auto_pace: None,
        pepper: "k1".into(),
    }
}

/// From the main page to the product, as a finger does.
async fn go_to_product(browser: &Browser, gateway: &str) -> String {
    browser.open(&format!("{gateway}/")).await.unwrap();
    browser.click(PRODUCT).await.unwrap();
    for _ in 0..100 {
        let url = browser.url().await.unwrap();
        if url != format!("{gateway}/") {
            return url;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the product's link leads nowhere");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shopper_comes_to_the_product_and_leaves_with_an_order_of_the_event() {
    let whole = Whole::open().await;
    let browser = phone("ko", true).await;
    browser.open(&format!("{}/", whole.gateway)).await.unwrap();
    picture(&browser, "whole-shop-ko").await;
    fits(&browser).await;
    let product = go_to_product(&browser, &whole.gateway).await;
    assert_eq!(
        product,
        format!("{}/products/4", whole.gateway),
        "before the opening the product is the shop's"
    );
    picture(&browser, "whole-product-ko").await;
    fits(&browser).await;

    for _ in 0..60 {
        if go_to_product(&browser, &whole.gateway).await == format!("{}/e/spring", whole.gateway) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert_eq!(
        browser.url().await.unwrap(),
        format!("{}/e/spring", whole.gateway),
        "the product is the event's"
    );
    wait(&browser, "[data-state=open]").await;
    picture(&browser, "whole-diverted-ko").await;
    fits(&browser).await;
    fill_in(&browser, "홍길동", "010-1234-5678").await;
    browser.click("#apply").await.unwrap();
    wait(&browser, "#number").await;
    let receipt = browser.url().await.unwrap();
    assert!(receipt.starts_with(&format!("{}/a/", whole.gateway)), "{receipt}");
    wait(&browser, "[data-state=ordered]").await;
    assert_eq!(
        (browser.text("#number").await.unwrap().as_str(), browser.url().await.unwrap()),
        ("1", receipt)
    );
    let order = browser.text("#order-no").await.unwrap();
    assert_eq!(order, "E-000001");
    picture(&browser, "whole-ordered-ko").await;
    fits(&browser).await;

    browser.open(&format!("{}/orders/{order}", whole.gateway)).await.unwrap();
    browser.wait_for_text("E-000001", SOON).await.unwrap();
    picture(&browser, "whole-order-in-shop-ko").await;
    shows_the_event(&whole, "ko", ["봄맞이 특가 세트", "접수 중", "운영 콘솔"]).await;
    shows_the_event(&whole, "en", ["Spring special set", "Open", "Operator console"]).await;
}

/// The operator console on a phone, by the link with the token that the demo prints.
async fn shows_the_event(whole: &Whole, language: &str, words: [&str; 3]) {
    let browser = phone(language, true).await;
    browser.open(&format!("{}/#token={TOKEN}", whole.operator)).await.unwrap();
    wait(&browser, ".events li").await;
    browser.wait_for_text("1 / 100", SOON).await.unwrap();
    let shown = browser.text("body").await.unwrap();
    for word in words.into_iter().chain(["spring"]) {
        assert!(shown.contains(word), "{word:?} is not in {shown}");
    }
    assert_eq!(
        browser.url().await.unwrap(),
        format!("{}/", whole.operator),
        "the token is not left in the address"
    );
    picture(&browser, &format!("whole-operator-{language}")).await;
    fits(&browser).await;
}
