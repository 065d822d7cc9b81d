//! Operator tokens: their names, roles and stored hashes. A program sends its token with each request; a browser opens a session with it.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use domain::Rng;
use service::config::Part;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Longest token name in characters; it is part of every audit row.
const NAME_MAX: usize = 40;
/// The prefix of every token, by which scanners recognise a leaked one.
const PREFIX: &str = "fct_";

/// What the holder of a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Read.
    Viewer,
    /// Read and change.
    Operator,
}

impl Role {
    /// The word in the settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
        }
    }
}

impl FromStr for Role {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "viewer" => Ok(Self::Viewer),
            "operator" => Ok(Self::Operator),
            _ => Err("a role is viewer or operator"),
        }
    }
}

/// A token as it is stored: by its SHA-256 hash only. A token has 256 random bits, so a slow password hash would add nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// The holder's name, recorded in the audit.
    pub name: String,
    /// The holder's role.
    pub role: Role,
    hash: [u8; 32],
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}, {:?})", self.name, self.role)
    }
}

impl Token {
    /// A token given in clear.
    pub fn new(name: &str, role: Role, secret: &str) -> Self {
        Self { name: name.to_owned(), role, hash: Sha256::digest(secret).into() }
    }

    /// Reads one `[[operator.token]]` table; `None` if it has a mistake, which is recorded in the part.
    pub(crate) fn read(part: &mut Part<'_>) -> Option<Self> {
        let name = part.required_text("name");
        if name.is_empty() || name.chars().count() > NAME_MAX || name.chars().any(char::is_control) {
            part.mistake("name", "is 1 to 40 characters");
        }
        let role = part.parse("role", "viewer");
        let hash = part.secret_text("hash").as_deref().and_then(parse_hash);
        if hash.is_none() {
            part.mistake(
                "hash",
                "is 'sha256:' and 64 hexadecimal digits, as `firstcome keys token` prints it",
            );
        }
        Some(Self { name, role, hash: hash? })
    }
}

fn parse_hash(text: &str) -> Option<[u8; 32]> {
    let hex = text.strip_prefix("sha256:")?;
    HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?.try_into().ok()
}

/// Makes a token of 256 random bits.
pub fn make_token(rng: &Rng) -> String {
    let mut secret = [0; 32];
    rng(&mut secret);
    format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&secret))
}

/// The form in which a token stands in the settings.
pub fn hash_of(secret: &str) -> String {
    format!("sha256:{}", HEXLOWER_PERMISSIVE.encode(&Sha256::digest(secret)))
}

/// Finds the token with this secret. All tokens are compared, each in constant time, so the response time reveals nothing.
pub(crate) fn find<'a>(tokens: &'a [Token], secret: &str) -> Option<&'a Token> {
    let hash: [u8; 32] = Sha256::digest(secret).into();
    let mut found = None;
    for token in tokens {
        if token.hash.ct_eq(&hash).into() {
            found = Some(token);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_stored_as_its_hash_and_found_by_its_secret() {
        let rng: Rng = std::sync::Arc::new(|bytes: &mut [u8]| bytes.fill(7));
        let secret = make_token(&rng);
        assert_eq!((secret.len(), &secret[..4]), (47, "fct_"));
        let kim = Token::new("kim", Role::Operator, &secret);
        assert_eq!(parse_hash(&hash_of(&secret)), Some(kim.hash));
        assert!(!format!("{kim:?}").contains(&hash_of(&secret)[7..]));
        let all = [Token::new("lee", Role::Viewer, "other"), kim.clone()];
        assert_eq!(find(&all, &secret), Some(&kim));
        assert_eq!(find(&all, &secret[1..]), None);
        assert_eq!(find(&[], ""), None);
    }

    #[test]
    fn a_hash_in_another_form_is_rejected() {
        let good = hash_of("x");
        for bad in ["", "sha256:", &good[7..], &good[..70], &good.replace("sha256", "md5")] {
            assert_eq!(parse_hash(bad), None, "{bad}");
        }
    }
}
