//! Calls to the order service: leasing them at the pace, recording the responses, and applications that are parked.

pub(crate) mod call_lease;
pub(crate) mod embedded_orders;
pub(crate) mod pace_bucket;
pub(crate) mod parked;
pub(crate) mod response;
