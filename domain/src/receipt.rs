//! The receipt: signed proof of an application. It holds no personal data, and what it says can be checked without a store.
//!
//! `{kid}.{base64url(payload ‖ mac)}`; payload = version 1, right, epoch, number, application key, event; mac = the first
//! 16 bytes of HMAC-SHA256. The algorithm is fixed by the version byte: there is none to choose.

use data_encoding::BASE64URL_NOPAD;

use crate::id::{AppKey, Epoch, EventId, Number};
use crate::keys::{Keyring, Kid};

const VERSION: u8 = 1;
const MAC_LEN: usize = 16;
const HEAD_LEN: usize = 1 + 1 + 4 + 4 + 16;

/// Longest receipt as text: key id, dot, and the longest payload in base64.
pub const RECEIPT_MAX: usize = 8 + 1 + (HEAD_LEN + crate::id::EVENT_ID_MAX + MAC_LEN).div_ceil(3) * 4;

/// What the holder of a receipt may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// See, cancel, confirm.
    Full,
    /// See only: it was given to somebody who knew the phone number but not the secret.
    View,
}

/// Proof of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The event applied for.
    pub event: EventId,
    /// The queue's epoch when the number was given.
    pub epoch: Epoch,
    /// The place in the queue.
    pub number: Number,
    /// The application.
    pub app_key: AppKey,
    /// What its holder may do.
    pub right: Right,
}

/// The text is no receipt of ours: altered, cut, made up, or signed by a key that we no longer have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a receipt of this system")]
pub struct BadReceipt;

impl Receipt {
    /// Signs the receipt with the current key.
    pub fn sign(&self, keys: &Keyring) -> String {
        let kid = keys.current();
        let root = keys.root(kid).unwrap_or_else(|_| unreachable!("a ring holds its current key"));
        let mut bytes = self.payload();
        let mac = root.mac("receipt", &[kid.as_str().as_bytes(), &bytes]);
        bytes.extend_from_slice(&mac[..MAC_LEN]);
        let mut text = String::with_capacity(RECEIPT_MAX);
        text.push_str(kid.as_str());
        text.push('.');
        BASE64URL_NOPAD.encode_append(&bytes, &mut text);
        text
    }

    /// Reads a receipt and checks its signature, in constant time.
    pub fn read(text: &str, keys: &Keyring) -> Result<Self, BadReceipt> {
        if text.len() > RECEIPT_MAX {
            return Err(BadReceipt);
        }
        let (kid, body) = text.split_once('.').ok_or(BadReceipt)?;
        let kid = Kid::new(kid).ok_or(BadReceipt)?;
        let root = keys.root(&kid).map_err(|_| BadReceipt)?;
        let bytes = BASE64URL_NOPAD.decode(body.as_bytes()).map_err(|_| BadReceipt)?;
        let (payload, mac) = bytes.split_last_chunk::<MAC_LEN>().ok_or(BadReceipt)?;
        let ours = root.mac("receipt", &[kid.as_str().as_bytes(), payload]);
        let differs = mac.iter().zip(&ours[..MAC_LEN]).fold(0, |differs, (a, b)| differs | (a ^ b));
        if differs == 0 { Self::from_payload(payload).ok_or(BadReceipt) } else { Err(BadReceipt) }
    }

    fn payload(&self) -> Vec<u8> {
        let right = match self.right {
            Right::View => 0,
            Right::Full => 1,
        };
        let mut bytes = Vec::with_capacity(HEAD_LEN + self.event.as_str().len() + MAC_LEN);
        bytes.extend_from_slice(&[VERSION, right]);
        bytes.extend_from_slice(&self.epoch.0.to_be_bytes());
        bytes.extend_from_slice(&self.number.get().to_be_bytes());
        bytes.extend_from_slice(&self.app_key.0);
        bytes.extend_from_slice(self.event.as_str().as_bytes());
        bytes
    }

    fn from_payload(bytes: &[u8]) -> Option<Self> {
        let (head, event) = bytes.split_first_chunk::<HEAD_LEN>()?;
        let right = match head[..2] {
            [VERSION, 0] => Right::View,
            [VERSION, 1] => Right::Full,
            _ => return None,
        };
        Some(Self {
            event: std::str::from_utf8(event).ok()?.parse().ok()?,
            epoch: Epoch(u32::from_be_bytes(head[2..6].try_into().ok()?)),
            number: Number::new(u32::from_be_bytes(head[6..10].try_into().ok()?))?,
            app_key: AppKey(head[10..].try_into().ok()?),
            right,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Root;
    use proptest::prelude::*;

    fn ring(current: &str, all: &[(&str, u8)]) -> Keyring {
        let roots = all.iter().map(|(kid, byte)| (Kid::new(kid).unwrap(), Root::new([*byte; 32])));
        Keyring::new(Kid::new(current).unwrap(), roots).unwrap()
    }
    fn receipt(right: Right) -> Receipt {
        let event = "spring".parse().unwrap();
        Receipt {
            event,
            epoch: Epoch(2),
            number: Number::new(41_207).unwrap(),
            app_key: AppKey([7; 16]),
            right,
        }
    }

    #[test]
    fn a_receipt_reads_back_what_was_signed() {
        let ring = ring("k1", &[("k1", 1)]);
        for right in [Right::Full, Right::View] {
            let text = receipt(right).sign(&ring);
            assert_eq!(Receipt::read(&text, &ring), Ok(receipt(right)));
            assert!(text.len() <= RECEIPT_MAX && text.len() < 80, "{text}");
        }
    }

    #[test]
    fn after_a_rotation_old_receipts_stay_valid_and_a_withdrawn_key_ends_them() {
        let old = receipt(Right::Full).sign(&ring("k1", &[("k1", 1)]));
        assert!(Receipt::read(&old, &ring("k2", &[("k1", 1), ("k2", 2)])).is_ok());
        assert_eq!(Receipt::read(&old, &ring("k2", &[("k2", 2)])), Err(BadReceipt));
    }

    proptest! {
        #[test]
        fn an_altered_receipt_is_refused(at in 0usize..80, bit in 0u8..8) {
            let ring = ring("k1", &[("k1", 1), ("k2", 2)]);
            let mut text = receipt(Right::View).sign(&ring).into_bytes();
            let at = at % text.len();
            text[at] ^= 1 << bit;
            if let Ok(text) = String::from_utf8(text) {
                prop_assert_eq!(Receipt::read(&text, &ring), Err(BadReceipt));
            }
        }

        #[test]
        fn junk_is_refused_without_a_panic(text in ".{0,200}") {
            prop_assert_eq!(Receipt::read(&text, &ring("k1", &[("k1", 1)])), Err(BadReceipt));
        }
    }
}
