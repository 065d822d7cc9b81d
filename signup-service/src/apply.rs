//! Applying: everything is checked before the line is asked for a number, so that junk never burns one.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::keys::EventKeys;
use domain::{Receipt, Right};
use queue::{Applicant, Applied, Mark, Refused};
use serde::Serialize;

use crate::desk::Desk;
use crate::fields::{self, Entrant, Typed, Written};
use crate::knock;
use crate::language::Language;
use crate::pages;
use crate::progress::Sheet;
use crate::refusal::{Refusal, localised};
use crate::routes::{PathId, see_other};
use crate::status::{Own, OwnAnswer, OwnState, guid_header, no_store};

/// An application that the line has, durably.
pub(crate) struct Accepted {
    own: Own,
    again: bool,
}

/// Where to go on.
#[derive(Debug, Serialize)]
struct Links {
    page: String,
    status: String,
    cancel: String,
}

/// The answer to who applied, or found an application by its code.
#[derive(Debug, Serialize)]
pub(crate) struct Proof {
    #[serde(flatten)]
    own: OwnAnswer,
    receipt: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_code: Option<String>,
    already_applied: bool,
    links: Links,
}

impl Proof {
    /// The proof of one's own application.
    pub(crate) fn of(own: &Own, again: bool, desk: &Desk) -> Self {
        let (base, text) = (&desk.config.public_url, &own.text);
        Self {
            own: own.answer(desk),
            receipt: text.clone(),
            recovery_code: own.recovery_code(),
            already_applied: again,
            links: Links {
                page: format!("{base}/a/{text}"),
                status: format!("{base}/application/com/v1/get/application/{text}"),
                cancel: format!("{base}/application/com/v1/cancel/application/{text}"),
            },
        }
    }
}

/// `POST /application/com/v1/create/application/{event}`
pub(crate) async fn create(
    State(desk): State<Arc<Desk>>,
    PathId(event): PathId,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = fields::whole(body);
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
    let keys = sheet.keys.clone().ok_or(Refusal::Busy)?;
    let applied = apply(desk, &sheet, &keys, &entrant).await?;
    let accepted = accept(desk, sheet, &keys, &entrant, applied).await;
    log(desk, &accepted, headers);
    Ok(accepted)
}

async fn apply(desk: &Desk, sheet: &Sheet, keys: &EventKeys, entrant: &Entrant) -> Result<Applied, Refusal> {
    let _place = desk.applying.try_acquire().map_err(|_| Refusal::Busy)?;
    let app_key = keys.app_key(&entrant.contact.phone);
    let mut nonce = [0; 24];
    (desk.chance)(&mut nonce);
    let applicant = Applicant {
        app_key,
        req_hash: keys.req_hash(&entrant.secret),
        contact: keys.seal(&entrant.contact, app_key, nonce),
    };
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
async fn accept(
    desk: &Desk,
    mut sheet: Arc<Sheet>,
    keys: &EventKeys,
    entrant: &Entrant,
    applied: Applied,
) -> Accepted {
    let app_key = keys.app_key(&entrant.contact.phone);
    let event = sheet.view.event.clone();
    if applied.epoch != sheet.view.epoch {
        // The line was armed anew since the last refresh: its gaps changed, and with them everybody's standing.
        if let Ok(view) = desk.line.view(&event).await {
            sheet = Sheet::fresh(view, Some(keys.clone()), desk.now(), &desk.config);
        }
    }
    let row = match applied.mark {
        Mark::Moved => desk.line.place(&event, app_key).await.ok().flatten(),
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
    let result = match taken {
        Ok(accepted) if accepted.again => "again",
        Ok(_) => "accepted",
        Err(refusal) => refusal.kind().1,
    };
    // A label must not be whatever somebody puts into a path.
    let event = desk.sheet(event).map_or_else(|_| String::new(), |sheet| sheet.view.event.to_string());
    metrics::counter!("firstcome_applications_total", "event" => event, "result" => result).increment(1);
}

fn answer(desk: &Desk, accepted: &Accepted, language: Language) -> Response {
    let own = &accepted.own;
    let proof = Proof::of(own, accepted.again, desk);
    let status = if accepted.again { StatusCode::OK } else { StatusCode::CREATED };
    let location = HeaderValue::from_str(&proof.links.status);
    let mut answer = (status, [guid_header(own.receipt.app_key), no_store()], Json(proof)).into_response();
    if let Ok(location) = location {
        answer.headers_mut().insert(header::LOCATION, location);
    }
    localised(answer, language)
}
