//! Passes in requests. A request may have one in the cookie `firstcome_pass`, in `X-Firstcome-Pass`, or as a bearer token. The
//! signature of each is verified once; after that a cache of fixed size recognises it.

mod cache;
mod verified;

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use domain::pass::{BadPass, COOKIE};
use domain::{EventId, Now, PassVerifier};
use metrics::Counter;
use service::{Context, watched_file};

use crate::error::RefusalReason;
use crate::meter;
use cache::PassCache;
pub(crate) use verified::VerifiedPass;

const X_FIRSTCOME_PASS: HeaderName = HeaderName::from_static("x-firstcome-pass");
/// The most cookies of that name that are verified: a page of another subdomain can set one beside the genuine one.
const COOKIES_MAX: usize = 2;

/// What the passes of a request are worth.
#[derive(Debug)]
pub(crate) struct CheckedPass {
    result: Result<Arc<VerifiedPass>, RefusalReason>,
    /// How many signatures were wrong.
    pub(crate) forged: u32,
}

impl CheckedPass {
    const NONE: Self = Self { result: Err(RefusalReason::PassRequired), forged: 0 };

    /// The valid pass, if there is one.
    pub(crate) fn into_valid(self) -> Option<Arc<VerifiedPass>> {
        self.result.ok()
    }

    /// The valid pass of this event, or else why there is none.
    pub(crate) fn of_event(&self, event: &EventId) -> Result<&Arc<VerifiedPass>, RefusalReason> {
        let pass = self.result.as_ref().map_err(|reason| *reason)?;
        if pass.pass.event == *event { Ok(pass) } else { Err(RefusalReason::PassWrongEvent) }
    }

    /// The valid pass of any event, or else why there is none.
    pub(crate) fn of_any_event(&self) -> Result<&Arc<VerifiedPass>, RefusalReason> {
        self.result.as_ref().map_err(|reason| *reason)
    }
}

/// The keys in use, with the passes that were verified by them.
struct KeysInUse {
    verifier: PassVerifier,
    cache: PassCache,
}

impl KeysInUse {
    fn new(verifier: PassVerifier) -> Self {
        Self { verifier, cache: PassCache::new() }
    }
}

/// Verifies the passes of requests.
pub(crate) struct Passes {
    /// None without any key: then no pass is valid.
    keys: ArcSwap<Option<KeysInUse>>,
    now: Now,
    forged: Counter,
}

impl Passes {
    /// With the keys of this process, or else those of the file, which is read again when it changes.
    pub(crate) fn start(
        own: Option<PassVerifier>,
        file: Option<&Path>,
        ctx: &Context,
    ) -> anyhow::Result<Arc<Self>> {
        let Some(file) = file else { return Ok(Arc::new(Self::new(own, ctx))) };
        let text = watched_file::read(file)
            .context("`firstcome keys passes KEYS` prints the public keys of passes")?;
        let verifier = PassVerifier::from_jwks(&text).with_context(|| format!("in {}", file.display()))?;
        let passes = Arc::new(Self::new(Some(verifier), ctx));
        let changed = Arc::clone(&passes);
        watched_file::watch("gateway-pass-keys", file.to_owned(), text, ctx, move |text| {
            changed.use_keys(PassVerifier::from_jwks(text)?);
            Ok(())
        });
        Ok(passes)
    }

    fn new(verifier: Option<PassVerifier>, ctx: &Context) -> Self {
        Self {
            keys: ArcSwap::from_pointee(verifier.map(KeysInUse::new)),
            now: Arc::clone(&ctx.now),
            forged: meter::forged_passes(),
        }
    }

    /// Replaces the keys. Passes of keys that are gone are not valid any more.
    fn use_keys(&self, verifier: PassVerifier) {
        self.keys.store(Arc::new(Some(KeysInUse::new(verifier))));
    }

    /// Checks the passes of a request. The first valid one counts.
    pub(crate) fn check(&self, headers: &HeaderMap) -> CheckedPass {
        let keys = self.keys.load();
        let Some(keys) = keys.as_ref() else { return CheckedPass::NONE };
        let mut checked = CheckedPass::NONE;
        for text in candidates(headers, &keys.verifier) {
            match self.verify(text, keys) {
                Ok(pass) => {
                    checked.result = Ok(pass);
                    break;
                }
                Err(BadPass::Expired) => checked.result = Err(RefusalReason::PassExpired),
                Err(bad) => {
                    checked.forged += u32::from(bad == BadPass::Forged);
                    checked.result = Err(RefusalReason::PassInvalid);
                }
            }
        }
        if checked.forged > 0 {
            self.forged.increment(checked.forged.into());
        }
        checked
    }

    fn verify(&self, text: &str, keys: &KeysInUse) -> Result<Arc<VerifiedPass>, BadPass> {
        let now = (self.now)();
        let pass = match keys.cache.get(text) {
            Some(known) => known,
            None => keys.cache.add(VerifiedPass::new(text, keys.verifier.verify_signature(text)?), now),
        };
        pass.pass.check_time(now).map(|()| pass)
    }
}

/// The texts in a request that may be passes.
fn candidates<'a>(headers: &'a HeaderMap, verifier: &'a PassVerifier) -> impl Iterator<Item = &'a str> {
    let named = headers.get(X_FIRSTCOME_PASS).and_then(|value| value.to_str().ok());
    // The shop may have bearer tokens of its own.
    let bearer = headers.get(header::AUTHORIZATION).and_then(bearer_token);
    let bearer = bearer.filter(|text| verifier.claims_to_be_pass(text));
    named.into_iter().chain(bearer).chain(cookies(headers).take(COOKIES_MAX))
}

fn bearer_token(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(header::COOKIE).iter();
    lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';')).filter_map(|pair| {
        let text = pair.trim_ascii_start().strip_prefix(COOKIE.as_bytes())?.strip_prefix(b"=")?;
        std::str::from_utf8(text.trim_ascii_end()).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::keys::Root;
    use domain::{Keyring, Kid, Number, Pass, PassSigner};
    use testkit::ManualClock;

    const NOW: i64 = 1_795_345_200_000;

    fn keys() -> Keyring {
        let kid = Kid::new("k1").unwrap();
        Keyring::new(kid.clone(), [(kid, Root::new([1; 32]))]).unwrap()
    }

    fn pass(event: &str) -> String {
        let pass = Pass {
            event: event.parse().unwrap(),
            application: "0".repeat(32),
            number: Number::new(7).unwrap(),
            issued_at: NOW,
            expires_at: NOW + 60_000,
        };
        PassSigner::new(&keys()).sign(&pass)
    }

    fn passes() -> (Passes, ManualClock) {
        let clock = ManualClock::at(NOW);
        let ctx = Context { now: clock.now(), ..Context::system() };
        (Passes::new(Some(PassVerifier::of(&keys())), &ctx), clock)
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    fn reason(checked: &CheckedPass) -> Option<RefusalReason> {
        checked.of_event(&"spring".parse().unwrap()).err()
    }

    #[test]
    fn a_pass_is_found_in_a_cookie_a_header_and_a_bearer_token() {
        let (passes, _) = passes();
        let text = pass("spring");
        for (name, value) in [
            ("cookie", format!("a=b; firstcome_pass={text}; c=d")),
            ("cookie", format!("firstcome_pass={text}")),
            ("x-firstcome-pass", text.clone()),
            ("authorization", format!("bearer {text}")),
        ] {
            assert_eq!(reason(&passes.check(&headers(&[(name, &value)]))), None, "{name}");
        }
        for (name, value) in [
            ("cookie", format!("xfirstcome_pass={text}; firstcome_pas={text}; {text}")),
            ("authorization", format!("basic {text}")),
            ("authorization", text.clone()),
            ("authorization", "Bearer eyJhbGciOiJIUzI1NiJ9.e30.x".to_owned()),
            ("x-pass", text.clone()),
        ] {
            let checked = passes.check(&headers(&[(name, &value)]));
            assert_eq!(
                (reason(&checked), checked.forged),
                (Some(RefusalReason::PassRequired), 0),
                "{name}: {value}"
            );
        }
    }

    #[test]
    fn of_two_cookies_the_valid_one_counts_and_a_third_is_not_read() {
        let (passes, _) = passes();
        let text = pass("spring");
        let forged = format!("{}AAAA", &text[..text.len() - 4]);
        for cookies in [
            format!("firstcome_pass={forged}; firstcome_pass={text}"),
            format!("firstcome_pass={text}; firstcome_pass={forged}"),
        ] {
            assert_eq!(reason(&passes.check(&headers(&[("cookie", &cookies)]))), None);
        }
        let lines = headers(&[
            ("cookie", &format!("firstcome_pass={forged}")),
            ("cookie", &format!("firstcome_pass={text}")),
        ]);
        assert_eq!(reason(&passes.check(&lines)), None);
        let third = format!("firstcome_pass={forged}; firstcome_pass=; firstcome_pass={text}");
        let checked = passes.check(&headers(&[("cookie", &third)]));
        assert_eq!((reason(&checked), checked.forged), (Some(RefusalReason::PassInvalid), 1));
    }

    #[test]
    fn a_known_pass_still_expires_and_ends_with_its_key() {
        let (passes, clock) = passes();
        let known = headers(&[("x-firstcome-pass", &pass("spring"))]);
        assert_eq!(reason(&passes.check(&known)), None);
        clock.advance(60_000);
        assert_eq!(reason(&passes.check(&known)), Some(RefusalReason::PassExpired));
        clock.advance(-60_000);
        assert_eq!(reason(&passes.check(&known)), None);
        let kid = Kid::new("k2").unwrap();
        passes.use_keys(PassVerifier::of(&Keyring::new(kid.clone(), [(kid, Root::new([2; 32]))]).unwrap()));
        assert_eq!(reason(&passes.check(&known)), Some(RefusalReason::PassInvalid));
    }

    #[test]
    fn a_pass_of_another_event_is_valid_but_not_for_this_one() {
        let (passes, _) = passes();
        let checked = passes.check(&headers(&[("x-firstcome-pass", &pass("autumn"))]));
        assert_eq!(reason(&checked), Some(RefusalReason::PassWrongEvent));
        assert!(checked.of_any_event().is_ok() && checked.into_valid().is_some());
    }
}
