//! The event that people apply for, and the people.

use std::sync::Arc;

use domain::event::Text;
use domain::keys::{EventKeys, Root};
use domain::person::{Contact, Name, Phone};
use domain::{AppKey, EventId, EventSettings, Keyring, Kid, Kind, Millis, Release};
use queue::Applicant;

/// An event that opens at this time, with a pace that no test waits for.
pub(crate) fn settings(capacity: u32, opens_at: Millis) -> EventSettings {
    EventSettings {
        id: spring(),
        title: Text { ko: "봄".into(), en: "Spring".into() },
        kind: Kind::Order,
        capacity,
        opens_at,
        closes_at: opens_at + 24 * 3_600_000,
        intake: true,
        release: Release::Running,
        pace: "1000".parse().unwrap(),
        in_flight_max: 50,
        applications_max: 100_000,
        announcement: Text::default(),
        settle_after_close: true,
        diverts: Vec::new(),
        pepper: "k1".into(),
    }
}

pub(crate) fn spring() -> EventId {
    "spring".parse().unwrap()
}

pub(crate) fn keyring() -> Arc<Keyring> {
    Arc::new(Keyring::new(kid(), [(kid(), Root::new([7; 32]))]).unwrap())
}

fn kid() -> Kid {
    Kid::new("k1").unwrap()
}

fn event_keys() -> EventKeys {
    keyring().event(&spring(), &kid()).unwrap()
}

/// The `n`th person. Name and phone are found again wherever they should not be.
pub(crate) fn contact(n: u32) -> Contact {
    let (name, phone) = (format!("독고영재{n}"), format!("010-7391-{n:04}"));
    Contact { name: Name::parse(&name).unwrap(), phone: Phone::parse(&phone).unwrap() }
}

pub(crate) fn key(n: u32) -> AppKey {
    event_keys().app_key(&contact(n).phone)
}

pub(crate) fn applicant(n: u32) -> Applicant {
    let keys = event_keys();
    let contact = keys.seal(&contact(n), key(n), [u8::try_from(n % 251).unwrap(); 12]);
    Applicant { app_key: key(n), req_hash: keys.req_hash(&format!("secret {n}")), contact }
}
