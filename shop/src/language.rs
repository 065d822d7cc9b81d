//! Which language to answer in: what was asked for by hand, else what the browser says, else Korean.

use axum::http::{HeaderMap, header};

/// A language of the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// 한국어.
    Korean,
    /// English.
    English,
}

impl Language {
    /// The tag for `lang`.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::Korean => "ko",
            Self::English => "en",
        }
    }

    /// The language of a page: `?lang=`, else the cookie that an earlier `?lang=` left, else the browser's first that we have.
    pub(crate) fn of(asked: Option<&str>, headers: &HeaderMap) -> Self {
        let cookies = texts(headers, header::COOKIE);
        let cookie =
            cookies.flat_map(|line| line.split(';')).find_map(|pair| pair.trim().strip_prefix("lang="));
        let accepted = texts(headers, header::ACCEPT_LANGUAGE);
        asked
            .and_then(Self::of_tag)
            .or_else(|| cookie.and_then(Self::of_tag))
            .or_else(|| accepted.flat_map(|line| line.split(',')).find_map(|item| Self::of_tag(item.trim())))
            .unwrap_or(Self::Korean)
    }

    /// The language of that tag, as in `en-US;q=0.8`.
    pub(crate) fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', ';']).next().unwrap_or(tag).trim();
        [Self::Korean, Self::English]
            .into_iter()
            .find(|language| language.tag().eq_ignore_ascii_case(primary))
    }
}

fn texts(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_by_hand_wins_over_the_cookie_and_that_over_the_browser() {
        let mut headers = HeaderMap::new();
        assert_eq!(Language::of(None, &headers), Language::Korean);
        headers.insert(header::ACCEPT_LANGUAGE, "fr, en-US;q=0.8, ko;q=0.5".parse().unwrap());
        assert_eq!(Language::of(None, &headers), Language::English);
        headers.insert(header::COOKIE, "a=b; lang=ko".parse().unwrap());
        assert_eq!(Language::of(None, &headers), Language::Korean);
        assert_eq!(Language::of(Some("EN"), &headers), Language::English);
        assert_eq!(Language::of(Some("xx"), &headers), Language::Korean);
    }
}
