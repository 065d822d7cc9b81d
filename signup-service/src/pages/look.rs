//! The look that the operator gave an event: a color, a description, a picture and the product.

use axum::http::HeaderValue;
use domain::look::web_origin;
use domain::{Color, EventSettings, Look};
use sha2::{Digest as _, Sha256};

use crate::messages::{PageText, fill};
use crate::timestamp;

/// The contrast of text (WCAG 2.2, 1.4.3).
const CONTRAST: f64 = 4.5;
/// The darkest background of the light scheme on which a link stands, `--warn-bg` in `assets/base.css`.
const LIGHT: Color = Color::new(0xff, 0xf1, 0xda);
/// The lightest background of the dark scheme on which a link stands.
const DARK: Color = Color::new(0x32, 0x24, 0x0d);
/// The text of a button on a color that stands out on [`DARK`].
const DARK_INK: Color = Color::new(0x0b, 0x15, 0x30);

/// The look of a page.
pub(super) struct PageLook {
    /// The style: the color, and the layout of the other parts.
    pub(super) css: String,
    pub(super) description: String,
    /// The address of the picture. The script requests it after the first paint.
    pub(super) picture_url: String,
    pub(super) product: Option<ProductLine>,
}

/// The product, as texts.
pub(super) struct ProductLine {
    pub(super) name: String,
    pub(super) price: String,
    pub(super) url: String,
}

impl PageLook {
    /// The look of an event's page; none if the operator gave it none.
    pub(super) fn of_event(settings: &EventSettings, text: &PageText, layout: &str) -> Option<Self> {
        let look = &settings.look;
        if *look == Look::default() {
            return None;
        }
        let tag = text.html_lang;
        let css = format!("{}{layout}", look.color.parse().map(accent).unwrap_or_default());
        Some(Self {
            css,
            description: look.description.in_language(tag).to_owned(),
            picture_url: look.picture_url.clone(),
            product: product(look, text),
        })
    }

    /// The look of a receipt: the color and the product, so that the page stays small.
    pub(super) fn of_receipt(settings: &EventSettings, text: &PageText, layout: &str) -> Option<Self> {
        let look = Self::of_event(settings, text, layout)?;
        Some(Self { description: String::new(), picture_url: String::new(), ..look })
    }

    /// Whether there is anything to show besides the color.
    pub(super) fn has_content(&self) -> bool {
        self.product.is_some() || !self.description.is_empty() || !self.picture_url.is_empty()
    }

    /// The policy of the page: as given, and with this style and the origin of the picture.
    pub(super) fn policy(&self, policy: &HeaderValue) -> HeaderValue {
        extended_policy(policy, &self.css, &self.picture_url)
    }
}

/// A policy that also allows a style, and the origin of a picture.
pub(super) fn extended_policy(policy: &HeaderValue, css: &str, picture_url: &str) -> HeaderValue {
    let hash = data_encoding::BASE64.encode(&Sha256::digest(css.as_bytes()));
    let images = web_origin(picture_url).unwrap_or_default();
    let extended = policy
        .to_str()
        .unwrap_or_default()
        .replacen("style-src ", &format!("style-src 'sha256-{hash}' "), 1)
        .replacen("img-src data:", &format!("img-src data: {images}"), 1);
    HeaderValue::from_str(&extended).unwrap_or_else(|_| policy.clone())
}

fn product(look: &Look, text: &PageText) -> Option<ProductLine> {
    let name = look.product_name.in_language(text.html_lang);
    let price = |won: u32| fill(text.price, &[("n", &timestamp::grouped(won))]);
    (!name.is_empty()).then(|| ProductLine {
        name: name.to_owned(),
        price: if look.product_price == 0 { String::new() } else { price(look.product_price) },
        url: look.product_url.clone(),
    })
}

/// The style that puts the color in the place of the usual one, as near to it as its text can be read.
fn accent(color: Color) -> String {
    let (light, dark) = (color.readable_on(LIGHT, CONTRAST), color.readable_on(DARK, CONTRAST));
    format!(
        ":root{{--key:{light}}}\n@media(prefers-color-scheme:dark){{:root{{--key:{dark};--key-ink:{DARK_INK}}}}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of a variable of the style: in the light scheme and in the dark one.
    fn values(css: &str, variable: &str) -> [Color; 2] {
        let values: Vec<Color> = css
            .split(&format!("--{variable}:"))
            .skip(1)
            .map(|rest| rest.split([';', '}']).next().unwrap())
            .map(|value| if value == "#fff" { "#ffffff" } else { value }.parse().unwrap())
            .collect();
        [values[0], values[1]]
    }

    #[test]
    fn every_color_can_be_read_wherever_the_pages_use_it() {
        let base = include_str!("../../assets/base.css");
        assert_eq!(values(base, "warn-bg"), [LIGHT, DARK]);
        let white = values(base, "key-ink")[0];
        for color in ["#ffe600", "#ff5a5f", "#00c73c", "#1d4ed8", "#ffffff", "#000000", "#808080"] {
            let keys = values(&accent(color.parse().unwrap()), "key");
            for background in ["bg", "card", "warn-bg"] {
                for (key, background) in keys.into_iter().zip(values(base, background)) {
                    assert!(key.contrast(background) >= CONTRAST, "{key} of {color} on {background}");
                }
            }
            assert!(keys[0].contrast(white) >= CONTRAST && keys[1].contrast(DARK_INK) >= CONTRAST, "{color}");
            // The part of a progress bar is no text.
            for (key, track) in keys.into_iter().zip(values(base, "border")) {
                assert!(key.contrast(track) >= 3.0, "{key} of {color} on the track {track}");
            }
        }
    }

    #[test]
    fn a_policy_allows_the_style_of_the_look_and_the_origin_of_its_picture_only() {
        let look = PageLook {
            css: ":root{--key:#1d4ed8}".into(),
            description: String::new(),
            picture_url: "https://cdn.example.com/a/b.jpg?w=1".into(),
            product: None,
        };
        let own = HeaderValue::from_static(
            "default-src 'none'; style-src 'sha256-a'; img-src data: ; base-uri 'none'",
        );
        let hash = data_encoding::BASE64.encode(&Sha256::digest(look.css.as_bytes()));
        assert_eq!(
            look.policy(&own),
            format!(
                "default-src 'none'; style-src 'sha256-{hash}' 'sha256-a'; img-src data: https://cdn.example.com ; base-uri 'none'"
            )
        );
    }
}
