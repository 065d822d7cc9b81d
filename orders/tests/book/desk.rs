//! A fresh book with one event, and the few sentences in which the tests speak.

use domain::event::Text;
use domain::{AppKey, EventId, EventSettings, Fence, Kind, Number, Release};
use orders::{Answer, Book, Call, Newcomer, Recorded, Taken};
use testkit::{HandClock, TempFolder};

pub(crate) const NOON: i64 = 1_795_345_200_000;

pub(crate) struct Desk {
    pub book: Book,
    pub clock: HandClock,
    pub event: EventId,
    pub fence: Fence,
    folder: TempFolder,
}

pub(crate) fn settings(capacity: u32) -> EventSettings {
    EventSettings {
        id: "spring".parse().unwrap(),
        title: Text { ko: "봄".into(), en: "Spring".into() },
        kind: Kind::Order,
        capacity,
        opens_at: NOON,
        closes_at: NOON + 3_600_000,
        intake: true,
        release: Release::Running,
        pace: "1000".parse().unwrap(),
        in_flight_max: 50,
        applications_max: 100_000,
        notice: Text::default(),
        settle_after_close: true,
        pepper: "k1".into(),
    }
}

pub(crate) fn key(n: u32) -> AppKey {
    let mut bytes = [0xaa; 16];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    AppKey(bytes)
}

pub(crate) fn newcomers(numbers: impl IntoIterator<Item = u32>) -> Vec<Newcomer> {
    let newcomer =
        |n| Newcomer { number: Number::new(n).unwrap(), app_key: key(n), contact: "c2VhbGVk".into() };
    numbers.into_iter().map(newcomer).collect()
}

impl Desk {
    pub(crate) async fn open(capacity: u32) -> Self {
        Self::open_with(settings(capacity)).await
    }

    pub(crate) async fn open_with(settings: EventSettings) -> Self {
        let (folder, clock) = (TempFolder::new("book"), HandClock::at(NOON));
        let book = Book::open_sqlite(&folder.path().join("book.db"), clock.now()).await.unwrap();
        book.create_event(&settings, "test").await.unwrap();
        let fence = book.lead(&settings.id).await.unwrap().unwrap().fence;
        Self { book, clock, event: settings.id, fence, folder }
    }

    /// The same book, opened a second time.
    pub(crate) async fn reopened(&self) -> Book {
        Book::open_sqlite(&self.folder.path().join("book.db"), self.clock.now()).await.unwrap()
    }

    pub(crate) async fn take(&self, numbers: impl IntoIterator<Item = u32>) -> Taken {
        self.book.take(&self.event, self.fence, &newcomers(numbers)).await.unwrap()
    }

    /// Leases one due call, however long the pace makes it wait.
    pub(crate) async fn lease_one(&self) -> Call {
        self.clock.advance(2000);
        self.book.lease(&self.event, 1).await.unwrap().calls.remove(0)
    }

    pub(crate) async fn record(&self, call: &Call, answer: Answer) -> Recorded {
        self.book.record(call, &answer).await.unwrap()
    }

    /// Moves and orders this number.
    pub(crate) async fn order(&self, number: u32) {
        self.take([number]).await;
        let call = self.lease_one().await;
        assert_eq!(call.number.get(), number);
        self.record(&call, Answer::Made(format!("O-{number}"))).await;
    }

    pub(crate) async fn state_of(&self, number: u32) -> String {
        let rows = self.book.rows(&self.event, number - 1, 1).await.unwrap();
        rows.first()
            .filter(|row| row.number.get() == number)
            .map_or("absent".into(), |row| row.state.as_str().into())
    }

    pub(crate) async fn seats(&self) -> (u32, u32, u32) {
        let seats = self.book.seats(&self.event).await.unwrap();
        (seats.free, seats.held, seats.sold)
    }

    pub(crate) async fn notices(&self) -> Vec<String> {
        let mut kinds: Vec<_> =
            self.book.outbox_rows(&self.event).await.unwrap().into_iter().map(|row| row.kind).collect();
        kinds.sort();
        kinds
    }
}
