//! The figures of an event over time.

use ledger::{ActivityRow, CallActivity};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::change::ChangeResponse;
use super::event::EventResponse;
use crate::timestamp;

/// One second of an event. A figure that was not recorded is missing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MetricSecond {
    /// The start of the second.
    #[schema(format = DateTime)]
    pub at: String,
    /// Numbers that the queue had given, without skipped ones. The difference between two seconds is the inflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied: Option<u32>,
    /// Waiting numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<u32>,
    /// The order calls that ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<CallFigures>,
}

/// Order calls: their number, their results and their latency.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CallFigures {
    /// Order calls that ended.
    pub count: u32,
    /// Applications that ended with an order.
    pub ordered: u32,
    /// Applications that ended with a rejection.
    pub rejected: u32,
    /// Applications that ended without an order after a cancellation.
    pub cancelled: u32,
    /// Calls without a clear response, which are repeated.
    pub unclear: u32,
    /// The median latency, estimated within its bucket.
    pub p50_ms: Option<u32>,
    /// The latency that 95 % of the calls did not exceed.
    pub p95_ms: Option<u32>,
    /// The latency that 99 % of the calls did not exceed.
    pub p99_ms: Option<u32>,
}

impl From<&CallActivity> for CallFigures {
    fn from(calls: &CallActivity) -> Self {
        Self {
            count: calls.calls(),
            ordered: calls.ordered,
            rejected: calls.rejected,
            cancelled: calls.cancelled,
            unclear: calls.unclear,
            p50_ms: calls.percentile_ms(50),
            p95_ms: calls.percentile_ms(95),
            p99_ms: calls.percentile_ms(99),
        }
    }
}

impl From<&ActivityRow> for MetricSecond {
    fn from(row: &ActivityRow) -> Self {
        let has_calls = row.calls != CallActivity::default();
        Self {
            at: timestamp::format(row.at),
            applied: row.applied,
            waiting: row.waiting,
            calls: has_calls.then(|| CallFigures::from(&row.calls)),
        }
    }
}

/// The seconds of an event, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MetricList {
    /// The seconds; those in which nothing was recorded are missing.
    pub items: Vec<MetricSecond>,
}

/// The last seconds as rates.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RecentRates {
    /// Applications per second; null if no leader reported.
    pub applied_per_s: Option<f64>,
    /// Order calls per second.
    pub calls_per_s: f64,
    /// The calls of these seconds together.
    pub calls: CallFigures,
}

/// An event as it is now, sent once a second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LiveResponse {
    /// The time of the operator API.
    #[schema(format = DateTime)]
    pub at: String,
    /// The event.
    pub event: EventResponse,
    /// The last ten seconds as rates.
    pub recent: RecentRates,
    /// How long the waiting applications take that still get a seat, at the pace; null if none waits or none is admitted.
    pub remaining_s: Option<u64>,
    /// The last seconds. The newest ones can still change: a dispatcher reports up to a second late.
    pub seconds: Vec<MetricSecond>,
    /// The event's last change.
    pub change: Option<ChangeResponse>,
}
