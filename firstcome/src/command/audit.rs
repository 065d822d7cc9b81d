//! `firstcome audit`: who changed what, as a client of the operator console.

use clap::{Args, Subcommand};
use domain::EventId;
use serde_json::Value;

use super::Failed;
use super::client::{OperatorArgs, OperatorClient, sentence};

/// Changes on one page of the API.
const PAGE: u32 = 200;

#[derive(Debug, Args)]
pub(super) struct Audit {
    #[command(flatten)]
    operator: OperatorArgs,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Lists changes, newest first: when, which event and rev, who, what, from what to what, and why.
    List {
        /// Only this event.
        event: Option<EventId>,
        /// How many at most.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
}

/// Runs the command.
pub(super) async fn audit(args: Audit) -> Result<(), Failed> {
    let (operator, What::List { event, limit }) = (OperatorClient::new(&args.operator)?, args.what);
    let of = event.map(|event| format!("&event={event}")).unwrap_or_default();
    let (mut all, mut cursor, mut left) = (Vec::new(), String::new(), limit);
    while left > 0 {
        let path = format!("/audit/adm/v1/list/change?limit={}{of}{cursor}", left.min(PAGE));
        let mut page = operator.read(path).await?;
        let items = page["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
        left -= left.min(u32::try_from(items.len()).unwrap_or(left));
        all.extend(items);
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    operator.tell(&Value::Array(all), |all| {
        all.as_array().into_iter().flatten().map(sentence).collect::<Vec<_>>().join("\n")
    })
}
