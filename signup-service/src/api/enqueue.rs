//! From a request to a number: everything is validated before the queue gives a number, so that an invalid request never uses one.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::HeaderMap;
use domain::keys::{EventKeys, NONCE_LEN};
use domain::{AppKey, Identity, Millis, Receipt, Right};
use queue::{Applicant, ApplyAck, QueueError, QueueState};

use crate::application::{ApplicationView, PublicState};
use crate::documents::EventDocuments;
use crate::error::Error;
use crate::request::{ApplicationRequest, ClientAddress, ContentType, reject_cross_site};
use crate::state::SignupState;

/// The values that every step needs, behind one reference: each waiting application holds all of these steps.
pub(super) struct ApplyCall<'a> {
    pub(super) signup: &'a SignupState,
    pub(super) event: &'a str,
    pub(super) client: ClientAddress,
}

/// A valid application with its event.
pub(super) struct ValidApplication {
    documents: Arc<EventDocuments>,
    applicant: Applicant,
}

/// An application that the queue has stored durably.
pub(super) struct AcceptedApplication {
    pub(super) view: ApplicationView,
    /// Whether this person had applied before.
    pub(super) again: bool,
}

/// Checks everything that can be checked without the queue.
pub(super) fn validate(
    signup: &SignupState,
    event: &str,
    headers: &HeaderMap,
    body: Result<Bytes, Error>,
    parse: impl FnOnce(&[u8]) -> Result<ApplicationRequest, Error>,
) -> Result<ValidApplication, Error> {
    reject_cross_site(headers)?;
    let documents = signup.documents(event).map_err(|error| match error {
        Error::NotReady => Error::Busy,
        other => other,
    })?;
    ContentType::of(headers)?;
    let member = member(signup, &documents, headers)?;
    let request = parse(&body?)?;
    let keys = documents.keys.as_ref().ok_or(Error::Busy)?;
    let app_key = match &member {
        Some(subject) => keys.member_key(subject),
        None => keys.app_key(&request.contact.phone),
    };
    let applicant = applicant(signup, keys, app_key, &request);
    Ok(ValidApplication { documents, applicant })
}

/// The shop's subject of the applicant, if the event is for members.
fn member(
    signup: &SignupState,
    documents: &EventDocuments,
    headers: &HeaderMap,
) -> Result<Option<String>, Error> {
    match (documents.snapshot.settings.identity, &signup.config.member) {
        (Identity::Open, _) => Ok(None),
        (Identity::Member, Some(members)) => members.subject(headers, signup.now()).map(Some),
        // The settings have no `[signup.member]`.
        (Identity::Member, None) => Err(Error::Busy),
    }
}

/// The application as the queue stores it: without our keys, nothing in it is readable.
fn applicant(
    signup: &SignupState,
    keys: &EventKeys,
    app_key: AppKey,
    request: &ApplicationRequest,
) -> Applicant {
    let mut nonce = [0; NONCE_LEN];
    (signup.rng)(&mut nonce);
    Applicant {
        app_key,
        req_hash: keys.req_hash(&request.idempotency_key),
        contact: keys.seal(&request.contact, app_key, nonce),
    }
}

/// Gets the number of a valid application from the queue.
pub(super) async fn enqueue(
    call: &ApplyCall<'_>,
    application: Result<ValidApplication, Error>,
) -> Result<AcceptedApplication, Error> {
    let ValidApplication { documents, applicant } = application?;
    let app_key = applicant.app_key;
    let mut applied = apply(call.signup, &documents, applicant).await?;
    // The shop has identified the applicant.
    applied.proven |= documents.snapshot.settings.identity == Identity::Member;
    if applied.already_applied && !applied.proven {
        // Boxed, as in `accept`.
        Box::pin(allow_repeat(call, &documents, app_key)).await?;
    }
    Ok(accept(call.signup, documents, app_key, applied).await)
}

async fn apply(
    signup: &SignupState,
    documents: &EventDocuments,
    applicant: Applicant,
) -> Result<ApplyAck, Error> {
    let _permit = signup.apply_permits.try_acquire().map_err(|_| Error::Busy)?;
    let applied = signup.queue.apply(&documents.snapshot.event, applicant).await;
    signup.record_write(applied.as_ref().err());
    applied.map_err(|error| match error {
        QueueError::NotOpen { opens_at } => {
            Error::EventNotOpen { opens_at, now: documents.queue_time(signup.now()).min(opens_at) }
        }
        other => other.into(),
    })
}

/// Whether the response to a repeat without proof may show that there is an application. After closing, it gets the error of a new
/// application, so that it shows nothing about the phone number. The limit would show as much, so closing is checked first.
async fn allow_repeat(
    call: &ApplyCall<'_>,
    documents: &EventDocuments,
    app_key: AppKey,
) -> Result<(), Error> {
    if let Some(closed_at) = closed_at(call.signup, documents).await? {
        return Err(Error::EventClosed { closed_at });
    }
    call.signup.count_attempt(call.client, &documents.snapshot.event, app_key)
}

/// When the event closed. The queue closes with the first application after the closing time, so it may know of a closing that the
/// documents do not show yet.
async fn closed_at(signup: &SignupState, documents: &EventDocuments) -> Result<Option<Millis>, Error> {
    if let Some(closing) = documents.snapshot.closed {
        return Ok(Some(closing.closed_at));
    }
    let snapshot =
        signup.queue.snapshot(&documents.snapshot.event).await.map_err(|_| Error::OutcomeUnknown)?;
    Ok(snapshot.closed.map(|closing| closing.closed_at))
}

/// Issues the receipt. A first application gets the full receipt even without a key: no other client can have it yet.
async fn accept(
    signup: &SignupState,
    mut documents: Arc<EventDocuments>,
    app_key: AppKey,
    applied: ApplyAck,
) -> AcceptedApplication {
    let event = documents.snapshot.event.clone();
    if applied.epoch != documents.snapshot.epoch {
        // The queue was armed again since the last refresh: its gaps changed, and with them the position of each number.
        // The rare lookups are boxed: otherwise they would make the state of every application twenty times as large.
        if let Ok(snapshot) = Box::pin(signup.queue.snapshot(&event)).await {
            let (keys, previous) = (documents.keys.clone(), Some(documents.as_ref()));
            documents = EventDocuments::from_snapshot(snapshot, previous, keys, signup.now(), &signup.config);
        }
    }
    let right = if applied.already_applied && !applied.proven { Right::View } else { Right::Full };
    let entry = match applied.state {
        // A view receipt does not show the outcome, and its response time must not either.
        QueueState::Admitted if right == Right::Full => {
            Box::pin(signup.queue.entry(&event, app_key)).await.ok().flatten()
        }
        QueueState::Admitted | QueueState::Waiting | QueueState::Withdrawn => None,
    };
    let receipt = Receipt { event, epoch: applied.epoch, number: applied.number, app_key, right };
    let text = receipt.sign(&signup.keys);
    let view = match entry {
        Some(entry) => ApplicationView::of_entry(text, receipt, entry, documents),
        None => ApplicationView::new(text, receipt, PublicState::of(applied.state), None, documents),
    };
    AcceptedApplication { view, again: applied.already_applied }
}
