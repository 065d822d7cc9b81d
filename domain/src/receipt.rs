//! The receipt: signed proof of an application. It contains no personal data and can be checked without a store.
//!
//! `{kid}.{base64url(payload ‖ mac)}`; payload = version 1, right, epoch, number, application key, event; mac = the first
//! 16 bytes of HMAC-SHA256. The version byte fixes the algorithm, so that no sender can choose one.

use data_encoding::BASE64URL_NOPAD;
use subtle::ConstantTimeEq as _;

use crate::id::{AppKey, Epoch, EventId, Number};
use crate::keys::{Keyring, Kid};

const VERSION: u8 = 1;
const MAC_LEN: usize = 16;
const HEAD_LEN: usize = 1 + 1 + 4 + 4 + 16;

/// The longest receipt as text: key ID, dot, and the longest payload in base64.
pub const RECEIPT_MAX: usize = 8 + 1 + (HEAD_LEN + crate::id::EVENT_ID_MAX + MAC_LEN).div_ceil(3) * 4;

/// What the holder of a receipt may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// See, cancel and confirm.
    Full,
    /// Only see: the client knew the phone number but not the secret.
    View,
}

/// Proof of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The event applied for.
    pub event: EventId,
    /// The epoch of the queue when the number was assigned.
    pub epoch: Epoch,
    /// The number in the queue.
    pub number: Number,
    /// The key of the application.
    pub app_key: AppKey,
    /// What the holder may do.
    pub right: Right,
}

/// The text is not a receipt of this system: altered, truncated, forged, or signed by a key that is no longer in the ring.
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

    /// Parses a receipt and checks its signature in constant time.
    pub fn read(text: &str, keys: &Keyring) -> Result<Self, BadReceipt> {
        if text.len() > RECEIPT_MAX {
            return Err(BadReceipt);
        }
        let (kid, body) = text.split_once('.').ok_or(BadReceipt)?;
        let kid = Kid::new(kid).ok_or(BadReceipt)?;
        let root = keys.root(&kid).map_err(|_| BadReceipt)?;
        let bytes = BASE64URL_NOPAD.decode(body.as_bytes()).map_err(|_| BadReceipt)?;
        let (payload, mac) = bytes.split_last_chunk::<MAC_LEN>().ok_or(BadReceipt)?;
        let expected = root.mac("receipt", &[kid.as_str().as_bytes(), payload]);
        let is_valid = bool::from(mac.ct_eq(&expected[..MAC_LEN]));
        if is_valid { Self::from_payload(payload).ok_or(BadReceipt) } else { Err(BadReceipt) }
    }

    /// Parses a receipt without checking its signature: only to look up what it names, never to believe it.
    pub fn unverified(text: &str) -> Option<Self> {
        let (_, body) = text.split_once('.').filter(|_| text.len() <= RECEIPT_MAX)?;
        let bytes = BASE64URL_NOPAD.decode(body.as_bytes()).ok()?;
        let (payload, _) = bytes.split_last_chunk::<MAC_LEN>()?;
        Self::from_payload(payload)
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
    fn a_signed_receipt_parses_to_the_same_receipt() {
        let ring = ring("k1", &[("k1", 1)]);
        for right in [Right::Full, Right::View] {
            let text = receipt(right).sign(&ring);
            assert_eq!(Receipt::read(&text, &ring), Ok(receipt(right)));
            assert_eq!(Receipt::unverified(&text), Some(receipt(right)));
            assert!(text.len() <= RECEIPT_MAX && text.len() < 80, "{text}");
        }
    }

    #[test]
    fn an_old_receipt_is_valid_while_its_key_is_in_the_ring() {
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
        fn any_other_text_is_refused_without_a_panic(text in ".{0,200}") {
            prop_assert_eq!(Receipt::read(&text, &ring("k1", &[("k1", 1)])), Err(BadReceipt));
        }
    }
}
