//! `firstcome notice`: what an event's page tells the applicants, as a client of the control room.

use clap::{Args, Subcommand};
use domain::EventId;
use hyper::Method;
use serde_json::json;

use super::Failed;
use super::room::{Ask, Room, RoomArgs, because};

#[derive(Debug, Args)]
pub(super) struct Notice {
    #[command(flatten)]
    room: RoomArgs,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Sets the notice; without texts it is taken away.
    Set(Set),
}

#[derive(Debug, Args)]
struct Set {
    /// The event's id.
    event: EventId,
    /// What the Korean page says, such as '조금 늦어지고 있어요'.
    #[arg(long, value_name = "TEXT", default_value = "")]
    ko: String,
    /// What the English page says, such as 'Slower for now'.
    #[arg(long, value_name = "TEXT", default_value = "")]
    en: String,
    /// Why, for the audit.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Only if the event is still at this rev, as `event get` showed it.
    #[arg(long, value_name = "REV")]
    if_rev: Option<i64>,
}

/// Runs the command.
pub(super) async fn notice(args: Notice) -> Result<(), Failed> {
    let (room, What::Set(set)) = (Room::new(&args.room)?, args.what);
    let mut body = because(set.reason.as_deref());
    body["notice"] = json!({"ko": set.ko, "en": set.en});
    let path = format!("/gate/adm/v1/set/notice/{}", set.event);
    let ask = Ask { method: Method::PUT, path, rev: set.if_rev, body: &body };
    room.tell_change(&room.set(&set.event, ask).await?)
}
