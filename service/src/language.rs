//! The language of a response: the one that the user chose, else the one that the client prefers, else Korean.

use axum::http::{HeaderMap, HeaderValue, header};

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// 한국어.
    Korean,
    /// English.
    English,
}

impl Language {
    /// The tag for `lang` and `Content-Language`.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Korean => "ko",
            Self::English => "en",
        }
    }

    /// The language with that tag.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next().unwrap_or(tag);
        [Self::Korean, Self::English].into_iter().find(|l| l.tag().eq_ignore_ascii_case(primary))
    }

    /// The language of an API response, by `Accept-Language` only.
    pub fn of_client(headers: &HeaderMap) -> Self {
        Self::preferred(headers.get(header::ACCEPT_LANGUAGE))
    }

    /// The language by the value of `Accept-Language`.
    pub fn preferred(accepted: Option<&HeaderValue>) -> Self {
        accepted.and_then(|line| line.to_str().ok()).and_then(best).unwrap_or(Self::Korean)
    }

    /// The language of a page: the one `chosen` in the URL, else the one in the cookie, else the one that the client prefers.
    pub fn of_page(chosen: Option<&str>, headers: &HeaderMap) -> Self {
        chosen
            .and_then(Self::of_tag)
            .or_else(|| cookie(headers).and_then(Self::of_tag))
            .unwrap_or_else(|| Self::of_client(headers))
    }
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|v| v.to_str().ok());
    cookies.flat_map(|line| line.split(';')).find_map(|pair| pair.trim().strip_prefix("lang="))
}

/// The first supported language with the highest `q`.
fn best(accepted: &str) -> Option<Language> {
    let mut best: Option<(Language, f32)> = None;
    for item in accepted.split(',').take(20) {
        let (tag, rest) = item.split_once(';').unwrap_or((item, ""));
        let q = rest.trim().strip_prefix("q=").map_or(1.0, |q| q.trim().parse().unwrap_or(0.0));
        let Some(language) = Language::of_tag(tag.trim()) else { continue };
        if q > best.map_or(0.0, |(_, q)| q) {
            best = Some((language, q));
        }
    }
    best.map(|(language, _)| language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_with_the_highest_preference_wins() {
        for (accepted, language) in [
            ("en-US,en;q=0.9,ko;q=0.8", Some(Language::English)),
            ("ko-KR", Some(Language::Korean)),
            ("fr, en;q=0.3, ko;q=0.5", Some(Language::Korean)),
            ("en;q=0, fr", None),
            ("en;q=x", None),
            ("*", None),
        ] {
            assert_eq!(best(accepted), language, "{accepted}");
        }
    }

    #[test]
    fn a_choice_wins_over_the_cookie_and_the_cookie_over_the_client() {
        let mut headers = HeaderMap::new();
        assert_eq!(Language::of_page(None, &headers), Language::Korean);
        headers.insert(header::ACCEPT_LANGUAGE, "en".parse().unwrap());
        assert_eq!(Language::of_page(None, &headers), Language::English);
        headers.insert(header::COOKIE, "a=b; lang=ko".parse().unwrap());
        assert_eq!(Language::of_page(None, &headers), Language::Korean);
        assert_eq!(Language::of_page(Some("en"), &headers), Language::English);
        assert_eq!(Language::of_page(Some("xx"), &headers), Language::Korean);
    }
}
