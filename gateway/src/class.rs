//! The class of a request: which requests an upstream that is full serves first.

use std::str::FromStr;

use axum::http::{HeaderMap, header};

/// The class of a request, the most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestClass {
    /// A step of an order.
    Order,
    /// The event's pages and applications.
    Signup,
    /// Everything else that a person requests.
    Browse,
    /// A request of a crawler. It never waits.
    Bot,
}

impl RequestClass {
    pub(crate) const ALL: [Self; 4] = [Self::Order, Self::Signup, Self::Browse, Self::Bot];

    /// The metrics label.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Signup => "signup",
            Self::Browse => "browse",
            Self::Bot => "bot",
        }
    }

    /// The class of a request on a route of class `route`. A header can be forged, so it may only lower the class. A verified pass
    /// raises it: its holder was called, and is about to order.
    pub(crate) fn of(route: Self, has_pass: bool, headers: &HeaderMap) -> Self {
        let mut agents = headers.get_all(header::USER_AGENT).iter();
        if agents.any(|agent| is_crawler(agent.as_bytes())) {
            Self::Bot
        } else if has_pass {
            Self::Order
        } else {
            route
        }
    }
}

/// The text is not a class that a route can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a class is order or browse")]
pub struct BadClass;

impl FromStr for RequestClass {
    type Err = BadClass;

    /// Parses a class that a setting may give a route: the signup service's routes have their class by themselves, and a bot is
    /// known by its requests.
    fn from_str(text: &str) -> Result<Self, BadClass> {
        match text {
            "order" => Ok(Self::Order),
            "browse" => Ok(Self::Browse),
            _ => Err(BadClass),
        }
    }
}

/// Words by which crawlers and link previews name themselves: those of Naver and Daum, and the general ones.
const CRAWLERS: [&[u8]; 7] =
    [b"crawl", b"spider", b"slurp", b"scrap", b"yeti/", b"daumoa", b"facebookexternalhit"];

/// Whether a `User-Agent` names a crawler.
fn is_crawler(agent: &[u8]) -> bool {
    let contains = |word: &[u8]| agent.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    names_bot(agent) || CRAWLERS.into_iter().any(contains)
}

/// Whether a word ends with `bot`, as in `Googlebot/2.1`. CUBOT is a maker of phones.
fn names_bot(agent: &[u8]) -> bool {
    let mut parts = agent.windows(3).enumerate();
    parts.any(|(at, part)| {
        let is_end = !agent.get(at + 3).is_some_and(u8::is_ascii_alphabetic);
        let is_cubot = at >= 2 && agent[at - 2..at].eq_ignore_ascii_case(b"cu");
        is_end && !is_cubot && part.eq_ignore_ascii_case(b"bot")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use RequestClass::{Bot, Browse, Order, Signup};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_user_agent_that_names_a_crawler_makes_a_request_a_bot() {
        for agent in [
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "AdsBot-Google (+http://www.google.com/adsbot.html)",
            "Mozilla/5.0 (compatible; Yeti/1.1; +https://naver.me/spd)",
            "facebookexternalhit/1.1; kakaotalk-scrap/1.0; +https://devtalk.kakao.com/",
            "Bytespider",
            "my-crawler",
            "GPTBot",
        ] {
            for class in [Order, Signup, Browse] {
                for has_pass in [false, true] {
                    let headers = headers(&[("user-agent", agent)]);
                    assert_eq!(RequestClass::of(class, has_pass, &headers), Bot, "{agent}");
                }
            }
        }
    }

    #[test]
    fn a_person_s_browser_keeps_the_class_of_the_route() {
        for agent in [
            "Mozilla/5.0 (Linux; Android 13; CUBOT P80) AppleWebKit/537.36 Chrome/120.0.0.0 Mobile Safari/537.36",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 KAKAOTALK 10.4.5",
            "Mozilla/5.0 (Linux; Android 14; SM-S918N) AppleWebKit/537.36 SamsungBrowser/23.0 NAVER(inapp; search)",
            "Botany/1.0",
            "",
        ] {
            for class in [Order, Signup, Browse] {
                let headers = headers(&[("user-agent", agent)]);
                assert_eq!(RequestClass::of(class, false, &headers), class, "{agent}");
                assert_eq!(RequestClass::of(class, true, &headers), Order, "{agent}");
            }
        }
        assert_eq!(RequestClass::of(Order, false, &HeaderMap::new()), Order);
    }

    #[test]
    fn no_header_raises_the_class() {
        let claims =
            [("x-class", "order"), ("priority", "u=0"), ("cookie", "class=order"), ("x-priority", "0")];
        assert_eq!(RequestClass::of(Browse, false, &headers(&claims)), Browse);
    }

    #[test]
    fn only_order_and_browse_can_be_set() {
        assert_eq!("order".parse(), Ok(Order));
        assert_eq!("browse".parse(), Ok(Browse));
        for other in ["signup", "bot", "Order", ""] {
            assert_eq!(other.parse::<RequestClass>(), Err(BadClass));
        }
    }
}
