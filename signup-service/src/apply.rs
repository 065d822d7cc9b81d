//! Applying: everything is checked before the line is asked for a number, so that junk never burns one.

use std::fmt;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use domain::keys::{EventKeys, NONCE_LEN};
use domain::{AppKey, Receipt, Right};
use queue::{Applicant, Applied, Mark, Refused};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::desk::Desk;
use crate::fields::{self, ApplyBody, Entrant, Typed, Written};
use crate::knock;
use crate::pages;
use crate::progress::{Sheet, Tally};
use crate::refusal::{Refusal, localised};
use crate::refusals::Applying;
use crate::routes::{PathId, Posted, see_other};
use crate::status::{Own, OwnAnswer, OwnState, guid_header, no_store};
use service::Language;

/// So large is the usual answer, and so many headers has it: room made once, not by growing.
const ANSWER_USUAL: usize = 768;
const HEADERS_USUAL: usize = 16;

/// An application that the line has, durably.
pub(crate) struct Accepted {
    own: Own,
    again: bool,
}

/// Where to go on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Links<'a> {
    #[schema(value_type = String)]
    page: Link<'a>,
    #[schema(value_type = String)]
    status: Link<'a>,
    #[schema(value_type = String)]
    cancel: Link<'a>,
}

/// Written straight into the answer, since a crowd gets three of them each.
#[derive(Debug)]
struct Link<'a> {
    base: &'a str,
    path: &'static str,
    receipt: &'a str,
}

impl fmt::Display for Link<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { base, path, receipt } = self;
        write!(f, "{base}{path}{receipt}")
    }
}

impl Serialize for Link<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The answer to who applied, or found an application by its code.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Proof<'a> {
    #[serde(flatten)]
    own: OwnAnswer<'a>,
    /// Signed proof of the application; whoever holds it can see and, if it is full, cancel it.
    receipt: &'a str,
    /// With the full receipt: 8 letters that bring it back on another device.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    recovery_code: Option<String>,
    /// Whether this person had applied before.
    already_applied: bool,
    links: Links<'a>,
}

impl<'a> Proof<'a> {
    /// The proof of one's own application.
    pub(crate) fn of(own: &'a Own, again: bool, desk: &'a Desk) -> Self {
        let link = |path| Link { base: &desk.config.public_url, path, receipt: &own.text };
        Self {
            own: own.answer(desk),
            receipt: &own.text,
            recovery_code: own.recovery_code(),
            already_applied: again,
            links: Links {
                page: link("/a/"),
                status: link("/application/com/v1/get/application/"),
                cancel: link("/application/com/v1/cancel/application/"),
            },
        }
    }
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
pub(crate) async fn create(
    State(desk): State<Arc<Desk>>,
    PathId(event): PathId,
    Posted { headers, body }: Posted,
) -> Response {
    let typed =
        Written::is_form(&headers).then(|| body.as_ref().map(|body| Typed::read(body)).unwrap_or_default());
    let taken = take(&desk, &event, &headers, typed.as_ref(), body).await;
    count(&desk, &event, &taken);
    match (taken, typed) {
        (Ok(accepted), Some(_)) => see_other(&format!("/a/{}", accepted.own.text)),
        (Ok(accepted), None) => answer(&desk, &accepted, Language::of_client(&headers)),
        (Err(refusal), Some(typed)) => pages::refused(&desk, &event, &headers, &typed, &refusal),
        (Err(refusal), None) => refusal.problem(Language::of_client(&headers), &desk.chance),
    }
}

async fn take(
    desk: &Desk,
    event: &str,
    headers: &HeaderMap,
    typed: Option<&Typed>,
    body: Result<Bytes, Refusal>,
) -> Result<Accepted, Refusal> {
    knock::from_our_site(headers)?;
    let sheet = desk.sheet(event).map_err(|refusal| match refusal {
        Refusal::NotReady => Refusal::Busy,
        other => other,
    })?;
    Written::of(headers)?;
    let body = body?;
    let entrant = match typed {
        Some(typed) => fields::entrant_of_form(typed, headers)?,
        None => fields::entrant_of_json(&body, headers)?,
    };
    let applicant = applicant(desk, sheet.keys.as_ref().ok_or(Refusal::Busy)?, &entrant);
    let app_key = applicant.app_key;
    let applied = apply(desk, &sheet, applicant).await?;
    let accepted = accept(desk, sheet, app_key, applied).await;
    log(desk, &accepted, headers);
    Ok(accepted)
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

/// The application's own trace begins here; the request's stands beside it, so that either leads to the other.
fn log(desk: &Desk, accepted: &Accepted, headers: &HeaderMap) {
    if !tracing::enabled!(target: "business", tracing::Level::INFO) {
        return;
    }
    let receipt = &accepted.own.receipt;
    let trace = knock::trace_id(headers).map_or_else(|| desk.random_id(), str::to_owned);
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

fn answer(desk: &Desk, accepted: &Accepted, language: Language) -> Response {
    let own = &accepted.own;
    let proof = Proof::of(own, accepted.again, desk);
    let mut body = Vec::with_capacity(ANSWER_USUAL);
    serde_json::to_writer(&mut body, &proof).unwrap_or_else(|_| unreachable!("its keys are text"));
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = if accepted.again { StatusCode::OK } else { StatusCode::CREATED };
    let headers = answer.headers_mut();
    headers.reserve(HEADERS_USUAL);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.extend([guid_header(own.receipt.app_key), no_store()]);
    if let Ok(location) = HeaderValue::try_from(proof.links.status.to_string()) {
        headers.insert(header::LOCATION, location);
    }
    localised(answer, language)
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
