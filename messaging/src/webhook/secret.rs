//! The secrets of endpoints, and the key that seals them in the ledger.

use std::fmt;
use std::str::FromStr;

use aes_gcm::aead::{Aead as _, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce};
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use domain::Rng;

const PREFIX: &str = "whsec_";
const NONCE_LEN: usize = 12;

/// The secret of an endpoint: 32 random bytes, which its receiver has as text.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(pub(crate) [u8; 32]);

impl WebhookSecret {
    /// A new secret.
    pub fn random(rng: &Rng) -> Self {
        let mut bytes = [0; 32];
        rng(&mut bytes);
        Self(bytes)
    }

    /// The text that the receiver gets, once.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", BASE64.encode(&self.0))
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

/// The key with which the operator API seals the secrets and the worker opens them. It opens nothing else.
#[derive(Clone)]
pub struct SecretKey([u8; 32]);

/// The text is not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not 64 hexadecimal digits")]
pub struct BadSecretKey;

impl FromStr for SecretKey {
    type Err = BadSecretKey;
    fn from_str(text: &str) -> Result<Self, BadSecretKey> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).map_err(|_| BadSecretKey)?;
        Ok(Self(bytes.try_into().map_err(|_| BadSecretKey)?))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

impl SecretKey {
    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(&self.0.into())
    }

    /// Seals a secret for the ledger, bound to its endpoint.
    pub fn seal(&self, secret: &WebhookSecret, endpoint: &str, rng: &Rng) -> String {
        let mut nonce = [0; NONCE_LEN];
        rng(&mut nonce);
        let payload = Payload { msg: &secret.0, aad: endpoint.as_bytes() };
        let sealed = self.cipher().encrypt(&Nonce::from(nonce), payload);
        let sealed = sealed.unwrap_or_else(|_| unreachable!("32 bytes are far below the cipher's limit"));
        BASE64.encode(&[&nonce[..], &sealed].concat())
    }

    /// Opens a sealed secret of this endpoint. `None` if it was sealed with another key or for another endpoint.
    pub fn open(&self, sealed: &str, endpoint: &str) -> Option<WebhookSecret> {
        let sealed = BASE64.decode(sealed.as_bytes()).ok()?;
        let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let payload = Payload { msg: body, aad: endpoint.as_bytes() };
        let secret = self.cipher().decrypt(&Nonce::from(*nonce), payload).ok()?;
        Some(WebhookSecret(secret.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_secret_is_opened_with_its_key_and_for_its_endpoint_only() {
        let rng: Rng = Arc::new(|bytes| bytes.fill(7));
        let key = |digit: &str| digit.repeat(64).parse::<SecretKey>().unwrap();
        let secret = WebhookSecret::random(&rng);
        let sealed = key("a").seal(&secret, "crm", &rng);
        assert_eq!(key("a").open(&sealed, "crm"), Some(secret.clone()));
        assert_eq!(key("b").open(&sealed, "crm"), None);
        assert_eq!(key("a").open(&sealed, "billing"), None);
        assert_eq!(key("a").open("x", "crm"), None);
        assert!(secret.reveal().starts_with("whsec_BwcHBwcH"));
        assert!("aa".parse::<SecretKey>().is_err());
    }
}
