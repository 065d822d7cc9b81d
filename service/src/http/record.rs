//! What became of a response, for a handler that keeps a record of each, as in an access log.

use std::fmt::Debug;

use axum::http::StatusCode;

/// A response as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentResponse {
    /// Its status. The listener may have replaced the handler's response.
    pub status: StatusCode,
    /// Bytes of its body.
    pub bytes: u64,
    /// Whether all of it was sent.
    pub is_complete: bool,
}

/// The record of one request.
pub trait ResponseRecord: Debug + Send {
    /// The response was sent, or its client has left.
    fn sent(self: Box<Self>, sent: SentResponse);
}

/// The record of a response that is being sent.
#[derive(Debug)]
pub(super) struct PendingRecord {
    pub(super) record: Box<dyn ResponseRecord>,
    pub(super) sent: SentResponse,
}
