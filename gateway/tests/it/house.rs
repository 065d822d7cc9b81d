//! A door with a shop behind it and a line that a leader armed; what the tests share.

use std::net::SocketAddr;

use domain::event::Text;
use domain::{Epoch, EventSettings, EventState, Kind, Release};
use gateway::Config;
use queue::{Arming, Figures, Line, Projection};
use service::{Context, Health, Settings, Tasks};
use testkit::{HandClock, TempFolder, seeded};

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
        capacity: 2,
        opens_at: OPENS,
        closes_at: CLOSES,
        intake: true,
        release: Release::Running,
        pace: "5".parse().unwrap(),
        in_flight_max: 10,
        applications_max: 1000,
        notice: Text::default(),
        settle_after_close: false,
        diverts: diverts.iter().map(|path| (*path).to_owned()).collect(),
        pepper: "k1".into(),
    }
}

/// The settings of a door: `shop` for all, `away` at `/away` where nobody listens, and what the test says besides.
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
        ("limit.desk.burst", "100000"),
    ];
    let flags: Vec<_> =
        usual.iter().chain(flags).map(|(key, text)| (format!("gateway.{key}"), (*text).to_owned())).collect();
    let mut settings = Settings::load(None, std::iter::empty(), &flags).unwrap();
    let config = Config::read(&mut settings.part("gateway"));
    settings.finish().unwrap();
    config
}

pub(crate) struct House {
    pub(crate) clock: HandClock,
    pub(crate) line: Line,
    pub(crate) ctx: Context,
    pub(crate) shop: Stub,
    pub(crate) address: SocketAddr,
    _folder: TempFolder,
}

impl House {
    /// No event; the settings are those of [`config`].
    pub(crate) async fn with(flags: &[(&str, &str)]) -> Self {
        let house = Self::unpublished(flags).await;
        house.line.publish(&[]).await.unwrap();
        house
    }

    /// A door that waits to be told which events there are.
    pub(crate) async fn unpublished(flags: &[(&str, &str)]) -> Self {
        Self::open(flags, std::future::ready(())).await
    }

    /// A door whose line can be reached only once `reachable` is done.
    pub(crate) async fn open(
        flags: &[(&str, &str)],
        reachable: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let (folder, clock) = (TempFolder::new("door"), HandClock::at(OPENS - 1000));
        let line = Line::open_sqlite(&folder.path().join("line.db"), clock.now()).await.unwrap();
        let (tasks, health) = (Tasks::default(), Health::default());
        let ctx = Context { now: clock.now(), chance: seeded(1), tasks, health };
        let shop = Stub::start().await;
        let config = config(shop.address, flags);
        let listener = service::http::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let reached = line.clone();
        let opening = async move {
            reachable.await;
            reached
        };
        let address = gateway::start(config, opening, listener, &ctx).unwrap();
        Self { clock, line, ctx, shop, address, _folder: folder }
    }

    /// Arms the line of an event.
    pub(crate) async fn arm(&self, settings: EventSettings) {
        let event = settings.id.clone();
        let arming = Arming { epoch: Epoch(1), line_limit: 0, settings, rev: 1 };
        self.line.arm(&event, 1, arming).await.unwrap();
    }

    /// Writes an event's settings and state into the line.
    pub(crate) async fn project(&self, settings: EventSettings, state: EventState, rev: i64) {
        let event = settings.id.clone();
        let projection = Projection {
            rev,
            settings,
            state,
            line_limit: 500,
            round: rev,
            figures: Figures { sold: 0, free: 2, held: 0, at: OPENS },
            settled_seq: (state == EventState::Settled).then_some(0),
            outcomes: Vec::new(),
        };
        self.line.project(&event, 1, projection).await.unwrap();
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
