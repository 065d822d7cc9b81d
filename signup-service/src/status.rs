//! One's own application: what a receipt and the queue together say about it. Reading only.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use domain::{AppKey, Millis, Number, Outcome, Receipt, Right};
use queue::{QueueEntry, QueueState};
use serde::Serialize;
use utoipa::ToSchema;

use crate::documents::{EventDocuments, Poll};
use crate::error::{Error, localised};
use crate::error_docs::OfReceipt;
use crate::request_body::PathId;
use crate::state::SignupState;
use service::Language;

/// Where an application stands, as far as the queue shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnState {
    /// In the queue.
    Waiting,
    /// Taken back before its turn.
    Withdrawn,
    /// Its turn has come.
    Ordering,
    /// Ended.
    Ended(Outcome),
}

impl OwnState {
    /// By the queue's state and the outcome that it shows.
    pub(crate) fn of(state: QueueState, shown: Option<Outcome>) -> Self {
        match (shown, state) {
            (Some(outcome), _) => Self::Ended(outcome),
            (None, QueueState::Waiting) => Self::Waiting,
            (None, QueueState::Withdrawn) => Self::Withdrawn,
            (None, QueueState::Admitted) => Self::Ordering,
        }
    }

    /// By a row of the queue.
    pub(crate) fn of_row(row: &QueueEntry) -> Self {
        Self::of(row.state, row.outcome.as_ref().map(|shown| shown.outcome))
    }

    /// The word of the API.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Withdrawn => "withdrawn",
            Self::Ordering => "ordering",
            Self::Ended(outcome) => outcome.as_str(),
        }
    }
}

/// One's own application.
#[derive(Debug, Clone)]
pub(crate) struct Own {
    /// The receipt as it was shown.
    pub(crate) text: String,
    /// What it says.
    pub(crate) receipt: Receipt,
    /// Where the application stands; none with a view receipt, which shows neither state nor order.
    pub(crate) state: Option<OwnState>,
    /// The order's number, once ordered; with the full receipt only.
    pub(crate) order_no: Option<String>,
    /// Its event.
    pub(crate) documents: Arc<EventDocuments>,
}

/// What every answer about an application says.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct OwnAnswer<'a> {
    event: &'a str,
    /// The place in the queue: it never changes.
    #[schema(value_type = u32)]
    number: Number,
    /// Where it stands: this, `standing` and `ahead` come with the full receipt only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        nullable = false,
        pattern = "^(waiting|withdrawn|ordering|ordered|rejected|cancelled|expired|sold_out)$"
    )]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    order_no: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^(in_range|waitlisted)$")]
    standing: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    waitlist_number: Option<u32>,
    /// How many stand before you now; it only falls.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    ahead: Option<u32>,
    #[schema(pattern = "^(full|view)$")]
    right: &'static str,
    poll: Poll,
    server_time_ms: Millis,
}

impl Own {
    /// What this receipt may show of its application.
    pub(crate) fn of(
        text: String,
        receipt: Receipt,
        state: OwnState,
        order_no: Option<String>,
        documents: Arc<EventDocuments>,
    ) -> Self {
        let full = receipt.right == Right::Full;
        let (state, order_no) = (full.then_some(state), order_no.filter(|_| full));
        Self { text, receipt, state, order_no, documents }
    }

    /// The answer's common part.
    pub(crate) fn answer(&self, signup: &SignupState) -> OwnAnswer<'_> {
        let number = self.receipt.number;
        let place = self.documents.place(number);
        let waitlist_number = place.waitlisted(self.documents.view.settings.capacity);
        let standing = if waitlist_number.is_some() { "waitlisted" } else { "in_range" };
        OwnAnswer {
            event: self.receipt.event.as_str(),
            number,
            state: self.state.map(OwnState::as_str),
            order_no: self.order_no.as_deref(),
            standing: self.state.map(|_| standing),
            waitlist_number: waitlist_number.filter(|_| self.state.is_some()),
            ahead: self.state.map(|state| if state == OwnState::Waiting { place.ahead } else { 0 }),
            right: if self.full() { "full" } else { "view" },
            poll: Poll::of(&signup.config),
            server_time_ms: self.documents.queue_time(signup.now()),
        }
    }

    /// Whether the receipt may cancel.
    pub(crate) fn full(&self) -> bool {
        self.receipt.right == Right::Full
    }

    /// The recovery code as it is shown, `K7QD-22MF`; with the full receipt only.
    pub(crate) fn recovery_code(&self) -> Option<String> {
        let keys = self.documents.keys.as_ref().filter(|_| self.full())?;
        let mut code = keys.recovery_code(self.receipt.app_key, self.receipt.number);
        code.insert(code.len() / 2, '-');
        Some(code)
    }
}

impl SignupState {
    /// The receipt and its event, or why not. No line is read.
    pub(crate) fn receipt(&self, text: &str) -> Result<(Receipt, Arc<EventDocuments>), Error> {
        let receipt = Receipt::read(text, &self.keys).map_err(|_| Error::NotFound)?;
        let documents = self.documents(receipt.event.as_str()).map_err(|error| match error {
            Error::NotReady => Error::Safe,
            other => other,
        })?;
        Ok((receipt, documents))
    }

    /// The application that a receipt proves. One that the queue does not know, or knows under another number, is not gone:
    /// the queue is, and the receipt will restore it.
    pub(crate) async fn own(&self, text: &str) -> Result<Own, Error> {
        let (receipt, documents) = self.receipt(text)?;
        let row = self.queue.entry(&receipt.event, receipt.app_key).await;
        let mut row = row.map_err(|refused| Error::of_look_up(&refused))?;
        if row.is_none() {
            let shown = self.queue.present_receipt(&receipt.event, receipt.app_key, receipt.number).await;
            row = shown.map_err(|refused| Error::of_look_up(&refused))?;
        }
        let row = row.filter(|row| row.number == receipt.number).ok_or(Error::Safe)?;
        let state = OwnState::of_row(&row);
        let order_no = row.outcome.and_then(|shown| shown.order_no);
        Ok(Own::of(text.to_owned(), receipt, state, order_no, documents))
    }
}

/// The header that carries an application's GUID.
pub(crate) const GUID: HeaderName = HeaderName::from_static("guid");

/// That header of this application.
pub(crate) fn guid_header(app_key: AppKey) -> (HeaderName, HeaderValue) {
    let value = HeaderValue::try_from(app_key.guid())
        .unwrap_or_else(|_| unreachable!("hexadecimal digits fit in a header"));
    (GUID, value)
}

/// One's own application, as the queue has it now.
#[utoipa::path(get, path = "/application/com/v1/get/application/{receipt}", params(("receipt" = String, Path)),
    responses((status = 200, body = OwnAnswer, headers(("GUID" = String))), OfReceipt))]
pub(crate) async fn get(
    State(signup): State<Arc<SignupState>>,
    PathId(text): PathId,
    headers: HeaderMap,
) -> Response {
    let language = Language::of_client(&headers);
    match signup.own(&text).await {
        Ok(own) => {
            let told = [guid_header(own.receipt.app_key), no_store()];
            localised((told, Json(own.answer(&signup))).into_response(), language)
        }
        Err(error) => error.problem(language, &signup.rng),
    }
}

/// For answers that belong to one person.
pub(crate) fn no_store() -> (HeaderName, HeaderValue) {
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
}
