//! An event whose applicants order at the shop with a pass: over the gateway, and over an nginx that asks the gateway.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use domain::{DomainEventKind, EventSettings, Kind};
use hyper::Method;
use serde_json::{Value, json};
use service::Settings;
use signup_service::ReportToken;
use testkit::order_stub::Behavior;
use testkit::peer_proxy::{PeerProxy, PeerProxyKind, nginx_asking};
use testkit::{HttpClient, HttpResponse, OrderStub, free_ports, until};

use crate::crowd::{Ack, Crowd, LOOK};
use crate::harness::{SystemHarness, event};
use crate::processes::SHOP_TOKEN;

const DOCS: &str = include_str!("../../../docs/gateway.md");

/// A pass as the shop reads it.
#[derive(Debug, Clone)]
pub(crate) struct TakenPass {
    token: String,
    number: u32,
    application: String,
}

impl TakenPass {
    fn new(token: &str) -> Self {
        let claims = BASE64URL_NOPAD.decode(token.split('.').nth(1).unwrap().as_bytes()).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        Self {
            token: token.to_owned(),
            number: u32::try_from(claims["number"].as_u64().unwrap()).unwrap(),
            application: claims["sub"].as_str().unwrap().to_owned(),
        }
    }

    fn cookie(&self) -> String {
        format!("firstcome_pass={}", self.token)
    }
}

impl Crowd {
    /// Takes the pass of a called applicant; `None` if the time is over.
    pub(crate) async fn take_pass(&self, ack: &Ack) -> Option<TakenPass> {
        let path = format!("/application/com/v1/create/pass/{}", ack.receipt);
        let answer = self.post(ack.person, &path, &json!({}), &[]).await;
        match answer.status {
            201 => Some(TakenPass::new(answer.json()["pass"].as_str().unwrap())),
            410 => None,
            other => panic!("pass of {}: {other} {}", ack.number, answer.text()),
        }
    }

    /// The shop reports what became of a pass. Returns the state of the application, which the report may not have changed yet.
    pub(crate) async fn report_once(&self, pass: &TakenPass, order_no: Option<&str>) -> String {
        let result = if order_no.is_some() { "ordered" } else { "released" };
        let report = json!({
            "number": pass.number, "guid": pass.application, "result": result, "order_no": order_no,
        });
        let bearer = format!("Bearer {SHOP_TOKEN}");
        let path = "/application/int/v1/create/result/spring";
        let answer = self.post(pass.number, path, &report, &[("authorization", &bearer)]).await;
        assert_eq!(answer.status, 202, "report on {}: {}", pass.number, answer.text());
        answer.json()["state"].as_str().unwrap().to_owned()
    }

    /// The same until it is decided. Returns how the application ended.
    pub(crate) async fn report(&self, pass: &TakenPass, order_no: Option<&str>) -> String {
        for _ in 0..200 {
            let state = self.report_once(pass, order_no).await;
            if !["waiting", "called", "ordering"].contains(&state.as_str()) {
                return state;
            }
            tokio::time::sleep(LOOK).await;
        }
        panic!("the report on {} was never decided", pass.number);
    }
}

/// A shop that the gateway and nginx protect: `/orders` needs a pass of `spring`.
struct ProtectedShop {
    system: SystemHarness,
    shop: OrderStub,
    /// The gateway and, if it is installed, nginx.
    proxies: Vec<HttpClient>,
    target: String,
    _nginx: Option<PeerProxy>,
}

impl ProtectedShop {
    async fn open(settings: EventSettings) -> Self {
        let shop = OrderStub::start().await;
        shop.behave(|_| Behavior::Respond {
            executes: false,
            status: 200,
            kind: "text/plain",
            body: "the shop".into(),
        });
        let ports = free_ports(2);
        let gateway_url = format!("http://127.0.0.1:{}", ports[0]);
        let target = format!("{gateway_url}/orders/spring");
        let settings = EventSettings {
            kind: Kind::Pass,
            pass_target: target.clone(),
            // Who has a pass reaches it all the same.
            diverts: vec!["/orders/spring".into()],
            ..settings
        };
        let system = SystemHarness::open_with(settings, |setup| {
            setup.signup.public_url.clone_from(&gateway_url);
            setup.signup.report_token = Some(ReportToken::new(SHOP_TOKEN));
            setup.worker.report_grace_ms = 1000;
            setup.gateway = Some(gateway_config(ports[0], shop.address()));
        })
        .await;
        system.system.until_ready(&system.context).await.unwrap();
        let nginx = nginx_asking(DOCS, ports[1], system.system.admin, shop.address());
        let nginx = PeerProxy::start(PeerProxyKind::Nginx, &nginx, ports[1]).unwrap();
        let mut proxies = vec![HttpClient::new(&gateway_url)];
        proxies.extend(nginx.as_ref().map(|_| HttpClient::new(format!("http://127.0.0.1:{}", ports[1]))));
        Self { system, shop, proxies, target, _nginx: nginx }
    }

    /// Sends an order to the shop over a proxy.
    async fn order(&self, proxy: &HttpClient, cookie: &str) -> HttpResponse {
        proxy.send(Method::POST, "/orders/spring", &[("cookie", cookie)], Bytes::from("a=b")).await.unwrap()
    }

    /// Every proxy refuses an order with this cookie: the gateway with this reason, nginx by leading away.
    async fn refuse(&self, cookie: &str, reason: &str) {
        let before = self.shop.call_count();
        for (proxy, expected) in self.proxies.iter().zip([403, 303]) {
            let refused = self.order(proxy, cookie).await;
            assert_eq!(refused.status, expected, "{}: {}", proxy.base(), refused.text());
            if expected == 403 {
                assert_eq!(refused.json()["code"], reason);
            } else {
                assert!(refused.header("location").unwrap().ends_with("/e/spring"));
            }
        }
        assert_eq!(self.shop.call_count(), before, "no order came through");
    }
}

fn gateway_config(port: u16, shop: SocketAddr) -> gateway::Config {
    let settings = [
        ("listen", format!("{}:{port}", Ipv4Addr::LOCALHOST)),
        ("upstream.shop.url", format!("http://{shop}")),
        ("route.0.prefix", "/".into()),
        ("route.0.upstream", "shop".into()),
        ("route.1.prefix", "/orders".into()),
        ("route.1.upstream", "shop".into()),
        ("route.1.pass", "spring".into()),
    ];
    let settings = settings.map(|(key, value)| (format!("gateway.{key}"), value));
    let mut settings = Settings::load(None, std::iter::empty(), &settings).unwrap();
    let gateway = gateway::Config::read(&mut settings.part("gateway"));
    settings.finish().unwrap();
    gateway
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_route_opens_to_called_applicants_only_at_the_gateway_and_at_nginx() {
    let settings = EventSettings { called_for_ms: 8_000, extension_ms: 0, ..event(2, 600_000) };
    let protected = ProtectedShop::open(settings).await;
    let crowd = Crowd::before(&protected.system.url(), "spring");
    let acks = crowd.apply(0..3).await;
    protected.refuse("", "pass-required").await;
    for ack in &acks[..2] {
        crowd.until_status(ack, |now| now["state"] == "called").await;
    }
    assert_eq!(crowd.status(&acks[2]).await["state"], "waiting");

    // The first one, by the form of the page: the shop is on the same host, so the pass comes in a cookie.
    let gateway = &protected.proxies[0];
    let form = format!("/application/com/v1/create/pass/{}", acks[0].receipt);
    let to_shop = gateway.post_form(&form, &[]).await.unwrap();
    assert_eq!((to_shop.status, to_shop.header("location")), (303, Some(&*protected.target)));
    let cookie = to_shop.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let pass = TakenPass::new(cookie.strip_prefix("firstcome_pass=").unwrap());
    assert_eq!(protected.order(gateway, &cookie).await.status, 200);
    let received = protected.shop.received().pop().unwrap();
    let headers = ["x-firstcome-event", "x-firstcome-number", "x-firstcome-application"];
    assert_eq!(headers.map(|name| received.header(name).to_owned()), ["spring", "1", &*pass.application]);
    let report = gateway.post_json("/application/int/v1/create/result/spring", &json!({}), &[]).await;
    assert_eq!(report.unwrap().status, 404, "the gateway forwards no report");
    assert_eq!(crowd.report(&pass, Some("A-1")).await, "ordered");
    assert_eq!(crowd.status(&acks[0]).await["order_no"], "A-1");

    // The second one has a pass, looks at the shop over every proxy, and orders too late.
    let late = crowd.take_pass(&acks[1]).await.unwrap();
    for proxy in &protected.proxies {
        assert_eq!(protected.order(proxy, &late.cookie()).await.status, 200, "{}", proxy.base());
    }
    crowd.until_status(&acks[1], |now| now["state"] == "expired").await;
    protected.refuse(&late.cookie(), "pass-expired").await;
    assert_eq!(crowd.report(&late, Some("A-2")).await, "expired");

    // The third one gets the seat, and orders over nginx.
    crowd.until_status(&acks[2], |now| now["state"] == "called").await;
    let third = crowd.take_pass(&acks[2]).await.unwrap();
    assert_eq!(protected.order(protected.proxies.last().unwrap(), &third.cookie()).await.status, 200);
    assert_eq!(protected.shop.received().pop().unwrap().header("x-firstcome-number"), "3");
    assert_eq!(crowd.report(&third, Some("A-3")).await, "ordered");

    // The shop cancels an order. No other applicant waits, so the seat stays free.
    crowd.report_once(&pass, None).await;
    crowd.until_status(&acks[0], |now| now["state"] == "cancelled").await;
    let ledger = protected.system.system.ledger.as_ref().unwrap();
    until("the order that came too late is refused", async || {
        let domain_events = ledger.domain_events(&protected.system.event).await.unwrap();
        domain_events.iter().any(|one| one.kind == DomainEventKind::ApplicationOrderRefused)
    })
    .await;
    let orders = format!("spring:{} A-3\n", third.application);
    let report = protected.system.stop_and_verify_with(&acks, &orders).await;
    assert_eq!(report["sold"], 1);
}
