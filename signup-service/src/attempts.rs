//! Attempts without proof: a recovery code, or an application repeated without its secret. Both count alike, for the phone and for
//! the address that they come from.

use domain::{AppKey, EventId};

use crate::error::Error;
use crate::request_body::Client;
use crate::state::SignupState;

/// Attempts a minute for one person's application.
const FOR_ONE_PERSON: u32 = 10;
/// Attempts a minute from one address.
const FROM_ONE_ADDRESS: u32 = 20;

impl SignupState {
    /// Counts an attempt; one too many is refused, whatever it would have been answered.
    pub(crate) fn count_attempt(
        &self,
        client: Client,
        event: &EventId,
        app_key: AppKey,
    ) -> Result<(), Error> {
        let now = self.now();
        let too_many = |retry_s| Error::TooMany { retry_s };
        self.attempts.try_now(("client", client.0), FROM_ONE_ADDRESS, now).map_err(too_many)?;
        self.attempts.try_now(("person", event, app_key), FOR_ONE_PERSON, now).map_err(too_many)
    }
}
