//! The states of a receipt's page. They are finer than those of the API: they also depend on the event and on a cancel request.
//! `pageState` in `assets/wait.js` follows the same rules.

use domain::{Kind, Outcome, Stock};

use crate::application::{ApplicationView, PublicState};
use crate::messages::{PageText, TitledText};

/// The state of a receipt's page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReceiptPageState {
    Waiting,
    Waitlisted,
    Paused,
    /// Waitlisted, with no seat left: a seat may still come back.
    Claimed,
    /// The applicant has to confirm in time.
    Called,
    Ordering,
    Cancelling,
    Ended(Outcome),
}

impl ReceiptPageState {
    const ALL: [Self; 12] = [
        Self::Waiting,
        Self::Waitlisted,
        Self::Paused,
        Self::Claimed,
        Self::Called,
        Self::Ordering,
        Self::Cancelling,
        Self::Ended(Outcome::Ordered),
        Self::Ended(Outcome::Rejected),
        Self::Ended(Outcome::Cancelled),
        Self::Ended(Outcome::Expired),
        Self::Ended(Outcome::SoldOut),
    ];

    /// The states that the script may have to show: all that can follow.
    pub(super) fn following(self, kind: Kind, cancel_requested: bool) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |next| match next {
            _ if !self.may_change() => *next == self,
            Self::Cancelling => cancel_requested,
            // Only other kinds call the applicant.
            Self::Called | Self::Ended(Outcome::Expired) => kind != Kind::Order,
            _ => true,
        })
    }

    /// The state of the page of this application.
    pub(super) fn of(application: &ApplicationView, state: PublicState, cancel_requested: bool) -> Self {
        let documents = &application.documents;
        let is_waitlisted = documents.waitlist_number(application.receipt.number).is_some();
        let has_pass = documents.snapshot.settings.kind == Kind::Pass;
        match state {
            PublicState::Withdrawn => Self::Ended(Outcome::Cancelled),
            PublicState::Called(_) | PublicState::Ordering if cancel_requested => Self::Cancelling,
            // An order that was made with a pass is cancelled at the shop, so a request to cancel came too late.
            PublicState::Ended(Outcome::Ordered) if cancel_requested && !has_pass => Self::Cancelling,
            PublicState::Called(_) => Self::Called,
            PublicState::Ordering => Self::Ordering,
            PublicState::Ended(outcome) => Self::Ended(outcome),
            PublicState::Waiting if is_waitlisted && documents.stock() == Stock::SoldOut => Self::Claimed,
            PublicState::Waiting if documents.is_paused() => Self::Paused,
            PublicState::Waiting if is_waitlisted => Self::Waitlisted,
            PublicState::Waiting => Self::Waiting,
        }
    }

    /// The state for style and script.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Waitlisted => "waitlisted",
            Self::Paused => "paused",
            Self::Claimed => "claimed",
            Self::Called => "called",
            Self::Ordering => "ordering",
            Self::Cancelling => "cancelling",
            Self::Ended(outcome) => outcome.as_str(),
        }
    }

    /// Heading and sentence.
    pub(super) fn heading(self, text: &'static PageText, kind: Kind) -> TitledText {
        match (self, kind) {
            // Such an applicant has to come back, so the page must not say that it may be closed.
            (Self::Waiting, Kind::Confirm) => text.waiting_to_confirm,
            (Self::Waitlisted, Kind::Confirm) => text.waitlisted_to_confirm,
            (Self::Waiting, Kind::Pass) => text.waiting_to_order,
            (Self::Waitlisted, Kind::Pass) => text.waitlisted_to_order,
            (Self::Called, Kind::Pass) => text.called_to_order,
            // The ledger has called the applicant, and the queue shows it in a moment.
            (Self::Ordering, Kind::Pass) => text.preparing_pass,
            (Self::Ended(Outcome::Ordered), Kind::Pass) => text.ordered_at_shop,
            (Self::Ended(Outcome::Expired), Kind::Pass) => text.expired_to_order,
            (state, _) => state.common_heading(text),
        }
    }

    fn common_heading(self, text: &'static PageText) -> TitledText {
        match self {
            Self::Waiting => text.waiting,
            Self::Waitlisted => text.waitlisted,
            Self::Paused => text.paused,
            Self::Claimed => text.claimed,
            Self::Called => text.called,
            Self::Ordering => text.ordering,
            Self::Cancelling => text.cancelling,
            Self::Ended(Outcome::Ordered) => text.ordered,
            Self::Ended(Outcome::Rejected) => text.rejected,
            Self::Ended(Outcome::Cancelled) => text.cancelled,
            Self::Ended(Outcome::Expired) => text.expired,
            Self::Ended(Outcome::SoldOut) => text.sold_out,
        }
    }

    /// Whether the state may still change.
    pub(super) fn may_change(self) -> bool {
        !matches!(self, Self::Ended(_))
    }
}
