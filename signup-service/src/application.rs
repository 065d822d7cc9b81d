//! An application as its receipt shows it: what the receipt and the queue together say. It is read, never changed.

use std::sync::Arc;

use domain::{CalledWindow, Outcome, Receipt, Right};
use queue::{QueueEntry, QueueState};

use crate::documents::EventDocuments;
use crate::error::Error;
use crate::state::SignupState;

/// The state of an application as far as the queue shows it to the applicant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PublicState {
    /// In the queue.
    Waiting,
    /// Cancelled before its turn.
    Withdrawn,
    /// Called: the applicant has to confirm in time.
    Called(CalledWindow),
    /// Admitted, and confirmed if the event requires it; the outcome is not known yet.
    Ordering,
    /// Ended with this outcome.
    Ended(Outcome),
}

impl PublicState {
    /// The state by the queue's state alone, without what the ledger has projected.
    pub(crate) fn of(state: QueueState) -> Self {
        match state {
            QueueState::Waiting => Self::Waiting,
            QueueState::Withdrawn => Self::Withdrawn,
            QueueState::Admitted => Self::Ordering,
        }
    }

    /// The state of an entry of the queue.
    pub(crate) fn of_entry(entry: &QueueEntry) -> Self {
        match (&entry.outcome, entry.called) {
            (Some(projected), _) => Self::Ended(projected.outcome),
            (None, Some(window)) if !window.confirmed => Self::Called(window),
            (None, _) => Self::of(entry.state),
        }
    }

    /// The state in the API.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Withdrawn => "withdrawn",
            Self::Called(_) => "called",
            Self::Ordering => "ordering",
            Self::Ended(outcome) => outcome.as_str(),
        }
    }
}

/// An application as its receipt shows it.
#[derive(Debug, Clone)]
pub(crate) struct ApplicationView {
    /// The receipt as text.
    pub(crate) receipt_text: String,
    /// The content of the receipt.
    pub(crate) receipt: Receipt,
    /// The state; none with a view receipt, which shows neither state nor order.
    pub(crate) state: Option<PublicState>,
    /// The order number, once ordered; with the full receipt only.
    pub(crate) order_no: Option<String>,
    /// The event.
    pub(crate) documents: Arc<EventDocuments>,
}

impl ApplicationView {
    /// What this receipt shows of its application.
    pub(crate) fn new(
        receipt_text: String,
        receipt: Receipt,
        state: PublicState,
        order_no: Option<String>,
        documents: Arc<EventDocuments>,
    ) -> Self {
        let is_full = receipt.right == Right::Full;
        let state = is_full.then_some(state);
        let order_no = order_no.filter(|_| is_full);
        Self { receipt_text, receipt, state, order_no, documents }
    }

    /// What this receipt shows of the application in this entry of the queue.
    pub(crate) fn of_entry(
        receipt_text: String,
        receipt: Receipt,
        entry: QueueEntry,
        documents: Arc<EventDocuments>,
    ) -> Self {
        let state = PublicState::of_entry(&entry);
        let order_no = entry.outcome.and_then(|projected| projected.order_no);
        Self::new(receipt_text, receipt, state, order_no, documents)
    }

    /// Whether the receipt may cancel.
    pub(crate) fn is_full(&self) -> bool {
        self.receipt.right == Right::Full
    }

    /// The recovery code as it is displayed, `K7QD-22MF`; with the full receipt only.
    pub(crate) fn recovery_code(&self) -> Option<String> {
        let keys = self.documents.keys.as_ref().filter(|_| self.is_full())?;
        let mut code = keys.recovery_code(self.receipt.app_key, self.receipt.number);
        code.insert(code.len() / 2, '-');
        Some(code)
    }

    /// The code for support: the start of the GUID.
    pub(crate) fn support_code(&self) -> String {
        let guid = self.receipt.app_key.guid();
        format!("{}-{}", &guid[..8], &guid[8..12])
    }
}

/// A receipt that this system issued, with its event.
pub(crate) struct VerifiedReceipt {
    pub(crate) receipt: Receipt,
    pub(crate) documents: Arc<EventDocuments>,
}

impl SignupState {
    /// Verifies a receipt and finds its event. The queue is not read.
    pub(crate) fn verify_receipt(&self, receipt_text: &str) -> Result<VerifiedReceipt, Error> {
        let receipt = Receipt::read(receipt_text, &self.keys).map_err(|_| Error::InvalidReceipt)?;
        let documents = self.documents(receipt.event.as_str()).map_err(Error::into_lookup)?;
        Ok(VerifiedReceipt { receipt, documents })
    }

    /// Verifies a full receipt and finds its event.
    pub(crate) fn verify_full_receipt(&self, receipt_text: &str) -> Result<VerifiedReceipt, Error> {
        let verified = self.verify_receipt(receipt_text)?;
        if verified.receipt.right == Right::Full { Ok(verified) } else { Err(Error::ViewOnly) }
    }

    /// The application of a receipt. If the queue does not have it, or has it with another number, then the queue has lost data, and
    /// the application will be restored from the receipt.
    pub(crate) async fn application(&self, receipt_text: &str) -> Result<ApplicationView, Error> {
        let VerifiedReceipt { receipt, documents } = self.verify_receipt(receipt_text)?;
        let entry = self.queue.entry(&receipt.event, receipt.app_key).await;
        let mut entry = entry.map_err(|error| Error::of_lookup(&error))?;
        if entry.is_none() {
            let presented = self.queue.present_receipt(&receipt.event, receipt.app_key, receipt.number).await;
            entry = presented.map_err(|error| Error::of_lookup(&error))?;
        }
        let entry = entry.filter(|entry| entry.number == receipt.number).ok_or(Error::LookupFailed)?;
        Ok(ApplicationView::of_entry(receipt_text.to_owned(), receipt, entry, documents))
    }
}
