//! Domain events: what happened to an application or an event, as other systems are told.

use std::fmt;
use std::str::FromStr;

use crate::id::{AppKey, EventId};
use crate::outcome::Outcome;
use crate::time::Millis;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is described in the catalogue, in docs/events.md")]
pub enum DomainEventKind {
    ApplicationAdmitted,
    ApplicationCalled,
    ApplicationConfirmed,
    ApplicationOrdered,
    ApplicationCancelRequested,
    ApplicationCancelled,
    ApplicationRejected,
    ApplicationExpired,
    ApplicationParked,
    ApplicationOrderRefused,
    EventCreated,
    EventUpdated,
    EventOpened,
    EventClosed,
    EventSettling,
    EventSettled,
    EventFrozen,
    EventUnfrozen,
}

/// The text is not the name of a domain event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no domain event of this name")]
pub struct BadDomainEventKind;

impl DomainEventKind {
    /// All of them, in the order of the catalogue.
    pub const ALL: [Self; 18] = [
        Self::ApplicationAdmitted,
        Self::ApplicationCalled,
        Self::ApplicationConfirmed,
        Self::ApplicationOrdered,
        Self::ApplicationCancelRequested,
        Self::ApplicationCancelled,
        Self::ApplicationRejected,
        Self::ApplicationExpired,
        Self::ApplicationParked,
        Self::ApplicationOrderRefused,
        Self::EventCreated,
        Self::EventUpdated,
        Self::EventOpened,
        Self::EventClosed,
        Self::EventSettling,
        Self::EventSettled,
        Self::EventFrozen,
        Self::EventUnfrozen,
    ];

    /// The name that is stored, configured and published.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApplicationAdmitted => "application.admitted",
            Self::ApplicationCalled => "application.called",
            Self::ApplicationConfirmed => "application.confirmed",
            Self::ApplicationOrdered => "application.ordered",
            Self::ApplicationCancelRequested => "application.cancel_requested",
            Self::ApplicationCancelled => "application.cancelled",
            Self::ApplicationRejected => "application.rejected",
            Self::ApplicationExpired => "application.expired",
            Self::ApplicationParked => "application.parked",
            Self::ApplicationOrderRefused => "application.order_refused",
            Self::EventCreated => "event.created",
            Self::EventUpdated => "event.updated",
            Self::EventOpened => "event.opened",
            Self::EventClosed => "event.closed",
            Self::EventSettling => "event.settling",
            Self::EventSettled => "event.settled",
            Self::EventFrozen => "event.frozen",
            Self::EventUnfrozen => "event.unfrozen",
        }
    }

    /// Whether it is about one application, not about the event as a whole.
    pub fn is_of_application(self) -> bool {
        self < Self::EventCreated
    }

    /// The outcome that it reports.
    pub fn outcome(self) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|outcome| Self::of_outcome(*outcome) == Some(self))
    }

    /// The domain event of an application with this outcome. `sold_out` has none: `event.settled` stands for all of them.
    pub fn of_outcome(outcome: Outcome) -> Option<Self> {
        match outcome {
            Outcome::Ordered => Some(Self::ApplicationOrdered),
            Outcome::Rejected => Some(Self::ApplicationRejected),
            Outcome::Cancelled => Some(Self::ApplicationCancelled),
            Outcome::Expired => Some(Self::ApplicationExpired),
            Outcome::SoldOut => None,
        }
    }

    /// Whether it is written whatever the settings say: the outcomes and the settling, which `verify` compares with the ledger.
    pub fn is_always_written(self) -> bool {
        self.outcome().is_some() || self == Self::EventSettled
    }
}

impl FromStr for DomainEventKind {
    type Err = BadDomainEventKind;
    fn from_str(name: &str) -> Result<Self, BadDomainEventKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or(BadDomainEventKind)
    }
}

impl fmt::Display for DomainEventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The kinds of domain events that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DomainEventKinds(u32);

impl DomainEventKinds {
    /// These kinds, and those that are always written.
    pub fn of(kinds: impl IntoIterator<Item = DomainEventKind>) -> Self {
        let always = DomainEventKind::ALL.into_iter().filter(|kind| kind.is_always_written());
        Self(kinds.into_iter().chain(always).fold(0, |bits, kind| bits | bit(kind)))
    }

    /// Whether this kind is written.
    pub fn contains(self, kind: DomainEventKind) -> bool {
        self.0 & bit(kind) != 0
    }
}

/// All but `application.admitted`, which doubles the rows and which few consumers need.
impl Default for DomainEventKinds {
    fn default() -> Self {
        Self::of(
            DomainEventKind::ALL.into_iter().filter(|kind| *kind != DomainEventKind::ApplicationAdmitted),
        )
    }
}

fn bit(kind: DomainEventKind) -> u32 {
    1 << (kind as u32)
}

/// A domain event in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainEvent {
    /// The event that it is about.
    pub event: EventId,
    /// The application that it is about; none if it is about the event as a whole.
    pub app_key: Option<AppKey>,
    /// The version of the application or the event after the decision. It rises with each decision.
    pub version: i64,
    /// What happened.
    pub kind: DomainEventKind,
    /// When it was decided. It never falls within one application.
    pub at: Millis,
    /// The number in the outbox of the event, from 1 without gaps; none until the leader has numbered it.
    pub seq: Option<i64>,
    /// JSON by the schema of the kind, without personal data.
    pub data: String,
}

impl DomainEvent {
    /// The GUID of the application, or the ID of the event.
    pub fn subject(&self) -> String {
        self.app_key.map_or_else(|| self.event.to_string(), AppKey::guid)
    }

    /// The ID, which is the same however often it is sent.
    pub fn id(&self) -> String {
        format!("{}-{}", self.subject(), self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_parsed_from_its_name() {
        for (nth, kind) in DomainEventKind::ALL.into_iter().enumerate() {
            assert_eq!((kind.as_str().parse(), kind as usize), (Ok(kind), nth));
            assert_eq!(kind.is_of_application(), kind.as_str().starts_with("application."), "{kind}");
        }
        assert_eq!("application.open".parse::<DomainEventKind>(), Err(BadDomainEventKind));
    }

    #[test]
    fn outcomes_are_written_whatever_the_settings_say() {
        let least = DomainEventKinds::of([]);
        for kind in DomainEventKind::ALL {
            assert_eq!(least.contains(kind), kind.is_always_written(), "{kind}");
            let by_default = DomainEventKinds::default().contains(kind);
            assert_eq!(by_default, kind != DomainEventKind::ApplicationAdmitted, "{kind}");
        }
        assert!(DomainEventKinds::of([DomainEventKind::EventFrozen]).contains(DomainEventKind::EventFrozen));
        assert!(DomainEventKind::ApplicationExpired.is_always_written());
    }

    #[test]
    fn the_id_of_a_domain_event_has_no_point() {
        let mut domain_event = DomainEvent {
            event: "spring-1".parse().unwrap(),
            app_key: None,
            version: 7,
            kind: DomainEventKind::EventOpened,
            at: 0,
            seq: Some(1),
            data: "{}".into(),
        };
        assert_eq!(domain_event.id(), "spring-1-7");
        domain_event.app_key = Some(AppKey([0xff; 16]));
        assert_eq!(domain_event.id(), "ffffffffffff8fffbfffffffffffffff-7");
    }
}
