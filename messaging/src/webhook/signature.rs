//! Signatures by Standard Webhooks 1.0.0.

use data_encoding::BASE64;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::secret::WebhookSecret;

/// The header `webhook-signature`: one signature for each secret, separated by spaces. A receiver accepts any of them, so that it can
/// change to a new secret at any time while both are valid.
pub fn sign(secrets: &[WebhookSecret], id: &str, timestamp_s: i64, body: &[u8]) -> String {
    let signatures: Vec<String> = secrets
        .iter()
        .map(|secret| {
            let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&secret.0)
                .unwrap_or_else(|_| unreachable!("HMAC takes a key of any length"));
            mac.update(format!("{id}.{timestamp_s}.").as_bytes());
            mac.update(body);
            format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()))
        })
        .collect();
    signatures.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference implementations.
    #[test]
    fn the_signature_is_that_of_the_reference_implementations() {
        let mut key = [0; 32];
        let bytes = BASE64.decode(b"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        key[..bytes.len()].copy_from_slice(&bytes);
        // HMAC pads a key with zeros, so the 24 bytes of the example and these 32 are the same key.
        let signature = sign(
            &[WebhookSecret(key)],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let both = sign(&[WebhookSecret(key), WebhookSecret([1; 32])], "a", 1, b"");
        assert_eq!(both.split(' ').count(), 2);
    }
}
