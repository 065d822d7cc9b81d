//! The types of the inbox: the requests of applicants, which the ledger decides.

use domain::{AppKey, Millis, Number};

use crate::contract::QueueEntry;

/// The kind of an applicant's request. It travels through the inbox and is decided in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InboxKind {
    /// Cancel the application.
    Cancel,
    /// Go on: the called applicant confirms.
    Confirm,
    /// More time.
    Extend,
    /// The shop reports an order.
    Ordered,
    /// The shop reports that there is no order.
    Released,
    /// Restore an application whose receipt was presented to a queue that does not have it.
    PresentReceipt,
}

impl InboxKind {
    /// The name that the stores keep.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Confirm => "confirm",
            Self::Extend => "extend",
            Self::Ordered => "ordered",
            Self::Released => "released",
            Self::PresentReceipt => "present",
        }
    }

    /// The kind with that name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let all =
            [Self::Cancel, Self::Confirm, Self::Extend, Self::Ordered, Self::Released, Self::PresentReceipt];
        all.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A request in the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxEntry {
    /// Its position in the inbox; positions only rise.
    pub id: i64,
    /// When it was written, by the queue's clock.
    pub at: Millis,
    /// The application.
    pub app_key: AppKey,
    /// The number of the application.
    pub number: Number,
    /// What is requested.
    pub kind: InboxKind,
    /// The order number that the shop reports.
    pub order_no: Option<String>,
}

/// What the shop reports of a called applicant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShopReport {
    /// The order is made.
    Ordered {
        /// Its number.
        order_no: String,
    },
    /// There is no order: it was not made, or it was cancelled at the shop.
    Released,
}

impl ShopReport {
    /// The kind of its entry in the inbox.
    pub(crate) fn inbox_kind(&self) -> InboxKind {
        match self {
            Self::Ordered { .. } => InboxKind::Ordered,
            Self::Released => InboxKind::Released,
        }
    }

    /// The order number; empty if there is no order.
    pub(crate) fn order_no(&self) -> &str {
        match self {
            Self::Ordered { order_no } => order_no,
            Self::Released => "",
        }
    }
}

/// What a called applicant requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalledRequest {
    /// To go on.
    Confirm,
    /// More time, once. The ledger knows whether the event allows it, and how much.
    Extend,
}

impl CalledRequest {
    /// The kind of its entry in the inbox.
    pub fn inbox_kind(self) -> InboxKind {
        match self {
            Self::Confirm => InboxKind::Confirm,
            Self::Extend => InboxKind::Extend,
        }
    }
}

/// The result of a called applicant's request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalledReply {
    /// The application after the request.
    pub entry: QueueEntry,
    /// Whether the request is in the inbox, or was before.
    pub accepted: bool,
    /// The queue's clock at the request.
    pub now: Millis,
}
