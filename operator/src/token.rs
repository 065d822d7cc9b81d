//! Tokens: who holds one, what it lets them do, and how it rests. Logging in and sessions are not here; a token is all there is.

use std::fmt;
use std::hint::black_box;
use std::str::FromStr;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use domain::Rng;
use service::config::Part;
use sha2::{Digest as _, Sha256};

/// Longest name: it stands in every audit row.
const NAME_MAX: usize = 40;
/// What every token starts with, so that a leaked one is recognised.
const PREFIX: &str = "fct_";

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look.
    Viewer,
    /// Look, and change.
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

/// Somebody's token, as it rests: by its hash only. SHA-256 is enough, because a token is 256 bits of chance; a slow hash is
/// for what people think up.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Whose; stands in the audit.
    pub name: String,
    /// What it lets them do.
    pub role: Role,
    hash: [u8; 32],
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}, {:?})", self.name, self.role)
    }
}

impl Token {
    /// The token of `name`, told in clear.
    pub fn new(name: &str, role: Role, token: &str) -> Self {
        Self { name: name.to_owned(), role, hash: Sha256::digest(token).into() }
    }

    /// Reads one `[[operator.token]]` table; `None` if it is wrong, which is then among the mistakes.
    pub(crate) fn read(part: &mut Part<'_>) -> Option<Self> {
        let name = part.required_text("name");
        if name.is_empty() || name.chars().count() > NAME_MAX || name.chars().any(char::is_control) {
            part.mistake("name", "is 1 to 40 characters");
        }
        let role = part.parse("role", "viewer");
        let hash = part.secret_text("hash").as_deref().and_then(read_hash);
        if hash.is_none() {
            part.mistake(
                "hash",
                "is 'sha256:' and 64 hexadecimal digits, as `firstcome keys token` prints it",
            );
        }
        Some(Self { name, role, hash: hash? })
    }
}

fn read_hash(text: &str) -> Option<[u8; 32]> {
    let hex = text.strip_prefix("sha256:")?;
    HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?.try_into().ok()
}

/// A new token: 256 bits of chance.
pub fn make_token(rng: &Rng) -> String {
    let mut secret = [0; 32];
    rng(&mut secret);
    format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&secret))
}

/// How a token is written into the settings.
pub fn hash_of(token: &str) -> String {
    format!("sha256:{}", HEXLOWER_PERMISSIVE.encode(&Sha256::digest(token)))
}

/// Whose token it is. Every one is compared, and each to its end: time tells neither whose it nearly was nor how nearly.
pub(crate) fn holder<'a>(tokens: &'a [Token], told: &str) -> Option<&'a Token> {
    let hash: [u8; 32] = Sha256::digest(told).into();
    let mut found = None;
    for token in tokens {
        let differ = token.hash.iter().zip(&hash).fold(0, |differ, (a, b)| black_box(differ | (a ^ b)));
        if differ == 0 {
            found = Some(token);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_rests_as_its_hash_and_is_known_by_it() {
        let rng: Rng = std::sync::Arc::new(|bytes: &mut [u8]| bytes.fill(7));
        let told = make_token(&rng);
        assert_eq!((told.len(), &told[..4]), (47, "fct_"));
        let kim = Token::new("kim", Role::Operator, &told);
        assert_eq!(read_hash(&hash_of(&told)), Some(kim.hash));
        assert!(!format!("{kim:?}").contains(&hash_of(&told)[7..]));
        let all = [Token::new("lee", Role::Viewer, "other"), kim.clone()];
        assert_eq!(holder(&all, &told), Some(&kim));
        assert_eq!(holder(&all, &told[1..]), None);
        assert_eq!(holder(&[], ""), None);
    }

    #[test]
    fn a_hash_of_another_form_is_none() {
        let good = hash_of("x");
        for bad in ["", "sha256:", &good[7..], &good[..70], &good.replace("sha256", "md5")] {
            assert_eq!(read_hash(bad), None, "{bad}");
        }
    }
}
