//! `firstcome event`: creates, shows and changes events.

mod args;

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use anyhow::Context as _;
use hyper::Method;
use operator::format_timestamp;
use operator::response::{EventList, EventResponse, ResultResponse};
use serde_json::{Map, Value, json};

use super::client::{ApiRequest, OperatorClient, body_with_reason};
use super::confirm::confirm;
use super::format::{event_details, event_line, printable};
use crate::command::error::CommandError;
use crate::output::{print, print_error};
pub(in crate::command) use args::EventArgs;
use args::{CloneEvent, CreateEvent, EventCommand, PermanentChangeArgs, UpdateEvent};

/// Runs the command.
pub(super) async fn run(args: EventArgs) -> Result<(), CommandError> {
    let operator = OperatorClient::new(&args.operator)?;
    match args.command {
        EventCommand::Create(new) => create(&operator, *new).await,
        EventCommand::List => list(&operator).await,
        EventCommand::Get { event } => {
            let event = operator.event(&event).await?;
            operator.print(&event, event_details)
        }
        EventCommand::Result { event } => {
            let result: ResultResponse = operator.get(format!("/event/adm/v1/get/result/{event}")).await?;
            operator.print(&result, ResultResponse::reconciliation)
        }
        EventCommand::Export { event, output, bom } => {
            let path = format!("/application/adm/v1/list/result/{event}?bom={bom}");
            match output {
                Some(file) => export(&operator, path, &file).await,
                None => operator.download(path, &mut std::io::stdout()).await,
            }
        }
        EventCommand::Update(changes) => update(&operator, *changes).await,
        EventCommand::Clone(copy) => clone(&operator, copy).await,
        EventCommand::Open(args) => operator.post_change("/event/adm/v1/open/event", &args).await,
        EventCommand::Close(args) => {
            let effect = format!("Closing {} is permanent: applying ends.", args.event);
            change_permanently(&operator, "close", args, &effect).await
        }
        EventCommand::Settle(args) => {
            let effect =
                format!("Settling {} is permanent: applications that still wait get no seat.", args.event);
            change_permanently(&operator, "settle", args, &effect).await
        }
    }
}

/// Writes the result into a file, which has its name only once it is complete.
async fn export(operator: &OperatorClient, path: String, file: &Path) -> Result<(), CommandError> {
    let part = file.with_added_extension("part");
    let cannot = || format!("cannot write {}", file.display());
    let mut writer = BufWriter::new(File::create(&part).with_context(cannot)?);
    operator.download(path, &mut writer).await?;
    std::fs::rename(&part, file).with_context(cannot)?;
    print_error(format!("wrote {}", file.display()));
    Ok(())
}

async fn create(operator: &OperatorClient, new: CreateEvent) -> Result<(), CommandError> {
    let mut body = json!({
        "id": new.event,
        "title": {"ko": new.title_ko, "en": new.title_en},
        "capacity": new.capacity,
        "opens_at": format_timestamp(new.opens_at),
        "closes_at": format_timestamp(new.closes_at),
        "pace": new.pace,
        "announcement": {"ko": new.announcement_ko, "en": new.announcement_en},
        "diverts": new.diverts,
        "identity": new.identity.as_str(),
        "settle_after_close": new.settle_after_close,
    });
    let optional: [(&str, Option<Value>); 6] = [
        ("kind", new.kind.map(|kind| kind.as_str().into())),
        ("pass_target", new.pass_target.map(Into::into)),
        ("called_for_ms", new.called_for.map(Into::into)),
        ("extension_ms", new.extension.map(Into::into)),
        ("in_flight_max", new.in_flight_max.map(Into::into)),
        ("applications_max", new.applications_max.map(Into::into)),
    ];
    // Left out instead of null, so that the operator API applies its defaults.
    let optional = optional.into_iter().filter_map(|(name, value)| Some((name, value?)));
    for (name, value) in optional.chain(new.look.fields()) {
        body[name] = value;
    }
    let path = "/event/adm/v1/create/event".to_owned();
    let created = operator.send(&ApiRequest { method: Method::POST, path, rev: None, body }).await?;
    operator.print(&created, created_text)
}

fn created_text(event: &EventResponse) -> String {
    format!("created {}\n{}", printable(&event.id), event_details(event))
}

async fn list(operator: &OperatorClient) -> Result<(), CommandError> {
    let mut events = Vec::new();
    let mut cursor = String::new();
    loop {
        let page: EventList = operator.get(format!("/event/adm/v1/list/event?limit=100{cursor}")).await?;
        events.extend(page.items);
        match page.next_cursor {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    if events.is_empty() {
        print_error("no event yet: see `firstcome event create --help`");
    }
    operator.print(&events, |events| events.iter().map(event_line).collect::<Vec<_>>().join("\n"))
}

async fn update(operator: &OperatorClient, changes: UpdateEvent) -> Result<(), CommandError> {
    let title = changes.title_ko.zip(changes.title_en).map(|(ko, en)| json!({"ko": ko, "en": en}));
    let no_diverts = changes.no_diverts.then(|| json!([]));
    let fields: [(&str, Option<Value>); 11] = [
        ("title", title),
        ("opens_at", changes.opens_at.map(|at| format_timestamp(at).into())),
        ("closes_at", changes.closes_at.map(|at| format_timestamp(at).into())),
        ("applications_max", changes.applications_max.map(Into::into)),
        ("intake", changes.intake.map(Into::into)),
        ("pass_target", changes.pass_target.map(Into::into)),
        ("called_for_ms", changes.called_for.map(Into::into)),
        ("extension_ms", changes.extension.map(Into::into)),
        ("settle_after_close", changes.settle_after_close.map(Into::into)),
        ("diverts", changes.diverts.map(Into::into).or(no_diverts)),
        ("reason", changes.reason.map(Into::into)),
    ];
    let fields = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let fields = fields.chain(changes.look.fields()).map(|(name, value)| (name.to_owned(), value));
    let body = Value::Object(fields.collect::<Map<_, _>>());
    let path = format!("/event/adm/v1/update/event/{}", changes.event);
    let request = ApiRequest { method: Method::PATCH, path, rev: changes.if_rev, body };
    operator.print_change(&operator.change_at_rev(&changes.event, request).await?)
}

async fn clone(operator: &OperatorClient, copy: CloneEvent) -> Result<(), CommandError> {
    let mut body = body_with_reason(copy.reason.as_deref());
    body["id"] = copy.event.as_str().into();
    body["opens_at"] = format_timestamp(copy.opens_at).into();
    body["closes_at"] = format_timestamp(copy.closes_at).into();
    let path = format!("/event/adm/v1/clone/event/{}", copy.from);
    let created = operator.send(&ApiRequest { method: Method::POST, path, rev: None, body }).await?;
    operator.print(&created, created_text)
}

async fn change_permanently(
    operator: &OperatorClient,
    verb: &str,
    args: PermanentChangeArgs,
    effect: &str,
) -> Result<(), CommandError> {
    // Read before the confirmation, so that the change applies to what the operator has seen.
    let current = operator.event(&args.event).await?;
    if args.if_rev.is_some_and(|rev| rev != current.rev) {
        return Err(CommandError::usage(format!("{} is at rev {}", args.event, current.rev)));
    }
    if !args.yes {
        print(event_line(&current));
    }
    confirm(args.yes, effect)?;
    let body = body_with_reason(Some(&args.reason));
    let path = format!("/event/adm/v1/{verb}/event/{}", args.event);
    let request = ApiRequest { method: Method::POST, path, rev: Some(current.rev), body };
    operator.print_change(&operator.change(&args.event, request).await?)
}
