//! Applying: everything is checked before the queue is asked for a number, so that junk never burns one.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use domain::keys::{EventKeys, NONCE_LEN};
use domain::{AppKey, Millis, Receipt, Right};
use queue::{Applicant, ApplyAck, QueueError, QueueState};
use service::http::{HandlerResponse, Route};

use crate::documents::{EventDocuments, Tally};
use crate::error::Error;
use crate::error_docs::Applying;
use crate::fields::{self, ApplyBody, Entrant, Typed, Written};
use crate::pages;
use crate::proof::{self, Proof};
use crate::request;
use crate::request_body::{Client, PathId, Posted, see_other};
use crate::state::SignupState;
use crate::status::{Own, OwnState};
use service::Language;

/// Where people apply: this, and the event.
pub(crate) const CREATE: &str = "/application/com/v1/create/application/";
/// The same as metrics name it.
const CREATE_ROUTE: &str = "/application/com/v1/create/application/{event}";

/// An application that the queue has, durably.
pub(crate) struct Accepted {
    own: Own,
    again: bool,
}

/// Applies for an event: the answer is the number, durable before it is told.
///
/// Pressing again with the same `Idempotency-Key` is safe and gives the same number and the full receipt. Without the key, or
/// with another, the answer is a view receipt, which shows the number and nothing else; such repeats are counted as attempts,
/// and after closing they are answered like an application that was never made.
#[utoipa::path(post, path = "/application/com/v1/create/application/{event}", request_body = ApplyBody,
    params(("event" = String, Path), ("Idempotency-Key" = Option<String>, Header, pattern = r##"^([!#-~][!-~]{0,199}|"[!#-~][!-~]{0,198}")$"##)),
    responses((status = 201, body = Proof, headers(("Location" = String), ("GUID" = String))),
        (status = 200, description = "This person had applied before", body = Proof, headers(("Location" = String), ("GUID" = String))),
        Applying))]
pub(crate) async fn create(
    State(signup): State<Arc<SignupState>>,
    PathId(event): PathId,
    client: Client,
    posted: Posted,
) -> Response {
    answer_to(&signup, &event, posted, client).await.response
}

/// The answer to who applies for this event. What can be done at once is done before the future is made, so that it holds
/// nothing of the request.
pub(crate) fn answer_to<'a>(
    signup: &'a SignupState,
    event: &'a str,
    posted: Posted,
    client: Client,
) -> impl Future<Output = HandlerResponse> + Send + 'a {
    let way = if Written::is_form(&posted.headers) {
        // Rare: the page sends JSON where it can.
        Way::Form(Box::new(posted))
    } else {
        Way::Json(Kept::of(signup, event, posted))
    };
    let call = ApplyCall { signup, event, client };
    async move {
        match way {
            Way::Form(posted) => Box::pin(answer_form(&call, *posted)).await,
            Way::Json(kept) => answer_json(&call, kept).await,
        }
    }
}

/// What every step of an answer needs, behind one reference: each of a crowd waits in all of these steps.
struct ApplyCall<'a> {
    signup: &'a SignupState,
    event: &'a str,
    client: Client,
}

enum Way {
    Form(Box<Posted>),
    Json(Kept),
}

fn answered(response: Response, as_is: bool) -> HandlerResponse {
    HandlerResponse { response, route: Route::Named(CREATE_ROUTE), as_is }
}

/// What is kept of an application in JSON while the queue is asked. What else there is of the request holds the buffer that it
/// was read into, which is larger than all that one of a crowd waits with.
struct Kept {
    asked: Result<Asked, Error>,
    language: Language,
    trace: Trace,
}

impl Kept {
    fn of(signup: &SignupState, event: &str, Posted { headers, body }: Posted) -> Self {
        let asked = ask(signup, event, &headers, body, |body| fields::entrant_of_json(body, &headers));
        Self { asked, language: Language::of_client(&headers), trace: Trace::of(&headers) }
    }
}

async fn answer_json(call: &ApplyCall<'_>, kept: Kept) -> HandlerResponse {
    let taken = take(call, kept.asked).await;
    let signup = call.signup;
    note(signup, call.event, &taken, &kept.trace);
    match taken {
        Ok(accepted) => answered(proof::answer(signup, &accepted.own, accepted.again, kept.language), true),
        Err(error) => answered(error.problem(kept.language, &signup.rng), false),
    }
}

async fn answer_form(call: &ApplyCall<'_>, Posted { headers, body }: Posted) -> HandlerResponse {
    let &ApplyCall { signup, event, .. } = call;
    let typed = body.as_ref().map(|body| Typed::read(body)).unwrap_or_default();
    let asked = ask(signup, event, &headers, body, |_| fields::entrant_of_form(&typed, &headers));
    let taken = take(call, asked).await;
    note(signup, event, &taken, &Trace::of(&headers));
    let response = match taken {
        Ok(accepted) => see_other(&format!("/a/{}", accepted.own.text)),
        Err(error) => pages::refused(signup, event, &headers, &typed, &in_doubt(error, &typed)),
    };
    answered(response, false)
}

/// A refusal before the queue looked for the application, of a form whose earlier answer was lost: that one may have its number.
fn in_doubt(error: Error, typed: &Typed) -> Error {
    match error {
        Error::Busy if !typed.get("unsure").is_empty() => Error::OutcomeUnknown,
        other => other,
    }
}

/// An application that is in order, for the event of this sheet.
type Asked = (Arc<EventDocuments>, Applicant);

/// Checks all that can be checked without the queue.
fn ask(
    signup: &SignupState,
    event: &str,
    headers: &HeaderMap,
    body: Result<Bytes, Error>,
    read: impl FnOnce(&[u8]) -> Result<Entrant, Error>,
) -> Result<Asked, Error> {
    request::from_our_site(headers)?;
    let documents = signup.documents(event).map_err(|error| match error {
        Error::NotReady => Error::Busy,
        other => other,
    })?;
    Written::of(headers)?;
    let entrant = read(&body?)?;
    let applicant = applicant(signup, documents.keys.as_ref().ok_or(Error::Busy)?, &entrant);
    Ok((documents, applicant))
}

/// Gets the number.
async fn take(call: &ApplyCall<'_>, asked: Result<Asked, Error>) -> Result<Accepted, Error> {
    let (documents, applicant) = asked?;
    let app_key = applicant.app_key;
    let applied = apply(call.signup, &documents, applicant).await?;
    if applied.already_applied && !applied.proven {
        // Boxed, as below.
        Box::pin(allow_repeat(call, &documents, app_key)).await?;
    }
    Ok(accept(call.signup, documents, app_key, applied).await)
}

/// Whether a repeat without proof may be told that there is an application. Once the event is closed it is answered as if there
/// were none, so that the answer tells nothing about the phone; a limit would tell as much, so closing comes first.
async fn allow_repeat(
    call: &ApplyCall<'_>,
    documents: &EventDocuments,
    app_key: AppKey,
) -> Result<(), Error> {
    if let Some(closed_at) = closed_at(call.signup, documents).await? {
        return Err(Error::Closed { closed_at });
    }
    call.signup.count_attempt(call.client, &documents.view.event, app_key)
}

/// When the event closed. The queue closes itself with the first application after the time, this one at the latest, so that
/// it knows better than documents from before.
async fn closed_at(signup: &SignupState, documents: &EventDocuments) -> Result<Option<Millis>, Error> {
    if let Some(closing) = documents.view.closed {
        return Ok(Some(closing.closed_at));
    }
    let view = signup.queue.snapshot(&documents.view.event).await.map_err(|_| Error::OutcomeUnknown)?;
    Ok(view.closed.map(|closing| closing.closed_at))
}

fn note(signup: &SignupState, event: &str, taken: &Result<Accepted, Error>, trace: &Trace) {
    count(signup, event, taken);
    if let Ok(accepted) = taken {
        log(signup, accepted, trace);
    }
}

/// What the queue is handed: nothing in it can be read without our keys.
fn applicant(signup: &SignupState, keys: &EventKeys, entrant: &Entrant) -> Applicant {
    let app_key = keys.app_key(&entrant.contact.phone);
    let mut nonce = [0; NONCE_LEN];
    (signup.rng)(&mut nonce);
    Applicant {
        app_key,
        req_hash: keys.req_hash(&entrant.secret),
        contact: keys.seal(&entrant.contact, app_key, nonce),
    }
}

async fn apply(
    signup: &SignupState,
    documents: &EventDocuments,
    applicant: Applicant,
) -> Result<ApplyAck, Error> {
    let _place = signup.applying.try_acquire().map_err(|_| Error::Busy)?;
    let applied = signup.queue.apply(&documents.view.event, applicant).await;
    signup.note_write(applied.as_ref().err());
    applied.map_err(|refused| match refused {
        QueueError::NotOpen { opens_at } => {
            Error::NotOpen { opens_at, now: documents.queue_time(signup.now()).min(opens_at) }
        }
        other => other.into(),
    })
}

/// The first application gets the full receipt even without a secret: no other person can have it yet.
async fn accept(
    signup: &SignupState,
    mut documents: Arc<EventDocuments>,
    app_key: AppKey,
    applied: ApplyAck,
) -> Accepted {
    let event = documents.view.event.clone();
    if applied.epoch != documents.view.epoch {
        // The queue was armed anew since the last refresh: its gaps changed, and with them how many are ahead of each number.
        // Boxed, as below: the rare look-ups would make every application's state twenty times as large.
        if let Ok(view) = Box::pin(signup.queue.snapshot(&event)).await {
            documents = EventDocuments::fresh(view, documents.keys.clone(), signup.now(), &signup.config);
        }
    }
    let right = if applied.already_applied && !applied.proven { Right::View } else { Right::Full };
    let row = match applied.state {
        // A view receipt shows nothing of it, and the time of its answer must not either.
        QueueState::Admitted if right == Right::Full => {
            Box::pin(signup.queue.entry(&event, app_key)).await.ok().flatten()
        }
        QueueState::Admitted | QueueState::Waiting | QueueState::Withdrawn => None,
    };
    let state = row.as_ref().map_or_else(|| OwnState::of(applied.state, None), OwnState::of_row);
    let order_no = row.and_then(|row| row.outcome).and_then(|shown| shown.order_no);
    let receipt = Receipt { event, epoch: applied.epoch, number: applied.number, app_key, right };
    let own = Own::of(receipt.sign(&signup.keys), receipt, state, order_no, documents);
    Accepted { own, again: applied.already_applied }
}

/// The trace id that the request came with, if any.
struct Trace(Option<String>);

impl Trace {
    fn of(headers: &HeaderMap) -> Self {
        Self(service::trace::trace_id(headers).map(str::to_owned))
    }
}

/// The application's own trace begins here; the request's stands beside it, so that either leads to the other.
fn log(signup: &SignupState, accepted: &Accepted, trace: &Trace) {
    if !tracing::enabled!(target: "business", tracing::Level::INFO) {
        return;
    }
    let receipt = &accepted.own.receipt;
    let trace = trace.0.clone().unwrap_or_else(|| signup.random_id());
    tracing::info!(
        target: "business",
        guid = receipt.app_key.guid(),
        event = receipt.event.as_str(),
        number = receipt.number.get(),
        again = accepted.again,
        trace,
        "application accepted"
    );
}

fn count(signup: &SignupState, event: &str, taken: &Result<Accepted, Error>) {
    match taken {
        Ok(accepted) if accepted.again => accepted.own.documents.tally.again.increment(1),
        Ok(accepted) => accepted.own.documents.tally.accepted.increment(1),
        Err(error) => {
            // A label must not be arbitrary text from a path.
            let event = signup
                .documents(event)
                .map_or_else(|_| String::new(), |documents| documents.view.event.to_string());
            Tally::counter(event, error.kind().1).increment(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each of a crowd waits in: it is admitted, and cold when the queue answers.
    #[test]
    fn an_application_under_way_is_small() {
        fn state<A, B, C, D, T>(_: impl Fn(A, B, C, D) -> T) -> usize {
            size_of::<T>()
        }
        assert!(state(create) <= 1024, "{} bytes: is a rare look-up not boxed?", state(create));
    }
}
