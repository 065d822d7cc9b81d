//! How an application ends: once, and for good, but for one way out of `ordered`.

use serde::{Deserialize, Serialize};

/// The end of an application. The names are the ones stored and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The order service made the order.
    Ordered,
    /// The order service said no.
    Rejected,
    /// The applicant took it back.
    Cancelled,
    /// Called, but not confirmed in time.
    Expired,
    /// The event was settled before the turn came.
    SoldOut,
}

impl Outcome {
    /// All of them, for tables and metrics.
    pub const ALL: [Self; 5] = [Self::Ordered, Self::Rejected, Self::Cancelled, Self::Expired, Self::SoldOut];

    /// The name that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ordered => "ordered",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::SoldOut => "sold_out",
        }
    }

    /// The outcome of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|o| o.as_str() == name)
    }

    /// Whether `next` may take this one's place: only `ordered` may become `cancelled`, after the order service confirmed it.
    pub fn may_become(self, next: Self) -> bool {
        (self, next) == (Self::Ordered, Self::Cancelled)
    }
}
