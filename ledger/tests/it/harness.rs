//! A new ledger with one event, and helpers of the tests.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use domain::event::Text;
use domain::{AppKey, DomainEventKind, EventId, EventSettings, Fence, Kind, Number, Release, ReqHash};
use ledger::{
    ATTEMPTS_MAX, Admission, Call, CallResult, Candidate, InboxAction, InboxRequest, Ledger, OrderResponse,
    QueueReading, SeatState,
};
use sqlx::{ConnectOptions, Connection};
use testkit::{ManualClock, Postgres, TempFolder};

pub(crate) const NOON: i64 = 1_795_345_200_000;

/// The database of the ledger.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Store {
    Sqlite,
    Postgres,
}

pub(crate) struct LedgerHarness {
    pub ledger: Ledger,
    pub clock: Clock,
    pub event: EventId,
    pub fence: Fence,
    /// The Postgres server, if the ledger uses one.
    pub postgres: Option<Postgres>,
}

/// A manual clock, which is also written to a file that the database server reads.
pub(crate) struct Clock {
    hand: ManualClock,
    folder: TempFolder,
}

impl Clock {
    fn at(ms: i64) -> Self {
        let clock = Self { hand: ManualClock::at(ms), folder: TempFolder::new("ledger") };
        // The server may run as another user.
        std::fs::set_permissions(clock.folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        clock.advance(0);
        clock
    }

    pub(crate) fn advance(&self, ms: i64) {
        self.hand.advance(ms);
        let next = self.folder.path().join("clock.next");
        std::fs::write(&next, self.hand.now()().to_string()).unwrap();
        std::fs::set_permissions(&next, PermissionsExt::from_mode(0o644)).unwrap();
        std::fs::rename(next, self.file()).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("clock")
    }
}

/// Runs SQL without the ledger.
pub(crate) async fn execute_sql(url: &str, sql: &str) -> Result<(), sqlx::Error> {
    let mut session = Session::open(url).await?;
    session.run(sql).await?;
    session.0.close().await
}

/// Another session of the same database.
pub(crate) struct Session(sqlx::AnyConnection);

impl Session {
    pub(crate) async fn open(url: &str) -> Result<Self, sqlx::Error> {
        sqlx::any::install_default_drivers();
        let options: sqlx::any::AnyConnectOptions = url.parse()?;
        Ok(Self(options.connect().await?))
    }

    pub(crate) async fn run(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut self.0).await.map(|_| ())
    }

    /// Waits until at least `sessions` of the ledger's sessions are in this state.
    pub(crate) async fn wait_until(&mut self, sessions: i64, state: &str) {
        let sql =
            format!("SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = 'firstcome' AND {state}");
        let found = async {
            loop {
                // Within a transaction the server would return the same snapshot each time.
                self.run("SELECT pg_stat_clear_snapshot()").await.unwrap();
                if self.count(&sql).await >= sessions {
                    break;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), found).await.unwrap();
    }

    pub(crate) async fn count(&mut self, sql: &str) -> i64 {
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql.to_owned())).fetch_one(&mut self.0).await.unwrap()
    }
}

pub(crate) fn settings(capacity: u32) -> EventSettings {
    EventSettings {
        id: "spring".parse().unwrap(),
        title: Text { ko: "봄".into(), en: "Spring".into() },
        kind: Kind::Order,
        called_for_ms: 600_000,
        extension_ms: 300_000,
        pass_target: String::new(),
        capacity,
        opens_at: NOON,
        closes_at: NOON + 3_600_000,
        intake: true,
        release: Release::Running,
        pace: "1000".parse().unwrap(),
        in_flight_max: 50,
        applications_max: 100_000,
        announcement: Text::default(),
        look: domain::Look::default(),
        settle_after_close: true,
        diverts: Vec::new(),
        identity: domain::Identity::Open,
        auto_pace: None,
        pepper: "k1".into(),
    }
}

pub(crate) fn key(n: u32) -> AppKey {
    let mut bytes = [0xaa; 16];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    AppKey(bytes)
}

pub(crate) fn candidates(numbers: impl IntoIterator<Item = u32>) -> Vec<Candidate> {
    let candidate = |n| Candidate {
        number: Number::new(n).unwrap(),
        app_key: key(n),
        req_hash: ReqHash([7; 8]),
        contact: "c2VhbGVk".into(),
    };
    numbers.into_iter().map(candidate).collect()
}

async fn open(postgres: Option<&Postgres>, clock: &Clock) -> Ledger {
    match postgres {
        None => Ledger::open_sqlite(&clock.folder.path().join("ledger.db"), clock.hand.now()).await.unwrap(),
        Some(postgres) => Ledger::open_postgres(&postgres.url(), 12).await.unwrap(),
    }
}

impl LedgerHarness {
    /// Returns the URL of the embedded ledger's file.
    pub(crate) fn sqlite_url(&self) -> String {
        format!("sqlite://{}", self.clock.folder.path().join("ledger.db").display())
    }

    pub(crate) async fn open(store: Store, capacity: u32) -> Self {
        Self::open_with(store, settings(capacity)).await
    }

    pub(crate) async fn open_with(store: Store, settings: EventSettings) -> Self {
        let clock = Clock::at(NOON);
        let postgres = match store {
            Store::Sqlite => None,
            Store::Postgres => Some(Postgres::start().await),
        };
        if let Some(postgres) = &postgres {
            Ledger::migrate(&postgres.url()).await.unwrap();
            let manual_clock = format!(
                "CREATE OR REPLACE FUNCTION ledger.now_ms() RETURNS BIGINT LANGUAGE sql AS $$ SELECT pg_read_file('{}')::BIGINT $$",
                clock.file().display()
            );
            execute_sql(&postgres.url(), &manual_clock).await.unwrap();
        }
        let ledger = open(postgres.as_ref(), &clock).await;
        ledger.create_event(&settings, "test").await.unwrap();
        let fence = ledger.acquire_leadership(&settings.id).await.unwrap().unwrap().fence;
        Self { ledger, clock, event: settings.id, fence, postgres }
    }

    /// Opens the same ledger a second time.
    pub(crate) async fn reopened(&self) -> Ledger {
        open(self.postgres.as_ref(), &self.clock).await
    }

    pub(crate) async fn admit(&self, numbers: impl IntoIterator<Item = u32>) -> Admission {
        let admission = self
            .ledger
            .admit(&self.event, self.fence, &candidates(numbers), QueueReading::default())
            .await
            .unwrap();
        self.ledger.make_due(&self.event, &admission.known).await.unwrap();
        admission
    }

    /// Advances the clock so that the pace allows a call, and leases it.
    pub(crate) async fn lease_one(&self) -> Call {
        self.clock.advance(2000);
        self.ledger.lease_calls(&self.event, 1).await.unwrap().calls.remove(0)
    }

    pub(crate) async fn record(&self, call: &Call, answer: OrderResponse) -> CallResult {
        self.ledger.record_response(call, &answer).await.unwrap()
    }

    /// Admits and orders this number.
    pub(crate) async fn order(&self, number: u32) {
        self.admit([number]).await;
        let call = self.lease_one().await;
        assert_eq!(call.number.get(), number);
        self.record(&call, OrderResponse::Created(format!("O-{number}"))).await;
    }

    /// Handles a request to cancel this number.
    pub(crate) async fn cancel(&self, number: u32) {
        let request = cancel_request(i64::from(number), number);
        self.ledger.handle_inbox(&self.event, self.fence, &[request], i64::from(number), 0).await.unwrap();
    }

    /// Parks these numbers, which must be the lowest that are due: the last allowed call of each has no response.
    pub(crate) async fn park(&self, numbers: &[u32]) {
        let (url, schema) = self.address();
        for number in numbers {
            let attempts = ATTEMPTS_MAX - 1;
            let sql = format!(
                "UPDATE {schema}application SET attempts = {attempts} WHERE app_key = '{}'",
                key(*number)
            );
            execute_sql(&url, &sql).await.unwrap();
            let call = self.lease_one().await;
            assert_eq!(call.number.get(), *number);
            assert_eq!(
                self.record(&call, OrderResponse::Unknown { retry_in_ms: 0 }).await,
                CallResult::Parked
            );
        }
    }

    /// Returns the URL for `execute_sql`, and the prefix of table names there.
    pub(crate) fn address(&self) -> (String, &'static str) {
        match &self.postgres {
            Some(postgres) => (postgres.url(), "ledger."),
            None => (self.sqlite_url(), ""),
        }
    }

    pub(crate) async fn state_of(&self, number: u32) -> String {
        let rows = self.ledger.applications(&self.event, number - 1, 1).await.unwrap();
        rows.first()
            .filter(|row| row.number.get() == number)
            .map_or("absent".into(), |row| row.state.as_str().into())
    }

    pub(crate) async fn seats(&self) -> (u32, u32, u32) {
        let seats = self.ledger.seats(&self.event).await.unwrap();
        let rows = self.ledger.seat_rows(&self.event).await.unwrap();
        let of = |state| u32::try_from(rows.iter().filter(|seat| seat.state == state).count()).unwrap();
        let counted = (of(SeatState::Free), of(SeatState::Held), of(SeatState::Sold));
        assert_eq!((seats.free, seats.held, seats.sold), counted, "the counters agree with the seats");
        counted
    }

    /// Returns the kinds of the domain events, in order of their names, without those about settings.
    pub(crate) async fn domain_events(&self) -> Vec<String> {
        let settings = [DomainEventKind::EventCreated, DomainEventKind::EventUpdated];
        let all = self.ledger.domain_events(&self.event).await.unwrap();
        let mut kinds: Vec<_> =
            all.iter().filter(|one| !settings.contains(&one.kind)).map(|one| one.kind.to_string()).collect();
        kinds.sort();
        kinds
    }
}

/// A request to cancel this number, at this position of the inbox.
pub(crate) fn cancel_request(id: i64, number: u32) -> InboxRequest {
    InboxRequest {
        at: 0,
        action: InboxAction::Cancel,
        id,
        app_key: key(number),
        number: Number::new(number).unwrap(),
    }
}
