//! The public documents of an event, rendered once a refresh and then only handed out: a poll costs no read of the queue.
//! The page does its sums from the progress document; see `assets/wait.js`.

use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

use axum::http::HeaderValue;
use bytes::Bytes;
use domain::event::Text;
use domain::keys::EventKeys;
use domain::{EventId, EventState, Gap, Millis, Number, Position, Release, Stock};
use metrics::Counter;
use queue::QueueSnapshot;
use serde::Serialize;
use utoipa::ToSchema;

use crate::config::Config;

/// A document ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// The JSON.
    pub(crate) body: Bytes,
    /// Changes when something changes that a poller needs to know.
    pub(crate) etag: HeaderValue,
}

/// How often to poll.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(crate) struct Poll {
    /// For a page near the head of the queue,
    near_ms: i64,
    /// and for one far from it.
    far_ms: i64,
}

impl Poll {
    /// As configured.
    pub(crate) fn of(config: &Config) -> Self {
        Self { near_ms: config.poll_near_ms, far_ms: config.poll_far_ms }
    }
}

/// The progress of an event, the same for all applicants: with a number it gives how many are ahead.
#[derive(Serialize, ToSchema)]
pub(crate) struct Progress<'a> {
    event: &'a str,
    /// The queue's epoch.
    epoch: u32,
    #[schema(value_type = String, pattern = "^(scheduled|open|closed|settling|settled)$")]
    state: EventState,
    /// `sold_out` can be lifted: a seat may come back.
    #[schema(value_type = String, pattern = "^(available|sold_out)$")]
    stock: Stock,
    capacity: u32,
    sold: u32,
    last_number: u32,
    /// Each number up to here has been admitted or skipped.
    admitted_through: u32,
    /// Numbers that were skipped, without an application.
    #[schema(value_type = Vec<Skipped>)]
    gaps: &'a [Gap],
    /// Order calls started per second.
    pace: f64,
    paused: bool,
    intake: bool,
    #[schema(value_type = BothLanguages)]
    announcement: &'a Text,
    opens_at_ms: Millis,
    closes_at_ms: Millis,
    /// When to ask again.
    poll: Poll,
    server_time_ms: Millis,
    /// How old `sold` is.
    ledger_age_ms: Millis,
}

/// A run of numbers.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the domain's own")]
struct Skipped {
    from: u32,
    to: u32,
}

/// A text in both languages of the page.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the domain's own")]
struct BothLanguages {
    ko: String,
    en: String,
}

/// Public facts of an event.
#[derive(Serialize, ToSchema)]
pub(crate) struct Facts<'a> {
    event: &'a str,
    #[schema(value_type = BothLanguages)]
    title: &'a Text,
    #[schema(value_type = String, pattern = "^(scheduled|open|closed|settling|settled)$")]
    state: EventState,
    #[schema(value_type = String, pattern = "^(available|sold_out)$")]
    stock: Stock,
    capacity: u32,
    intake: bool,
    opens_at_ms: Millis,
    closes_at_ms: Millis,
    #[schema(value_type = BothLanguages)]
    announcement: &'a Text,
    /// Where people apply.
    page: String,
}

/// What the signup service knows of one event, and its documents.
#[derive(Debug, Clone)]
pub(crate) struct EventDocuments {
    /// The queue as it was read.
    pub(crate) view: QueueSnapshot,
    /// What the event derives; none if its key is not in the ring.
    pub(crate) keys: Option<EventKeys>,
    /// When the view was read, by our own clock.
    read_at: Millis,
    /// The progress document.
    pub(crate) progress: Document,
    /// The facts document.
    pub(crate) facts: Document,
    /// The event's counters.
    pub(crate) tally: Tally,
}

/// Counters of an event's applications. Kept at hand: looking one up costs as much as signing a receipt.
#[derive(Clone)]
pub(crate) struct Tally {
    pub(crate) accepted: Counter,
    pub(crate) again: Counter,
}

impl Tally {
    fn of(event: &EventId) -> Self {
        let counter = |result| Self::counter(event.to_string(), result);
        Self { accepted: counter("accepted"), again: counter("again") }
    }

    /// The counter of this event and result.
    pub(crate) fn counter(event: String, result: &'static str) -> Counter {
        metrics::counter!("firstcome_applications_total", "event" => event, "result" => result)
    }
}

impl std::fmt::Debug for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tally")
    }
}

impl EventDocuments {
    /// A sheet from a fresh view.
    pub(crate) fn fresh(
        view: QueueSnapshot,
        keys: Option<EventKeys>,
        now: Millis,
        config: &Config,
    ) -> Arc<Self> {
        let nothing = Document::of(&(), 0);
        let tally = Tally::of(&view.event);
        let documents = Self { view, keys, read_at: now, progress: nothing.clone(), facts: nothing, tally };
        documents.again(now, config)
    }

    /// The same view, told at a later time: the state follows the clock and the ledger's age grows.
    pub(crate) fn again(&self, now: Millis, config: &Config) -> Arc<Self> {
        let mut documents = self.clone();
        documents.progress = self.progress(now, config);
        documents.facts = Document::of(&self.facts_at(now, config), 0);
        Arc::new(documents)
    }

    /// The queue's own time.
    pub(crate) fn queue_time(&self, now: Millis) -> Millis {
        self.view.now + (now - self.read_at).max(0)
    }

    /// Where the event stands: opening and closing do not wait for the next refresh.
    pub(crate) fn state(&self, now: Millis) -> EventState {
        let (time, settings) = (self.queue_time(now), &self.view.settings);
        match self.view.state {
            EventState::Scheduled | EventState::Open if time >= settings.closes_at => EventState::Closed,
            EventState::Scheduled if time >= settings.opens_at => EventState::Open,
            state => state,
        }
    }

    /// The event's standing; before the ledger first spoke there is stock.
    pub(crate) fn stock(&self) -> Stock {
        let figures = self.view.figures;
        if figures.at > 0 && figures.free == 0 && figures.held == 0 {
            Stock::SoldOut
        } else {
            Stock::Available
        }
    }

    /// Whether admission is paused.
    pub(crate) fn paused(&self) -> bool {
        self.view.settings.release != Release::Running
    }

    /// Where a number stands.
    pub(crate) fn place(&self, number: Number) -> Position {
        Position::of(number, self.view.admitted_through, &self.view.gaps)
    }

    /// Its number on the waitlist, if the capacity does not reach it.
    pub(crate) fn waitlisted(&self, number: Number) -> Option<u32> {
        self.place(number).waitlisted(self.view.settings.capacity)
    }

    /// How many are admitted a second, as set.
    pub(crate) fn pace(&self) -> f64 {
        // A pace has at most three decimals, so its text is exact.
        self.view.settings.pace.to_string().parse().unwrap_or(0.0)
    }

    /// The public facts.
    pub(crate) fn facts_at<'a>(&'a self, now: Millis, config: &Config) -> Facts<'a> {
        let settings = &self.view.settings;
        Facts {
            event: settings.id.as_str(),
            title: &settings.title,
            state: self.state(now),
            stock: self.stock(),
            capacity: settings.capacity,
            intake: settings.intake,
            opens_at_ms: settings.opens_at,
            closes_at_ms: settings.closes_at,
            announcement: &settings.announcement,
            page: format!("{}/e/{}", config.public_url, settings.id),
        }
    }

    fn progress(&self, now: Millis, config: &Config) -> Document {
        let (view, settings, time) = (&self.view, &self.view.settings, self.queue_time(now));
        let ledger_age_ms = (time - view.figures.at).max(0);
        let progress = Progress {
            event: settings.id.as_str(),
            epoch: view.epoch.0,
            state: self.state(now),
            stock: self.stock(),
            capacity: settings.capacity,
            sold: view.figures.sold,
            last_number: view.seq,
            admitted_through: view.admitted_through,
            gaps: view.gaps.ranges(),
            pace: self.pace(),
            paused: self.paused(),
            intake: settings.intake,
            announcement: &settings.announcement,
            opens_at_ms: settings.opens_at,
            closes_at_ms: settings.closes_at,
            poll: Poll::of(config),
            server_time_ms: 0,
            ledger_age_ms: 0,
        };
        // The two that change with every millisecond are left out of the tag, or no poll would ever be answered 304;
        // a ledger that falls silent still changes it every five seconds.
        let tag = Document::hash(&json(&progress), ledger_age_ms / 5000);
        Document::tagged(&Progress { server_time_ms: time, ledger_age_ms, ..progress }, tag)
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|_| unreachable!("a document has text keys only"))
}

impl Document {
    /// A document whose tag is a hash of all of it, and of `salt`.
    pub(crate) fn of(value: &impl Serialize, salt: i64) -> Self {
        Self::tagged(value, Self::hash(&json(value), salt))
    }

    fn tagged(value: &impl Serialize, tag: u64) -> Self {
        let etag = HeaderValue::from_str(&format!("W/\"{tag:016x}\""))
            .unwrap_or_else(|_| unreachable!("hexadecimal digits fit in a header"));
        Self { body: Bytes::from(json(value)), etag }
    }

    fn hash(body: &[u8], salt: i64) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write(body);
        hasher.write_i64(salt);
        hasher.finish()
    }
}
