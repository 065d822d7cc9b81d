//! One record of a journal: a length, a checksum and the content. Everything is little-endian.

use domain::{AppKey, Epoch, EventId, Millis, Number, ReqHash};

/// Length and checksum in front of the content.
const FRAME: usize = 6;
const APPLIED: u8 = 1;
const CANCELLED: u8 = 2;
const REGISTERED: u8 = 3;
const CONFIRMED: u8 = 4;
const REPORTED: u8 = 5;

/// What a journal keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalRecord {
    /// The ledger knows this journal as one of the event's.
    Registered {
        /// The event.
        event: EventId,
    },
    /// An application that was acknowledged.
    Applied {
        /// The event.
        event: EventId,
        /// The epoch of the acknowledgement.
        epoch: Epoch,
        /// Its number.
        number: Number,
        /// The application.
        app_key: AppKey,
        /// The hash of the client's secret.
        req_hash: ReqHash,
        /// The sealed contact.
        contact: Vec<u8>,
    },
    /// A cancel request that was acknowledged.
    Cancelled {
        /// The event.
        event: EventId,
        /// The number of the application.
        number: Number,
        /// The application.
        app_key: AppKey,
    },
    /// A confirmation that was acknowledged.
    Confirmed {
        /// The event.
        event: EventId,
        /// The number of the application.
        number: Number,
        /// The application.
        app_key: AppKey,
        /// When the queue wrote it.
        at: Millis,
    },
    /// A report of the shop that was acknowledged.
    Reported {
        /// The event.
        event: EventId,
        /// The number of the application.
        number: Number,
        /// The application.
        app_key: AppKey,
        /// The order number; empty if there is no order.
        order_no: String,
    },
}

impl JournalRecord {
    /// The event that the record is about.
    pub fn event(&self) -> &EventId {
        match self {
            Self::Registered { event }
            | Self::Applied { event, .. }
            | Self::Cancelled { event, .. }
            | Self::Confirmed { event, .. }
            | Self::Reported { event, .. } => event,
        }
    }

    /// Appends the record to the bytes of a segment.
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        let start = bytes.len();
        bytes.extend([0; FRAME]);
        let head = |bytes: &mut Vec<u8>, kind: u8, event: &EventId| {
            bytes.extend([kind, u8::try_from(event.as_str().len()).unwrap_or(u8::MAX)]);
            bytes.extend(event.as_str().as_bytes());
        };
        match self {
            Self::Registered { event } => head(bytes, REGISTERED, event),
            Self::Applied { event, epoch, number, app_key, req_hash, contact } => {
                head(bytes, APPLIED, event);
                bytes.extend(epoch.0.to_le_bytes());
                bytes.extend(number.get().to_le_bytes());
                bytes.extend(app_key.0);
                bytes.extend(req_hash.0);
                bytes.extend(contact);
            }
            Self::Cancelled { event, number, app_key } => {
                head(bytes, CANCELLED, event);
                bytes.extend(number.get().to_le_bytes());
                bytes.extend(app_key.0);
            }
            Self::Confirmed { event, number, app_key, at } => {
                head(bytes, CONFIRMED, event);
                bytes.extend(number.get().to_le_bytes());
                bytes.extend(app_key.0);
                bytes.extend(at.to_le_bytes());
            }
            Self::Reported { event, number, app_key, order_no } => {
                head(bytes, REPORTED, event);
                bytes.extend(number.get().to_le_bytes());
                bytes.extend(app_key.0);
                bytes.extend(order_no.as_bytes());
            }
        }
        let content = &bytes[start + FRAME..];
        // A sealed contact is a few hundred bytes at most, so a record never comes near the limit of its length.
        let len = u16::try_from(content.len()).unwrap_or(u16::MAX);
        let crc = crc32fast::hash(content);
        bytes[start..start + 2].copy_from_slice(&len.to_le_bytes());
        bytes[start + 2..start + FRAME].copy_from_slice(&crc.to_le_bytes());
    }

    /// The record at the start of the bytes, and its length; `None` if there is no whole and undamaged one.
    pub(super) fn decode(bytes: &[u8]) -> Option<(Self, usize)> {
        let (frame, rest) = bytes.split_at_checked(FRAME)?;
        let (len, crc) = frame.split_at(2);
        let content = rest.get(..usize::from(u16::from_le_bytes(len.try_into().ok()?)))?;
        // No record is empty; zeros would be one with a right checksum.
        if content.is_empty() || crc32fast::hash(content) != u32::from_le_bytes(crc.try_into().ok()?) {
            return None;
        }
        let mut content = Content(content);
        let size = FRAME + content.0.len();
        let kind = content.take::<1>()?[0];
        let event = content.event()?;
        let record = match kind {
            REGISTERED => Self::Registered { event },
            APPLIED => Self::Applied {
                event,
                epoch: Epoch(content.int()?),
                number: Number::new(content.int()?)?,
                app_key: AppKey(content.take()?),
                req_hash: ReqHash(content.take()?),
                contact: content.0.to_vec(),
            },
            CANCELLED => Self::Cancelled {
                event,
                number: Number::new(content.int()?)?,
                app_key: AppKey(content.take()?),
            },
            CONFIRMED => Self::Confirmed {
                event,
                number: Number::new(content.int()?)?,
                app_key: AppKey(content.take()?),
                at: Millis::from_le_bytes(content.take()?),
            },
            REPORTED => Self::Reported {
                event,
                number: Number::new(content.int()?)?,
                app_key: AppKey(content.take()?),
                order_no: String::from_utf8(content.0.to_vec()).ok()?,
            },
            _ => return None,
        };
        Some((record, size))
    }
}

/// The content that is not decoded yet.
struct Content<'a>(&'a [u8]);

impl Content<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn int(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn event(&mut self) -> Option<EventId> {
        let len = usize::from(self.take::<1>()?[0]);
        let (name, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        std::str::from_utf8(name).ok()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record() -> impl Strategy<Value = JournalRecord> {
        let applied =
            (1..u32::MAX, any::<[u8; 16]>(), any::<[u8; 8]>(), prop::collection::vec(any::<u8>(), 0..300));
        let applied = applied.prop_map(|(n, key, secret, contact)| JournalRecord::Applied {
            event: "spring".parse().unwrap(),
            epoch: Epoch(n / 2),
            number: Number::new(n).unwrap(),
            app_key: AppKey(key),
            req_hash: ReqHash(secret),
            contact,
        });
        let cancelled = (1..u32::MAX, any::<[u8; 16]>()).prop_map(|(n, key)| JournalRecord::Cancelled {
            event: "a".parse().unwrap(),
            number: Number::new(n).unwrap(),
            app_key: AppKey(key),
        });
        let confirmed = (1..u32::MAX, any::<[u8; 16]>(), any::<i64>()).prop_map(|(n, key, at)| {
            JournalRecord::Confirmed {
                event: "spring".parse().unwrap(),
                number: Number::new(n).unwrap(),
                app_key: AppKey(key),
                at,
            }
        });
        let reported = (1..u32::MAX, any::<[u8; 16]>(), ".{0,30}").prop_map(|(n, key, order_no)| {
            JournalRecord::Reported {
                event: "spring".parse().unwrap(),
                number: Number::new(n).unwrap(),
                app_key: AppKey(key),
                order_no,
            }
        });
        prop_oneof![
            applied,
            cancelled,
            confirmed,
            reported,
            Just(JournalRecord::Registered { event: "summer-2027".parse().unwrap() })
        ]
    }

    proptest! {
        #[test]
        fn a_record_is_read_as_it_was_written_and_never_in_part(record in record(), at in any::<prop::sample::Index>(), bit in 0_u32..8) {
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            prop_assert_eq!(JournalRecord::decode(&bytes), Some((record, bytes.len())));
            let at = at.index(bytes.len());
            prop_assert_eq!(JournalRecord::decode(&bytes[..at]), None);
            bytes[at] ^= 1_u8 << bit;
            let whole = JournalRecord::decode(&bytes);
            prop_assert!(whole.is_none(), "byte {}, bit {}: {:?}", at, bit, whole);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            JournalRecord::decode(&bytes);
        }
    }
}
