//! The leader's writes. A long write is sent in pieces, each of which is complete: an interrupted caller repeats the whole.

use domain::{AppKey, EventId, EventSettings, Gaps};

use super::client::{FunctionCall, RedisClient};
use super::error::{CallError, unreadable};
use super::reply::{stored_called, stored_outcome};
use crate::contract::{
    ArmRequest, ArmResult, Closing, Continuity, LeaderError, Projection, QueueState, RestoredApplication,
};

/// The maximum number of outcomes, keys or rows of one piece.
const PIECE_MAX: usize = 1_000;
/// A position that no inbox reaches and that the functions, which count in doubles, still represent exactly.
const POSITION_MAX: i64 = 1 << 52;
/// The highest epoch whose inbox positions the functions represent exactly.
const EPOCH_MAX: u32 = 1 << 21;

/// Replaces the catalogue with these events.
pub(super) async fn publish(client: &RedisClient, events: &[EventId]) -> Result<(), LeaderError> {
    let mut call = client.function_call("publish", "");
    for event in events {
        call = call.arg(event.as_str());
    }
    client.call_as_leader(call).await.map(drop)
}

fn fenced_call(client: &RedisClient, function: &str, event: &EventId, fence: i64) -> FunctionCall {
    client.function_call(function, event.as_str()).arg(fence)
}

/// Arms the queue, and creates it if it is missing.
pub(super) async fn arm(
    client: &RedisClient,
    event: &EventId,
    fence: i64,
    request: &ArmRequest,
) -> Result<ArmResult, LeaderError> {
    if request.epoch.0 > EPOCH_MAX {
        return Err(unreadable("an epoch above two million").into());
    }
    let settings = &request.settings;
    let call = fenced_call(client, "arm", event, fence)
        .arg(request.epoch.0)
        .arg(request.number_limit)
        .arg(request.rev);
    let call =
        with_settings(call, settings)?.arg(prefix_bits(settings)).arg(continuity_code(request.continuity));
    let mut fields = client.call_as_leader(call).await?;
    Ok(ArmResult { seq: fields.int()?, skipped: fields.int()? })
}

/// Adds the settings: whole for the readers, and the parts that the functions need.
fn with_settings(call: FunctionCall, settings: &EventSettings) -> Result<FunctionCall, LeaderError> {
    let call = call.arg(json(settings)?).arg(settings.opens_at).arg(settings.closes_at);
    Ok(call.arg(u8::from(settings.intake)).arg(settings.applications_max))
}

/// The number of bits of an application's key that choose its small hash, such that about 16 of the expected applications share
/// one. The expectation is ten applications for each seat, but never less than 65,536, as a small event may be the most crowded.
/// Redis keeps a hash compact up to 128 fields, so eight times the expectation costs no more, and too many hashes waste at most
/// half a megabyte.
fn prefix_bits(settings: &EventSettings) -> u32 {
    let expected = settings.capacity.saturating_mul(10).max(65_536).min(settings.applications_max);
    // Rounded: between 11 and 23 share one hash.
    (u64::from(expected) * 181 / 128 / 16).max(1).ilog2().clamp(8, 20)
}

/// Projects the ledger into the queue.
pub(super) async fn project(
    client: &RedisClient,
    event: &EventId,
    fence: i64,
    projection: &Projection,
) -> Result<(), LeaderError> {
    let settled_seq = projection.settled_seq.map(|seq| seq.to_string()).unwrap_or_default();
    let called = projection.called.iter().map(|(number, window)| (*number, stored_called(*window)));
    let outcomes = projection.outcomes.iter().map(|(number, outcome)| (*number, stored_outcome(outcome)));
    let texts: Vec<_> = called.chain(outcomes).collect();
    for piece in pieces(&texts) {
        let call = fenced_call(client, "project", event, fence).arg(projection.rev);
        let mut call = with_settings(call, &projection.settings)?
            .arg(projection.state.as_str())
            .arg(projection.number_limit)
            .arg(projection.round)
            .arg(json(&projection.figures)?)
            .arg(&settled_seq)
            .arg(projection.judged_epoch.0)
            .arg(projection.lost_epoch.0);
        for (number, text) in piece {
            call = call.arg(number.get()).arg(text);
        }
        client.call_as_leader(call).await?;
    }
    Ok(())
}

/// The items in pieces; one empty piece if there are none, since the call itself is still needed.
fn pieces<T>(items: &[T]) -> Vec<&[T]> {
    if items.is_empty() { vec![items] } else { items.chunks(PIECE_MAX).collect() }
}

/// Applications that the ledger has admitted.
pub(super) struct Admitted<'a> {
    pub(super) through: u32,
    pub(super) keys: &'a [AppKey],
    pub(super) ledger_changes: i64,
}

/// Marks applications as admitted and numbers as processed.
pub(super) async fn admitted(
    client: &RedisClient,
    event: &EventId,
    fence: i64,
    admitted: &Admitted<'_>,
) -> Result<(), LeaderError> {
    let mut pieces = pieces(admitted.keys).into_iter().peekable();
    while let Some(piece) = pieces.next() {
        // Only the last piece may skip numbers: the keys of later pieces were not sent yet.
        let through = if pieces.peek().is_none() { admitted.through } else { 0 };
        let mut call =
            fenced_call(client, "admitted", event, fence).arg(through).arg(admitted.ledger_changes);
        for key in piece {
            call = call.arg(&key.0[..]);
        }
        client.call_as_leader(call).await?;
    }
    Ok(())
}

/// Deletes requests from the inbox.
pub(super) async fn acknowledge(
    client: &RedisClient,
    event: &EventId,
    fence: i64,
    through: i64,
    ledger_changes: i64,
) -> Result<(), LeaderError> {
    let call = fenced_call(client, "acknowledge", event, fence).arg(through.clamp(0, POSITION_MAX));
    let call = call.arg(ledger_changes);
    client.call_as_leader(call).await.map(drop)
}

/// Restores applications that the queue does not have.
pub(super) async fn restore(
    client: &RedisClient,
    event: &EventId,
    fence: i64,
    rows: &[RestoredApplication],
) -> Result<(), LeaderError> {
    let mut conflicts = 0;
    for piece in pieces(rows) {
        let mut call = fenced_call(client, "restore", event, fence);
        for row in piece {
            call = call.arg(row.number.get()).arg(&row.app_key.0[..]).arg(&row.req_hash.0[..]);
            call = call.arg(letter(row.state)).arg(&row.contact[..]);
        }
        conflicts += client.call_as_leader(call).await?.int::<u32>()?;
    }
    if conflicts == 0 { Ok(()) } else { Err(LeaderError::Conflicts(conflicts)) }
}

/// Replaces the ranges of skipped numbers.
pub(super) async fn replace_gaps(
    client: &RedisClient,
    event: &EventId,
    fence: i64,
    gaps: &Gaps,
) -> Result<(), LeaderError> {
    let ranges: Vec<String> = gaps.ranges().iter().map(|gap| format!("{}-{}", gap.from, gap.to)).collect();
    let call =
        fenced_call(client, "replace_gaps", event, fence).arg(ranges.join(",")).arg(gaps.count(0, u32::MAX));
    client.call_as_leader(call).await.map(drop)
}

/// Tells the queue which journals the ledger has registered.
pub(super) async fn keep_journals(
    client: &RedisClient,
    event: &EventId,
    fence: i64,
    ids: &[String],
) -> Result<(), LeaderError> {
    client.call_as_leader(fenced_call(client, "keep_journals", event, fence).arg(ids)).await.map(drop)
}

/// Closes the queue.
pub(super) async fn settle(
    client: &RedisClient,
    event: &EventId,
    fence: i64,
) -> Result<Closing, LeaderError> {
    let mut fields = client.call_as_leader(fenced_call(client, "settle", event, fence)).await?;
    Ok(Closing { closed_seq: fields.int()?, closed_at: fields.int()?, closed_inbox: fields.int()? })
}

fn continuity_code(continuity: Continuity) -> u8 {
    match continuity {
        Continuity::Unknown => 0,
        Continuity::Unopened => 1,
        Continuity::Whole => 2,
    }
}

fn letter(state: QueueState) -> &'static str {
    match state {
        QueueState::Waiting => "W",
        QueueState::Admitted => "A",
        QueueState::Withdrawn => "X",
    }
}

fn json(value: &impl serde::Serialize) -> Result<String, CallError> {
    serde_json::to_string(value).map_err(|error| unreadable(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_sixteen_of_the_expected_applications_share_a_hash() {
        let event = r#"{"id":"spring","title":{"ko":"a","en":"a"},"kind":"order","capacity":1,"opens_at":0,
            "closes_at":1,"intake":true,"release":"running","pace":"5","in_flight_max":1,"applications_max":1,
            "announcement":{"ko":"","en":""},"settle_after_close":false,"pepper":"k1"}"#;
        let mut settings: EventSettings = serde_json::from_str(event).unwrap();
        for (capacity, applications_max, expected) in [
            (1_000, 10_000, 10_000),
            (10, 10_000_000, 65_536),
            (20_000, 10_000_000, 200_000),
            (100_000, 1_000_000, 1_000_000),
            (1_000_000, 10_000_000, 10_000_000),
        ] {
            settings.capacity = capacity;
            settings.applications_max = applications_max;
            let share = expected >> prefix_bits(&settings);
            assert!((9..=22).contains(&share), "{capacity} seats: {share}");
        }
    }
}
