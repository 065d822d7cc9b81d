//! Creating an event, from nothing or with the settings of another.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use ledger::CreateResult;
use serde_json::{Value, json};

use super::error_page;
use super::form::{Form, FormResult};
use super::format;
use super::look::LookValues;
use super::visit::{ConsoleFrame, Visit};
use crate::api::events::{EventClone, NewEvent};
use crate::error::Error;
use crate::request::{EventPath, audited_by, parse};
use crate::state::OperatorState;

/// A new event opens in an hour and closes an hour later, unless the operator says otherwise.
const HOUR_MS: i64 = 3_600_000;

/// The values of the form.
struct Values {
    id: String,
    title_ko: String,
    title_en: String,
    opens_at: String,
    closes_at: String,
    capacity: String,
    pace: String,
    in_flight_max: String,
    diverts: String,
    settle_after_close: bool,
    kind: String,
    pass_target: String,
    look: LookValues,
}

/// The form for a new event.
#[derive(Template)]
#[template(path = "create.html")]
struct CreatePage {
    frame: ConsoleFrame,
    heading: &'static str,
    error: String,
    action: String,
    is_clone: bool,
    v: Values,
}

fn defaults(now: i64) -> Values {
    let next_hour = now - now.rem_euclid(HOUR_MS) + 2 * HOUR_MS;
    let empty = String::new;
    Values {
        id: empty(),
        title_ko: empty(),
        title_en: empty(),
        opens_at: format::local(next_hour),
        closes_at: format::local(next_hour + HOUR_MS),
        capacity: "100".to_owned(),
        pace: "10".to_owned(),
        in_flight_max: "20".to_owned(),
        diverts: empty(),
        settle_after_close: true,
        kind: empty(),
        pass_target: empty(),
        look: LookValues::default(),
    }
}

fn typed(form: &Form) -> Values {
    let text = |name: &str| form.get(name).to_owned();
    Values {
        id: text("id"),
        title_ko: text("title_ko"),
        title_en: text("title_en"),
        opens_at: text("opens_at"),
        closes_at: text("closes_at"),
        capacity: text("capacity"),
        pace: text("pace"),
        in_flight_max: text("in_flight_max"),
        diverts: text("diverts"),
        settle_after_close: form.get("settle_after_close") == "true",
        kind: text("kind"),
        pass_target: text("pass_target"),
        look: LookValues::typed(form),
    }
}

fn page(visit: &Visit, status: StatusCode, error: String, v: Values, from: Option<&str>) -> Response {
    let heading = if from.is_some() { visit.t.clone_event } else { visit.t.new_event };
    let action = from.map_or_else(|| "/console/new".to_owned(), |id| format!("/console/{id}/clone"));
    let page =
        CreatePage { frame: visit.frame(heading), heading, error, action, is_clone: from.is_some(), v };
    visit.html(status, &page)
}

/// The form for a new event.
pub(super) async fn new_form(State(state): State<Arc<OperatorState>>, visit: Visit) -> Response {
    let allowed = visit.operator().map(|_| ());
    let form = allowed.map(|()| page(&visit, StatusCode::OK, String::new(), defaults((state.now)()), None));
    error_page::finish(&visit, form)
}

/// The form for an event with the settings of this one.
pub(super) async fn clone_form(
    State(state): State<Arc<OperatorState>>,
    visit: Visit,
    path: Result<EventPath, Error>,
) -> Response {
    let form = async {
        visit.operator()?;
        let EventPath(event) = path?;
        state.event(&event).await?;
        Ok(page(&visit, StatusCode::OK, String::new(), defaults((state.now)()), Some(event.as_str())))
    };
    let form = form.await;
    error_page::finish(&visit, form)
}

/// Creates an event.
pub(super) async fn create(
    State(state): State<Arc<OperatorState>>,
    visit: Visit,
    fields: FormResult,
) -> Response {
    let form = Form(fields.map(|axum::Form(fields)| fields).unwrap_or_default());
    let created = async {
        let actor = visit.operator()?.name.clone();
        let new: NewEvent = parse(body(&form).to_string().as_bytes())?;
        let settings = new.into_settings(&state.config.pepper);
        let created = state.write(state.ledger.create_event(&settings, &actor)).await?;
        shown(created, settings.id.as_str())
    };
    let created = created.await;
    finish_form(&visit, &form, created, None)
}

/// Creates an event with the settings of this one.
pub(super) async fn clone(
    State(state): State<Arc<OperatorState>>,
    visit: Visit,
    path: Result<EventPath, Error>,
    fields: FormResult,
) -> Response {
    let form = Form(fields.map(|axum::Form(fields)| fields).unwrap_or_default());
    let from = path.as_ref().map_or_else(|_| String::new(), |EventPath(event)| event.to_string());
    let created = async {
        let actor = visit.operator()?.name.clone();
        let EventPath(event) = path?;
        let body = json!({
            "id": form.get("id"),
            "opens_at": format::from_local(form.get("opens_at")),
            "closes_at": format::from_local(form.get("closes_at")),
        });
        let new: EventClone = parse(body.to_string().as_bytes())?;
        let by = audited_by(&actor, None);
        let call = state.ledger.clone_event(&event, new.id.clone(), new.opens_at.0, new.closes_at.0, by);
        shown(state.write(call).await?, new.id.as_str())
    };
    let created = created.await;
    finish_form(&visit, &form, created, Some(&from))
}

fn body(form: &Form) -> Value {
    let diverts: Vec<&str> = form.get("diverts").split_whitespace().collect();
    let mut body = json!({
        "id": form.get("id"),
        "kind": Some(form.get("kind")).filter(|kind| !kind.is_empty()),
        "pass_target": form.get("pass_target").trim(),
        "title": { "ko": form.get("title_ko"), "en": form.get("title_en") },
        "capacity": form.whole("capacity"),
        "opens_at": format::from_local(form.get("opens_at")),
        "closes_at": format::from_local(form.get("closes_at")),
        "pace": form.decimal("pace"),
        "in_flight_max": form.whole("in_flight_max"),
        "settle_after_close": form.get("settle_after_close") == "true",
        "diverts": diverts,
    });
    for (name, value) in form.look() {
        body[name] = value;
    }
    body
}

/// Leads to the new event.
fn shown(created: CreateResult, id: &str) -> Result<Response, Error> {
    match created {
        CreateResult::Exists(rev) => Err(Error::Exists { rev }),
        CreateResult::Created => Ok(Redirect::to(&format!("/console/{id}?done=1")).into_response()),
    }
}

/// The new event, or the form again with what is wrong.
fn finish_form(visit: &Visit, form: &Form, created: Result<Response, Error>, from: Option<&str>) -> Response {
    match created {
        Err(error @ (Error::Invalid(_) | Error::Exists { .. } | Error::NotNow { .. })) => {
            let (title, text) = error_page::describe(visit, &error);
            page(visit, error.status(), format!("{title}: {text}"), typed(form), from)
        }
        other => error_page::finish(visit, other),
    }
}
