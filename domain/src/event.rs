//! An event: its settings, their limits, and its states. What a state lets people do is told here once.

use serde::{Deserialize, Serialize};

use crate::id::EventId;
use crate::pace::Pace;
use crate::time::Millis;

/// Most seats of an event, and most applications in its queue: ten million, the size that the Redis layout was measured at.
pub const CAPACITY_MAX: u32 = 10_000_000;
/// Most order calls that may be unanswered at once.
pub const IN_FLIGHT_MAX: u32 = 10_000;
/// Longest title or announcement, in characters.
pub const TEXT_MAX: usize = 200;
/// Most paths of the shop that one event may divert.
pub const DIVERTS_MAX: usize = 32;

/// What happens when a number's turn comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The order is made at once.
    Order,
}

/// The release valve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Release {
    /// People are admitted, orders are made.
    Running,
    /// No order call is started; those under way finish.
    Paused,
    /// Nobody is admitted any more; orders of those who were are made.
    Draining,
}

/// A text in both languages of the page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Korean.
    pub ko: String,
    /// English.
    pub en: String,
}

impl Text {
    /// A text from its two halves.
    pub fn new(ko: impl Into<String>, en: impl Into<String>) -> Self {
        Self { ko: ko.into(), en: en.into() }
    }

    /// The half in the language of that tag: English for `en`, Korean for everything else.
    pub fn in_language(&self, tag: &str) -> &str {
        if tag == "en" { &self.en } else { &self.ko }
    }
}

/// What an operator sets. Stored in the ledger under a rev, projected into the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventSettings {
    /// The event.
    pub id: EventId,
    /// What the page calls it.
    pub title: Text,
    /// What happens when a number's turn comes.
    pub kind: Kind,
    /// Seats.
    pub capacity: u32,
    /// When applying becomes possible.
    pub opens_at: Millis,
    /// When applying ends, for good.
    pub closes_at: Millis,
    /// The intake valve: `false` holds applying back, reversibly.
    pub intake: bool,
    /// The release valve.
    pub release: Release,
    /// Order calls started per second.
    pub pace: Pace,
    /// Most order calls unanswered at once.
    pub in_flight_max: u32,
    /// Most numbers that the queue may give.
    pub applications_max: u32,
    /// What the operator tells the applicants, or empty.
    pub announcement: Text,
    /// Whether the event settles by itself once it has closed and the orders are through.
    pub settle_after_close: bool,
    /// Paths of the shop that sell this event's stock: each, and what is below it, leads to the event's page from the opening
    /// until the event is settled, so that nobody buys past the queue.
    #[serde(default)]
    pub diverts: Vec<String>,
    /// The key id that application keys derive from; fixed when the event is made.
    pub pepper: String,
}

/// A setting that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSettings {
    /// See the message.
    #[error("capacity is between 1 and {CAPACITY_MAX}")]
    Capacity,
    /// See the message.
    #[error("in_flight_max is between 1 and {IN_FLIGHT_MAX}")]
    InFlight,
    /// See the message.
    #[error("applications_max is between the capacity and {CAPACITY_MAX}")]
    Applications,
    /// See the message.
    #[error("closes_at must be after opens_at")]
    Times,
    /// See the message.
    #[error(
        "a title is needed in Korean and English; title and announcement have at most {TEXT_MAX} characters each"
    )]
    Text,
    /// See the message.
    #[error(
        "diverts has at most {DIVERTS_MAX} paths, each as the shop writes it: '/products/spring', of letters, digits and -._~/, not '/' itself, without '//', '.' or '..'"
    )]
    Diverts,
}

/// Whether it is a path in its one normal form, below the root, so that comparing it with a normalised request path is enough.
fn is_plain_path(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let segment = |s: &str| !s.is_empty() && s != "." && s != ".." && s.chars().all(plain);
    path.len() <= TEXT_MAX && path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(segment))
}

impl EventSettings {
    /// An event with these times, and the defaults of everything else: 100 seats, 10 order calls per second with at most 20
    /// unanswered, at most 1,000,000 applications, both valves open, keys derived from `k1`.
    pub fn new(id: EventId, title: Text, opens_at: Millis, closes_at: Millis) -> Self {
        Self {
            id,
            title,
            kind: Kind::Order,
            capacity: 100,
            opens_at,
            closes_at,
            intake: true,
            release: Release::Running,
            pace: Pace::DEFAULT,
            in_flight_max: 20,
            applications_max: 1_000_000,
            announcement: Text::default(),
            settle_after_close: true,
            diverts: Vec::new(),
            pepper: "k1".to_owned(),
        }
    }

    /// Every mistake in the settings, not just the first.
    pub fn mistakes(&self) -> Vec<BadSettings> {
        let long = |text: &str| text.chars().count() > TEXT_MAX;
        let texts = [&self.title.ko, &self.title.en, &self.announcement.ko, &self.announcement.en];
        let checks = [
            (!(1..=CAPACITY_MAX).contains(&self.capacity), BadSettings::Capacity),
            (!(1..=IN_FLIGHT_MAX).contains(&self.in_flight_max), BadSettings::InFlight),
            (!(self.capacity..=CAPACITY_MAX).contains(&self.applications_max), BadSettings::Applications),
            (self.closes_at <= self.opens_at, BadSettings::Times),
            (
                self.title.ko.is_empty() || self.title.en.is_empty() || texts.iter().any(|t| long(t)),
                BadSettings::Text,
            ),
            (
                self.diverts.len() > DIVERTS_MAX || !self.diverts.iter().all(|path| is_plain_path(path)),
                BadSettings::Diverts,
            ),
        ];
        checks.into_iter().filter_map(|(wrong, mistake)| wrong.then_some(mistake)).collect()
    }
}

/// Where an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventState {
    /// Not open yet.
    Scheduled,
    /// People may apply.
    Open,
    /// Nobody may apply any more; those in the queue still get their turn.
    Closed,
    /// Being settled: no order is under way that was not before.
    Settling,
    /// Settled: every application has its outcome.
    Settled,
}

impl EventState {
    /// All of them, in order.
    pub const ALL: [Self; 5] = [Self::Scheduled, Self::Open, Self::Closed, Self::Settling, Self::Settled];

    /// The word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Settling => "settling",
            Self::Settled => "settled",
        }
    }

    /// The state of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == name)
    }

    /// The state by the clock: times that have come count, even if nobody was told yet.
    pub fn at(self, settings: &EventSettings, now: Millis) -> Self {
        match self {
            Self::Scheduled | Self::Open if now >= settings.closes_at => Self::Closed,
            Self::Scheduled if now >= settings.opens_at => Self::Open,
            told => told,
        }
    }

    /// Whether this state may follow: states only go forward, and none comes back.
    pub fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Scheduled, Self::Open | Self::Closed)
                | (Self::Open, Self::Closed)
                | (Self::Closed, Self::Settling)
                | (Self::Settling, Self::Settled)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> EventSettings {
        EventSettings::new("spring".parse().unwrap(), Text::new("봄", "Spring"), 1000, 2000)
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        assert_eq!(settings().mistakes(), []);
        let bad = EventSettings { capacity: 0, in_flight_max: 0, closes_at: 1000, ..settings() };
        assert_eq!(bad.mistakes(), [BadSettings::Capacity, BadSettings::InFlight, BadSettings::Times]);
    }

    #[test]
    fn only_a_path_in_its_normal_form_is_diverted() {
        let diverting = |path: &str| EventSettings { diverts: vec![path.into()], ..settings() }.mistakes();
        for path in ["/products/spring", "/order/com/v1/create/order", "/p/a-b_c.d~1"] {
            assert_eq!(diverting(path), [], "{path}");
        }
        for path in
            ["", "/", "products", "/a/", "//a", "/a//b", "/a/../b", "/.", "/%61", "/a;b", "/a?b", "/봄"]
        {
            assert_eq!(diverting(path), [BadSettings::Diverts], "{path}");
        }
    }

    #[test]
    fn times_that_have_come_count_and_never_take_a_state_back() {
        let states = |told: EventState| [999, 1000, 2000].map(|now| told.at(&settings(), now));
        assert_eq!(
            states(EventState::Scheduled),
            [EventState::Scheduled, EventState::Open, EventState::Closed]
        );
        assert_eq!(states(EventState::Open), [EventState::Open, EventState::Open, EventState::Closed]);
        assert_eq!(states(EventState::Settling), [EventState::Settling; 3]);
    }

    #[test]
    fn an_event_never_goes_back() {
        for from in EventState::ALL {
            for to in EventState::ALL {
                assert!(!from.may_become(to) || from < to, "{from:?} -> {to:?}");
            }
        }
    }
}
