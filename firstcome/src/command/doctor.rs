//! `firstcome doctor`: tests the shop's order service with the requests of Firstcome and with invalid ones, and reports what is
//! wrong and how to fix it. It changes no data of Firstcome and reads no settings.

mod call;
mod examine;
mod speed;

use std::time::Duration;

use clap::{Args, Subcommand};
use domain::{EventId, Pace};
use hyper::Uri;
use serde_json::{Value, json};

use super::error::CommandError;
use crate::output::print;
use call::Caller;
use examine::{Examination, RuleCheck, Verdict};

#[derive(Debug, Subcommand)]
pub(super) enum DoctorCommand {
    /// Checks the order service against its contract (docs/order-service.md) with orders of a test event, which are deleted again.
    OrderService(OrderServiceArgs),
}

#[derive(Debug, Args)]
pub(super) struct OrderServiceArgs {
    /// The address that `worker.order_service` will have, for example `http://orders.internal:8080`.
    #[arg(value_parser = base)]
    url: String,
    /// An event that the service accepts; the default is an event that does not exist, doctor-<random>.
    #[arg(long)]
    event: Option<EventId>,
    /// The number of consecutive calls whose time is measured.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    calls: u32,
    /// The timeout of a call in milliseconds, the same as `worker.call_timeout`.
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u64).range(50..=8000))]
    timeout_ms: u64,
    /// The planned order calls per second, for the advice on `in_flight_max`.
    #[arg(long, default_value = "10")]
    pace: Pace,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

fn base(text: &str) -> Result<String, String> {
    let wrong = || "write it as http://host:port; calls are plain HTTP inside your own network".to_owned();
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let plain = uri.scheme_str() == Some("http") && uri.host().is_some_and(|host| !host.is_empty());
    if plain && uri.query().is_none() { Ok(text.trim_end_matches('/').to_owned()) } else { Err(wrong()) }
}

/// Runs the command. Fails if a check fails.
pub(super) async fn run(command: DoctorCommand) -> Result<(), CommandError> {
    let DoctorCommand::OrderService(args) = command;
    let rng = service::entropy::system();
    let event = match args.event {
        Some(event) => event,
        None => examine::test_event(&rng)?,
    };
    if !args.json {
        print(format!("{}: creating and deleting orders of the event {event}", args.url));
    }
    let caller = Caller::new(&args.url, event.clone(), Duration::from_millis(args.timeout_ms));
    let mut examination = Examination::new(caller, rng);
    examination.run(args.calls, args.pace).await;
    if args.json {
        print(serde_json::to_string_pretty(&report(&args.url, &event, &examination))?);
    } else {
        examination.checks.iter().for_each(print_check);
        print(leftovers(&examination));
    }
    let wrong = examination.checks.iter().filter(|check| check.verdict == Verdict::Wrong).count();
    match wrong {
        0 => Ok(()),
        1 => Err(anyhow::anyhow!("1 check of the order service failed").into()),
        n => Err(anyhow::anyhow!("{n} checks of the order service failed").into()),
    }
}

fn print_check(check: &RuleCheck) {
    let rule = check.rule.map_or_else(|| "      ".to_owned(), |rule| format!("rule {rule}"));
    print(format!("{:<5}  {rule}  {:<46} {}", check.verdict.word(), check.name, check.response));
    if let Some(fix) = &check.fix {
        print(format!("               -> {fix}"));
    }
}

fn leftovers(examination: &Examination) -> String {
    match examination.live.as_slice() {
        [] if examination.tombstones == 0 => "left at the service: nothing".into(),
        [] => format!("left at the service: {} tombstones, no live order", examination.tombstones),
        live => format!(
            "left at the service: {} tombstones, and orders that may be live and that you delete by hand: {}",
            examination.tombstones,
            live.join(" ")
        ),
    }
}

fn report(url: &str, event: &EventId, examination: &Examination) -> Value {
    let checks = examination.checks.iter().map(|check| {
        json!({
            "name": check.name, "rule": check.rule, "verdict": check.verdict.word(),
            "response": check.response, "fix": check.fix,
        })
    });
    let speed = examination.speed.as_ref().map(speed::Speed::to_json);
    json!({
        "url": url, "event": event, "checks": checks.collect::<Vec<_>>(), "speed": speed,
        "leftovers": { "tombstones": examination.tombstones, "live": examination.live },
        "ok": examination.checks.iter().all(|check| check.verdict == Verdict::Ok),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_plain_http_with_a_host() {
        assert_eq!(base("http://orders.internal:8080/"), Ok("http://orders.internal:8080".into()));
        assert_eq!(base("http://10.0.0.7/shop"), Ok("http://10.0.0.7/shop".into()));
        for bad in [
            "",
            "orders",
            "orders:8080",
            "https://orders",
            "http://",
            "http://a b",
            "http://a?x=1",
            "/orders",
        ] {
            assert!(base(bad).is_err(), "{bad}");
        }
    }
}
