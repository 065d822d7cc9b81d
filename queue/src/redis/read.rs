//! What is read of the queue. A long answer is fetched in pieces, so that the server is never kept from others for long.

use domain::{AppKey, Epoch, EventId, EventState, Gaps, Millis, Number};

use super::fault::Fault;
use super::reply::{Reply, garbled};
use super::server::Server;
use crate::contract::{
    Closing, Entry, Figures, Head, InboxEntry, InboxKind, LeadError, PlaceRow, QueueSnapshot, Refused,
    Waiting,
};

/// Most applications of one answer.
const PIECE: u32 = 1_000;
/// Most of one look at the head, and of one look into the inbox.
const LOOK_MAX: u32 = 4_096;

/// The published events, in order.
pub(super) async fn catalogue(server: &Server) -> Result<Vec<EventId>, Refused> {
    let mut reply = server.read(server.question("catalogue", "")).await?;
    let mut events = Vec::new();
    while !reply.is_empty() {
        let name = reply.text()?;
        events.push(name.parse().map_err(|_| garbled(&name))?);
    }
    events.sort_unstable();
    Ok(events)
}

/// The queue of the event now.
pub(super) async fn view(server: &Server, event: &EventId) -> Result<QueueSnapshot, Refused> {
    let question = server.question("progress", event.as_str()).arg(server.known_max(event));
    Ok(view_from(server.read(question).await?, event)?)
}

fn view_from(mut reply: Reply, event: &EventId) -> Result<QueueSnapshot, Fault> {
    let (armed, now) = (reply.int::<i64>()? == 1, reply.int()?);
    let (epoch, seq, number_limit) = (Epoch(reply.int()?), reply.int()?, reply.int()?);
    let (admitted_through, gaps) = (reply.int()?, gaps(reply.stored()?)?);
    let closed = (reply.stored_int()?, reply.stored_int()?, reply.stored_int()?);
    let closed = match closed {
        (Some(closed_at), Some(closed_seq), Some(inbox_last)) => {
            Some(Closing { closed_seq, closed_at, inbox_last })
        }
        _ => None,
    };
    let ending = reply.stored()?.and_then(|word| EventState::parse(std::str::from_utf8(&word).ok()?));
    let (opens_at, closes_at) = (reply.int::<Millis>()?, reply.int::<Millis>()?);
    let mut settings: domain::EventSettings = json(&reply.bytes()?)?;
    // Times that were acted on stay the queue's own.
    (settings.opens_at, settings.closes_at) = (opens_at, closes_at);
    let rev = reply.int()?;
    let figures = reply.bytes()?;
    let figures = if figures.is_empty() { Figures::default() } else { json(&figures)? };
    let state = match ending {
        Some(ending) => ending,
        None if closed.is_some() || now >= closes_at => EventState::Closed,
        None if now >= opens_at => EventState::Open,
        None => EventState::Scheduled,
    };
    let event = event.clone();
    Ok(QueueSnapshot {
        event,
        epoch,
        armed,
        state,
        seq,
        number_limit,
        admitted_through,
        gaps,
        closed,
        settings,
        rev,
        figures,
        now,
    })
}

/// `from-to,from-to`
fn gaps(stored: Option<Vec<u8>>) -> Result<Gaps, Fault> {
    let mut gaps = Gaps::default();
    let text = String::from_utf8(stored.unwrap_or_default()).map_err(|_| garbled("gaps"))?;
    for run in text.split(',').filter(|run| !run.is_empty()) {
        let ends = run.split_once('-').and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
        let (from, to) = ends.ok_or_else(|| garbled(&text))?;
        gaps.push(from, to);
    }
    Ok(gaps)
}

fn json<T: serde::de::DeserializeOwned>(text: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(text).map_err(|error| garbled(&error.to_string()))
}

/// One application.
pub(super) async fn place(
    server: &Server,
    event: &EventId,
    app_key: AppKey,
) -> Result<Option<PlaceRow>, Refused> {
    let question = server.question("place", event.as_str()).arg(&app_key.0[..]);
    Ok(server.read(question).await?.place()?)
}

/// Who has the number.
pub(super) async fn number_of(
    server: &Server,
    event: &EventId,
    number: Number,
) -> Result<Option<AppKey>, Refused> {
    let mut reply = server.read(server.question("number_of", event.as_str()).arg(number.get())).await?;
    if reply.is_empty() { Ok(None) } else { Ok(Some(reply.app_key()?)) }
}

/// All applications above `after`, in order.
pub(super) async fn entries(
    server: &Server,
    event: &EventId,
    mut after: u32,
    max: u32,
) -> Result<Vec<Entry>, Refused> {
    let mut entries = Vec::new();
    loop {
        let missing = max - u32::try_from(entries.len()).unwrap_or(max);
        let question = server.question("entries", event.as_str()).arg(after).arg(missing.clamp(1, PIECE));
        let mut reply = server.read(question).await?;
        let seq: u32;
        (after, seq) = (reply.int()?, reply.int()?);
        while !reply.is_empty() && entries.len() < max as usize {
            let (number, app_key, mark) = (reply.number()?, reply.app_key()?, reply.mark()?);
            entries.push(Entry { number, app_key, mark, shown: reply.shown()? });
        }
        if entries.len() >= max as usize || after >= seq {
            return Ok(entries);
        }
    }
}

/// The head of the queue.
pub(super) async fn head(server: &Server, event: &EventId, n: u32) -> Result<Head, LeadError> {
    let mut reply = server.lead(server.question("head", event.as_str()).arg(n.min(LOOK_MAX))).await?;
    let through = reply.int()?;
    let mut waiting = Vec::new();
    while !reply.is_empty() {
        let (number, app_key) = (reply.number()?, reply.app_key()?);
        waiting.push(Waiting { number, app_key, contact: reply.bytes()? });
    }
    Ok(Head { waiting, through })
}

/// The inbox above `after`, in order.
pub(super) async fn inbox(
    server: &Server,
    event: &EventId,
    after: i64,
    max: u32,
) -> Result<Vec<InboxEntry>, LeadError> {
    let question = server.question("inbox", event.as_str()).arg(after.max(0)).arg(max.min(LOOK_MAX));
    let mut reply = server.lead(question).await?;
    let mut asks = Vec::new();
    while !reply.is_empty() {
        let (id, at, app_key, number) = (reply.int()?, reply.int()?, reply.app_key()?, reply.number()?);
        asks.push(InboxEntry { id, at, app_key, number, kind: kind(&reply.text()?)? });
    }
    Ok(asks)
}

/// The word for a request in the inbox.
pub(super) fn kind_word(kind: InboxKind) -> &'static str {
    match kind {
        InboxKind::Cancel => "cancel",
        InboxKind::Present => "present",
    }
}

fn kind(word: &str) -> Result<InboxKind, Fault> {
    match word {
        "cancel" => Ok(InboxKind::Cancel),
        "present" => Ok(InboxKind::Present),
        other => Err(garbled(other)),
    }
}
