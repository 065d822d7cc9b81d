//! Query parameters of lists.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;

use crate::error::Error;

/// Query parameters, or the rejection that says which one is wrong.
pub(super) type QueryResult<T> = Result<Query<T>, QueryRejection>;

/// The parameters of a query.
pub(super) fn parameters<T>(query: QueryResult<T>) -> Result<T, Error> {
    query.map(|Query(parameters)| parameters).map_err(|rejection| Error::Malformed(rejection.body_text()))
}

/// The length of a page: the default, or the requested one if it is from 1 to `most`.
pub(super) fn page_length(requested: Option<u32>, default: u32, most: u32) -> Result<u32, Error> {
    let length = requested.unwrap_or(default);
    if (1..=most).contains(&length) {
        Ok(length)
    } else {
        Err(Error::Malformed(format!("limit is 1 to {most}")))
    }
}

/// Cuts a list that was read with one row more than a page; returns whether more rows follow.
pub(super) fn cut_to_page<T>(rows: &mut Vec<T>, length: u32) -> bool {
    let more = rows.len() > length as usize;
    rows.truncate(length as usize);
    more
}

/// The error of a cursor that no page returned.
pub(super) fn bad_cursor() -> Error {
    Error::Malformed("cursor is the next_cursor of the previous page".into())
}
