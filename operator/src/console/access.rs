//! Logging in with a token, and logging out.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};

use super::error_page::finish;
use super::form::FormResult;
use super::messages::fill;
use super::visit::{ConsoleFrame, Visit};
use crate::auth::{check_token, is_own_page};
use crate::cookie;
use crate::error::Error;
use crate::state::OperatorState;

/// The login.
#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    frame: ConsoleFrame,
    error: String,
}

/// The form for the token.
pub(super) async fn form(visit: Visit) -> Response {
    if visit.visitor().is_ok() {
        return Redirect::to("/").into_response();
    }
    login_page(&visit, StatusCode::OK, "")
}

fn login_page(visit: &Visit, status: StatusCode, error: &str) -> Response {
    let frame = visit.frame(visit.t.login);
    visit.html(status, &LoginPage { frame, error: error.to_owned() })
}

/// Opens a session for the holder of the token.
pub(super) async fn login(
    State(state): State<Arc<OperatorState>>,
    visit: Visit,
    fields: FormResult,
) -> Response {
    let t = visit.t;
    let headers = &visit.parts.headers;
    if !is_from_login(headers) {
        return login_page(&visit, StatusCode::FORBIDDEN, t.cross_site);
    }
    if is_unencrypted(headers) {
        return login_page(&visit, StatusCode::FORBIDDEN, t.needs_https);
    }
    let fields = fields.map(|Form(fields)| fields).unwrap_or_default();
    let token = fields.iter().find(|(name, _)| name == "token").map_or("", |(_, value)| value.trim());
    match check_token(token, &visit.parts, &state) {
        Ok(holder) => {
            let secret = state.sessions.open(&holder.name, &state.rng, (state.now)());
            tracing::info!(actor = holder.name, "logged in to the console");
            ([(header::SET_COOKIE, cookie::set_session(headers, &secret))], Redirect::to("/")).into_response()
        }
        Err(Error::TooManyTries { retry_s }) => {
            let text = fill(t.token_many, &[("n", &retry_s.to_string())]);
            login_page(&visit, StatusCode::TOO_MANY_REQUESTS, &text)
        }
        Err(_) => login_page(&visit, StatusCode::UNAUTHORIZED, t.token_wrong),
    }
}

/// Ends the session.
pub(super) async fn logout(State(state): State<Arc<OperatorState>>, visit: Visit) -> Response {
    let headers = &visit.parts.headers;
    if !is_own_page(headers, false) {
        return finish(&visit, Err(Error::CrossSite));
    }
    if let Some(secret) = cookie::session(headers) {
        state.sessions.close(secret);
    }
    ([(header::SET_COOKIE, cookie::set_session(headers, ""))], Redirect::to("/login")).into_response()
}

/// Whether the token comes from the login's own page, or from a program that sends neither header. A foreign page could otherwise log
/// an operator in under another name.
fn is_from_login(headers: &HeaderMap) -> bool {
    let is_program = !headers.contains_key("sec-fetch-site") && !headers.contains_key(header::ORIGIN);
    is_program || is_own_page(headers, false)
}

/// Whether the browser came by plain HTTP from another machine: it would not store a secure cookie.
fn is_unencrypted(headers: &HeaderMap) -> bool {
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    !cookie::is_loopback(headers) && origin.is_some_and(|origin| origin.starts_with("http://"))
}
