//! What all deliveries of a worker share.

use domain::Millis;
use messaging::{WebhookClient, WebhookConfig};
use tokio::sync::Notify;

use crate::context::WorkerContext;

/// What all deliveries of a worker share.
pub(super) struct Sender {
    pub(super) worker: WorkerContext,
    pub(super) config: WebhookConfig,
    pub(super) client: WebhookClient,
    /// Wakes the task that leases when a delivery has ended, so that the endpoint gets the next one.
    pub(super) ended: Notify,
}

impl Sender {
    /// Longer than the time limit of a request: no other worker repeats it while it runs.
    pub(super) fn lease_ms(&self) -> Millis {
        2 * Millis::try_from(self.config.timeout.as_millis()).unwrap_or(Millis::MAX / 4)
    }
}
