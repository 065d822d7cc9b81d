//! The look of an event's pages: what the operator adds to the title, as plain texts and addresses.

use serde::{Deserialize, Serialize};

use crate::color::Color;
use crate::text::{TEXT_MAX, Text};

/// The most lines of a description.
pub const DESCRIPTION_LINES_MAX: usize = 8;
/// The highest price, in won.
pub const PRODUCT_PRICE_MAX: u32 = 1_000_000_000;
/// Longest address of a picture or a product, in characters.
pub const ADDRESS_MAX: usize = 500;

/// The look of an event's pages. An empty part is not shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Look {
    /// What the event is about: plain text with line breaks.
    pub description: Text,
    /// The color of buttons and links, as [`Color`] is written.
    pub color: String,
    /// The address of a picture.
    pub picture_url: String,
    /// The name of the product.
    pub product_name: Text,
    /// The price of the product in won; 0 if it is not shown.
    pub product_price: u32,
    /// The address of the product in the shop.
    pub product_url: String,
}

/// An invalid part of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadLook {
    /// See the message.
    #[error(
        "description has at most {TEXT_MAX} characters in {DESCRIPTION_LINES_MAX} lines, and no control characters"
    )]
    Description,
    /// See the message.
    #[error(
        "color is written as '#1d4ed8', or empty; the pages make it darker or lighter where it could not be read"
    )]
    Color,
    /// See the message.
    #[error(
        "picture_url is an address like 'https://cdn.example.com/spring.jpg' of at most {ADDRESS_MAX} characters, with other than ASCII letters as %EB%B4%84; http for this machine only"
    )]
    Picture,
    /// See the message.
    #[error(
        "a product has a name in Korean and English of at most {TEXT_MAX} characters each, a price of at most {PRODUCT_PRICE_MAX} won, and an address like 'https://shop.example.com/products/4' of at most {ADDRESS_MAX} characters"
    )]
    Product,
}

impl Look {
    /// All mistakes in the look.
    pub(crate) fn mistakes(&self) -> impl Iterator<Item = BadLook> {
        let descriptions = [&self.description.ko, &self.description.en];
        let is_bad_address = |address: &str| !address.is_empty() && !is_web_address(address);
        let names = [&self.product_name.ko, &self.product_name.en];
        let is_bad_product = names.iter().any(|name| !is_line(name))
            || names[0].is_empty() != names[1].is_empty()
            || (names[0].is_empty() && (self.product_price > 0 || !self.product_url.is_empty()))
            || self.product_price > PRODUCT_PRICE_MAX
            || is_bad_address(&self.product_url);
        let checks = [
            (!descriptions.iter().all(|text| is_description(text)), BadLook::Description),
            (!self.color.is_empty() && self.color.parse::<Color>().is_err(), BadLook::Color),
            (is_bad_address(&self.picture_url), BadLook::Picture),
            (is_bad_product, BadLook::Product),
        ];
        checks.into_iter().filter_map(|(wrong, mistake)| wrong.then_some(mistake))
    }
}

/// The parts of a look to change; absent ones stay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LookPatch {
    /// See [`Look`].
    pub description: Option<Text>,
    /// See [`Look`].
    pub color: Option<String>,
    /// See [`Look`].
    pub picture_url: Option<String>,
    /// See [`Look`].
    pub product_name: Option<Text>,
    /// See [`Look`].
    pub product_price: Option<u32>,
    /// See [`Look`].
    pub product_url: Option<String>,
}

impl LookPatch {
    /// The look after the change.
    pub fn applied_to(self, look: Look) -> Look {
        Look {
            description: self.description.unwrap_or(look.description),
            color: self.color.unwrap_or(look.color),
            picture_url: self.picture_url.unwrap_or(look.picture_url),
            product_name: self.product_name.unwrap_or(look.product_name),
            product_price: self.product_price.unwrap_or(look.product_price),
            product_url: self.product_url.unwrap_or(look.product_url),
        }
    }
}

fn is_line(text: &str) -> bool {
    text.chars().count() <= TEXT_MAX && !text.chars().any(char::is_control)
}

fn is_description(text: &str) -> bool {
    let is_short = text.chars().count() <= TEXT_MAX && text.lines().count() <= DESCRIPTION_LINES_MAX;
    is_short && !text.chars().any(|c| c.is_control() && c != '\n')
}

/// Whether a text is the address of something on the web: over TLS, or on this machine.
pub(crate) fn is_web_address(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_graphic() && !"\"'<>\\^`{|}".contains(c);
    let is_local = |origin: &str| {
        let host = origin.strip_prefix("http://").map(|rest| rest.split(':').next().unwrap_or(rest));
        matches!(host, Some("localhost" | "127.0.0.1"))
    };
    let is_allowed = |origin: &str| origin.starts_with("https://") || is_local(origin);
    text.len() <= ADDRESS_MAX && text.chars().all(is_plain) && web_origin(text).is_some_and(is_allowed)
}

/// The origin of an address: scheme, host and port. `None` if the address has none that a browser understands in the same way.
pub fn web_origin(address: &str) -> Option<&str> {
    let rest = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"))?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = &rest[..end];
    let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_port =
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    let is_valid = host.split('.').all(is_label) && is_port;
    is_valid.then(|| &address[..address.len() - rest.len() + end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(look: &Look) -> Vec<BadLook> {
        look.mistakes().collect()
    }

    #[test]
    fn a_description_is_plain_text_of_a_few_lines() {
        let with = |text: &str| mistakes(&Look { description: Text::new(text, ""), ..Look::default() });
        assert_eq!(with("첫 줄\n<b>둘째 줄</b>"), []);
        assert_eq!(with(&"가".repeat(200)), []);
        for text in ["가".repeat(201), "a\n".repeat(9), "a\tb".to_owned(), "a\u{1b}[2J".to_owned()] {
            assert_eq!(with(&text), [BadLook::Description], "{text:?}");
        }
    }

    #[test]
    fn an_address_is_on_the_web_over_tls() {
        let with = |address: &str| mistakes(&Look { picture_url: address.into(), ..Look::default() });
        for address in [
            "",
            "https://cdn.example.com/spring.jpg?w=480&v=2#x",
            "https://cdn.example.com:8443",
            "http://127.0.0.1:8000/a.png",
            "http://localhost/a.png",
        ] {
            assert_eq!(with(address), [], "{address}");
        }
        let long = format!("https://a.kr/{}", "a".repeat(488));
        for address in [
            "http://cdn.example.com/a.png",
            "//cdn.example.com/a.png",
            "/a.png",
            "javascript:alert(1)",
            "data:image/png;base64,AAAA",
            "https://",
            "https://user@cdn.example.com/",
            "https://cdn.example.com;script-src *",
            "https://cdn.example.com:0/",
            "https://cdn..example.com/",
            "https://쇼핑몰.kr/a.png",
            "https://cdn.example.com/a b",
            "https://cdn.example.com/\"onerror",
            long.as_str(),
        ] {
            assert_eq!(with(address), [BadLook::Picture], "{address}");
        }
    }

    #[test]
    fn a_product_has_a_name_in_both_languages() {
        let product = |ko: &str, en: &str, price, url: &str| {
            mistakes(&Look {
                product_name: Text::new(ko, en),
                product_price: price,
                product_url: url.into(),
                ..Look::default()
            })
        };
        assert_eq!(product("감귤 5kg", "Mandarins, 5 kg", 19_900, "https://shop.example.com/p/4"), []);
        assert_eq!(product("감귤 5kg", "Mandarins, 5 kg", 0, ""), []);
        for wrong in [
            product("감귤 5kg", "", 0, ""),
            product("", "", 19_900, ""),
            product("", "", 0, "https://shop.example.com/p/4"),
            product("감귤", "Mandarins", PRODUCT_PRICE_MAX + 1, ""),
            product("감귤", "Mandarins", 1, "http://shop.example.com/p/4"),
            product("감귤\n5kg", "Mandarins", 1, ""),
        ] {
            assert_eq!(wrong, [BadLook::Product]);
        }
    }

    #[test]
    fn a_color_that_is_none_is_a_mistake() {
        let with = |color: &str| mistakes(&Look { color: color.into(), ..Look::default() });
        assert_eq!((with(""), with("#FFE600")), (vec![], vec![]));
        assert_eq!(with("red"), [BadLook::Color]);
    }

    #[test]
    fn a_patch_changes_only_the_parts_that_it_has() {
        let look = Look { color: "#1d4ed8".into(), product_price: 5, ..Look::default() };
        let patch = LookPatch { color: Some(String::new()), ..LookPatch::default() };
        assert_eq!(patch.applied_to(look.clone()), Look { color: String::new(), ..look });
    }
}
