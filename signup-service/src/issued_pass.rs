//! The issue of passes: to called applicants, for as long as their time lasts.

use std::sync::Arc;

use domain::{CalledWindow, Kind, Millis, Outcome, Pass, Receipt};
use queue::QueueEntry;

use crate::application::{PublicState, VerifiedReceipt};
use crate::documents::EventDocuments;
use crate::error::Error;
use crate::state::SignupState;

/// A pass that was just signed.
pub(crate) struct IssuedPass {
    /// The receipt of its applicant.
    pub(crate) receipt: Receipt,
    /// The event.
    pub(crate) documents: Arc<EventDocuments>,
    /// The signed pass.
    pub(crate) token: String,
    /// When it ends.
    pub(crate) expires_at: Millis,
    /// The queue's time.
    pub(crate) now: Millis,
}

impl IssuedPass {
    /// The page of the shop that it is for.
    pub(crate) fn target(&self) -> &str {
        &self.documents.snapshot.settings.pass_target
    }
}

impl SignupState {
    /// Issues the pass of the called applicant with this full receipt. It ends with the applicant's time.
    pub(crate) async fn issue_pass(&self, receipt_text: &str) -> Result<IssuedPass, Error> {
        let VerifiedReceipt { receipt, documents } = self.verify_full_receipt(receipt_text)?;
        if documents.snapshot.settings.kind != Kind::Pass {
            return Err(Error::NotCalled);
        }
        let entry = self.queue.entry(&receipt.event, receipt.app_key).await;
        let entry = entry.map_err(|error| Error::of_lookup(&error))?;
        let entry = entry.filter(|entry| entry.number == receipt.number).ok_or(Error::LookupFailed)?;
        let now = documents.queue_time(self.now());
        let expires_at = open_window(&entry, now)?.until;
        let token = self.pass_signer.sign(&Pass {
            event: receipt.event.clone(),
            application: receipt.app_key.guid(),
            number: receipt.number,
            issued_at: now,
            expires_at,
        });
        documents.counters.passes.increment(1);
        Ok(IssuedPass { receipt, documents, token, expires_at, now })
    }
}

/// The time of a called applicant, if it is not over.
fn open_window(entry: &QueueEntry, now: Millis) -> Result<CalledWindow, Error> {
    match PublicState::of_entry(entry) {
        PublicState::Called(window) if !window.is_open(now) => Err(Error::TimeOver),
        PublicState::Called(window) if !entry.cancel_requested => Ok(window),
        PublicState::Ended(Outcome::Expired) => Err(Error::TimeOver),
        _ => Err(Error::NotCalled),
    }
}
