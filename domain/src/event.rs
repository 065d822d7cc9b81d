//! An event: its settings, their limits, and its states.

use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::auto_pace::{AutoPace, TARGET_P95_MS};
use crate::id::EventId;
use crate::look::{BadLook, Look, is_web_address};
use crate::pace::Pace;
use crate::time::Millis;

pub use crate::text::{TEXT_MAX, Text};

/// The maximum number of seats of an event, and of applications in its queue: ten million, the size with which the Redis layout was measured.
pub const CAPACITY_MAX: u32 = 10_000_000;
/// The maximum of `in_flight_max`.
pub const IN_FLIGHT_MAX: u32 = 10_000;
/// The maximum number of paths of the shop that one event may divert.
pub const DIVERTS_MAX: usize = 32;

/// The shortest and the longest time that a called applicant has, in milliseconds: one second to seven days.
pub const CALLED_FOR_MS: RangeInclusive<Millis> = 1_000..=7 * 86_400_000;
/// The longest extension, in milliseconds: seven days.
pub const EXTENSION_MAX_MS: Millis = 7 * 86_400_000;

/// What happens to an application once it is admitted. Fixed when the event is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The order is made at once.
    Order,
    /// The applicant is called and has to confirm in time; then the order is made.
    Confirm,
    /// The applicant is called and orders at the shop with a pass; the shop reports the result.
    Pass,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Order, Self::Confirm, Self::Pass];

    /// The name that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Confirm => "confirm",
            Self::Pass => "pass",
        }
    }
}

impl FromStr for Kind {
    type Err = &'static str;
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or("is order, confirm or pass")
    }
}

/// Who an applicant is. Fixed when the event is created.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// The phone number identifies the applicant, and is not verified.
    #[default]
    Open,
    /// A member of the shop, by the shop's token.
    Member,
}

impl Identity {
    /// The name that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Member => "member",
        }
    }
}

impl std::str::FromStr for Identity {
    type Err = &'static str;
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        [Self::Open, Self::Member]
            .into_iter()
            .find(|identity| identity.as_str() == name)
            .ok_or("is open or member")
    }
}

/// The release of an event: whether applications are admitted and ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Release {
    /// Applications are admitted and ordered.
    Running,
    /// No order call is started; those in flight finish.
    Paused,
    /// No more applications are admitted; those admitted are ordered.
    Draining,
}

/// The settings of an event. The ledger stores them with a rev and projects them into the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventSettings {
    /// The event.
    pub id: EventId,
    /// The title on the page.
    pub title: Text,
    /// What happens to an application once it is admitted.
    pub kind: Kind,
    /// How long a called applicant has, in milliseconds. A change counts for those called after it.
    #[serde(default = "default_called_for_ms")]
    pub called_for_ms: Millis,
    /// By how much a called applicant may extend that time, once, in milliseconds; 0 allows no extension.
    #[serde(default = "default_extension_ms")]
    pub extension_ms: Millis,
    /// In kind `pass`, the page of the shop where a called applicant orders; empty in the other kinds.
    #[serde(default)]
    pub pass_target: String,
    /// The number of seats.
    pub capacity: u32,
    /// When applications begin.
    pub opens_at: Millis,
    /// When applications end, for good.
    pub closes_at: Millis,
    /// Whether applications are accepted while the event is open; `false` pauses them.
    pub intake: bool,
    /// Whether applications are admitted and ordered.
    pub release: Release,
    /// Order calls started per second.
    pub pace: Pace,
    /// How the leader moves the pace; `None` if only operators do.
    #[serde(default)]
    pub auto_pace: Option<AutoPace>,
    /// The maximum number of order calls of this event in flight, over all workers.
    pub in_flight_max: u32,
    /// The maximum count of numbers that the queue may assign.
    pub applications_max: u32,
    /// A message of the operator to the applicants; may be empty.
    pub announcement: Text,
    /// What the pages show besides title and announcement, and in which color.
    #[serde(flatten)]
    pub look: Look,
    /// Whether the event settles by itself once it has closed and no order is in progress.
    pub settle_after_close: bool,
    /// Paths of the shop that sell the stock of this event. From the opening until the event is settled the gateway redirects them, and
    /// all paths below them, to the page of the event, so that the queue cannot be bypassed.
    #[serde(default)]
    pub diverts: Vec<String>,
    /// Who an applicant is.
    #[serde(default)]
    pub identity: Identity,
    /// The ID of the key from which application keys derive; fixed when the event is created.
    pub pepper: String,
}

fn default_called_for_ms() -> Millis {
    600_000
}

fn default_extension_ms() -> Millis {
    300_000
}

/// An invalid setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSettings {
    /// See the message.
    #[error("capacity must be between 1 and {CAPACITY_MAX}")]
    Capacity,
    /// See the message.
    #[error("in_flight_max must be between 1 and {IN_FLIGHT_MAX}")]
    InFlight,
    /// See the message.
    #[error("applications_max must be between the capacity and {CAPACITY_MAX}")]
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
    #[error(transparent)]
    Look(#[from] BadLook),
    /// See the message.
    #[error(
        "diverts has at most {DIVERTS_MAX} paths, each as the shop writes it: '/products/spring', of letters, digits and -._~/, not '/' itself, without '//', '.' or '..'"
    )]
    Diverts,
    /// See the message.
    #[error("called_for must be between 1 second and 7 days")]
    CalledFor,
    /// See the message.
    #[error("extension must be between 0, which allows none, and 7 days")]
    Extension,
    /// See the message.
    #[error(
        "auto_pace needs a min of at least 0.5 that is not above its max, a target_p95_ms from {} to {}, and order calls, of which kind pass has none",
        TARGET_P95_MS.start(), TARGET_P95_MS.end()
    )]
    AutoPace,
    /// See the message.
    #[error(
        "pass_target is needed in kind pass, and only there: the shop's page for applicants with a pass, as 'https://shop.example.com/order/spring', without a fragment; http for a loopback address only"
    )]
    PassTarget,
}

/// Whether a path is normalised and below the root, so that it can be compared with a normalised request path.
fn is_plain_path(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let segment = |s: &str| !s.is_empty() && s != "." && s != ".." && s.chars().all(plain);
    path.len() <= TEXT_MAX && path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(segment))
}

impl EventSettings {
    /// An event with these times, and the defaults of everything else: kind `order`, 100 seats, 10 order calls per second with at most 20
    /// in flight, at most 1,000,000 applications, intake and release on, identity `open`, keys derived from `k1`.
    pub fn new(id: EventId, title: Text, opens_at: Millis, closes_at: Millis) -> Self {
        Self {
            id,
            title,
            kind: Kind::Order,
            called_for_ms: default_called_for_ms(),
            extension_ms: default_extension_ms(),
            pass_target: String::new(),
            capacity: 100,
            opens_at,
            closes_at,
            intake: true,
            release: Release::Running,
            pace: Pace::DEFAULT,
            auto_pace: None,
            in_flight_max: 20,
            applications_max: 1_000_000,
            announcement: Text::default(),
            look: Look::default(),
            settle_after_close: true,
            diverts: Vec::new(),
            identity: Identity::Open,
            pepper: "k1".to_owned(),
        }
    }

    /// All mistakes in the settings.
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
            (!CALLED_FOR_MS.contains(&self.called_for_ms), BadSettings::CalledFor),
            (!(0..=EXTENSION_MAX_MS).contains(&self.extension_ms), BadSettings::Extension),
            (
                self.auto_pace.as_ref().is_some_and(|auto| !auto.is_valid() || self.kind == Kind::Pass),
                BadSettings::AutoPace,
            ),
            (
                match self.kind {
                    // A browser sends no fragment, and needs none to add one.
                    Kind::Pass => !is_web_address(&self.pass_target) || self.pass_target.contains('#'),
                    Kind::Order | Kind::Confirm => !self.pass_target.is_empty(),
                },
                BadSettings::PassTarget,
            ),
        ];
        let mistakes = checks.into_iter().filter_map(|(wrong, mistake)| wrong.then_some(mistake));
        mistakes.chain(self.look.mistakes().map(BadSettings::Look)).collect()
    }
}

/// The state of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventState {
    /// Before the opening.
    Scheduled,
    /// Applications are accepted.
    Open,
    /// No more applications are accepted; those in the queue are still admitted.
    Closed,
    /// The event is being settled.
    Settling,
    /// Every application has its outcome.
    Settled,
}

impl EventState {
    /// All states, in order.
    pub const ALL: [Self; 5] = [Self::Scheduled, Self::Open, Self::Closed, Self::Settling, Self::Settled];

    /// The name that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Settling => "settling",
            Self::Settled => "settled",
        }
    }

    /// The state with that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == name)
    }

    /// The state at the time `now`: a time that has passed counts even if the state was not updated yet.
    pub fn at(self, settings: &EventSettings, now: Millis) -> Self {
        match self {
            Self::Scheduled | Self::Open if now >= settings.closes_at => Self::Closed,
            Self::Scheduled if now >= settings.opens_at => Self::Open,
            state => state,
        }
    }

    /// Whether the event may change to the `next` state. No state is reached twice.
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
    fn all_mistakes_are_reported_together() {
        assert_eq!(settings().mistakes(), []);
        let bad = EventSettings { capacity: 0, in_flight_max: 0, closes_at: 1000, ..settings() };
        assert_eq!(bad.mistakes(), [BadSettings::Capacity, BadSettings::InFlight, BadSettings::Times]);
    }

    #[test]
    fn a_called_applicant_has_a_time_and_at_most_one_extension_of_bounded_length() {
        let with = |called_for_ms, extension_ms| {
            EventSettings { called_for_ms, extension_ms, ..settings() }.mistakes()
        };
        assert_eq!(with(1_000, 0), []);
        assert_eq!(with(999, -1), [BadSettings::CalledFor, BadSettings::Extension]);
        assert_eq!(with(604_800_001, 604_800_001), [BadSettings::CalledFor, BadSettings::Extension]);
    }

    #[test]
    fn settings_without_the_newer_fields_have_their_defaults() {
        let mut json = serde_json::to_value(settings()).unwrap();
        let fields = json.as_object_mut().unwrap();
        for field in ["called_for_ms", "extension_ms", "description", "color", "product_price"] {
            assert!(fields.remove(field).is_some(), "{field}");
        }
        assert_eq!(serde_json::from_value::<EventSettings>(json).unwrap(), settings());
    }

    #[test]
    fn a_pass_is_handed_to_a_page_over_tls_or_on_this_machine() {
        let to =
            |kind, target: &str| EventSettings { kind, pass_target: target.into(), ..settings() }.mistakes();
        for target in [
            "https://shop.example.com/order/spring?utm=a&b=1",
            "https://shop.example.com",
            "https://shop.example.com:8443/",
            "http://127.0.0.1:8000/order",
            "http://localhost/",
        ] {
            assert_eq!(to(Kind::Pass, target), [], "{target}");
        }
        for target in [
            "",
            "/order",
            "https://",
            "http://shop.example.com/",
            "https://shop.example.com/#a",
            "https://a@shop.example.com/",
            "https://shop.example.com:0/",
            "https://shop..com/",
            "https://shop.example.com;x/",
            "https://shop.example.com/a b",
            "https://shop.example.com/\"",
            "https://쇼핑몰.kr/",
            "javascript:alert(1)",
        ] {
            assert_eq!(to(Kind::Pass, target), [BadSettings::PassTarget], "{target}");
        }
        assert_eq!(to(Kind::Confirm, "https://shop.example.com/"), [BadSettings::PassTarget]);
        let auto_pace =
            Some(AutoPace { min: Pace::DEFAULT, max: Pace::DEFAULT, target_p95_ms: *TARGET_P95_MS.end() });
        let paced = EventSettings {
            kind: Kind::Pass,
            pass_target: "https://shop.example.com/".into(),
            auto_pace,
            ..settings()
        };
        assert_eq!(paced.mistakes(), [BadSettings::AutoPace], "there are no order calls to follow");
    }

    #[test]
    fn only_a_normalised_path_can_be_diverted() {
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
    fn a_time_that_has_passed_only_advances_the_state() {
        let states = |state: EventState| [999, 1000, 2000].map(|now| state.at(&settings(), now));
        assert_eq!(
            states(EventState::Scheduled),
            [EventState::Scheduled, EventState::Open, EventState::Closed]
        );
        assert_eq!(states(EventState::Open), [EventState::Open, EventState::Open, EventState::Closed]);
        assert_eq!(states(EventState::Settling), [EventState::Settling; 3]);
    }

    #[test]
    fn an_event_never_returns_to_an_earlier_state() {
        for from in EventState::ALL {
            for to in EventState::ALL {
                assert!(!from.may_become(to) || from < to, "{from:?} -> {to:?}");
            }
        }
    }
}
