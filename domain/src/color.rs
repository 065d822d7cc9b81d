//! Colors, and how well one can be read on another (WCAG 2.2, 1.4.3).

use std::fmt;
use std::str::FromStr;

/// An opaque color in sRGB, written as `#1d4ed8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Color {
    red: u8,
    green: u8,
    blue: u8,
}

impl Color {
    const BLACK: Self = Self::new(0, 0, 0);
    const WHITE: Self = Self::new(255, 255, 255);

    /// A color of these parts.
    pub const fn new(red: u8, green: u8, blue: u8) -> Self {
        Self { red, green, blue }
    }

    /// The contrast ratio of two colors: from 1, which is none, to 21.
    pub fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// This color if it has the contrast on the background; otherwise the nearest one that has, darker on a light background and lighter
    /// on a dark one.
    pub fn readable_on(self, background: Self, contrast: f64) -> Self {
        let end = [Self::BLACK, Self::WHITE]
            .into_iter()
            .max_by(|a, b| a.contrast(background).total_cmp(&b.contrast(background)));
        let end = end.unwrap_or(Self::BLACK);
        let mut steps = (0..=u8::MAX).map(|part| self.mixed_with(end, part));
        steps.find(|color| color.contrast(background) >= contrast).unwrap_or(end)
    }

    /// This color with `part` of 255 parts of another.
    fn mixed_with(self, other: Self, part: u8) -> Self {
        let mixed = |own: u8, other: u8| {
            let sum = u32::from(own) * u32::from(u8::MAX - part) + u32::from(other) * u32::from(part);
            u8::try_from(sum / u32::from(u8::MAX)).unwrap_or(u8::MAX)
        };
        Self {
            red: mixed(self.red, other.red),
            green: mixed(self.green, other.green),
            blue: mixed(self.blue, other.blue),
        }
    }

    /// The relative luminance.
    fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.red) + 0.7152 * linear(self.green) + 0.0722 * linear(self.blue)
    }
}

/// A text that is no color.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a color as '#1d4ed8'")]
pub struct BadColor;

impl FromStr for Color {
    type Err = BadColor;
    fn from_str(text: &str) -> Result<Self, BadColor> {
        let digits = text.strip_prefix('#').ok_or(BadColor)?.to_ascii_lowercase();
        match data_encoding::HEXLOWER.decode(digits.as_bytes()).as_deref() {
            Ok(&[red, green, blue]) => Ok(Self { red, green, blue }),
            _ => Err(BadColor),
        }
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn color(text: &str) -> Color {
        text.parse().unwrap()
    }

    #[test]
    fn a_color_is_six_hexadecimal_digits_after_a_number_sign() {
        assert_eq!(color("#1D4ed8").to_string(), "#1d4ed8");
        for text in ["", "#", "1d4ed8", "#fff", "#1d4ed80", "#1d4edg", "red", "#1d4ed8;", "#가나"] {
            assert_eq!(text.parse::<Color>(), Err(BadColor), "{text}");
        }
    }

    #[test]
    fn the_contrast_is_that_of_the_guidelines() {
        for (a, b, ratio) in [
            ("#000000", "#ffffff", 21.0),
            ("#777777", "#ffffff", 4.48),
            ("#1d4ed8", "#ffffff", 6.70),
            ("#ff0000", "#ffffff", 4.0),
            ("#123456", "#123456", 1.0),
        ] {
            let measured = color(a).contrast(color(b));
            assert!((measured - ratio).abs() < 0.01, "{a} on {b}: {measured}");
        }
    }

    #[test]
    fn every_color_becomes_readable_on_a_light_and_on_a_dark_background() {
        for background in [color("#fff1da"), color("#32240d")] {
            for red in (0..=255).step_by(51) {
                for green in (0..=255).step_by(51) {
                    for blue in (0..=255).step_by(51) {
                        let readable = Color::new(red, green, blue).readable_on(background, 4.5);
                        assert!(readable.contrast(background) >= 4.5, "{readable} on {background}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_readable_color_stays_as_it_is() {
        assert_eq!(color("#1d4ed8").readable_on(color("#ffffff"), 4.5), color("#1d4ed8"));
        assert_eq!(color("#ffe600").readable_on(color("#32240d"), 4.5), color("#ffe600"));
    }
}
