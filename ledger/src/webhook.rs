//! Webhook endpoints, and the deliveries to each.

pub(crate) mod change_endpoint;
pub(crate) mod delivery;
pub(crate) mod delivery_log;
pub(crate) mod endpoint;
pub(crate) mod endpoint_audit;
pub(crate) mod fan_out;
pub(crate) mod waiting;
