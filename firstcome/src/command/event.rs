//! `firstcome event`: makes, shows and changes events, as a client of the operator console.

use clap::{Args, Subcommand};
use domain::{EventId, Millis, Pace};
use hyper::Method;
use serde_json::{Map, Value, json};

use super::Failed;
use super::client::{Ask, OperatorArgs, OperatorClient, because, confirm, text, usage};
use crate::output::say;

#[derive(Debug, Args)]
pub(super) struct Event {
    #[command(flatten)]
    operator: OperatorArgs,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Makes an event. It opens and closes by itself at its times.
    #[command(
        after_help = "Example:\n  firstcome event create spring --title-ko '봄맞이 특가' --title-en 'Spring special' \\\n    --capacity 1000 --opens-at 2026-11-29T20:00:00+09:00 --closes-at 2026-11-29T21:00:00+09:00 --pace 20"
    )]
    Create(Box<Create>),
    /// Lists all events, one a line.
    List,
    /// Shows one event: its settings, its seats, and how its line stands.
    Get {
        /// The event's id.
        event: EventId,
    },
    /// Changes title, times, paths or intake. What is not given stays.
    Update(Box<Update>),
    /// Makes a new event with the settings of another, but for its times and its announcement.
    Clone(Copy),
    /// Opens an event now, before its time.
    Open(Valve),
    /// Closes an event now, for good. Who is in the line still gets their turn.
    Close(Final),
    /// Settles a closed event: once no order is under way, whoever still waits is told that it is sold out.
    Settle(Final),
}

#[derive(Debug, Args)]
struct Create {
    /// The event's id, in addresses and receipts, for good: 1 to 40 of a-z, 0-9 and '-', such as spring or outlet-2026.
    event: EventId,
    /// What the Korean page calls it, such as '봄맞이 특가'.
    #[arg(long, value_name = "TEXT")]
    title_ko: String,
    /// What the English page calls it, such as 'Spring special'.
    #[arg(long, value_name = "TEXT")]
    title_en: String,
    /// How many seats there are, such as 1000. It can be raised later, and lowered as far as seats are free.
    #[arg(long, value_name = "N")]
    capacity: u32,
    /// When people may apply: 2026-11-29T20:00:00+09:00, or +10m for ten minutes from now (s, m, h, d).
    #[arg(long, value_name = "TIME", value_parser = time)]
    opens_at: Millis,
    /// When applying ends, for good: 2026-11-29T21:00:00+09:00, or +2h for two hours from now.
    #[arg(long, value_name = "TIME", value_parser = time)]
    closes_at: Millis,
    /// Order calls started per second, such as 20 or 0.5: what your order service bears with ease.
    #[arg(long, value_name = "RATE")]
    pace: Pace,
    /// Most order calls without an answer at once, such as 40; 20 if not given.
    #[arg(long, value_name = "N")]
    in_flight_max: Option<u32>,
    /// Most people who may apply; a million if not given. At least the capacity.
    #[arg(long, value_name = "N")]
    applications_max: Option<u32>,
    /// What the Korean page tells the applicants, such as '배송은 12월 첫 주에 시작해요'.
    #[arg(long, value_name = "TEXT", default_value = "")]
    announcement_ko: String,
    /// What the English page tells them.
    #[arg(long, value_name = "TEXT", default_value = "")]
    announcement_en: String,
    /// A path of the shop that leads to the event's page while the event runs, such as /products/spring. Repeat it for more.
    #[arg(long = "divert", value_name = "PATH")]
    diverts: Vec<String>,
    /// Whether the event settles by itself once it has closed and the orders are through: true or false.
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, default_value_t = true)]
    settle_after_close: bool,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("changes").required(true).multiple(true))]
struct Update {
    /// The event's id.
    event: EventId,
    /// What the Korean page calls it.
    #[arg(long, group = "changes", requires = "title_en", value_name = "TEXT")]
    title_ko: Option<String>,
    /// What the English page calls it.
    #[arg(long, group = "changes", requires = "title_ko", value_name = "TEXT")]
    title_en: Option<String>,
    /// When people may apply: 2026-11-29T20:00:00+09:00 or +10m. Not once it is open.
    #[arg(long, group = "changes", value_name = "TIME", value_parser = time)]
    opens_at: Option<Millis>,
    /// When applying ends: 2026-11-29T21:00:00+09:00 or +2h. Not once it is closed.
    #[arg(long, group = "changes", value_name = "TIME", value_parser = time)]
    closes_at: Option<Millis>,
    /// Most people who may apply.
    #[arg(long, group = "changes", value_name = "N")]
    applications_max: Option<u32>,
    /// Whether people may apply while it is open: off holds them back, on lets them in again.
    #[arg(long, group = "changes", value_name = "on|off", value_parser = on_off)]
    intake: Option<bool>,
    /// Whether the event settles by itself: true or false.
    #[arg(long, group = "changes", value_name = "BOOL")]
    settle_after_close: Option<bool>,
    /// The paths of the shop that lead to the event's page, all of them. Repeat it for more.
    #[arg(long = "divert", group = "changes", value_name = "PATH")]
    diverts: Option<Vec<String>>,
    /// Diverts no path any more.
    #[arg(long, group = "changes", conflicts_with = "diverts")]
    no_diverts: bool,
    /// Why, for the audit.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Only if the event is still at this rev, as `event get` showed it.
    #[arg(long, value_name = "REV")]
    if_rev: Option<i64>,
}

#[derive(Debug, Args)]
struct Copy {
    /// The event to copy.
    from: EventId,
    /// The new event's id.
    event: EventId,
    /// When people may apply: 2026-11-29T20:00:00+09:00 or +10m.
    #[arg(long, value_name = "TIME", value_parser = time)]
    opens_at: Millis,
    /// When applying ends: 2026-11-29T21:00:00+09:00 or +2h.
    #[arg(long, value_name = "TIME", value_parser = time)]
    closes_at: Millis,
    /// Why, for the audit.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Valve {
    /// The event's id.
    pub(super) event: EventId,
    /// Why, for the audit.
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
    /// Only if the event is still at this rev.
    #[arg(long, value_name = "REV")]
    pub(super) if_rev: Option<i64>,
}

#[derive(Debug, Args)]
struct Final {
    /// The event's id.
    event: EventId,
    /// Why, for the audit.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Only if the event is still at this rev.
    #[arg(long, value_name = "REV")]
    if_rev: Option<i64>,
    /// Does not ask.
    #[arg(long, short)]
    yes: bool,
}

fn time(text: &str) -> Result<Millis, String> {
    let now = service::clock::system()();
    service::config::parse_time(text, now)
        .ok_or_else(|| "write it as 2026-11-29T20:00:00+09:00, or +10m for ten minutes from now".to_owned())
}

fn on_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("on or off".into()),
    }
}

/// Runs the command.
pub(super) async fn event(args: Event) -> Result<(), Failed> {
    let operator = OperatorClient::new(&args.operator)?;
    match args.what {
        What::Create(new) => create(&operator, *new).await,
        What::List => list(&operator).await,
        What::Get { event } => {
            let event = operator.event(&event).await?;
            operator.tell(&event, shown)
        }
        What::Update(update) => self::update(&operator, *update).await,
        What::Clone(copy) => clone(&operator, copy).await,
        What::Open(valve) => turn(&operator, "/event/adm/v1/open/event", &valve).await,
        What::Close(last) => {
            let question = format!("Closing {} is for good: nobody can apply afterwards.", last.event);
            finally(&operator, "close", last, &question).await
        }
        What::Settle(last) => {
            let question = format!("Settling {} is for good: whoever still waits gets no seat.", last.event);
            finally(&operator, "settle", last, &question).await
        }
    }
}

async fn create(operator: &OperatorClient, new: Create) -> Result<(), Failed> {
    let mut body = json!({
        "id": new.event, "title": {"ko": new.title_ko, "en": new.title_en}, "capacity": new.capacity,
        "opens_at": operator::format_timestamp(new.opens_at), "closes_at": operator::format_timestamp(new.closes_at), "pace": new.pace,
        "announcement": {"ko": new.announcement_ko, "en": new.announcement_en}, "diverts": new.diverts,
        "settle_after_close": new.settle_after_close,
    });
    // Not null: what is not given is the operator API's to choose.
    for (name, given) in [("in_flight_max", new.in_flight_max), ("applications_max", new.applications_max)] {
        if let Some(given) = given {
            body[name] = given.into();
        }
    }
    let ask = Ask { method: Method::POST, path: "/event/adm/v1/create/event".into(), rev: None, body: &body };
    let made = operator.send(&ask).await?;
    operator.tell(&made, |event| format!("made {}\n{}", text(&event["id"]), shown(event)))
}

async fn list(operator: &OperatorClient) -> Result<(), Failed> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let mut page = operator.read(format!("/event/adm/v1/list/event?limit=100{cursor}")).await?;
        all.extend(page["items"].as_array_mut().map(std::mem::take).unwrap_or_default());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    if all.is_empty() {
        crate::output::complain("there is no event yet: firstcome event create --help");
    }
    operator.tell(&Value::Array(all), |all| {
        all.as_array().into_iter().flatten().map(line).collect::<Vec<_>>().join("\n")
    })
}

async fn update(operator: &OperatorClient, given: Update) -> Result<(), Failed> {
    let mut body = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    let title = given.title_ko.zip(given.title_en).map(|(ko, en)| json!({"ko": ko, "en": en}));
    put("title", title);
    put("opens_at", given.opens_at.map(|at| operator::format_timestamp(at).into()));
    put("closes_at", given.closes_at.map(|at| operator::format_timestamp(at).into()));
    put("applications_max", given.applications_max.map(Into::into));
    put("intake", given.intake.map(Into::into));
    put("settle_after_close", given.settle_after_close.map(Into::into));
    put("diverts", given.diverts.map(Into::into).or_else(|| given.no_diverts.then(|| json!([]))));
    put("reason", given.reason.map(Into::into));
    let path = format!("/event/adm/v1/update/event/{}", given.event);
    let ask = Ask { method: Method::PATCH, path, rev: given.if_rev, body: &Value::Object(body) };
    operator.tell_change(&operator.set(&given.event, ask).await?)
}

async fn clone(operator: &OperatorClient, copy: Copy) -> Result<(), Failed> {
    let mut body = because(copy.reason.as_deref());
    body["id"] = copy.event.as_str().into();
    body["opens_at"] = operator::format_timestamp(copy.opens_at).into();
    body["closes_at"] = operator::format_timestamp(copy.closes_at).into();
    let path = format!("/event/adm/v1/clone/event/{}", copy.from);
    let made = operator.send(&Ask { method: Method::POST, path, rev: None, body: &body }).await?;
    operator.tell(&made, |event| format!("made {}\n{}", text(&event["id"]), shown(event)))
}

/// Turns a valve of an event.
pub(super) async fn turn(operator: &OperatorClient, path: &str, valve: &Valve) -> Result<(), Failed> {
    let body = because(valve.reason.as_deref());
    let path = format!("{path}/{}", valve.event);
    let ask = Ask { method: Method::POST, path, rev: valve.if_rev, body: &body };
    operator.tell_change(&operator.change(&valve.event, ask).await?)
}

async fn finally(operator: &OperatorClient, verb: &str, last: Final, question: &str) -> Result<(), Failed> {
    // Read before asking, so that what the person thinks about is what is changed.
    let seen = operator.event(&last.event).await?;
    if last.if_rev.is_some() && last.if_rev != seen["rev"].as_i64() {
        return Err(usage(format!("{} is at rev {}", last.event, seen["rev"])));
    }
    if !last.yes {
        say(line(&seen));
    }
    confirm(last.yes, question)?;
    let body = because(Some(&last.reason));
    let path = format!("/event/adm/v1/{verb}/event/{}", last.event);
    let ask = Ask { method: Method::POST, path, rev: seen["rev"].as_i64(), body: &body };
    operator.tell_change(&operator.change(&last.event, ask).await?)
}

/// An event in one line.
pub(super) fn line(event: &Value) -> String {
    let waiting = &event["line"]["waiting"];
    let mut told = format!(
        "{:<16} {:<10} {:<9} waiting {:>6}  sold {:>6} / {}  pace {}/s  in flight {} / {}  parked {}  rev {}",
        text(&event["id"]),
        text(&event["state"]),
        text(&event["release"]),
        text(waiting),
        event["seats"]["sold"],
        event["capacity"],
        text(&event["pace"]),
        event["under_way"]["ordering"],
        event["in_flight_max"],
        event["under_way"]["parked"],
        event["rev"],
    );
    for (name, word) in [("frozen", "FROZEN"), ("recover_until", "RECOVERING until")] {
        if !event[name].is_null() {
            told = format!("{told}  {word} {}", text(&event[name]));
        }
    }
    told
}

/// An event in full.
fn shown(event: &Value) -> String {
    let both = |name: &str| format!("{} | {}", text(&event[name]["ko"]), text(&event[name]["en"]));
    let row = |name: &str, told: String| format!("  {name:<16} {told}");
    let plain = |name: &str| row(name, text(&event[name]));
    let (seats, line) = (&event["seats"], &event["line"]);
    let rows = [
        format!("{} is {} at rev {}", text(&event["id"]), text(&event["state"]), event["rev"]),
        row("title", both("title")),
        plain("opens_at"),
        plain("closes_at"),
        plain("intake"),
        plain("release"),
        plain("pace"),
        plain("in_flight_max"),
        row(
            "capacity",
            format!(
                "{} (sold {}, held {}, free {})",
                event["capacity"], seats["sold"], seats["held"], seats["free"]
            ),
        ),
        plain("applications_max"),
        row("announcement", both("announcement")),
        plain("settle_after_close"),
        row("diverts", text(&event["diverts"])),
        row(
            "under way",
            format!("ordering {}, parked {}", event["under_way"]["ordering"], event["under_way"]["parked"]),
        ),
        row(
            "line",
            if line.is_null() {
                "not led yet".into()
            } else {
                format!(
                    "waiting {}, last number {}, moved through {}, missing {}",
                    line["waiting"], line["seq"], line["admitted_through"], line["skipped_numbers"]
                )
            },
        ),
        plain("frozen"),
        plain("recover_until"),
    ];
    rows.join("\n")
}
