//! The identity of an applicant as the shop states it: the subject of the shop's own token, a JWT (RFC 7519) in compact form. The keys are
//! those of a JWKS (RFC 7517: RS256, ES256, Ed25519) or one shared key (HS256). A key has one algorithm, which its type decides; the header
//! of a token only selects the key, so that no sender can choose another algorithm for it.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use sha2::Sha256;

use crate::time::Millis;

/// The longest token as text.
pub const TOKEN_MAX: usize = 4096;
/// The longest subject, in bytes.
pub const SUBJECT_MAX: usize = 255;
/// The least length of a shared key, in bytes: that of the hash (RFC 7518 3.2).
pub const SHARED_KEY_MIN: usize = 32;
/// How far the shop's clock may differ, in seconds.
const CLOCK_SKEW_S: f64 = 60.0;
/// The most keys of a JWKS.
const KEYS_MAX: usize = 32;

/// Why a token does not identify a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// It does not have the form of a token with a subject.
    #[error("this is not a token with a subject")]
    Malformed,
    /// No key of the shop has its key ID and algorithm.
    #[error("no key of the shop has the token's key ID and algorithm")]
    UnknownKey,
    /// The signature is wrong.
    #[error("the signature of the token is wrong")]
    Forged,
    /// Its time has ended.
    #[error("the token has expired")]
    Expired,
    /// Its time has not begun.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// It was issued by or for another party.
    #[error("the token has another issuer or audience")]
    OtherParty,
}

/// Why keys cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadMemberKeys {
    /// The text is not a JWKS.
    #[error("it is not a JWKS")]
    Malformed,
    /// The JWKS has no key that can be used, or too many keys.
    #[error("it has no key for RS256, ES256 or Ed25519, or more than {KEYS_MAX} keys")]
    Keys,
    /// The shared key is too short.
    #[error("the shared key has less than {SHARED_KEY_MIN} bytes")]
    Short,
}

/// Verifies the shop's tokens.
pub struct MemberKeys(Vec<MemberKey>);

struct MemberKey {
    id: Option<String>,
    algorithm: &'static str,
    secret: KeyMaterial,
}

enum KeyMaterial {
    Public(ParsedPublicKey),
    Shared(Box<Hmac<Sha256>>),
}

impl MemberKey {
    fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        match &self.secret {
            KeyMaterial::Public(key) => key.verify_sig(text.as_bytes(), signature).is_ok(),
            KeyMaterial::Shared(mac) => {
                let mut mac = mac.as_ref().clone();
                mac.update(text.as_bytes());
                mac.verify_slice(signature).is_ok()
            }
        }
    }
}

/// The issuer and the audience that a token must have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenParties {
    /// The issuer; any if it is none.
    pub issuer: Option<String>,
    /// The audience; any if it is none.
    pub audience: Option<String>,
}

impl MemberKeys {
    /// The keys of a JWKS. Keys for other purposes and algorithms are left out.
    pub fn from_jwks(text: &str) -> Result<Self, BadMemberKeys> {
        let jwks: MemberJwks = serde_json::from_str(text).map_err(|_| BadMemberKeys::Malformed)?;
        if jwks.keys.len() > KEYS_MAX {
            return Err(BadMemberKeys::Keys);
        }
        let keys: Vec<MemberKey> = jwks.keys.into_iter().filter_map(MemberJwk::key).collect();
        if keys.is_empty() { Err(BadMemberKeys::Keys) } else { Ok(Self(keys)) }
    }

    /// One key that the shop shares.
    pub fn from_shared_key(key: &[u8]) -> Result<Self, BadMemberKeys> {
        if key.len() < SHARED_KEY_MIN {
            return Err(BadMemberKeys::Short);
        }
        let mac = Hmac::new_from_slice(key).map_err(|_| BadMemberKeys::Short)?;
        Ok(Self(vec![MemberKey { id: None, algorithm: "HS256", secret: KeyMaterial::Shared(Box::new(mac)) }]))
    }

    /// The subject of a valid token.
    pub fn subject(&self, token: &str, parties: &TokenParties, now: Millis) -> Result<String, BadToken> {
        if token.len() > TOKEN_MAX {
            return Err(BadToken::Malformed);
        }
        let (text, signature) = token.rsplit_once('.').ok_or(BadToken::Malformed)?;
        let (header, claims) = text.split_once('.').ok_or(BadToken::Malformed)?;
        let header: Header = parse(header)?;
        if header.crit.is_some() {
            return Err(BadToken::Malformed);
        }
        let key = self.key(&header).ok_or(BadToken::UnknownKey)?;
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).map_err(|_| BadToken::Malformed)?;
        if !key.verifies(text, &signature) {
            return Err(BadToken::Forged);
        }
        parse::<MemberClaims>(claims)?.subject(parties, now)
    }

    /// The only key without an ID, or that with the ID of the token, if it has the algorithm of the token.
    fn key(&self, header: &Header) -> Option<&MemberKey> {
        let key = match (self.0.as_slice(), &header.kid) {
            ([only], id) if only.id.is_none() || id.is_none() => only,
            (_, None) => return None,
            (keys, id) => keys.iter().find(|key| key.id == *id && key.algorithm == header.alg)?,
        };
        (key.algorithm == header.alg).then_some(key)
    }
}

impl std::fmt::Debug for MemberKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| (&key.id, key.algorithm))).finish()
    }
}

fn parse<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, BadToken> {
    let bytes = BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| BadToken::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| BadToken::Malformed)
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct MemberClaims {
    sub: String,
    iss: Option<String>,
    aud: Option<Audience>,
    /// In seconds, perhaps with a fraction.
    exp: f64,
    nbf: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl MemberClaims {
    fn subject(self, parties: &TokenParties, now: Millis) -> Result<String, BadToken> {
        let is_issuer = parties.issuer.is_none() || self.iss == parties.issuer;
        let is_audience = parties.audience.as_ref().is_none_or(|wanted| match &self.aud {
            Some(Audience::One(one)) => one == wanted,
            Some(Audience::Many(many)) => many.contains(wanted),
            None => false,
        });
        let is_subject =
            (1..=SUBJECT_MAX).contains(&self.sub.len()) && !self.sub.chars().any(char::is_control);
        #[expect(clippy::cast_precision_loss, reason = "a time of today is far below 2^53")]
        let now_s = now as f64 / 1000.0;
        if !(is_issuer && is_audience) {
            Err(BadToken::OtherParty)
        } else if self.exp <= now_s {
            Err(BadToken::Expired)
        } else if self.nbf.is_some_and(|begins| begins > now_s + CLOCK_SKEW_S) {
            Err(BadToken::NotYetValid)
        } else if is_subject {
            Ok(self.sub)
        } else {
            Err(BadToken::Malformed)
        }
    }
}

#[derive(Deserialize)]
struct MemberJwks {
    keys: Vec<MemberJwk>,
}

#[derive(Deserialize)]
struct MemberJwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl MemberJwk {
    fn key(self) -> Option<MemberKey> {
        let bytes = |text: &Option<String>| BASE64URL_NOPAD.decode(text.as_ref()?.as_bytes()).ok();
        let (algorithm, key) = match (self.kty.as_str(), self.crv.as_deref()) {
            ("OKP", Some("Ed25519")) => ("EdDSA", ParsedPublicKey::new(&ED25519, bytes(&self.x)?).ok()?),
            ("EC", Some("P-256")) => {
                let point = [vec![4], bytes(&self.x)?, bytes(&self.y)?].concat();
                ("ES256", ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok()?)
            }
            ("RSA", _) => {
                let key = RsaPublicKeyComponents { n: bytes(&self.n)?, e: bytes(&self.e)? };
                // Checked here too: a short key would make every token invalid, and not be noticed.
                let is_long = (256..=1024).contains(&key.n.len());
                let key = key.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok()?;
                ("RS256", is_long.then_some(key)?)
            }
            _ => return None,
        };
        let is_usable = self.purpose.is_none_or(|purpose| purpose == "sig")
            && self
                .alg
                .is_none_or(|named| named == algorithm || (algorithm == "EdDSA" && named == "Ed25519"));
        is_usable.then_some(MemberKey { id: self.kid, algorithm, secret: KeyMaterial::Public(key) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
        RsaKeyPair,
    };
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const NOW: Millis = 1_795_345_200_000;
    const SHARED: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn encoded(value: &Value) -> String {
        BASE64URL_NOPAD.encode(value.to_string().as_bytes())
    }

    fn claims() -> Value {
        json!({"sub": "user-8812", "iss": "https://shop.example", "aud": "firstcome", "exp": NOW / 1000 + 60, "iat": NOW / 1000})
    }

    fn parties() -> TokenParties {
        TokenParties { issuer: Some("https://shop.example".into()), audience: Some("firstcome".into()) }
    }

    fn token(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
        let text = format!("{}.{}", encoded(header), encoded(claims));
        let signature = BASE64URL_NOPAD.encode(&sign(text.as_bytes()));
        format!("{text}.{signature}")
    }

    fn hs256(claims: &Value) -> String {
        token(&json!({"alg": "HS256", "typ": "JWT"}), claims, shared_mac)
    }

    fn shared_mac(text: &[u8]) -> Vec<u8> {
        let mut mac: Hmac<Sha256> = Hmac::new_from_slice(SHARED).unwrap();
        mac.update(text);
        mac.finalize().into_bytes().to_vec()
    }

    fn shared() -> MemberKeys {
        MemberKeys::from_shared_key(SHARED).unwrap()
    }

    /// The shop's key pairs, with their JWKS.
    struct ShopKeys {
        ed: Ed25519KeyPair,
        ec: EcdsaKeyPair,
        rsa: RsaKeyPair,
        jwks: Value,
    }

    fn shop_keys() -> ShopKeys {
        let text = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let ed = Ed25519KeyPair::from_seed_unchecked(&[3; 32]).unwrap();
        let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let point = ec.public_key().as_ref();
        // RFC 8017 A.1.1: after nine bytes of headers comes the modulus of 2048 bits.
        let modulus = rsa.public_key().as_ref()[9..265].to_vec();
        let jwks = json!({"keys": [
            {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": text(ed.public_key().as_ref())},
            {"kty": "EC", "crv": "P-256", "kid": "ec", "use": "sig", "alg": "ES256", "x": text(&point[1..33]), "y": text(&point[33..])},
            {"kty": "RSA", "kid": "rsa", "n": text(&modulus), "e": "AQAB"},
            {"kty": "RSA", "kid": "enc", "use": "enc", "n": text(&modulus), "e": "AQAB"},
            {"kty": "oct", "kid": "oct", "k": "AAAA"},
        ]});
        ShopKeys { ed, ec, rsa, jwks }
    }

    #[test]
    fn a_token_of_each_algorithm_identifies_its_subject() {
        let shop = shop_keys();
        let keys = MemberKeys::from_jwks(&shop.jwks.to_string()).unwrap();
        let random = SystemRandom::new();
        let rsa = |text: &[u8]| {
            let mut signature = vec![0; shop.rsa.public_modulus_len()];
            shop.rsa.sign(&RSA_PKCS1_SHA256, &random, text, &mut signature).unwrap();
            signature
        };
        let header = |alg: &str, kid: &str| json!({"alg": alg, "kid": kid});
        let ed = |text: &[u8]| shop.ed.sign(text).as_ref().to_vec();
        let ec = |text: &[u8]| shop.ec.sign(&random, text).unwrap().as_ref().to_vec();
        for token in [
            token(&header("EdDSA", "ed"), &claims(), ed),
            token(&header("ES256", "ec"), &claims(), ec),
            token(&header("RS256", "rsa"), &claims(), rsa),
        ] {
            assert_eq!(keys.subject(&token, &parties(), NOW), Ok("user-8812".into()));
        }
        for (header, error) in [
            (header("RS256", "enc"), BadToken::UnknownKey),
            (header("HS256", "oct"), BadToken::UnknownKey),
            (header("RS256", "ed"), BadToken::UnknownKey),
            (header("EdDSA", "rsa"), BadToken::UnknownKey),
            (json!({"alg": "EdDSA"}), BadToken::UnknownKey),
            (json!({"alg": "EdDSA", "kid": "ed", "crit": ["exp"]}), BadToken::Malformed),
        ] {
            assert_eq!(keys.subject(&token(&header, &claims(), ed), &parties(), NOW), Err(error), "{header}");
        }
        // The public key as the key of a MAC: the classical confusion.
        let public = shop.ed.public_key().as_ref().to_vec();
        let confused = token(&header("HS256", "ed"), &claims(), |text| {
            let mut mac: Hmac<Sha256> = Hmac::new_from_slice(&public).unwrap();
            mac.update(text);
            mac.finalize().into_bytes().to_vec()
        });
        assert_eq!(keys.subject(&confused, &parties(), NOW), Err(BadToken::UnknownKey));
    }

    #[test]
    fn a_shared_key_verifies_hs256_only() {
        assert_eq!(shared().subject(&hs256(&claims()), &parties(), NOW), Ok("user-8812".into()));
        for alg in ["none", "HS512", "EdDSA", "hs256", ""] {
            let other = token(&json!({"alg": alg}), &claims(), shared_mac);
            assert_eq!(shared().subject(&other, &parties(), NOW), Err(BadToken::UnknownKey), "{alg}");
        }
        let other = MemberKeys::from_shared_key(&[1; 32]).unwrap();
        assert_eq!(other.subject(&hs256(&claims()), &parties(), NOW), Err(BadToken::Forged));
        assert_eq!(MemberKeys::from_shared_key(&[1; 31]).unwrap_err(), BadMemberKeys::Short);
    }

    #[test]
    fn every_claim_that_matters_is_checked() {
        let with = |key: &str, value: Value| {
            let mut claims = claims();
            claims[key] = value;
            shared().subject(&hs256(&claims), &parties(), NOW)
        };
        assert_eq!(with("exp", json!(NOW / 1000)), Err(BadToken::Expired));
        assert_eq!(with("exp", json!(1_795_345_200.5)), Ok("user-8812".into()));
        assert_eq!(with("exp", json!("soon")), Err(BadToken::Malformed));
        assert_eq!(with("exp", Value::Null), Err(BadToken::Malformed));
        assert_eq!(with("nbf", json!(NOW / 1000 + 61)), Err(BadToken::NotYetValid));
        assert_eq!(with("nbf", json!(NOW / 1000 + 59)), Ok("user-8812".into()));
        assert_eq!(with("iss", json!("https://other.example")), Err(BadToken::OtherParty));
        assert_eq!(with("aud", json!(["x", "firstcome"])), Ok("user-8812".into()));
        for audience in [json!("x"), json!([]), Value::Null] {
            assert_eq!(with("aud", audience), Err(BadToken::OtherParty));
        }
        for subject in [json!(""), json!(7), json!("a\nb"), json!("x".repeat(256))] {
            assert_eq!(with("sub", subject.clone()), Err(BadToken::Malformed), "{subject}");
        }
        let any = TokenParties::default();
        assert_eq!(shared().subject(&hs256(&json!({"sub": "7", "exp": NOW})), &any, NOW), Ok("7".into()));
    }

    #[test]
    fn a_jwks_without_a_key_that_can_be_used_is_refused() {
        let shop = shop_keys();
        let short = json!({"keys": [{"kty": "RSA", "n": BASE64URL_NOPAD.encode(&[255; 128]), "e": "AQAB"}]});
        for (text, error) in [
            ("", BadMemberKeys::Malformed),
            ("{}", BadMemberKeys::Malformed),
            ("{\"keys\":[]}", BadMemberKeys::Keys),
            (&*json!({"keys": &shop.jwks["keys"].as_array().unwrap()[3..]}).to_string(), BadMemberKeys::Keys),
            (&*short.to_string(), BadMemberKeys::Keys),
        ] {
            assert_eq!(MemberKeys::from_jwks(text).unwrap_err(), error, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_altered_token_identifies_a_member(at in 0usize..400, bit in 0u8..7) {
            let text = hs256(&claims());
            let mut bytes = text.clone().into_bytes();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            let altered = String::from_utf8(bytes).unwrap();
            prop_assert!(shared().subject(&altered, &parties(), NOW).is_err());
        }

        #[test]
        fn any_other_text_is_refused_without_a_panic(text in ".{0,300}") {
            prop_assert!(shared().subject(&text, &parties(), NOW).is_err());
        }
    }
}
