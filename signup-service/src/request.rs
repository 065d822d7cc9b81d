//! What requests contain: the variable segment of the path, headers, bodies and their fields.

mod application;
mod body;
mod client;
mod content_type;
mod cross_site;
mod field;
mod find;
mod form;
mod idempotency_key;
mod path;

pub(crate) use application::{ApplicationRequest, ApplyBody};
pub(crate) use body::PostRequest;
pub(crate) use client::ClientAddress;
pub(crate) use content_type::ContentType;
pub(crate) use cross_site::reject_cross_site;
pub(crate) use field::parse_json;
pub(crate) use find::{FindBody, FindRequest};
pub(crate) use form::FormFields;
pub(crate) use path::PathParameter;
