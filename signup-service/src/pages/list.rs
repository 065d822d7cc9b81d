//! The list of events.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use domain::EventState;

use super::context::PageContext;
use super::error::PageError;
use super::frame::{Frame, render};
use super::response::PageResponse;
use super::templates::{ListItem, ListTemplate};
use crate::documents::EventDocuments;
use crate::messages::{self, PageText};
use crate::response::see_other;
use crate::state::SignupState;
use crate::timestamp;

/// `GET /`: the list, or a redirect to the only event.
pub(crate) async fn get(
    State(signup): State<Arc<SignupState>>,
    context: PageContext,
) -> Result<Response, PageError> {
    let catalogue = signup.catalogue();
    let events = catalogue.events().map_err(|error| PageError::new(error, &context))?;
    if let [only] = events {
        return Ok(see_other(&format!("/e/{only}")));
    }
    let text = signup.text(context.language);
    let items: Vec<_> = catalogue.documents().map(|documents| item(&signup, documents, text)).collect();
    let lede = if items.is_empty() { text.list_empty } else { text.list.text };
    let frame = Frame {
        heading: text.list.title.to_owned(),
        lede: lede.to_owned(),
        ..Frame::new(&signup.shell.wait, text, text.list.title, "list")
    };
    let html = render(&ListTemplate { frame, items });
    Ok(PageResponse::new(&context, &signup.shell.wait, html).into_response())
}

fn item(signup: &SignupState, documents: &EventDocuments, text: &'static PageText) -> ListItem {
    let language = text.language;
    let settings = &documents.snapshot.settings;
    let opens = timestamp::date(settings.opens_at, language);
    let closes = timestamp::date(settings.closes_at, language);
    let state = documents.state(signup.now());
    let (badge, date) = match state {
        EventState::Scheduled => (text.state_scheduled, opens),
        EventState::Open => (text.state_open, messages::fill(text.closes, &[("date", &closes)])),
        EventState::Closed | EventState::Settling | EventState::Settled => (text.state_closed, closes),
    };
    ListItem {
        event: settings.id.to_string(),
        title: settings.title.in_language(language.tag()).to_owned(),
        badge,
        is_open: state == EventState::Open,
        date,
    }
}
