//! The sheet on which a change is reviewed: what changes, what that does, and what the operator must confirm.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use ledger::{AuditAction, Change, EndParked, EventRow};

use super::event::{ChangeLine, change_line};
use super::form::{Form, Requested};
use super::messages::fill;
use super::visit::{ConsoleFrame, Visit};
use super::words;
use crate::effects;
use crate::error::Error;
use crate::response::{ChangeSeverity, LiveResponse, PreviewResponse};
use crate::state::OperatorState;

/// The most changes of others that are shown.
const MEANWHILE_MAX: u32 = 50;

struct FieldLine {
    name: String,
    before: String,
    after: String,
}

struct EffectLine {
    kind: &'static str,
    text: String,
}

/// The sheet of a change.
#[derive(Template)]
#[template(path = "review.html")]
struct ReviewPage {
    frame: ConsoleFrame,
    id: String,
    event_title: String,
    heading: String,
    error: String,
    meanwhile: Vec<ChangeLine>,
    fields: Vec<FieldLine>,
    effects: Vec<EffectLine>,
    can_apply: bool,
    hidden: Vec<(String, String)>,
    reason: String,
    needs_reason: bool,
    /// What to type; empty if nothing must be.
    confirm: String,
    undoable: bool,
}

/// What a sheet is about.
pub(super) struct Sheet<'a> {
    pub(super) row: &'a EventRow,
    pub(super) form: &'a Form,
    /// Why the change was not applied; empty for a new sheet.
    pub(super) error: String,
    pub(super) status: StatusCode,
}

/// What a change needs before it is applied.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needs {
    pub(super) reason: bool,
    pub(super) confirm: bool,
}

/// What the operator must give for this change.
pub(super) fn needs(requested: &Requested, severity: ChangeSeverity) -> Needs {
    match requested {
        Requested::Parked(decision, _) => Needs { reason: *decision == EndParked::Reject, confirm: false },
        // In an emergency, an operator must not have to find words.
        Requested::Change(Change::Pause | Change::Resume) => Needs { reason: false, confirm: false },
        Requested::Change(_) => {
            Needs { reason: severity != ChangeSeverity::Mild, confirm: severity == ChangeSeverity::Severe }
        }
    }
}

/// The sheet as a page.
pub(super) async fn page(state: &OperatorState, visit: &Visit, sheet: Sheet<'_>) -> Result<Response, Error> {
    let (row, now) = (sheet.row, (state.now)());
    let live = state.live(&row.settings.id).await?;
    let requested = sheet.form.requested(&row.settings)?;
    let seen = sheet.form.rev().filter(|rev| *rev != row.rev);
    let meanwhile = match seen {
        None => Vec::new(),
        Some(seen) => {
            let rows = state.read(state.ledger.audit(Some(&row.settings.id), None, MEANWHILE_MAX)).await?;
            rows.into_iter()
                .filter(|change| change.rev > seen && change.action != AuditAction::AdjustPace)
                .map(|change| change_line(visit, change, 0, now))
                .collect()
        }
    };
    let page = build(visit, &sheet, &requested, &live, meanwhile, now)?;
    Ok(visit.html(sheet.status, &page))
}

fn build(
    visit: &Visit,
    sheet: &Sheet<'_>,
    requested: &Requested,
    live: &LiveResponse,
    meanwhile: Vec<ChangeLine>,
    now: domain::Millis,
) -> Result<ReviewPage, Error> {
    let t = visit.t;
    let id = sheet.row.settings.id.to_string();
    let mut page = ReviewPage {
        frame: visit.frame(t.review_title),
        event_title: format!("{} {id}", live.event.title.in_language(t.lang)),
        heading: String::new(),
        error: sheet.error.clone(),
        meanwhile,
        fields: Vec::new(),
        effects: Vec::new(),
        can_apply: true,
        hidden: hidden(sheet.form, sheet.row.rev),
        reason: sheet.form.get("reason").to_owned(),
        needs_reason: false,
        confirm: String::new(),
        undoable: false,
        id,
    };
    let severity = match requested {
        Requested::Parked(decision, _) => {
            let (action, hint) = match decision {
                EndParked::Retry => (AuditAction::Retry, t.retry_hint),
                EndParked::Reject => (AuditAction::Reject, t.reject_hint),
            };
            words::action(t, action).clone_into(&mut page.heading);
            page.effects.push(EffectLine { kind: "", text: hint.to_owned() });
            ChangeSeverity::Moderate
        }
        Requested::Change(change) => {
            words::action(t, change.action()).clone_into(&mut page.heading);
            let preview = effects::preview(sheet.row, live, change, now)?;
            fill_preview(visit, &mut page, &preview);
            preview.severity
        }
    };
    let needs = needs(requested, severity);
    page.needs_reason = needs.reason;
    if needs.confirm {
        page.confirm = fill(t.confirm, &[("id", &page.id)]);
    }
    Ok(page)
}

fn fill_preview(visit: &Visit, page: &mut ReviewPage, preview: &PreviewResponse) {
    let t = visit.t;
    for (name, after) in preview.after.as_object().into_iter().flatten() {
        let show = |value| {
            let text = words::value(t, visit.language, name, value);
            if text.is_empty() { "–".to_owned() } else { text }
        };
        let before = show(&preview.before[name.as_str()]);
        page.fields.push(FieldLine { name: words::field(t, name).to_owned(), before, after: show(after) });
    }
    if !preview.changed {
        page.can_apply = false;
        t.unchanged.clone_into(&mut page.error);
        return;
    }
    page.undoable = preview.undoable;
    page.effects = preview
        .effects
        .iter()
        .map(|effect| EffectLine {
            kind: if effect.is_warning() { "warn" } else { "" },
            text: words::effect(t, effect),
        })
        .collect();
}

/// The fields of the form to send again, at the rev that the sheet shows.
fn hidden(form: &Form, rev: i64) -> Vec<(String, String)> {
    let own = |name: &str| !matches!(name, "rev" | "reason" | "confirm");
    let fields = form.0.iter().filter(|(name, _)| own(name)).cloned();
    fields.chain([("rev".to_owned(), rev.to_string())]).collect()
}
