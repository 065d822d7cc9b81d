//! The event and the applicants of the tests.

use std::sync::Arc;

use domain::event::Text;
use domain::keys::{EventKeys, Root};
use domain::person::{Contact, Name, Phone};
use domain::{AppKey, EventId, EventSettings, Keyring, Kid, Millis};
use queue::Applicant;

/// An event that opens at this time, with a pace that no test has to wait for.
pub(crate) fn settings(capacity: u32, opens_at: Millis) -> EventSettings {
    EventSettings {
        capacity,
        pace: "1000".parse().unwrap(),
        in_flight_max: 50,
        applications_max: 100_000,
        ..EventSettings::new(spring(), Text::new("봄", "Spring"), opens_at, opens_at + 24 * 3_600_000)
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

/// The contact of the `n`th applicant. Name and phone are unique, so that tests find them where they should not be.
pub(crate) fn contact(n: u32) -> Contact {
    let name = format!("독고영재{n}");
    let phone = format!("010-7391-{n:04}");
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
