//! What requests carry: path segments, `If-Match`, JSON bodies and the types of their fields.

mod body;
mod change;
mod fields;
mod if_match;
mod path;

pub(crate) use body::{BODY_MAX, JsonBody, parse};
pub(crate) use change::{ChangeBody, ChangeRequest, OptionalReason, RequiredReason, audited_by};
pub(crate) use fields::{
    Announcement, AutoPaceRules, ColorField, Description, DivertPath, PaceField, ProductName, Reason, Title,
    WebAddress, divert_paths, optional_whole_number, present, whole_number,
};
pub(crate) use if_match::{IfMatchOptional, IfMatchRequired, IfNoneMatch, MatchRule};
pub(crate) use path::{ApplicationPath, EndpointPath, EventPath, RevisionPath, TargetPath};
