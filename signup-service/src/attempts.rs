//! Limits on attempts without proof: find requests, and repeated applications without their idempotency key. Both count against the
//! same two limits: one for each application, one for each client address.

use domain::{AppKey, EventId};

use crate::error::Error;
use crate::request::ClientAddress;
use crate::state::SignupState;

/// Attempts per minute for one application.
const MAX_PER_APPLICATION: u32 = 10;
/// Attempts per minute from one client address.
const MAX_PER_ADDRESS: u32 = 20;

impl SignupState {
    /// Counts an attempt. Above a limit it fails, whatever the attempt would have returned.
    pub(crate) fn count_attempt(
        &self,
        client: ClientAddress,
        event: &EventId,
        app_key: AppKey,
    ) -> Result<(), Error> {
        let now = self.now();
        let too_many = |retry_s| Error::TooManyAttempts { retry_s };
        self.attempts.try_now(("client", client.0), MAX_PER_ADDRESS, now).map_err(too_many)?;
        self.attempts.try_now(("person", event, app_key), MAX_PER_APPLICATION, now).map_err(too_many)
    }
}
