//! Readers of single columns.

use std::str::FromStr;

use domain::{EventState, Number};
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::store::error::Error;

/// Reads a column of text.
pub(crate) fn text(row: &AnyRow, column: &str) -> Result<String, Error> {
    Ok(row.try_get(column)?)
}

/// Reads a column of text that may be NULL.
pub(crate) fn maybe_text(row: &AnyRow, column: &str) -> Result<Option<String>, Error> {
    Ok(row.try_get(column)?)
}

/// Reads a column of integers.
pub(crate) fn int(row: &AnyRow, column: &str) -> Result<i64, Error> {
    Ok(row.try_get(column)?)
}

/// Reads a column of integers that may be NULL.
pub(crate) fn maybe_int(row: &AnyRow, column: &str) -> Result<Option<i64>, Error> {
    Ok(row.try_get(column)?)
}

/// Reads a count, a number of the queue or another integer that is never negative.
pub(crate) fn count(row: &AnyRow, column: &str) -> Result<u32, Error> {
    u32::try_from(int(row, column)?).map_err(|_| Error::Inconsistent(format!("{column} is out of range")))
}

/// Reads a count that may be NULL.
pub(crate) fn maybe_count(row: &AnyRow, column: &str) -> Result<Option<u32>, Error> {
    Ok(maybe_int(row, column)?.and_then(|count| u32::try_from(count).ok()))
}

/// Reads a column whose type parses from text: a key, an id.
pub(crate) fn parsed<T: FromStr>(row: &AnyRow, column: &str) -> Result<T, Error> {
    parse(column, &text(row, column)?)
}

/// Reads a column that may be NULL and whose type parses from text.
pub(crate) fn maybe_parsed<T: FromStr>(row: &AnyRow, column: &str) -> Result<Option<T>, Error> {
    maybe_text(row, column)?.map(|text| parse(column, &text)).transpose()
}

fn parse<T: FromStr>(column: &str, text: &str) -> Result<T, Error> {
    text.parse().map_err(|_| impossible(column, text))
}

/// Reads an application's number.
pub(crate) fn number(row: &AnyRow) -> Result<Number, Error> {
    int(row, "number")?.try_into().map_err(|_| Error::Inconsistent("a number is out of range".into()))
}

/// Reads the state of an event.
pub(crate) fn event_state(row: &AnyRow) -> Result<EventState, Error> {
    let state = text(row, "state")?;
    EventState::parse(&state).ok_or_else(|| impossible("state", &state))
}

/// The error for a value that the column cannot have.
pub(crate) fn impossible(column: &str, value: &str) -> Error {
    Error::Inconsistent(format!("{column} cannot be '{value}'"))
}
