//! `firstcome webhook`: the endpoints that get domain events, and the deliveries to them.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use domain::EventId;
use hyper::Method;
use operator::response::{
    DeliveryList, DeliveryResponse, EndpointList, EndpointResponse, EndpointSecret, ReplayedDeliveries,
    TestDelivery,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::client::{ApiRequest, OperatorArgs, OperatorClient, body_with_reason};
use super::format::printable;
use crate::command::error::{CommandError, FAILED};

/// How often the result of a test is looked for, and how many times: for longer than a worker waits for a response.
const TEST_PERIOD: Duration = Duration::from_millis(250);
const TEST_LOOKS: u32 = 280;

#[derive(Debug, Args)]
pub(in crate::command) struct WebhookArgs {
    #[command(flatten)]
    operator: OperatorArgs,
    #[command(subcommand)]
    command: WebhookCommand,
}

#[derive(Debug, Subcommand)]
enum WebhookCommand {
    /// Creates an endpoint, and prints its secret once.
    Create(CreateArgs),
    /// Lists the endpoints.
    List,
    /// Shows an endpoint.
    Show {
        /// The endpoint.
        endpoint: String,
    },
    /// Changes the URL, or which domain events an endpoint gets. Deliveries that wait go to the new URL.
    Update(UpdateArgs),
    /// Sends a test to an endpoint, and shows the result. It works for a paused or disabled endpoint too.
    Test {
        /// The endpoint.
        endpoint: String,
    },
    /// Makes no deliveries to an endpoint until it is resumed. They wait.
    Pause(EndpointArgs),
    /// Makes deliveries to an endpoint again, also to one that was disabled, and tries those that wait at once.
    Resume(EndpointArgs),
    /// Removes an endpoint with its deliveries.
    Delete(EndpointArgs),
    /// Makes a new secret and prints it once. The former one signs too for a day.
    Rotate(EndpointArgs),
    /// Lists deliveries to an endpoint: tests first, then by event, latest numbers first.
    Deliveries {
        /// The endpoint.
        endpoint: String,
        /// Lists deliveries of this event only.
        #[arg(long)]
        event: Option<EventId>,
        /// Lists deliveries in this state only.
        #[arg(long, value_enum)]
        state: Option<ListedDeliveries>,
        /// The most deliveries to list.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Makes deliveries that have ended again, under the same IDs. `outbox replay webhook:ENDPOINT` does so for a whole event.
    Replay(DeliveryReplayArgs),
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ListedDeliveries {
    Pending,
    Done,
    Dead,
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// The ID of the endpoint: 1 to 40 characters of a-z, 0-9 and '-'.
    endpoint: String,
    /// Its URL, `https://...`.
    url: String,
    /// A kind of domain event that it gets, such as `application.ordered`. May be repeated; all by default.
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// An event whose domain events it gets. May be repeated; all by default.
    #[arg(long = "event", value_name = "EVENT")]
    events: Vec<EventId>,
    /// The reason, for the audit.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Debug, Args)]
struct UpdateArgs {
    /// The endpoint.
    endpoint: String,
    /// The new URL.
    #[arg(long)]
    url: Option<String>,
    /// A kind of domain event that it gets from now on. May be repeated; `all` for all.
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// An event whose domain events it gets from now on. May be repeated; `all` for all.
    #[arg(long = "event", value_name = "EVENT")]
    events: Vec<String>,
    /// The reason, for the audit.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Debug, Args)]
struct EndpointArgs {
    /// The endpoint.
    endpoint: String,
    /// The reason, for the audit.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Debug, Args)]
struct DeliveryReplayArgs {
    /// The endpoint.
    endpoint: String,
    /// The event.
    event: EventId,
    /// The number of the first domain event.
    #[arg(long, value_name = "SEQ")]
    from: i64,
    /// The number of the last one; the same as the first by default.
    #[arg(long, value_name = "SEQ")]
    to: Option<i64>,
    /// Only counts the deliveries.
    #[arg(long)]
    dry_run: bool,
    /// The reason, for the audit.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Runs the command.
pub(super) async fn run(args: WebhookArgs) -> Result<(), CommandError> {
    let operator = OperatorClient::new(&args.operator)?;
    match args.command {
        WebhookCommand::Create(args) => create(&operator, args).await,
        WebhookCommand::List => {
            let list: EndpointList = operator.get("/hook/adm/v1/list/endpoint".into()).await?;
            operator.print(&list.items, |items| lines(items, endpoint_line))
        }
        WebhookCommand::Show { endpoint } => {
            let endpoint: EndpointResponse =
                operator.get(format!("/hook/adm/v1/get/endpoint/{endpoint}")).await?;
            operator.print(&endpoint, endpoint_line)
        }
        WebhookCommand::Update(args) => update(&operator, args).await,
        WebhookCommand::Test { endpoint } => test(&operator, &endpoint).await,
        WebhookCommand::Pause(args) => change(&operator, "pause", &args).await,
        WebhookCommand::Resume(args) => change(&operator, "resume", &args).await,
        WebhookCommand::Delete(args) => delete(&operator, &args).await,
        WebhookCommand::Rotate(args) => {
            let path = format!("/hook/adm/v1/rotate/secret/{}", args.endpoint);
            let secret = post(&operator, path, body_with_reason(args.reason.as_deref())).await?;
            print_secret(&operator, &secret)
        }
        WebhookCommand::Deliveries { endpoint, event, state, limit } => {
            let state = state.and_then(|state| state.to_possible_value());
            let state = state.map(|state| format!("&state={}", state.get_name())).unwrap_or_default();
            let event = event.map(|event| format!("&event={event}")).unwrap_or_default();
            let path = format!("/hook/adm/v1/list/delivery/{endpoint}?limit={limit}{state}{event}");
            let list: DeliveryList = operator.get(path).await?;
            operator.print(&list.items, |items| lines(items, delivery_line))
        }
        WebhookCommand::Replay(args) => replay(&operator, args).await,
    }
}

async fn post<T: DeserializeOwned>(
    operator: &OperatorClient,
    path: String,
    body: Value,
) -> Result<T, CommandError> {
    operator.send(&ApiRequest { method: Method::POST, path, rev: None, body }).await
}

async fn create(operator: &OperatorClient, args: CreateArgs) -> Result<(), CommandError> {
    let mut body = body_with_reason(args.reason.as_deref());
    body["id"] = json!(args.endpoint);
    body["url"] = json!(args.url);
    body["types"] = json!(args.types);
    body["events"] = json!(args.events);
    let secret = post(operator, "/hook/adm/v1/create/endpoint".into(), body).await?;
    print_secret(operator, &secret)
}

fn print_secret(operator: &OperatorClient, secret: &EndpointSecret) -> Result<(), CommandError> {
    operator.print(secret, |EndpointSecret { id, secret }| {
        format!("The secret of {id}, shown only once:\n\n  {secret}\n\nThe receiver verifies signatures with it: see docs/messaging.md")
    })
}

async fn update(operator: &OperatorClient, args: UpdateArgs) -> Result<(), CommandError> {
    let mut body = body_with_reason(args.reason.as_deref());
    if let Some(url) = args.url {
        body["url"] = json!(url);
    }
    for (name, selected) in [("types", args.types), ("events", args.events)] {
        if !selected.is_empty() {
            let selected: Vec<String> = selected.into_iter().filter(|name| name != "all").collect();
            body[name] = json!(selected);
        }
    }
    let path = format!("/hook/adm/v1/update/endpoint/{}", args.endpoint);
    let endpoint: EndpointResponse =
        operator.send(&ApiRequest { method: Method::PATCH, path, rev: None, body }).await?;
    operator.print(&endpoint, endpoint_line)
}

/// Sends a test, and waits for its result.
async fn test(operator: &OperatorClient, endpoint: &str) -> Result<(), CommandError> {
    let path = format!("/hook/adm/v1/test/endpoint/{endpoint}");
    let TestDelivery { seq } = post(operator, path, json!({})).await?;
    for _ in 0..TEST_LOOKS {
        let path = format!("/hook/adm/v1/list/delivery/{endpoint}?event=&limit=100");
        let list: DeliveryList = operator.get(path).await?;
        let ended = list.items.into_iter().find(|item| item.seq == seq && item.state != "pending");
        if let Some(delivery) = ended {
            operator.print(&delivery, delivery_line)?;
            return match delivery.state.as_str() {
                "done" => Ok(()),
                _ => Err(CommandError::Exit { code: FAILED, message: "the test failed".into() }),
            };
        }
        tokio::time::sleep(TEST_PERIOD).await;
    }
    let message = "no worker has sent the test: is messaging.webhook.key set for the workers?".into();
    Err(CommandError::Exit { code: FAILED, message })
}

async fn change(operator: &OperatorClient, verb: &str, args: &EndpointArgs) -> Result<(), CommandError> {
    let path = format!("/hook/adm/v1/{verb}/endpoint/{}", args.endpoint);
    let endpoint: EndpointResponse = post(operator, path, body_with_reason(args.reason.as_deref())).await?;
    operator.print(&endpoint, endpoint_line)
}

async fn delete(operator: &OperatorClient, args: &EndpointArgs) -> Result<(), CommandError> {
    let path = format!("/hook/adm/v1/delete/endpoint/{}", args.endpoint);
    let body = body_with_reason(args.reason.as_deref());
    let request = ApiRequest { method: Method::DELETE, path, rev: None, body };
    let endpoint: EndpointResponse = operator.send(&request).await?;
    operator.print(&endpoint, |endpoint| format!("deleted {}", endpoint.id))
}

async fn replay(operator: &OperatorClient, args: DeliveryReplayArgs) -> Result<(), CommandError> {
    let mut body = body_with_reason(args.reason.as_deref());
    body["event"] = json!(args.event);
    body["from_seq"] = json!(args.from);
    body["dry_run"] = json!(args.dry_run);
    if let Some(to) = args.to {
        body["to_seq"] = json!(to);
    }
    let path = format!("/hook/adm/v1/replay/delivery/{}", args.endpoint);
    let replayed: ReplayedDeliveries = post(operator, path, body).await?;
    operator.print(&replayed, |ReplayedDeliveries { deliveries, dry_run }| {
        let what = if *dry_run { "would be made again" } else { "are made again" };
        format!("{deliveries} deliveries {what}")
    })
}

fn lines<T>(items: &[T], line: impl Fn(&T) -> String) -> String {
    items.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn endpoint_line(endpoint: &EndpointResponse) -> String {
    let EndpointResponse { id, url, state, types, events, failing_since, former_secret_until, .. } = endpoint;
    let all = |names: &[String]| if names.is_empty() { "all".to_owned() } else { names.join(",") };
    let since =
        |what: &str, at: &Option<String>| at.as_ref().map(|at| format!(", {what} {at}")).unwrap_or_default();
    let failing = since("failing since", failing_since);
    let former = since("the former secret signs until", former_secret_until);
    let url = printable(url);
    format!("{id:<20} {state:<9} {url}  types {}, events {}{failing}{former}", all(types), all(events))
}

fn delivery_line(delivery: &DeliveryResponse) -> String {
    let DeliveryResponse { event, seq, r#type: kind, state, attempts, last_status, last_error, .. } =
        delivery;
    let event = if event.is_empty() { "test" } else { event };
    let status = last_status.map(|status| format!(", {status}")).unwrap_or_default();
    let error = last_error.as_ref().map(|error| format!(", {}", printable(error))).unwrap_or_default();
    format!("{event:<20} {seq:>8} {kind:<28} {state:<8} {attempts} attempts{status}{error}")
}
