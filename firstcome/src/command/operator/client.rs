//! A client of the operator API: address, token, If-Match, and the exit code of each kind of error.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use domain::EventId;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Uri, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use operator::response::{ChangeList, ChangeResponse, EventResponse};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::format::{change_line, change_result};
use crate::command::error::{CommandError, FAILED, USAGE};
use crate::output::{print, print_error};

/// Time to connect. A server on this machine that does not listen refuses at once; a slow tunnel gets this long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for the head of a response, and for its body: longer than the operator API waits for its ledger.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(150);
/// Longest response body that is read, in bytes.
const BODY_MAX: usize = 8 * 1024 * 1024;
/// How many recent changes are searched for the cause of a conflict.
const RECENT_CHANGES: u32 = 50;

const EXIT_NOT_FOUND: u8 = 3;
const EXIT_NOT_ALLOWED: u8 = 4;
const EXIT_CONFLICT: u8 = 5;
const EXIT_UNAVAILABLE: u8 = 7;

/// The address of the operator API, and the operator's token.
#[derive(Debug, Args)]
pub(super) struct OperatorArgs {
    /// The address of the operator API. Plain HTTP only; reach another machine through an SSH tunnel, `ssh -L 8090:127.0.0.1:8090 HOST`.
    #[arg(
        long,
        global = true,
        env = "FIRSTCOME_OPERATOR_URL",
        default_value = "http://127.0.0.1:8090",
        value_name = "URL"
    )]
    operator_url: String,
    /// A file that holds only your token. Without it, the token is taken from `FIRSTCOME_TOKEN`.
    #[arg(long, global = true, env = "FIRSTCOME_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Prints the response as JSON.
    #[arg(long, global = true)]
    json: bool,
}

impl OperatorArgs {
    /// Whether the output is JSON.
    pub(super) fn is_json(&self) -> bool {
        self.json
    }
}

/// The arguments of a change without parameters, such as `release pause`.
#[derive(Debug, Args)]
pub(super) struct ChangeArgs {
    /// The event's id.
    event: EventId,
    /// The reason, for the audit.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Changes the event only if it is still at this rev.
    #[arg(long, value_name = "REV")]
    if_rev: Option<i64>,
}

/// A client of the operator API.
pub(super) struct OperatorClient {
    base: String,
    token: String,
    json: bool,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// A request to the operator API.
pub(super) struct ApiRequest {
    pub(super) method: Method,
    pub(super) path: String,
    /// The rev that the event must have, if any.
    pub(super) rev: Option<i64>,
    pub(super) body: Value,
}

impl OperatorClient {
    /// A client of the operator API at the address of the arguments. Sends nothing yet.
    pub(super) fn new(args: &OperatorArgs) -> Result<Self, CommandError> {
        let uri: Option<Uri> = args.operator_url.parse().ok();
        let is_http = uri.is_some_and(|uri| uri.scheme_str() == Some("http") && uri.host().is_some());
        if !is_http {
            return Err(CommandError::usage(format!(
                "--operator-url {} is not http://HOST:PORT; for https use a tunnel or a proxy",
                args.operator_url
            )));
        }
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let base = args.operator_url.trim_end_matches('/').to_owned();
        Ok(Self { base, token: read_token(args)?, json: args.json, client })
    }

    /// Reads a resource.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: String) -> Result<T, CommandError> {
        self.send(&ApiRequest { method: Method::GET, path, rev: None, body: Value::Null }).await
    }

    /// Reads an event.
    pub(super) async fn event(&self, event: &EventId) -> Result<EventResponse, CommandError> {
        self.get(format!("/event/adm/v1/get/event/{event}")).await
    }

    /// Changes an event with `If-Match`: at the rev of the request, or without one at the event's current rev.
    pub(super) async fn change_at_rev(
        &self,
        event: &EventId,
        request: ApiRequest,
    ) -> Result<ChangeResponse, CommandError> {
        let rev = match request.rev {
            Some(rev) => rev,
            None => self.event(event).await?.rev,
        };
        self.change(event, ApiRequest { rev: Some(rev), ..request }).await
    }

    /// Changes an event, with `If-Match` only if the request has a rev. A conflict is reported with the changes that were made since
    /// that rev.
    pub(super) async fn change(
        &self,
        event: &EventId,
        request: ApiRequest,
    ) -> Result<ChangeResponse, CommandError> {
        let changed = self.send(&request).await;
        match (changed, request.rev) {
            (Err(CommandError::Exit { code: EXIT_CONFLICT, message }), Some(rev)) => {
                let message = self.with_changes_since(event, rev, message).await;
                Err(CommandError::Exit { code: EXIT_CONFLICT, message })
            }
            (changed, _) => changed,
        }
    }

    /// Posts a change without parameters, and prints it.
    pub(super) async fn post_change(&self, path: &str, args: &ChangeArgs) -> Result<(), CommandError> {
        let path = format!("{path}/{}", args.event);
        let body = body_with_reason(args.reason.as_deref());
        let request = ApiRequest { method: Method::POST, path, rev: args.if_rev, body };
        self.print_change(&self.change(&args.event, request).await?)
    }

    async fn with_changes_since(&self, event: &EventId, rev: i64, message: String) -> String {
        let path = format!("/audit/adm/v1/list/change?event={event}&limit={RECENT_CHANGES}");
        let Ok(recent) = self.get::<ChangeList>(path).await else { return message };
        let newer: Vec<String> =
            recent.items.iter().filter(|change| change.rev > rev).map(change_line).collect();
        if newer.is_empty() {
            return message;
        }
        format!("{message}\nchanged since rev {rev}:\n  {}", newer.join("\n  "))
    }

    /// Prints a change as text or JSON.
    pub(super) fn print_change(&self, change: &ChangeResponse) -> Result<(), CommandError> {
        self.print(change, change_result)
    }

    /// Prints a response as text or JSON.
    pub(super) fn print<T: Serialize>(
        &self,
        response: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), CommandError> {
        print(if self.json { serde_json::to_string_pretty(response)? } else { text(response) });
        Ok(())
    }

    /// Sends a request and reads the whole response.
    pub(super) async fn send<T: DeserializeOwned>(&self, request: &ApiRequest) -> Result<T, CommandError> {
        let body = self.open(request).await?;
        let body = self.read(request, body).await?;
        serde_json::from_slice(&body).map_err(|error| self.unexpected(request, &error))
    }

    /// Reads a resource of any size, and writes it as it arrives.
    pub(super) async fn download(&self, path: String, to: &mut impl Write) -> Result<(), CommandError> {
        let request = ApiRequest { method: Method::GET, path, rev: None, body: Value::Null };
        let mut body = self.open(&request).await?;
        loop {
            let next = tokio::time::timeout(RESPONSE_TIMEOUT, body.frame()).await;
            let Some(frame) = next.map_err(|_| self.no_response(&request, "timed out"))? else { break };
            let frame = frame.map_err(|error| self.no_response(&request, &format!("cut off: {error}")))?;
            if let Some(data) = frame.data_ref() {
                to.write_all(data).context("cannot write the file")?;
            }
        }
        Ok(to.flush().context("cannot write the file")?)
    }

    /// Opens a stream, which goes on after its headers.
    pub(super) async fn stream(&self, path: &str) -> Result<Incoming, CommandError> {
        let path = path.to_owned();
        self.open(&ApiRequest { method: Method::GET, path, rev: None, body: Value::Null }).await
    }

    /// Sends a request, and returns the body of its response before it is read.
    async fn open(&self, request: &ApiRequest) -> Result<Incoming, CommandError> {
        let sent = self.client.request(self.http_request(request)?);
        let response = match tokio::time::timeout(RESPONSE_TIMEOUT, sent).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(self.no_response(request, &format!("{:#}", anyhow::anyhow!(error)))),
            Err(_) => return Err(self.no_response(request, "timed out")),
        };
        let status = response.status();
        if status.is_success() {
            return Ok(response.into_body());
        }
        let body = self.read(request, response.into_body()).await?;
        let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
        if self.json {
            print_error(problem.to_string());
        }
        Err(problem_error(status.as_u16(), &problem))
    }

    /// Reads a whole body.
    async fn read(&self, request: &ApiRequest, body: Incoming) -> Result<Bytes, CommandError> {
        let reading = Limited::new(body, BODY_MAX).collect();
        match tokio::time::timeout(RESPONSE_TIMEOUT, reading).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) => Err(self.no_response(request, &format!("{:#}", anyhow::anyhow!(error)))),
            Err(_) => Err(self.no_response(request, "timed out")),
        }
    }

    fn http_request(&self, request: &ApiRequest) -> anyhow::Result<Request<Full<Bytes>>> {
        let is_read = request.method == Method::GET;
        let body = if is_read { Bytes::new() } else { request.body.to_string().into() };
        let mut builder = Request::builder()
            .method(&request.method)
            .uri(format!("{}{}", self.base, request.path))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        if !is_read {
            builder = builder.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(rev) = request.rev {
            builder = builder.header(header::IF_MATCH, format!("\"{rev}\""));
        }
        builder.body(Full::new(body)).context("invalid request: check the token for a line break")
    }

    fn no_response(&self, request: &ApiRequest, reason: &str) -> CommandError {
        let message = format!("no complete response from the operator API at {} ({reason})", self.base);
        CommandError::Exit { code: EXIT_UNAVAILABLE, message: message + unknown_outcome(request) }
    }

    fn unexpected(&self, request: &ApiRequest, error: &serde_json::Error) -> CommandError {
        let message = format!("unexpected response from {}: {error}", self.base);
        CommandError::Exit { code: FAILED, message: message + unknown_outcome(request) }
    }
}

/// What to add to an error where a change may have been made.
fn unknown_outcome(request: &ApiRequest) -> &'static str {
    if request.method == Method::GET {
        ""
    } else {
        "; the change may have been made: check before repeating it"
    }
}

#[expect(clippy::disallowed_methods, reason = "the operator's own credential, no setting of the process")]
fn read_token(args: &OperatorArgs) -> Result<String, CommandError> {
    let token = match &args.token_file {
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| CommandError::usage(format!("cannot read {}: {error}", file.display())))?,
        None => std::env::var("FIRSTCOME_TOKEN").unwrap_or_default(),
    };
    let token = token.trim().to_owned();
    if token.is_empty() {
        return Err(CommandError::usage(
            "no token: set FIRSTCOME_TOKEN or --token-file; `firstcome keys token NAME` creates one",
        ));
    }
    Ok(token)
}

/// The error for a problem document.
fn problem_error(status: u16, problem: &Value) -> CommandError {
    let code = match status {
        400 | 413 | 415 | 422 => USAGE,
        404 => EXIT_NOT_FOUND,
        401 | 403 | 421 => EXIT_NOT_ALLOWED,
        409 | 412 | 428 => EXIT_CONFLICT,
        429 | 503 => EXIT_UNAVAILABLE,
        _ => FAILED,
    };
    let title = problem["title"].as_str().unwrap_or("the response is not from the operator API");
    let detail = problem["detail"].as_str().map(|detail| format!(": {detail}")).unwrap_or_default();
    let state = problem["state"].as_str().map(|state| format!(" (it is {state})")).unwrap_or_default();
    CommandError::Exit { code, message: format!("{title}{detail}{state} [{status}]") }
}

/// A request body with the reason, if there is one.
pub(super) fn body_with_reason(reason: Option<&str>) -> Value {
    reason.map_or_else(|| json!({}), |reason| json!({ "reason": reason }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_error_has_its_exit_code() {
        let code = |status| match problem_error(status, &Value::Null) {
            CommandError::Exit { code, .. } => code,
            _ => 0,
        };
        let codes: Vec<u8> = [422, 404, 401, 403, 409, 412, 428, 503, 500].map(code).to_vec();
        assert_eq!(codes, [2, 3, 4, 4, 5, 5, 5, 7, 1]);
    }
}
