//! Reading the settings of one part. Every method returns a value even if the setting is wrong, and records the mistake, so that
//! all mistakes are reported together.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::duration::{parse_ms, print_ms};
use super::state::{Origin, RawValue, ReadKey, ReadState, is_below, join};

/// Printed in place of a secret.
const SECRET: &str = "\"(secret)\"";

/// The settings below one path.
#[derive(Debug)]
pub struct Part<'a> {
    state: &'a RefCell<ReadState>,
    path: String,
}

impl<'a> Part<'a> {
    pub(super) fn new(state: &'a RefCell<ReadState>, path: String) -> Self {
        Self { state, path }
    }

    /// The path of the part, for messages.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The settings below a key.
    pub fn part(&mut self, key: &str) -> Part<'a> {
        Part::new(self.state, join(&self.path, key))
    }

    /// Whether the key, or any key below it, is set.
    pub fn has(&self, key: &str) -> bool {
        let path = join(&self.path, key);
        self.state.borrow().values.keys().any(|set| is_below(set, &path))
    }

    /// The elements of an array of tables, in order. The environment and flags reach them by index: `event.0.id`.
    pub fn list(&mut self, key: &str) -> Vec<Part<'a>> {
        let path = join(&self.path, key);
        let indexes = self.indexes(&path);
        indexes.iter().map(|index| Part::new(self.state, join(&path, &index.to_string()))).collect()
    }

    /// A text that has a default.
    pub fn text(&mut self, key: &str, default: &str) -> String {
        let value = self.value(key);
        let text = value.as_ref().map_or(default, |value| &value.text).to_owned();
        self.record(key, Some(quoted(&text)), value.as_ref());
        text
    }

    /// A required text; empty if it is missing.
    pub fn required_text(&mut self, key: &str) -> String {
        self.required(key).unwrap_or_default()
    }

    /// An optional text.
    pub fn optional_text(&mut self, key: &str) -> Option<String> {
        let value = self.value(key);
        self.record(key, value.as_ref().map(|value| quoted(&value.text)), value.as_ref());
        value.map(|value| value.text)
    }

    /// A list of texts: a TOML array, or one text with commas.
    pub fn texts(&mut self, key: &str) -> Vec<String> {
        let path = join(&self.path, key);
        let one = self.value(key);
        let elements: Vec<RawValue> =
            self.indexes(&path).iter().filter_map(|index| self.value(&format!("{key}.{index}"))).collect();
        let origin = one.as_ref().or(elements.first()).cloned();
        let texts: Vec<String> = match one {
            Some(one) => {
                one.text.split(',').map(|text| text.trim().to_owned()).filter(|t| !t.is_empty()).collect()
            }
            None => elements.into_iter().map(|element| element.text).collect(),
        };
        let shown: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
        self.record(key, Some(format!("[{}]", shown.join(", "))), origin.as_ref());
        self.skip_elements(&path);
        texts
    }

    /// A value with a default, read by its own parser. The default must parse.
    pub fn parse<T>(&mut self, key: &str, default: &str) -> T
    where
        T: FromStr<Err: Display>,
    {
        let value = self.value(key);
        let text = value.as_ref().map_or(default, |value| &value.text).to_owned();
        self.record(key, Some(quoted(&text)), value.as_ref());
        text.parse().unwrap_or_else(|error| {
            self.reject(key, value.as_ref(), &format!("'{text}': {error}"));
            default.parse().unwrap_or_else(|_| unreachable!("the default of {key} does not parse"))
        })
    }

    /// A required value, read by its own parser.
    pub fn required<T>(&mut self, key: &str) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        if self.value(key).is_none() {
            self.record(key, None, None);
            self.mistake(key, "is missing");
        }
        self.optional(key)
    }

    /// An optional value, read by its own parser.
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
        let value = self.value(key);
        let number = value.as_ref().map_or(Some(default), |value| value.text.parse().ok());
        let number = number.filter(|number| range.contains(number));
        self.record(key, Some(number.unwrap_or(default).to_string()), value.as_ref());
        number.unwrap_or_else(|| {
            let message = format!("must be a whole number from {} to {}", range.start(), range.end());
            self.reject(key, value.as_ref(), &message);
            default
        })
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &str, default: bool) -> bool {
        let value = self.value(key);
        let flag = value.as_ref().map_or(Some(default), |value| value.text.parse().ok());
        self.record(key, Some(flag.unwrap_or(default).to_string()), value.as_ref());
        flag.unwrap_or_else(|| {
            self.reject(key, value.as_ref(), "must be true or false");
            default
        })
    }

    /// A duration within a range, in milliseconds: `250ms`, `3s`, `1h 30m`, or a bare number of milliseconds.
    pub fn duration_ms(&mut self, key: &str, default_ms: i64, range_ms: RangeInclusive<i64>) -> i64 {
        let value = self.value(key);
        let ms = value.as_ref().map_or(Some(default_ms), |value| parse_ms(&value.text));
        let ms = ms.filter(|ms| range_ms.contains(ms));
        self.record(key, Some(quoted(&print_ms(ms.unwrap_or(default_ms)))), value.as_ref());
        ms.unwrap_or_else(|| {
            let least = print_ms(*range_ms.start());
            let most = print_ms(*range_ms.end());
            let message = format!("must be a duration from {least} to {most}, such as '3s' or '250ms'");
            self.reject(key, value.as_ref(), &message);
            default_ms
        })
    }

    /// A required time, in milliseconds since 1970: RFC 3339, or `+10s` for that long after `now_ms`.
    pub fn time(&mut self, key: &str, now_ms: i64) -> i64 {
        if self.value(key).is_none() {
            self.record(key, None, None);
            self.mistake(key, "is missing");
            return now_ms;
        }
        self.time_or(key, "+0s", now_ms)
    }

    /// A time with a default, which must be a time.
    pub fn time_or(&mut self, key: &str, default: &str, now_ms: i64) -> i64 {
        let value = self.value(key);
        let text = value.as_ref().map_or(default, |value| &value.text).to_owned();
        self.record(key, Some(quoted(&text)), value.as_ref());
        parse_time(&text, now_ms).unwrap_or_else(|| {
            self.reject(
                key,
                value.as_ref(),
                "must be a time such as 2026-05-01T10:00:00+09:00, or '+10s' from now",
            );
            now_ms
        })
    }

    /// The file that holds a secret.
    pub fn secret_file(&mut self, key: &str) -> Option<PathBuf> {
        self.secret_text(key).map(PathBuf::from)
    }

    /// An optional secret text, such as an address with a password in it.
    pub fn secret_text(&mut self, key: &str) -> Option<String> {
        let value = self.value(key);
        self.record(key, value.as_ref().map(|_| SECRET.to_owned()), value.as_ref());
        value.map(|value| value.text)
    }

    /// Records a mistake that the caller found.
    pub fn mistake(&mut self, key: &str, message: &str) {
        let value = self.value(key);
        self.reject(key, value.as_ref(), message);
    }

    fn value(&self, key: &str) -> Option<RawValue> {
        self.state.borrow().values.get(&join(&self.path, key)).cloned()
    }

    fn record(&self, key: &str, toml: Option<String>, value: Option<&RawValue>) {
        let origin = value.map_or(Origin::Default, |value| value.origin.clone());
        let path = join(&self.path, key);
        self.state.borrow_mut().read.insert(path, ReadKey { toml, origin });
    }

    fn reject(&self, key: &str, value: Option<&RawValue>, message: &str) {
        let path = join(&self.path, key);
        let origin = value.map(|value| format!(" ({})", value.origin)).unwrap_or_default();
        self.state.borrow_mut().mistakes.push(format!("{path}: {message}{origin}"));
    }

    /// The indexes that are set below a path, in numerical order.
    fn indexes(&self, path: &str) -> Vec<usize> {
        let state = self.state.borrow();
        let below = state.values.keys().filter_map(|set| set.strip_prefix(path)?.strip_prefix('.'));
        let mut indexes: Vec<usize> =
            below.filter_map(|rest| rest.split('.').next().and_then(|step| step.parse().ok())).collect();
        indexes.sort_unstable();
        indexes.dedup();
        indexes
    }

    /// Marks the elements of a plain array as read without printing them: the array is printed as one value.
    fn skip_elements(&self, path: &str) {
        let indexes = self.indexes(path);
        let state = &mut *self.state.borrow_mut();
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
