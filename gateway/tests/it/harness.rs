//! A gateway with a shop behind it and a queue that a leader armed; what the tests share.

use std::net::SocketAddr;

use domain::event::Text;
use domain::keys::Root;
use domain::{Epoch, EventSettings, EventState, Keyring, Kid, Kind, PassVerifier, Release};
use gateway::{Config, GatewayReload};
use queue::{ArmRequest, Continuity, Projection, Queue, SeatFigures};
use service::{Context, Health, Settings, Tasks};
use testkit::{ManualClock, TempFolder, seeded};

use crate::client::Client;
use crate::stub::Stub;

/// When the event opens.
pub(crate) const OPENS: i64 = 1_795_345_200_000;
/// An hour later.
pub(crate) const CLOSES: i64 = OPENS + 3_600_000;

pub(crate) fn settings(id: &str, diverts: &[&str]) -> EventSettings {
    EventSettings {
        id: id.parse().unwrap(),
        title: Text { ko: "봄".into(), en: "Spring".into() },
        kind: Kind::Order,
        called_for_ms: 600_000,
        extension_ms: 300_000,
        pass_target: String::new(),
        capacity: 2,
        opens_at: OPENS,
        closes_at: CLOSES,
        intake: true,
        release: Release::Running,
        pace: "5".parse().unwrap(),
        in_flight_max: 10,
        applications_max: 1000,
        announcement: Text::default(),
        look: domain::Look::default(),
        settle_after_close: false,
        diverts: diverts.iter().map(|path| (*path).to_owned()).collect(),
        identity: domain::Identity::Open,
        auto_pace: None,
        pepper: "k1".into(),
    }
}

/// The settings of a gateway: `shop` for all, `away` at `/away`, where nothing listens, and the test's own settings.
/// `{shop}` in a setting stands for the address of the shop.
pub(crate) fn config(shop: SocketAddr, flags: &[(&str, &str)]) -> Config {
    let shop = format!("http://{shop}");
    let usual = [
        ("upstream.signup.url", shop.as_str()),
        ("upstream.shop.url", shop.as_str()),
        ("upstream.away.url", "http://127.0.0.1:1"),
        ("route.0.prefix", "/"),
        ("route.0.upstream", "shop"),
        ("route.1.prefix", "/away"),
        ("route.1.upstream", "away"),
        ("limit.browse.burst", "100000"),
        ("limit.signup.burst", "100000"),
    ];
    let flags: Vec<_> = usual
        .iter()
        .chain(flags)
        .map(|(key, text)| (format!("gateway.{key}"), text.replace("{shop}", &shop)))
        .collect();
    let mut settings = Settings::load(None, std::iter::empty(), &flags).unwrap();
    let config = Config::read(&mut settings.part("gateway"));
    settings.finish().unwrap();
    config
}

/// A ring of one key.
pub(crate) fn keys(kid: &str, root: u8) -> Keyring {
    let kid = Kid::new(kid).unwrap();
    Keyring::new(kid.clone(), [(kid, Root::new([root; 32]))]).unwrap()
}

pub(crate) struct GatewayHarness {
    pub(crate) clock: ManualClock,
    pub(crate) queue: Queue,
    pub(crate) ctx: Context,
    pub(crate) shop: Stub,
    pub(crate) address: SocketAddr,
    /// The listener for other proxies.
    pub(crate) internal: SocketAddr,
    reload: GatewayReload,
    _folder: TempFolder,
}

impl GatewayHarness {
    /// No event; the settings are those of [`config`].
    pub(crate) async fn with(flags: &[(&str, &str)]) -> Self {
        let harness = Self::unpublished(flags).await;
        harness.queue.publish(&[]).await.unwrap();
        harness
    }

    /// A gateway that waits to be told which events there are.
    pub(crate) async fn unpublished(flags: &[(&str, &str)]) -> Self {
        Self::open(flags, std::future::ready(())).await
    }

    /// A gateway whose line can be reached only once `reachable` is done.
    pub(crate) async fn open(
        flags: &[(&str, &str)],
        reachable: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let (folder, clock) = (TempFolder::new("gateway"), ManualClock::at(OPENS - 1000));
        let queue = Queue::open_sqlite(&folder.path().join("queue.db"), clock.now()).await.unwrap();
        let (tasks, health) = (Tasks::default(), Health::default());
        let ctx = Context { now: clock.now(), rng: seeded(1), tasks, health };
        let shop = Stub::start().await;
        let config = config(shop.address, flags);
        let listener = service::http::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let reached = queue.clone();
        let opening = async move {
            reachable.await;
            reached
        };
        let pass_keys = PassVerifier::of(&keys("k1", 1));
        let running = gateway::start(config, opening, Some(pass_keys), listener, &ctx).unwrap();
        let listener = service::http::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let limits = service::http::Limits::default();
        let internal = service::http::serve(listener, running.internal_routes, limits, &ctx).unwrap();
        let (address, reload) = (running.address, running.reload);
        Self { clock, queue, ctx, shop, address, internal, reload, _folder: folder }
    }

    /// Gives the gateway other settings.
    pub(crate) fn reload(&self, flags: &[(&str, &str)]) {
        self.reload.apply(&config(self.shop.address, flags));
    }

    /// Arms the queue of an event.
    pub(crate) async fn arm(&self, settings: EventSettings) {
        let event = settings.id.clone();
        let arming = ArmRequest {
            epoch: Epoch(1),
            number_limit: 0,
            continuity: Continuity::Unknown,
            settings,
            rev: 1,
        };
        self.queue.arm(&event, 1, arming).await.unwrap();
    }

    /// Writes an event's settings and state into the queue.
    pub(crate) async fn project(&self, settings: EventSettings, state: EventState, rev: i64) {
        let event = settings.id.clone();
        let projection = Projection {
            rev,
            settings,
            state,
            number_limit: 500,
            round: rev,
            figures: SeatFigures { sold: 0, free: 2, held: 0, at: OPENS },
            settled_seq: (state == EventState::Settled).then_some(0),
            judged_epoch: Epoch(0),
            lost_epoch: Epoch(0),
            called: Vec::new(),
            outcomes: Vec::new(),
        };
        self.queue.project(&event, 1, projection).await.unwrap();
    }

    pub(crate) async fn client(&self) -> Client {
        Client::to(self.address).await
    }
}

/// Waits until it is so.
pub(crate) async fn until(mut so: impl AsyncFnMut() -> bool) {
    for _ in 0..1000 {
        if so().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it never became so");
}
