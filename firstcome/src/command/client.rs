//! Talking to the operator console: the address, the token, If-Match, and what its refusals mean for the exit code. What a command
//! asks for stands in the command's own file.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use domain::EventId;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Request, Uri, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use super::Failed;
use crate::output::{complain, say};

/// An operator API on this machine that does not listen is told at once; one behind a slow tunnel gets its time.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Longer than the operator API itself waits for its ledger.
const ANSWER_MAX: Duration = Duration::from_secs(150);
/// Longest answer that is read.
const BODY_MAX: usize = 8 * 1024 * 1024;
/// How many changes are looked through for those that came between.
const LATELY: u32 = 50;

/// Wrong usage, as for the settings.
const USAGE: u8 = 2;
const NOT_FOUND: u8 = 3;
const NOT_ALLOWED: u8 = 4;
const CONFLICT: u8 = 5;
const UNAVAILABLE: u8 = 7;

/// Where the operator console is, and who asks.
#[derive(Debug, Args)]
pub(super) struct OperatorArgs {
    /// The operator console's address. Plain HTTP only: for an operator API elsewhere use an SSH tunnel, `ssh -L 8090:127.0.0.1:8090 HOST`.
    #[arg(
        long,
        global = true,
        env = "FIRSTCOME_OPERATOR_URL",
        default_value = "http://127.0.0.1:8090",
        value_name = "URL"
    )]
    server: String,
    /// The file that holds your token and nothing else; without it, the token is taken from `FIRSTCOME_TOKEN`.
    #[arg(long, global = true, env = "FIRSTCOME_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Prints the API's JSON.
    #[arg(long, global = true)]
    json: bool,
}

/// The operator console, from outside.
pub(super) struct OperatorClient {
    base: String,
    token: String,
    json: bool,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// What to send: a verb and a resource of the API, with what it takes.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) path: String,
    /// The rev that must be found, if any.
    pub(super) rev: Option<i64>,
    pub(super) body: &'a Value,
}

impl OperatorClient {
    /// The operator API that the arguments name; nothing is sent yet.
    pub(super) fn new(args: &OperatorArgs) -> Result<Self, Failed> {
        let uri: Option<Uri> = args.server.parse().ok();
        let plain = uri.is_some_and(|uri| uri.scheme_str() == Some("http") && uri.host().is_some());
        if !plain {
            return Err(usage(format!(
                "--server {} is not http://HOST:PORT; https is not spoken here, use a tunnel or a proxy",
                args.server
            )));
        }
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_MAX));
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let base = args.server.trim_end_matches('/').to_owned();
        Ok(Self { base, token: read_token(args)?, json: args.json, client })
    }

    /// Reads a document of the operator API.
    pub(super) async fn read(&self, path: String) -> Result<Value, Failed> {
        self.send(&Ask { method: Method::GET, path, rev: None, body: &Value::Null }).await
    }

    /// Reads an event.
    pub(super) async fn event(&self, event: &EventId) -> Result<Value, Failed> {
        self.read(format!("/event/adm/v1/get/event/{event}")).await
    }

    /// Changes a setting of an event that is at the rev that was seen, or that is read now.
    pub(super) async fn set(&self, event: &EventId, ask: Ask<'_>) -> Result<Value, Failed> {
        let rev = match ask.rev {
            Some(rev) => Some(rev),
            None => self.event(event).await?["rev"].as_i64(),
        };
        self.change(event, Ask { rev, ..ask }).await
    }

    /// Changes an event; if somebody else did meanwhile, tells who and what.
    pub(super) async fn change(&self, event: &EventId, ask: Ask<'_>) -> Result<Value, Failed> {
        let seen = ask.rev;
        let changed = self.send(&ask).await;
        if let (Err(Failed::Refused { code: CONFLICT, said }), Some(seen)) = (&changed, seen)
            && let Ok(lately) =
                self.read(format!("/audit/adm/v1/list/change?event={event}&limit={LATELY}")).await
        {
            let all = lately["items"].as_array().into_iter().flatten();
            let newer: Vec<String> =
                all.filter(|change| change["rev"].as_i64() > Some(seen)).map(sentence).collect();
            if !newer.is_empty() {
                let said = format!("{said}\nchanged since rev {seen}:\n  {}", newer.join("\n  "));
                return Err(Failed::Refused { code: CONFLICT, said });
            }
        }
        changed
    }

    /// Prints a change, or the operator API's JSON of it.
    pub(super) fn tell_change(&self, change: &Value) -> Result<(), Failed> {
        self.tell(change, |change| match change["changed"].as_bool() {
            Some(true) => sentence(change),
            _ => format!("{} was so already (rev {})", text(&change["event"]), change["rev"]),
        })
    }

    /// Prints a document: as it is, or in words.
    pub(super) fn tell(&self, document: &Value, words: impl Fn(&Value) -> String) -> Result<(), Failed> {
        say(if self.json { serde_json::to_string_pretty(document)? } else { words(document) });
        Ok(())
    }

    /// Sends one request and reads the whole answer.
    pub(super) async fn send(&self, ask: &Ask<'_>) -> Result<Value, Failed> {
        let request = self.request(ask)?;
        let answered = tokio::time::timeout(ANSWER_MAX, async {
            let response = self.client.request(request).await?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), BODY_MAX).collect().await;
            Ok::<_, anyhow::Error>((status, body.map_err(|error| anyhow::anyhow!(error))?.to_bytes()))
        });
        let (status, body) = match answered.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(self.silent(ask, &format!("{error:#}"))),
            Err(_) => return Err(self.silent(ask, "no answer in time")),
        };
        let document: Value = serde_json::from_slice(&body).unwrap_or_default();
        if (200..300).contains(&status) {
            return Ok(document);
        }
        if self.json {
            complain(document.to_string());
        }
        Err(refused(status, &document))
    }

    fn request(&self, ask: &Ask<'_>) -> anyhow::Result<Request<Full<Bytes>>> {
        let reading = ask.method == Method::GET;
        let body = if reading { Bytes::new() } else { ask.body.to_string().into() };
        let mut request = Request::builder()
            .method(&ask.method)
            .uri(format!("{}{}", self.base, ask.path))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        if !reading {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(rev) = ask.rev {
            request = request.header(header::IF_MATCH, format!("\"{rev}\""));
        }
        request.body(Full::new(body)).context("cannot be sent: is there a line break in the token?")
    }

    fn silent(&self, ask: &Ask<'_>, why: &str) -> Failed {
        let may =
            if ask.method == Method::GET { "" } else { "; whether it was changed is not known: look first" };
        let said = format!("the operator console at {} does not answer ({why}){may}", self.base);
        Failed::Refused { code: UNAVAILABLE, said }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a token is no setting: it is the person's who runs the command"
)]
fn read_token(args: &OperatorArgs) -> Result<String, Failed> {
    let token = match &args.token_file {
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| usage(format!("cannot read {}: {error}", file.display())))?,
        None => std::env::var("FIRSTCOME_TOKEN").unwrap_or_default(),
    };
    let token = token.trim().to_owned();
    if token.is_empty() {
        return Err(usage(
            "no token: set FIRSTCOME_TOKEN or --token-file; `firstcome keys token NAME` makes one",
        ));
    }
    Ok(token)
}

/// The command was used wrongly.
pub(super) fn usage(said: impl Into<String>) -> Failed {
    Failed::Refused { code: USAGE, said: said.into() }
}

/// What a problem means: how the command ends, and what it says.
fn refused(status: u16, problem: &Value) -> Failed {
    let code = match status {
        400 | 413 | 415 | 422 => USAGE,
        404 => NOT_FOUND,
        401 | 403 | 421 => NOT_ALLOWED,
        409 | 412 | 428 => CONFLICT,
        429 | 503 => UNAVAILABLE,
        _ => 1,
    };
    let title = problem["title"].as_str().unwrap_or("the answer is none of the operator console's");
    let detail = problem["detail"].as_str().map(|detail| format!(": {detail}")).unwrap_or_default();
    let state = problem["state"].as_str().map(|state| format!(" (it is {state})")).unwrap_or_default();
    Failed::Refused { code, said: format!("{title}{detail}{state} [{status}]") }
}

/// Asks before something that cannot be undone; where nobody can answer, `--yes` must have been given.
pub(super) fn confirm(yes: bool, question: &str) -> Result<(), Failed> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(usage(format!("{question} Say so with --yes.")));
    }
    let mut err = std::io::stderr().lock();
    let _ = write!(err, "{question} [y/N] ").and_then(|()| err.flush());
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failed::Refused { code: 1, said: "nothing was changed".into() }),
    }
}

/// A body with a reason, if there is one.
pub(super) fn because(reason: Option<&str>) -> Value {
    reason.map_or_else(|| json!({}), |reason| json!({ "reason": reason }))
}

/// A JSON text without its quotes, anything else as it is, and nothing that could move a terminal's cursor.
pub(super) fn text(value: &Value) -> String {
    let told = match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    told.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// One change in one line.
pub(super) fn sentence(change: &Value) -> String {
    let (before, after) = (&change["before"], change["after"].as_object());
    let made = matches!(change["action"].as_str(), Some("create" | "clone"));
    let fields = after.into_iter().flatten().filter(|_| !made);
    let told: Vec<String> = fields
        .map(|(name, now)| format!("{name} {} -> {}", text(&before[name.as_str()]), text(now)))
        .collect();
    let fields = if told.is_empty() { String::new() } else { format!(": {}", told.join(", ")) };
    let reason = change["reason"].as_str().filter(|reason| !reason.is_empty());
    let reason = reason.map(|reason| format!(" ({})", text(&reason.into()))).unwrap_or_default();
    format!(
        "{}  {} rev {}  {}  {}{fields}{reason}",
        text(&change["at"]),
        text(&change["event"]),
        change["rev"],
        text(&change["actor"]),
        text(&change["action"])
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_in_one_line_that_moves_no_cursor() {
        let change = json!({
            "event": "spring", "rev": 7, "at": "2026-11-22T11:00:00.000Z", "actor": "kim", "action": "pace",
            "reason": "slow\u{1b}[2J", "before": {"pace": "80"}, "after": {"pace": "120"}, "changed": true,
        });
        let expected = "2026-11-22T11:00:00.000Z  spring rev 7  kim  pace: pace 80 -> 120 (slow [2J)";
        assert_eq!(sentence(&change), expected);
    }

    #[test]
    fn each_refusal_ends_with_its_own_code() {
        let code = |status| match refused(status, &Value::Null) {
            Failed::Refused { code, .. } => code,
            _ => 0,
        };
        let codes: Vec<u8> = [422, 404, 401, 403, 409, 412, 428, 503, 500].map(code).to_vec();
        assert_eq!(codes, [2, 3, 4, 4, 5, 5, 5, 7, 1]);
    }
}
