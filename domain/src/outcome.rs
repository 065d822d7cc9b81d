//! The outcome of an application. It is final, except that `ordered` may become `cancelled`.

use serde::{Deserialize, Serialize};

/// How an application ended. The names are those that are stored and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The order service made the order.
    Ordered,
    /// The order service rejected the order.
    Rejected,
    /// The applicant cancelled.
    Cancelled,
    /// The applicant did not confirm in time.
    Expired,
    /// The event was settled before the application was admitted.
    SoldOut,
}

impl Outcome {
    /// All outcomes, for tables and metrics.
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

    /// The outcome with that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|o| o.as_str() == name)
    }

    /// Whether `next` may replace this outcome: only `ordered` may become `cancelled`, after the order service has confirmed it.
    pub fn may_become(self, next: Self) -> bool {
        (self, next) == (Self::Ordered, Self::Cancelled)
    }
}
