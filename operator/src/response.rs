//! Response bodies of the operator API. Clients such as the command line read the same types.

mod application;
mod change;
mod etag;
mod event;
mod metric;
mod outbox;
mod preview;
mod result;
mod timeline;
mod webhook;

pub use application::{ApplicationList, ApplicationResponse};
pub(crate) use change::with_timestamps;
pub use change::{ChangeList, ChangeResponse};
pub use event::{
    AutoPaceResponse, EventList, EventResponse, LocalizedText, PendingCounts, QueueResponse, SeatCounts,
};
pub use metric::{CallFigures, LiveResponse, MetricList, MetricSecond, RecentRates};
pub use outbox::{TargetList, TargetResponse};
pub use preview::{ChangeSeverity, Effect, PreviewResponse};
pub use result::ResultResponse;
pub(crate) use result::{COLUMNS, result_line};
pub use timeline::{ApplicationTimeline, TimelineEntry};
pub use webhook::{
    DeliveryList, DeliveryResponse, EndpointList, EndpointResponse, EndpointSecret, ReplayedDeliveries,
    TestDelivery,
};
