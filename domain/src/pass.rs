//! The pass: the signed, short-lived leave of one applicant to reach a protected route of the shop. It is a JWT (RFC 7519) signed with
//! Ed25519 (RFC 8037), so that any service can verify it with the public keys, which are served as a JWKS (RFC 7517).
//!
//! The header of a pass is one fixed text for each key. A verifier compares that text and parses no header, so that no sender can
//! choose an algorithm or a key.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, ParsedPublicKey};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use crate::id::{EventId, Number};
use crate::keys::{Keyring, Kid};
use crate::time::Millis;

/// The issuer of all passes.
pub const ISSUER: &str = "firstcome";
/// The cookie that a pass is in.
pub const COOKIE: &str = "firstcome_pass";
/// The longest pass as text.
pub const PASS_MAX: usize = 512;
/// How far the clock of the issuer may be ahead of that of the verifier, in milliseconds.
const CLOCK_SKEW_MS: Millis = 60_000;
const PUBLIC_LEN: usize = 32;
const SIGNATURE_LEN: usize = 64;
/// The base64 of a signature.
const SIGNATURE_TEXT_LEN: usize = (SIGNATURE_LEN * 4).div_ceil(3);
/// The most keys of a JWKS.
const KEYS_MAX: usize = 32;

/// The leave of one applicant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// The event that the applicant was called in.
    pub event: EventId,
    /// The GUID of the application.
    pub application: String,
    /// The number of the application.
    pub number: Number,
    /// When it was issued.
    pub issued_at: Millis,
    /// When it ends; a pass is valid before this time.
    pub expires_at: Millis,
}

/// The claims of the JWT. Times are in seconds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims<'a> {
    iss: &'a str,
    aud: EventId,
    sub: &'a str,
    number: Number,
    iat: i64,
    exp: i64,
}

impl Claims<'_> {
    fn pass(self) -> Option<Pass> {
        let is_guid = self.sub.len() == 32
            && self.sub.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'));
        let is_ours = self.iss == ISSUER && is_guid && self.number.get() > 0;
        is_ours.then_some(Pass {
            event: self.aud,
            application: self.sub.to_owned(),
            number: self.number,
            issued_at: self.iat.checked_mul(1000)?,
            expires_at: self.exp.checked_mul(1000)?,
        })
    }
}

/// Why a text is not a valid pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPass {
    /// It does not have the form of a pass.
    #[error("this is not a pass")]
    Malformed,
    /// Its header is not that of a key in use: another algorithm, an unknown key, a key that was removed.
    #[error("the pass is not signed with a key in use")]
    UnknownKey,
    /// The signature is not that of the key: it was altered or forged. Only this error takes the time of a verification.
    #[error("the signature of the pass is wrong")]
    Forged,
    /// It is from the future: the clocks differ by more than a minute.
    #[error("the pass is not valid yet")]
    NotYetValid,
    /// Its time has ended.
    #[error("the pass has expired")]
    Expired,
}

impl Pass {
    /// Checks the times.
    pub fn check_time(&self, now: Millis) -> Result<(), BadPass> {
        if self.expires_at <= now {
            Err(BadPass::Expired)
        } else if self.issued_at > now.saturating_add(CLOCK_SKEW_MS) {
            Err(BadPass::NotYetValid)
        } else {
            Ok(())
        }
    }
}

/// Signs passes with the current key of a ring.
pub struct PassSigner {
    key: Ed25519KeyPair,
    header: String,
}

impl PassSigner {
    /// The signer with the current key.
    pub fn new(keys: &Keyring) -> Self {
        let kid = keys.current();
        Self { key: key_pair(keys, kid), header: header(kid) }
    }

    /// Signs a pass. A JWT has times in whole seconds, and both are rounded down.
    pub fn sign(&self, pass: &Pass) -> String {
        let claims = Claims {
            iss: ISSUER,
            aud: pass.event.clone(),
            sub: &pass.application,
            number: pass.number,
            iat: pass.issued_at.div_euclid(1000),
            exp: pass.expires_at.div_euclid(1000),
        };
        let claims =
            serde_json::to_vec(&claims).unwrap_or_else(|_| unreachable!("texts and numbers are JSON"));
        let mut text = String::with_capacity(PASS_MAX);
        text.push_str(&self.header);
        text.push('.');
        BASE64URL_NOPAD.encode_append(&claims, &mut text);
        let signature = self.key.sign(text.as_bytes());
        text.push('.');
        BASE64URL_NOPAD.encode_append(signature.as_ref(), &mut text);
        text
    }
}

/// Verifies passes with the public keys.
pub struct PassVerifier(Vec<PassKey>);

/// A public key.
struct PassKey {
    kid: Kid,
    header: String,
    bytes: [u8; PUBLIC_LEN],
    key: ParsedPublicKey,
}

impl PassKey {
    fn new(kid: Kid, bytes: [u8; PUBLIC_LEN]) -> Option<Self> {
        Some(Self { header: header(&kid), kid, bytes, key: ParsedPublicKey::new(&ED25519, bytes).ok()? })
    }
}

impl PassVerifier {
    /// The verifier with the public keys of a ring.
    pub fn of(keys: &Keyring) -> Self {
        let public = |kid: &Kid| {
            let pair = key_pair(keys, kid);
            let bytes = pair.public_key().as_ref().try_into().ok()?;
            PassKey::new(kid.clone(), bytes)
        };
        Self(keys.kids().filter_map(public).collect())
    }

    /// The verifier with the keys of a JWKS.
    pub fn from_jwks(text: &str) -> Result<Self, BadJwks> {
        let jwks: Jwks<'_> = serde_json::from_str(text).map_err(|_| BadJwks::Malformed)?;
        let keys = jwks.keys.iter().map(Jwk::key).collect::<Result<Vec<_>, _>>()?;
        let is_repeated = |(at, key): (usize, &PassKey)| keys[..at].iter().any(|other| other.kid == key.kid);
        if !(1..=KEYS_MAX).contains(&keys.len()) || keys.iter().enumerate().any(is_repeated) {
            return Err(BadJwks::Keys);
        }
        Ok(Self(keys))
    }

    /// The public keys as a JWKS.
    pub fn to_jwks(&self) -> String {
        let jwk = |key: &PassKey| {
            let (kid, x) = (key.kid.as_str(), BASE64URL_NOPAD.encode(&key.bytes));
            serde_json::json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": kid, "x": x})
        };
        serde_json::json!({"keys": self.0.iter().map(jwk).collect::<Vec<_>>()}).to_string()
    }

    /// Whether a text claims to be a pass signed with a key in use. Tokens of other systems do not.
    pub fn claims_to_be_pass(&self, text: &str) -> bool {
        self.key_of(text.split('.').next().unwrap_or_default()).is_some()
    }

    /// Verifies a pass at this time.
    pub fn verify(&self, text: &str, now: Millis) -> Result<Pass, BadPass> {
        let pass = self.verify_signature(text)?;
        pass.check_time(now).map(|()| pass)
    }

    /// Verifies all of a pass but its times.
    pub fn verify_signature(&self, text: &str) -> Result<Pass, BadPass> {
        if text.len() > PASS_MAX {
            return Err(BadPass::Malformed);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(BadPass::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(BadPass::Malformed)?;
        let key = self.key_of(header).ok_or(BadPass::UnknownKey)?;
        let signature = decode_signature(signature).ok_or(BadPass::Malformed)?;
        key.key.verify_sig(signed.as_bytes(), &signature).map_err(|_| BadPass::Forged)?;
        let claims = BASE64URL_NOPAD.decode(claims.as_bytes()).map_err(|_| BadPass::Malformed)?;
        let claims: Claims<'_> = serde_json::from_slice(&claims).map_err(|_| BadPass::Malformed)?;
        claims.pass().ok_or(BadPass::Malformed)
    }

    fn key_of(&self, header: &str) -> Option<&PassKey> {
        self.0.iter().find(|key| key.header == header)
    }
}

impl std::fmt::Debug for PassVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| key.kid.as_str())).finish()
    }
}

impl std::fmt::Debug for PassSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PassSigner(…)")
    }
}

/// Why a text is not a JWKS of passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadJwks {
    /// It is not a JSON object with `keys`.
    #[error("it is not a JWKS")]
    Malformed,
    /// A key is not an Ed25519 key with a key ID of this system.
    #[error("a key is not an Ed25519 key with a key ID of 1 to 8 of a-z and 0-9")]
    Key,
    /// It has no key, too many keys, or two keys with one ID.
    #[error("it has no key, more than {KEYS_MAX} keys, or two keys with one ID")]
    Keys,
}

#[derive(Deserialize)]
struct Jwks<'a> {
    #[serde(borrow)]
    keys: Vec<Jwk<'a>>,
}

#[derive(Deserialize)]
struct Jwk<'a> {
    kty: &'a str,
    crv: &'a str,
    kid: &'a str,
    x: &'a str,
}

impl Jwk<'_> {
    fn key(&self) -> Result<PassKey, BadJwks> {
        let is_ed25519 = self.kty == "OKP" && self.crv == "Ed25519";
        let bytes = BASE64URL_NOPAD.decode(self.x.as_bytes()).ok().filter(|_| is_ed25519);
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        Kid::new(self.kid).zip(bytes).and_then(|(kid, bytes)| PassKey::new(kid, bytes)).ok_or(BadJwks::Key)
    }
}

/// The first part of every pass of a key.
fn header(kid: &Kid) -> String {
    BASE64URL_NOPAD
        .encode(format!("{{\"alg\":\"EdDSA\",\"kid\":\"{}\",\"typ\":\"JWT\"}}", kid.as_str()).as_bytes())
}

fn key_pair(keys: &Keyring, kid: &Kid) -> Ed25519KeyPair {
    let root = keys.root(kid).unwrap_or_else(|_| unreachable!("the ID is one of the ring's"));
    let seed = root.mac("pass", &[kid.as_str().as_bytes()]);
    Ed25519KeyPair::from_seed_unchecked(&seed)
        .unwrap_or_else(|_| unreachable!("any 32 bytes are the seed of a key"))
}

fn decode_signature(text: &str) -> Option<[u8; SIGNATURE_LEN]> {
    let mut bytes = [0; SIGNATURE_LEN];
    if text.len() != SIGNATURE_TEXT_LEN {
        return None;
    }
    BASE64URL_NOPAD.decode_mut(text.as_bytes(), &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::AppKey;
    use crate::keys::Root;
    use proptest::prelude::*;

    const NOW: Millis = 1_795_345_200_123;

    fn ring(current: &str, all: &[(&str, u8)]) -> Keyring {
        let roots = all.iter().map(|(kid, byte)| (Kid::new(kid).unwrap(), Root::new([*byte; 32])));
        Keyring::new(Kid::new(current).unwrap(), roots).unwrap()
    }

    fn pass() -> Pass {
        Pass {
            event: "spring".parse().unwrap(),
            application: AppKey([7; 16]).guid(),
            number: Number::new(41_207).unwrap(),
            issued_at: 1_795_345_200_000,
            expires_at: 1_795_345_800_000,
        }
    }

    fn one_key() -> (PassSigner, PassVerifier) {
        let keys = ring("k1", &[("k1", 1)]);
        (PassSigner::new(&keys), PassVerifier::of(&keys))
    }

    /// A pass with this header and these claims, signed with the key.
    fn forged(signer: &PassSigner, header: &str, claims: &str) -> String {
        let text = [header, claims].map(|part| BASE64URL_NOPAD.encode(part.as_bytes())).join(".");
        let signature = BASE64URL_NOPAD.encode(signer.key.sign(text.as_bytes()).as_ref());
        format!("{text}.{signature}")
    }

    const HEADER: &str = r#"{"alg":"EdDSA","kid":"k1","typ":"JWT"}"#;
    const CLAIMS: &str = r#"{"iss":"firstcome","aud":"spring","sub":"07070707070787078707070707070707","number":41207,"iat":1795345200,"exp":1795345800}"#;

    #[test]
    fn a_signed_pass_verifies_to_the_same_pass_until_it_expires() {
        let (signer, verifier) = one_key();
        let text = signer.sign(&pass());
        assert_eq!(text, forged(&signer, HEADER, CLAIMS));
        assert_eq!(verifier.verify(&text, NOW), Ok(pass()));
        assert_eq!(verifier.verify(&text, pass().expires_at - 1), Ok(pass()));
        assert_eq!(verifier.verify(&text, pass().expires_at), Err(BadPass::Expired));
        assert_eq!(verifier.verify(&text, pass().issued_at - 60_001), Err(BadPass::NotYetValid));
    }

    #[test]
    fn the_longest_pass_fits() {
        let (signer, verifier) = one_key();
        let longest =
            Pass { event: "x".repeat(40).parse().unwrap(), number: Number::new(u32::MAX).unwrap(), ..pass() };
        let text = signer.sign(&longest);
        assert_eq!(verifier.verify(&text, NOW), Ok(longest));
        assert_eq!(verifier.verify(&format!("{text}{}", "A".repeat(512)), NOW), Err(BadPass::Malformed));
    }

    #[test]
    fn one_key_signs_and_all_verify() {
        let old = PassSigner::new(&ring("k1", &[("k1", 1)])).sign(&pass());
        let rotated = PassVerifier::of(&ring("k2", &[("k1", 1), ("k2", 2)]));
        assert_eq!(rotated.verify(&old, NOW), Ok(pass()));
        assert!(rotated.verify(&PassSigner::new(&ring("k2", &[("k2", 2)])).sign(&pass()), NOW).is_ok());
        assert_eq!(PassVerifier::of(&ring("k2", &[("k2", 2)])).verify(&old, NOW), Err(BadPass::UnknownKey));
        // The same ID with another secret.
        assert_eq!(PassVerifier::of(&ring("k1", &[("k1", 3)])).verify(&old, NOW), Err(BadPass::Forged));
    }

    #[test]
    fn no_header_but_the_one_of_a_key_is_accepted() {
        let (signer, verifier) = one_key();
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"none","kid":"k1","typ":"JWT"}"#,
            r#"{"alg":"HS256","kid":"k1","typ":"JWT"}"#,
            r#"{"alg":"EdDSA","kid":"k2","typ":"JWT"}"#,
            r#"{"kid":"k1","alg":"EdDSA","typ":"JWT"}"#,
            r#"{"alg":"EdDSA","kid":"k1","typ":"JWT","crit":["b64"],"b64":false}"#,
            r#"{"alg":"EdDSA","kid":"k1","typ":"JWT","jwk":{}}"#,
        ] {
            assert_eq!(
                verifier.verify(&forged(&signer, header, CLAIMS), NOW),
                Err(BadPass::UnknownKey),
                "{header}"
            );
        }
        let text = signer.sign(&pass());
        let (unsigned, _) = text.rsplit_once('.').unwrap();
        assert_eq!(verifier.verify(&format!("{unsigned}."), NOW), Err(BadPass::Malformed));
    }

    #[test]
    fn signed_claims_of_another_form_are_refused() {
        let (signer, verifier) = one_key();
        for claims in [
            CLAIMS.replace("firstcome", "shop"),
            CLAIMS.replace("spring", "Spring"),
            CLAIMS.replace("0707", "0G07"),
            CLAIMS.replace(":41207", ":0"),
            CLAIMS.replace(",\"exp\":1795345800", ""),
            CLAIMS.replace("1795345800", "9223372036854775807"),
            CLAIMS.replace('}', ",\"exp\":1}"),
            CLAIMS.replace('}', ",\"admin\":true}"),
            "[]".into(),
            String::new(),
        ] {
            let text = forged(&signer, HEADER, &claims);
            assert_eq!(verifier.verify(&text, NOW), Err(BadPass::Malformed), "{claims}");
        }
    }

    #[test]
    fn the_public_keys_verify_and_reveal_no_secret() {
        let keys = ring("k2", &[("k1", 1), ("k2", 2)]);
        let jwks = PassVerifier::of(&keys).to_jwks();
        let verifier = PassVerifier::from_jwks(&jwks).unwrap();
        assert_eq!(verifier.verify(&PassSigner::new(&keys).sign(&pass()), NOW), Ok(pass()));
        assert!(!jwks.contains("\"d\""), "{jwks}");
        assert_eq!(verifier.to_jwks(), jwks);
    }

    #[test]
    fn a_jwks_without_a_usable_key_is_refused() {
        let jwks = PassVerifier::of(&ring("k1", &[("k1", 1)])).to_jwks();
        let key = &jwks[9..jwks.len() - 2];
        for (text, error) in [
            (String::new(), BadJwks::Malformed),
            ("{}".into(), BadJwks::Malformed),
            ("{\"keys\":[]}".into(), BadJwks::Keys),
            (format!("{{\"keys\":[{key},{key}]}}"), BadJwks::Keys),
            (jwks.replace("OKP", "EC"), BadJwks::Key),
            (jwks.replace("Ed25519", "X25519"), BadJwks::Key),
            (jwks.replace("\"k1\"", "\"K1\""), BadJwks::Key),
            (jwks.replace("\"x\":\"", "\"x\":\"AAAA"), BadJwks::Key),
        ] {
            assert_eq!(PassVerifier::from_jwks(&text).unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn tokens_of_other_systems_do_not_claim_to_be_passes() {
        let (signer, verifier) = one_key();
        assert!(verifier.claims_to_be_pass(&signer.sign(&pass())));
        for other in ["", "x", "a.b.c", &forged(&signer, r#"{"alg":"EdDSA","kid":"shop","typ":"JWT"}"#, "{}")]
        {
            assert!(!verifier.claims_to_be_pass(other), "{other}");
        }
    }

    /// One change of a text.
    fn mutate(text: &str, at: usize, kind: u8, byte: u8) -> String {
        let mut bytes = text.as_bytes().to_vec();
        let at = at % bytes.len();
        match kind {
            0 => bytes[at] ^= 1 << (byte % 7),
            1 => bytes[at] = byte % 128,
            2 => bytes.insert(at, byte % 128),
            3 => drop(bytes.remove(at)),
            4 => bytes.truncate(at),
            _ => bytes.extend_from_within(at..),
        }
        String::from_utf8(bytes).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn no_mutated_pass_verifies(changes in proptest::collection::vec((0usize..512, 0u8..6, any::<u8>()), 1..4)) {
            let (signer, verifier) = one_key();
            let text = signer.sign(&pass());
            let mutated = changes.iter().fold(text.clone(), |text, (at, kind, byte)| {
                if text.is_empty() { text } else { mutate(&text, *at, *kind, *byte) }
            });
            prop_assert_eq!(verifier.verify(&mutated, NOW).is_ok(), mutated == text);
        }

        #[test]
        fn no_mixture_of_two_passes_verifies(from in 0usize..300, to in 0usize..300) {
            let (signer, verifier) = one_key();
            let (one, other) = (signer.sign(&pass()), signer.sign(&Pass { event: "autumn".parse().unwrap(), ..pass() }));
            prop_assert_eq!(one.len(), other.len());
            let (from, to) = (from.min(one.len()), to.min(one.len()));
            let mixed = format!("{}{}{}", &one[..from.min(to)], &other[from.min(to)..from.max(to)], &one[from.max(to)..]);
            prop_assert_eq!(verifier.verify(&mixed, NOW).is_ok(), mixed == one || mixed == other);
        }

        #[test]
        fn any_other_text_is_refused_without_a_panic(text in ".{0,600}") {
            prop_assert!(one_key().1.verify(&text, NOW).is_err());
        }
    }
}
