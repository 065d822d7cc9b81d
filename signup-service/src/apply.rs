//! Applying: everything is checked before the line is asked for a number, so that junk never burns one.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use domain::keys::{EventKeys, NONCE_LEN};
use domain::{AppKey, Receipt, Right};
use queue::{Applicant, Applied, Mark, Refused};
use service::http::{Answer, Route};

use crate::desk::Desk;
use crate::fields::{self, ApplyBody, Entrant, Typed, Written};
use crate::knock;
use crate::pages;
use crate::progress::{Sheet, Tally};
use crate::proof::{self, Proof};
use crate::refusal::Refusal;
use crate::refusals::Applying;
use crate::routes::{PathId, Posted, see_other};
use crate::status::{Own, OwnState};
use service::Language;

/// Where people apply: this, and the event.
pub(crate) const CREATE: &str = "/application/com/v1/create/application/";
/// The same as metrics name it.
const CREATE_ROUTE: &str = "/application/com/v1/create/application/{event}";

/// An application that the line has, durably.
pub(crate) struct Accepted {
    own: Own,
    again: bool,
}

/// Applies for an event: the answer is the number, durable before it is told.
///
/// Pressing again with the same `Idempotency-Key` is safe and gives the same number and the full receipt; without the key, or
/// with another, whoever knows the phone number gets a receipt that can only look.
#[utoipa::path(post, path = "/application/com/v1/create/application/{event}", request_body = ApplyBody,
    params(("event" = String, Path), ("Idempotency-Key" = Option<String>, Header, pattern = r##"^([!#-~][!-~]{0,199}|"[!#-~][!-~]{0,198}")$"##)),
    responses((status = 201, body = Proof, headers(("Location" = String), ("GUID" = String))),
        (status = 200, description = "This person had applied before", body = Proof, headers(("Location" = String), ("GUID" = String))),
        Applying))]
pub(crate) async fn create(State(desk): State<Arc<Desk>>, PathId(event): PathId, posted: Posted) -> Response {
    answer_to(&desk, &event, posted).await.response
}

/// The answer to who applies for this event. What can be done at once is done before the future is made, so that it holds
/// nothing of the request.
pub(crate) fn answer_to<'a>(
    desk: &'a Desk,
    event: &'a str,
    posted: Posted,
) -> impl Future<Output = Answer> + Send + 'a {
    let way = if Written::is_form(&posted.headers) {
        // Rare: the page sends JSON where it can.
        Way::Form(Box::new(posted))
    } else {
        Way::Json(Kept::of(desk, event, posted))
    };
    async move {
        match way {
            Way::Form(posted) => Box::pin(answer_form(desk, event, *posted)).await,
            Way::Json(kept) => answer_json(desk, event, kept).await,
        }
    }
}

enum Way {
    Form(Box<Posted>),
    Json(Kept),
}

fn answered(response: Response, as_is: bool) -> Answer {
    Answer { response, route: Route::Named(CREATE_ROUTE), as_is }
}

/// What is kept of an application in JSON while the line is asked. What else there is of the request holds the buffer that it
/// was read into, which is larger than all that one of a crowd waits with.
struct Kept {
    asked: Result<Asked, Refusal>,
    language: Language,
    trace: Trace,
}

impl Kept {
    fn of(desk: &Desk, event: &str, Posted { headers, body }: Posted) -> Self {
        let asked = ask(desk, event, &headers, body, |body| fields::entrant_of_json(body, &headers));
        Self { asked, language: Language::of_client(&headers), trace: Trace::of(&headers) }
    }
}

async fn answer_json(desk: &Desk, event: &str, kept: Kept) -> Answer {
    let taken = take(desk, kept.asked).await;
    note(desk, event, &taken, &kept.trace);
    match taken {
        Ok(accepted) => answered(proof::answer(desk, &accepted.own, accepted.again, kept.language), true),
        Err(refusal) => answered(refusal.problem(kept.language, &desk.chance), false),
    }
}

async fn answer_form(desk: &Desk, event: &str, Posted { headers, body }: Posted) -> Answer {
    let typed = body.as_ref().map(|body| Typed::read(body)).unwrap_or_default();
    let asked = ask(desk, event, &headers, body, |_| fields::entrant_of_form(&typed, &headers));
    let taken = take(desk, asked).await;
    note(desk, event, &taken, &Trace::of(&headers));
    let response = match taken {
        Ok(accepted) => see_other(&format!("/a/{}", accepted.own.text)),
        Err(refusal) => pages::refused(desk, event, &headers, &typed, &refusal),
    };
    answered(response, false)
}

/// An application that is in order, for the event of this sheet.
type Asked = (Arc<Sheet>, Applicant);

/// Checks all that can be checked without the line.
fn ask(
    desk: &Desk,
    event: &str,
    headers: &HeaderMap,
    body: Result<Bytes, Refusal>,
    read: impl FnOnce(&[u8]) -> Result<Entrant, Refusal>,
) -> Result<Asked, Refusal> {
    knock::from_our_site(headers)?;
    let sheet = desk.sheet(event).map_err(|refusal| match refusal {
        Refusal::NotReady => Refusal::Busy,
        other => other,
    })?;
    Written::of(headers)?;
    let entrant = read(&body?)?;
    let applicant = applicant(desk, sheet.keys.as_ref().ok_or(Refusal::Busy)?, &entrant);
    Ok((sheet, applicant))
}

/// Gets the number.
async fn take(desk: &Desk, asked: Result<Asked, Refusal>) -> Result<Accepted, Refusal> {
    let (sheet, applicant) = asked?;
    let app_key = applicant.app_key;
    let applied = apply(desk, &sheet, applicant).await?;
    Ok(accept(desk, sheet, app_key, applied).await)
}

fn note(desk: &Desk, event: &str, taken: &Result<Accepted, Refusal>, trace: &Trace) {
    count(desk, event, taken);
    if let Ok(accepted) = taken {
        log(desk, accepted, trace);
    }
}

/// What the line is handed: nothing in it can be read without our keys.
fn applicant(desk: &Desk, keys: &EventKeys, entrant: &Entrant) -> Applicant {
    let app_key = keys.app_key(&entrant.contact.phone);
    let mut nonce = [0; NONCE_LEN];
    (desk.chance)(&mut nonce);
    Applicant {
        app_key,
        req_hash: keys.req_hash(&entrant.secret),
        contact: keys.seal(&entrant.contact, app_key, nonce),
    }
}

async fn apply(desk: &Desk, sheet: &Sheet, applicant: Applicant) -> Result<Applied, Refusal> {
    let _place = desk.applying.try_acquire().map_err(|_| Refusal::Busy)?;
    let applied = desk.line.apply(&sheet.view.event, applicant).await;
    desk.note_write(applied.as_ref().err());
    applied.map_err(|refused| match refused {
        Refused::NotOpen { opens_at } => {
            Refusal::NotOpen { opens_at, now: sheet.line_time(desk.now()).min(opens_at) }
        }
        other => other.into(),
    })
}

/// The first application gets the full receipt even without a secret: nobody else can have it yet.
async fn accept(desk: &Desk, mut sheet: Arc<Sheet>, app_key: AppKey, applied: Applied) -> Accepted {
    let event = sheet.view.event.clone();
    if applied.epoch != sheet.view.epoch {
        // The line was armed anew since the last refresh: its gaps changed, and with them everybody's standing.
        // Boxed, as below: the rare look-ups would make every application's state twenty times as large.
        if let Ok(view) = Box::pin(desk.line.view(&event)).await {
            sheet = Sheet::fresh(view, sheet.keys.clone(), desk.now(), &desk.config);
        }
    }
    let row = match applied.mark {
        Mark::Moved => Box::pin(desk.line.place(&event, app_key)).await.ok().flatten(),
        Mark::Waiting | Mark::Withdrawn => None,
    };
    let state = row.as_ref().map_or_else(|| OwnState::of(applied.mark, None), OwnState::of_row);
    let order_no = row.and_then(|row| row.shown).and_then(|shown| shown.order_no);
    let right = if applied.again && !applied.proven { Right::View } else { Right::Full };
    let receipt = Receipt { event, epoch: applied.epoch, number: applied.number, app_key, right };
    let own = Own { text: receipt.sign(&desk.keys), receipt, state, order_no, sheet };
    Accepted { own, again: applied.again }
}

/// The trace id that the request came with, if any.
struct Trace(Option<String>);

impl Trace {
    fn of(headers: &HeaderMap) -> Self {
        Self(knock::trace_id(headers).map(str::to_owned))
    }
}

/// The application's own trace begins here; the request's stands beside it, so that either leads to the other.
fn log(desk: &Desk, accepted: &Accepted, trace: &Trace) {
    if !tracing::enabled!(target: "business", tracing::Level::INFO) {
        return;
    }
    let receipt = &accepted.own.receipt;
    let trace = trace.0.clone().unwrap_or_else(|| desk.random_id());
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

fn count(desk: &Desk, event: &str, taken: &Result<Accepted, Refusal>) {
    match taken {
        Ok(accepted) if accepted.again => accepted.own.sheet.tally.again.increment(1),
        Ok(accepted) => accepted.own.sheet.tally.accepted.increment(1),
        Err(refusal) => {
            // A label must not be whatever somebody puts into a path.
            let event =
                desk.sheet(event).map_or_else(|_| String::new(), |sheet| sheet.view.event.to_string());
            Tally::counter(event, refusal.kind().1).increment(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each of a crowd waits in: it is moved, and cold when the line answers.
    #[test]
    fn an_application_under_way_is_small() {
        fn state<A, B, C, T>(_: impl Fn(A, B, C) -> T) -> usize {
            size_of::<T>()
        }
        assert!(state(create) <= 1024, "{} bytes: is a rare look-up not boxed?", state(create));
    }
}
