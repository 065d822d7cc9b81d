//! The operator console: pages for browsers over the same ledger and the same rules as the API. Every change works without JavaScript,
//! as a form that is reviewed before it is applied; the script adds the live figures and the charts.

mod access;
mod alerts;
mod assets;
mod create;
mod error_page;
mod event;
mod events;
mod figures;
mod form;
mod format;
mod look;
mod messages;
mod report;
mod review;
mod sheet;
mod visit;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::state::OperatorState;

/// The pages and their assets.
pub(crate) fn routes() -> Router<Arc<OperatorState>> {
    Router::new()
        .route("/", get(events::list))
        .route("/login", get(access::form).post(access::login))
        .route("/logout", post(access::logout))
        .route("/console/new", get(create::new_form).post(create::create))
        .route("/console/{event}", get(event::show))
        .route("/console/{event}/clone", get(create::clone_form).post(create::clone))
        .route("/console/{event}/review", get(review::review).post(review::apply))
        .route("/console/{event}/report", get(report::show))
        .route("/console/{event}/application", get(report::form).post(report::find))
        .route("/console/{event}/undo", post(review::undo))
        .merge(assets::routes())
}
