//! Reading the settings of one part. Every reader returns something even when the value is wrong, and notes the mistake,
//! so that reading goes on and all mistakes are told together.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::duration::{parse_ms, print_ms};
use super::{Given, Known, Origin, Settings, join};

/// How a secret is shown.
const SECRET: &str = "\"(secret)\"";

/// The settings below one path.
#[derive(Debug)]
pub struct Part<'a> {
    settings: &'a Settings,
    path: String,
}

impl<'a> Part<'a> {
    pub(super) fn new(settings: &'a Settings, path: String) -> Self {
        Self { settings, path }
    }

    /// The part's own path, for messages.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The settings one step deeper.
    pub fn part(&mut self, key: &str) -> Part<'a> {
        Part::new(self.settings, join(&self.path, key))
    }

    /// Whether anything is given for the key or below it.
    pub fn has(&self, key: &str) -> bool {
        let path = join(&self.path, key);
        self.settings.state.borrow().given.keys().any(|given| super::is_below(given, &path))
    }

    /// The elements of an array of tables, in order. The environment and flags reach them by index: `event.0.id`.
    pub fn list(&mut self, key: &str) -> Vec<Part<'a>> {
        let path = join(&self.path, key);
        let indexes = self.indexes(&path);
        indexes.iter().map(|index| Part::new(self.settings, join(&path, &index.to_string()))).collect()
    }

    /// A text that has a default.
    pub fn text(&mut self, key: &str, default: &str) -> String {
        let given = self.given(key);
        let text = given.as_ref().map_or(default, |given| &given.text).to_owned();
        self.know(key, Some(quoted(&text)), given.as_ref());
        text
    }

    /// A text that must be given; empty if it is not.
    pub fn required_text(&mut self, key: &str) -> String {
        self.required(key).unwrap_or_default()
    }

    /// A text that may be given.
    pub fn optional_text(&mut self, key: &str) -> Option<String> {
        let given = self.given(key);
        self.know(key, given.as_ref().map(|given| quoted(&given.text)), given.as_ref());
        given.map(|given| given.text)
    }

    /// Texts: a TOML array, or one text with commas.
    pub fn texts(&mut self, key: &str) -> Vec<String> {
        let path = join(&self.path, key);
        let one = self.given(key);
        let elements: Vec<Given> =
            self.indexes(&path).iter().filter_map(|index| self.given(&format!("{key}.{index}"))).collect();
        let origin = one.as_ref().or(elements.first()).cloned();
        let texts: Vec<String> = match one {
            Some(one) => {
                one.text.split(',').map(|text| text.trim().to_owned()).filter(|t| !t.is_empty()).collect()
            }
            None => elements.into_iter().map(|element| element.text).collect(),
        };
        let shown: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
        self.know(key, Some(format!("[{}]", shown.join(", "))), origin.as_ref());
        self.know_elements(&path);
        texts
    }

    /// A value with a default, by its own parser. The default must parse.
    pub fn parse<T>(&mut self, key: &str, default: &str) -> T
    where
        T: FromStr<Err: Display>,
    {
        let given = self.given(key);
        let text = given.as_ref().map_or(default, |given| &given.text).to_owned();
        self.know(key, Some(quoted(&text)), given.as_ref());
        text.parse().unwrap_or_else(|error| {
            self.wrong(key, given.as_ref(), &format!("'{text}': {error}"));
            default.parse().unwrap_or_else(|_| unreachable!("the default of {key} is no value of its kind"))
        })
    }

    /// A value that must be given, by its own parser.
    pub fn required<T>(&mut self, key: &str) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        if self.given(key).is_none() {
            self.know(key, None, None);
            self.mistake(key, "is missing");
        }
        self.optional(key)
    }

    /// A value that may be given, by its own parser.
    pub fn optional<T>(&mut self, key: &str) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        let text = self.optional_text(key)?;
        let parsed = text.parse().map_err(|error: T::Err| format!("'{text}': {error}"));
        parsed.map_err(|message| self.mistake(key, &message)).ok()
    }

    /// A whole number within a range.
    pub fn integer(&mut self, key: &str, range: RangeInclusive<i64>, default: i64) -> i64 {
        let given = self.given(key);
        let number = given.as_ref().map_or(Some(default), |given| given.text.parse().ok());
        let number = number.filter(|number| range.contains(number));
        self.know(key, Some(number.unwrap_or(default).to_string()), given.as_ref());
        number.unwrap_or_else(|| {
            let message = format!("must be a whole number from {} to {}", range.start(), range.end());
            self.wrong(key, given.as_ref(), &message);
            default
        })
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &str, default: bool) -> bool {
        let given = self.given(key);
        let flag = given.as_ref().map_or(Some(default), |given| given.text.parse().ok());
        self.know(key, Some(flag.unwrap_or(default).to_string()), given.as_ref());
        flag.unwrap_or_else(|| {
            self.wrong(key, given.as_ref(), "must be true or false");
            default
        })
    }

    /// A duration within a range, in milliseconds: `250ms`, `3s`, `5m`, `2h`, `1d`, or a bare number of milliseconds.
    pub fn duration_ms(&mut self, key: &str, default_ms: i64, range_ms: RangeInclusive<i64>) -> i64 {
        let given = self.given(key);
        let ms = given.as_ref().map_or(Some(default_ms), |given| parse_ms(&given.text));
        let ms = ms.filter(|ms| range_ms.contains(ms));
        self.know(key, Some(quoted(&print_ms(ms.unwrap_or(default_ms)))), given.as_ref());
        ms.unwrap_or_else(|| {
            let (least, most) = (print_ms(*range_ms.start()), print_ms(*range_ms.end()));
            let message = format!("must be a duration from {least} to {most}, such as '3s' or '250ms'");
            self.wrong(key, given.as_ref(), &message);
            default_ms
        })
    }

    /// A time that must be given, in milliseconds since 1970: RFC 3339, or `+10s` for that long after `now_ms`.
    pub fn time(&mut self, key: &str, now_ms: i64) -> i64 {
        if self.given(key).is_none() {
            self.know(key, None, None);
            self.mistake(key, "is missing");
            return now_ms;
        }
        self.time_or(key, "+0s", now_ms)
    }

    /// The same with a default, which must be a time.
    pub fn time_or(&mut self, key: &str, default: &str, now_ms: i64) -> i64 {
        let given = self.given(key);
        let text = given.as_ref().map_or(default, |given| &given.text).to_owned();
        self.know(key, Some(quoted(&text)), given.as_ref());
        parse_time(&text, now_ms).unwrap_or_else(|| {
            self.wrong(
                key,
                given.as_ref(),
                "must be a time such as 2026-05-01T10:00:00+09:00, or '+10s' from now",
            );
            now_ms
        })
    }

    /// The file that holds a secret.
    pub fn secret_file(&mut self, key: &str) -> Option<PathBuf> {
        self.secret_text(key).map(PathBuf::from)
    }

    /// A secret text that may be given, as an address with a password in it.
    pub fn secret_text(&mut self, key: &str) -> Option<String> {
        let given = self.given(key);
        self.know(key, given.as_ref().map(|_| SECRET.to_owned()), given.as_ref());
        given.map(|given| given.text)
    }

    /// Notes what the caller found wrong; it is told with the rest.
    pub fn mistake(&mut self, key: &str, message: &str) {
        let given = self.given(key);
        self.wrong(key, given.as_ref(), message);
    }

    fn given(&self, key: &str) -> Option<Given> {
        self.settings.state.borrow().given.get(&join(&self.path, key)).cloned()
    }

    fn know(&self, key: &str, shown: Option<String>, given: Option<&Given>) {
        let origin = given.map_or(Origin::Default, |given| given.origin.clone());
        let path = join(&self.path, key);
        self.settings.state.borrow_mut().known.insert(path, Known { shown, origin });
    }

    fn wrong(&self, key: &str, given: Option<&Given>, message: &str) {
        let path = join(&self.path, key);
        let origin = given.map(|given| format!(" ({})", given.origin)).unwrap_or_default();
        self.settings.state.borrow_mut().mistakes.push(format!("{path}: {message}{origin}"));
    }

    /// The indexes that are given below a path, in numerical order.
    fn indexes(&self, path: &str) -> Vec<usize> {
        let state = self.settings.state.borrow();
        let below = state.given.keys().filter_map(|given| given.strip_prefix(path)?.strip_prefix('.'));
        let mut indexes: Vec<usize> =
            below.filter_map(|rest| rest.split('.').next().and_then(|step| step.parse().ok())).collect();
        indexes.sort_unstable();
        indexes.dedup();
        indexes
    }

    /// The elements of a plain array are told as one value: they are known, but not shown a second time.
    fn know_elements(&self, path: &str) {
        let indexes = self.indexes(path);
        let state = &mut *self.settings.state.borrow_mut();
        state.skipped.extend(indexes.iter().map(|index| join(path, &index.to_string())));
    }
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A time in milliseconds since 1970: RFC 3339, or `+10s` for that long after `now_ms`.
pub fn parse_time(text: &str, now_ms: i64) -> Option<i64> {
    if let Some(later) = text.strip_prefix('+') {
        return now_ms.checked_add(parse_ms(later)?);
    }
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok()
}
