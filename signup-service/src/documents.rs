//! The public documents of an event. They are rendered once per refresh and then served as they are: a poll does not read the queue.
//! `assets/wait.js` calculates with the progress document.

mod admission_rate;
mod counters;
mod document;
mod facts;
mod progress;
mod promised_wait;

use std::sync::Arc;

use domain::keys::EventKeys;
use domain::{EventState, Millis, Number, Position, Release, Stock};
use queue::QueueSnapshot;

use crate::config::Config;
use admission_rate::AdmissionHistory;
use promised_wait::PromisedWaits;

pub(crate) use admission_rate::AdmissionRate;
pub(crate) use counters::ApplicationCounters;
pub(crate) use document::Document;
pub(crate) use facts::{EventFacts, PublicEventList};
pub(crate) use progress::{EventProgress, PollIntervals};
pub(crate) use promised_wait::PromisedWait;

/// The last seats are almost gone if they last no longer than these seconds.
const SOON_S: f64 = 15.0;

/// What the signup service has read of one event, and the documents rendered from it.
#[derive(Debug, Clone)]
pub(crate) struct EventDocuments {
    /// The queue as last read.
    pub(crate) snapshot: QueueSnapshot,
    /// The event's keys; none if the keyring does not have their root.
    pub(crate) keys: Option<EventKeys>,
    /// When the snapshot was read, by the clock of this process.
    read_at: Millis,
    /// The admissions of the last minute.
    admissions: AdmissionHistory,
    /// What the pages promised.
    promises: PromisedWaits,
    /// The progress document.
    pub(crate) progress: Document,
    /// The facts document.
    pub(crate) facts: Document,
    /// The event's counters.
    pub(crate) counters: ApplicationCounters,
}

impl EventDocuments {
    /// The documents of a snapshot that was read now, after the previous ones of the event.
    pub(crate) fn from_snapshot(
        snapshot: QueueSnapshot,
        previous: Option<&Self>,
        keys: Option<EventKeys>,
        now: Millis,
        config: &Config,
    ) -> Arc<Self> {
        let empty = Document::of(&(), 0);
        let counters = ApplicationCounters::of(&snapshot.event);
        let earlier = previous.map(|previous| previous.admissions.clone()).unwrap_or_default();
        let is_admitting = snapshot.armed
            && snapshot.settings.release == Release::Running
            && stock_of(&snapshot) == Stock::Available;
        let admissions = if is_admitting {
            earlier.followed_by(&snapshot, pace_of(&snapshot))
        } else {
            AdmissionHistory::default()
        };
        let promises = previous.filter(|_| is_admitting).map(|previous| previous.promises.clone());
        let (promises, errors) =
            promises.unwrap_or_default().followed_by(&snapshot, pace_of(&snapshot), admissions.rate());
        for error in errors {
            counters.eta_error.record(error);
        }
        let progress = empty.clone();
        let documents =
            Self { snapshot, keys, read_at: now, admissions, promises, progress, facts: empty, counters };
        documents.rendered_at(now, config)
    }

    /// The same snapshot, rendered at a later time: the state follows the clock and the ledger's age grows.
    pub(crate) fn rendered_at(&self, now: Millis, config: &Config) -> Arc<Self> {
        let mut documents = self.clone();
        documents.progress = self.progress_at(now, config);
        documents.facts = Document::of(&self.facts_at(now, config), 0);
        Arc::new(documents)
    }

    /// The time of the queue's clock.
    pub(crate) fn queue_time(&self, now: Millis) -> Millis {
        self.snapshot.now + (now - self.read_at).max(0)
    }

    /// The state of the event. It opens and closes by the clock, without a refresh.
    pub(crate) fn state(&self, now: Millis) -> EventState {
        let time = self.queue_time(now);
        let settings = &self.snapshot.settings;
        match self.snapshot.state {
            EventState::Scheduled | EventState::Open if time >= settings.closes_at => EventState::Closed,
            EventState::Scheduled if time >= settings.opens_at => EventState::Open,
            state => state,
        }
    }

    /// Whether seats are left. Before the ledger's first report there are.
    pub(crate) fn stock(&self) -> Stock {
        stock_of(&self.snapshot)
    }

    /// Whether admission is paused.
    pub(crate) fn is_paused(&self) -> bool {
        self.snapshot.settings.release != Release::Running
    }

    /// The position of a number in the queue.
    pub(crate) fn position(&self, number: Number) -> Position {
        Position::of(number, self.snapshot.admitted_through, &self.snapshot.gaps)
    }

    /// The rank on the waitlist of a number beyond the capacity.
    pub(crate) fn waitlist_number(&self, number: Number) -> Option<u32> {
        self.position(number).waitlisted(self.snapshot.settings.capacity)
    }

    /// How fast admission goes through the queue; none while that is unknown.
    pub(crate) fn admission_rate(&self) -> Option<AdmissionRate> {
        self.admissions.rate()
    }

    /// How often to poll. If the seats that are left may be gone within seconds, applicants far from the head learn it soon too.
    pub(crate) fn poll(&self, config: &Config) -> PollIntervals {
        let snapshot = &self.snapshot;
        let free = if snapshot.figures.at > 0 { snapshot.figures.free } else { snapshot.settings.capacity };
        let ends_soon = free > 0 && f64::from(free) < pace_of(snapshot) * SOON_S && !self.is_paused();
        PollIntervals::of(config, ends_soon)
    }

    /// The public facts.
    pub(crate) fn facts_at<'a>(&'a self, now: Millis, config: &Config) -> EventFacts<'a> {
        let settings = &self.snapshot.settings;
        EventFacts {
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

    fn progress_at(&self, now: Millis, config: &Config) -> Document {
        let snapshot = &self.snapshot;
        let settings = &snapshot.settings;
        let time = self.queue_time(now);
        let progress = EventProgress {
            event: settings.id.as_str(),
            epoch: snapshot.epoch.0,
            state: self.state(now),
            stock: self.stock(),
            capacity: settings.capacity,
            sold: snapshot.figures.sold,
            last_number: snapshot.seq,
            admitted_through: snapshot.admitted_through,
            gaps: snapshot.gaps.ranges(),
            pace: pace_of(snapshot),
            admission_rate: self.admission_rate(),
            paused: self.is_paused(),
            intake: settings.intake,
            announcement: &settings.announcement,
            opens_at_ms: settings.opens_at,
            closes_at_ms: settings.closes_at,
            poll: self.poll(config),
            server_time_ms: time,
            ledger_age_ms: (time - snapshot.figures.at).max(0),
        };
        progress.into_document()
    }
}

fn stock_of(snapshot: &QueueSnapshot) -> Stock {
    let figures = snapshot.figures;
    if figures.at > 0 && figures.free == 0 && figures.held == 0 { Stock::SoldOut } else { Stock::Available }
}

/// Order calls per second, as set.
fn pace_of(snapshot: &QueueSnapshot) -> f64 {
    // A pace has at most three decimals, so its text is exact.
    snapshot.settings.pace.to_string().parse().unwrap_or(0.0)
}
