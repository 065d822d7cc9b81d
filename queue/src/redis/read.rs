//! The reads of the queue. No call occupies the server for long: `entries` reads page by page, and `head` and `inbox` return at most
//! `READ_MAX` items, so the caller calls again.

use domain::{AppKey, Epoch, EventId, EventState, Gaps, Millis, Number};

use super::client::RedisClient;
use super::error::{CallError, unreadable};
use super::reply::ReplyFields;
use crate::contract::{
    Closing, LeaderError, QueueEntry, QueueError, QueueHead, QueueJournal, QueueSnapshot, SeatFigures,
    UnjudgedArming, WaitingApplication,
};
use crate::inbox::{InboxEntry, InboxKind};

/// The maximum number of applications that one call of `entries` returns.
const ENTRIES_PAGE_MAX: u32 = 1_000;
/// The maximum number of applications that `head` returns, and of requests that `inbox` returns.
const READ_MAX: u32 = 4_096;

/// Returns the published events, in order.
pub(super) async fn catalogue(client: &RedisClient) -> Result<Vec<EventId>, QueueError> {
    let mut fields = client.call(client.function_call("catalogue", "")).await?;
    let mut events = Vec::new();
    while !fields.is_empty() {
        let name = fields.text()?;
        events.push(name.parse().map_err(|_| unreadable(&name))?);
    }
    events.sort_unstable();
    Ok(events)
}

/// Returns the queue of the event at this moment. Disarms a queue that has fewer numbers than it acknowledged to this process.
pub(super) async fn snapshot(client: &RedisClient, event: &EventId) -> Result<QueueSnapshot, QueueError> {
    let call = client.function_call("snapshot", event.as_str()).arg(client.last_received(event));
    Ok(snapshot_from(client.call(call).await?, event)?)
}

fn snapshot_from(mut fields: ReplyFields, event: &EventId) -> Result<QueueSnapshot, CallError> {
    let armed = fields.int::<i64>()? == 1;
    let now = fields.int()?;
    let epoch = Epoch(fields.int()?);
    let seq = fields.int()?;
    let number_limit = fields.int()?;
    let admitted_through = fields.int()?;
    let gaps = gaps(fields.stored()?)?;
    let closed = closing(&mut fields)?;
    let ending = fields.stored()?.and_then(|word| EventState::parse(std::str::from_utf8(&word).ok()?));
    let opens_at = fields.int::<Millis>()?;
    let closes_at = fields.int::<Millis>()?;
    let mut settings: domain::EventSettings = json(&fields.bytes()?)?;
    // The queue applies its own times, which may differ from the projected settings: a time that took effect does not move.
    settings.opens_at = opens_at;
    settings.closes_at = closes_at;
    let rev = fields.int()?;
    let figures = fields.bytes()?;
    let waiting = fields.int()?;
    // A queue of an earlier version has none of the four fields.
    let reached: Option<i64> = fields.stored_int()?;
    let lost_applications = fields.stored_int::<u8>()? == Some(1);
    let lost_epoch = Epoch(fields.stored_int()?.unwrap_or(0));
    let ledger_changes = fields.stored_int()?.unwrap_or(0);
    let reached = reached.and_then(|reached| u32::try_from(reached).ok());
    let figures = if figures.is_empty() { SeatFigures::default() } else { json(&figures)? };
    let state = match ending {
        Some(ending) => ending,
        None if closed.is_some() || now >= closes_at => EventState::Closed,
        None if now >= opens_at => EventState::Open,
        None => EventState::Scheduled,
    };
    Ok(QueueSnapshot {
        event: event.clone(),
        epoch,
        armed,
        state,
        seq,
        number_limit,
        admitted_through,
        waiting,
        gaps,
        closed,
        settings,
        rev,
        figures,
        unjudged: reached.map(|reached| UnjudgedArming { reached, lost_applications }),
        lost_epoch,
        ledger_changes,
        now,
    })
}

fn closing(fields: &mut ReplyFields) -> Result<Option<Closing>, CallError> {
    let closed_at = fields.stored_int()?;
    let closed_seq = fields.stored_int()?;
    let closed_inbox = fields.stored_int()?;
    Ok(match (closed_at, closed_seq, closed_inbox) {
        (Some(closed_at), Some(closed_seq), Some(closed_inbox)) => {
            Some(Closing { closed_seq, closed_at, closed_inbox })
        }
        _ => None,
    })
}

/// The ranges of `from-to,from-to`.
fn gaps(stored: Option<Vec<u8>>) -> Result<Gaps, CallError> {
    let mut gaps = Gaps::default();
    let text = String::from_utf8(stored.unwrap_or_default()).map_err(|_| unreadable("gaps"))?;
    for range in text.split(',').filter(|range| !range.is_empty()) {
        let ends = range.split_once('-').and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
        let (from, to) = ends.ok_or_else(|| unreadable(&text))?;
        gaps.push(from, to);
    }
    Ok(gaps)
}

fn json<T: serde::de::DeserializeOwned>(text: &[u8]) -> Result<T, CallError> {
    serde_json::from_slice(text).map_err(|error| unreadable(&error.to_string()))
}

/// Returns the application with this key.
pub(super) async fn entry(
    client: &RedisClient,
    event: &EventId,
    app_key: AppKey,
) -> Result<Option<QueueEntry>, QueueError> {
    let call = client.function_call("entry", event.as_str()).arg(&app_key.0[..]);
    Ok(client.call(call).await?.entry(app_key)?)
}

/// Returns the key of the application with this number.
pub(super) async fn app_key_of(
    client: &RedisClient,
    event: &EventId,
    number: Number,
) -> Result<Option<AppKey>, QueueError> {
    let call = client.function_call("app_key_of", event.as_str()).arg(number.get());
    let mut fields = client.call(call).await?;
    if fields.is_empty() { Ok(None) } else { Ok(Some(fields.app_key()?)) }
}

/// Returns the applications with a number above `after`, in order.
pub(super) async fn entries(
    client: &RedisClient,
    event: &EventId,
    mut after: u32,
    max: u32,
) -> Result<Vec<QueueEntry>, QueueError> {
    let mut entries = Vec::new();
    loop {
        let missing = max - u32::try_from(entries.len()).unwrap_or(max);
        let call = client
            .function_call("entries", event.as_str())
            .arg(after)
            .arg(missing.clamp(1, ENTRIES_PAGE_MAX));
        let mut fields = client.call(call).await?;
        after = fields.int()?;
        let seq: u32 = fields.int()?;
        while !fields.is_empty() && entries.len() < max as usize {
            let (number, app_key, state) = (fields.number()?, fields.app_key()?, fields.queue_state()?);
            let (outcome, called) = fields.projected()?;
            let cancel_requested = fields.int::<u8>()? == 1;
            entries.push(QueueEntry { number, app_key, state, outcome, called, cancel_requested });
        }
        if entries.len() >= max as usize || after >= seq {
            return Ok(entries);
        }
    }
}

/// Returns the head of the queue.
pub(super) async fn head(client: &RedisClient, event: &EventId, n: u32) -> Result<QueueHead, LeaderError> {
    let call = client.function_call("head", event.as_str()).arg(n.min(READ_MAX));
    let mut fields = client.call_as_leader(call).await?;
    let through = fields.int()?;
    let mut waiting = Vec::new();
    while !fields.is_empty() {
        waiting.push(WaitingApplication {
            number: fields.number()?,
            app_key: fields.app_key()?,
            req_hash: fields.req_hash()?,
            contact: fields.bytes()?,
        });
    }
    Ok(QueueHead { waiting, through })
}

/// Returns the journals of the event.
pub(super) async fn journals(
    client: &RedisClient,
    event: &EventId,
) -> Result<Vec<QueueJournal>, LeaderError> {
    let mut fields = client.call_as_leader(client.function_call("journals", event.as_str())).await?;
    let mut journals = Vec::new();
    while !fields.is_empty() {
        journals.push(QueueJournal { id: fields.text()?, replayed: fields.replayed_epoch()? });
    }
    Ok(journals)
}

/// Returns the journals whose processes have reported since the last arming, each with the last number that it got.
pub(super) async fn reports(
    client: &RedisClient,
    event: &EventId,
) -> Result<Vec<(String, u32)>, LeaderError> {
    let mut fields = client.call_as_leader(client.function_call("reports", event.as_str())).await?;
    let mut reports = Vec::new();
    while !fields.is_empty() {
        reports.push((fields.text()?, fields.int()?));
    }
    Ok(reports)
}

/// Returns the requests above `after`, in order.
pub(super) async fn inbox(
    client: &RedisClient,
    event: &EventId,
    after: i64,
    max: u32,
) -> Result<Vec<InboxEntry>, LeaderError> {
    let call = client.function_call("inbox", event.as_str()).arg(after.max(0)).arg(max.min(READ_MAX));
    let mut fields = client.call_as_leader(call).await?;
    let mut entries = Vec::new();
    while !fields.is_empty() {
        let (id, at, app_key, number) = (fields.int()?, fields.int()?, fields.app_key()?, fields.number()?);
        let (kind, order_no) = (kind(&fields.text()?)?, not_empty(fields.text()?));
        entries.push(InboxEntry { id, at, app_key, number, kind, order_no });
    }
    Ok(entries)
}

fn not_empty(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

fn kind(word: &str) -> Result<InboxKind, CallError> {
    InboxKind::parse(word).ok_or_else(|| unreadable(word))
}
