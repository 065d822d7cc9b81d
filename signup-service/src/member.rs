//! Members of the shop: for events of identity `member`, the applicant is the subject of the shop's own token.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::http::{HeaderMap, HeaderValue, header};
use domain::Millis;
use domain::member::{BadToken, MemberKeys, TokenParties};
use service::config::Part;
use service::{Context, watched_file};

use crate::error::{Error, SignInReason};

/// The settings in `[signup.member]`.
#[derive(Debug, Clone)]
pub struct MemberConfig {
    keys: Arc<ArcSwap<MemberKeys>>,
    /// The file of the JWKS with its first content; none with a shared key.
    jwks: Option<(PathBuf, String)>,
    parties: TokenParties,
    /// The cookie that holds the token, besides `Authorization`.
    cookie: Option<String>,
    /// Where an applicant signs in.
    pub(crate) sign_in_url: Option<String>,
}

impl MemberConfig {
    /// Reads the settings and reports mistakes in this section; `None` without any.
    pub(crate) fn read(part: &mut Part<'_>) -> Option<Self> {
        let jwks_file = part.optional_text("jwks").map(PathBuf::from);
        let shared_key_file = part.secret_file("shared_key_file");
        let parties =
            TokenParties { issuer: part.optional_text("issuer"), audience: part.optional_text("audience") };
        let cookie = part.optional_text("cookie");
        let sign_in_url = part.optional_text("sign_in_url");
        if sign_in_url.as_deref().is_some_and(|url| !is_link(url)) {
            part.mistake("sign_in_url", "must begin with https://, http:// or /");
        }
        let (keys, jwks) = match (jwks_file, shared_key_file) {
            (None, None) => {
                if parties != TokenParties::default() || cookie.is_some() || sign_in_url.is_some() {
                    part.mistake("jwks", "is missing: set it, or shared_key_file");
                }
                return None;
            }
            (Some(_), Some(_)) => {
                part.mistake("shared_key_file", "and jwks are both set: set only one");
                return None;
            }
            (Some(file), None) => {
                let read = read_jwks(&file).map_err(|error| part.mistake("jwks", &format!("{error:#}")));
                let (text, keys) = read.ok()?;
                (keys, Some((file, text)))
            }
            (None, Some(file)) => {
                let read = read_shared_key(&file);
                let keys =
                    read.map_err(|error| part.mistake("shared_key_file", &format!("{error:#}"))).ok()?;
                (keys, None)
            }
        };
        Some(Self { keys: Arc::new(ArcSwap::from_pointee(keys)), jwks, parties, cookie, sign_in_url })
    }

    /// Reads the JWKS again when it changes, until the tasks are stopped.
    pub(crate) fn watch(&self, ctx: &Context) {
        let Some((file, text)) = self.jwks.clone() else { return };
        let keys = Arc::clone(&self.keys);
        watched_file::watch("signup-member-keys", file, text, ctx, move |text| {
            keys.store(Arc::new(MemberKeys::from_jwks(text)?));
            Ok(())
        });
    }

    /// The subject of the token of a request.
    pub(crate) fn subject(&self, headers: &HeaderMap, now: Millis) -> Result<String, Error> {
        let mut reason = SignInReason::Missing;
        for token in self.tokens(headers) {
            match self.keys.load().subject(token, &self.parties, now) {
                Ok(subject) => return Ok(subject),
                Err(BadToken::Expired) => reason = SignInReason::Expired,
                Err(_) => reason = SignInReason::Invalid,
            }
        }
        Err(Error::SignInRequired(reason))
    }

    /// The bearer token, and else the first cookies of the name: a page of another subdomain can set one beside the genuine one.
    fn tokens<'a>(&'a self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
        let bearer = headers.get(header::AUTHORIZATION).and_then(bearer_token);
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let cookies = pairs.filter(|(name, _)| self.cookie.as_deref() == Some(*name)).map(|(_, value)| value);
        bearer.into_iter().chain(cookies.take(2))
    }
}

fn bearer_token(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn is_link(url: &str) -> bool {
    ["https://", "http://", "/"].iter().any(|start| url.starts_with(start)) && !url.contains(char::is_control)
}

fn read_jwks(file: &Path) -> anyhow::Result<(String, MemberKeys)> {
    let text = watched_file::read(file)?;
    let keys = MemberKeys::from_jwks(&text)?;
    Ok((text, keys))
}

/// The key is the text of the file, without white space at its ends.
fn read_shared_key(file: &Path) -> anyhow::Result<MemberKeys> {
    Ok(MemberKeys::from_shared_key(watched_file::read(file)?.trim().as_bytes())?)
}
