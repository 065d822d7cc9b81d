//! What the leader writes. A long write is sent in pieces, each complete in itself: a caller that is cut off repeats it.

use domain::{EventId, EventSettings};

use super::fault::Fault;
use super::reply::{garbled, stored_outcome};
use super::server::{Question, Server};
use crate::contract::{Armed, Arming, Closing, LeadError, Projection, QueueState, Restored};
use crate::lead::{Lead, Led};

/// Most outcomes, keys or rows of one piece.
const PIECE: usize = 1_000;
/// A position that no inbox reaches, and that the functions can still count exactly.
const POSITION_MAX: i64 = 1 << 52;
/// Highest epoch whose inbox positions the functions can count exactly.
const EPOCH_MAX: u32 = 1 << 21;

/// Carries out a leader's write.
pub(super) async fn lead(server: &Server, event: &EventId, fence: i64, lead: Lead) -> Result<Led, LeadError> {
    match lead {
        Lead::Arm(arming) => arm(server, event, fence, &arming).await.map(Led::Armed),
        Lead::Project(projection) => project(server, event, fence, &projection).await.map(|()| Led::Written),
        Lead::Admitted { through, keys } => {
            let mut pieces = keys.chunks(PIECE).peekable();
            // Only the last piece may skip numbers: the keys of the others were not sent yet.
            loop {
                let piece = pieces.next().unwrap_or_default();
                let last = pieces.peek().is_none();
                let mut question =
                    about(server, "admitted", event, fence).arg(if last { through } else { 0 });
                for key in piece {
                    question = question.arg(&key.0[..]);
                }
                server.lead(question).await?;
                if last {
                    return Ok(Led::Written);
                }
            }
        }
        Lead::Acknowledge { through } => {
            let through = through.clamp(0, POSITION_MAX);
            server.lead(about(server, "acknowledge", event, fence).arg(through)).await?;
            Ok(Led::Written)
        }
        Lead::Restore(rows) => restore(server, event, fence, &rows).await.map(|()| Led::Written),
        Lead::Settle => {
            let mut reply = server.lead(about(server, "settle", event, fence)).await?;
            let (closed_seq, closed_at, inbox_last) = (reply.int()?, reply.int()?, reply.int()?);
            Ok(Led::Closed(Closing { closed_seq, closed_at, inbox_last }))
        }
    }
}

/// Makes these the events there are.
pub(super) async fn publish(server: &Server, events: &[EventId]) -> Result<(), LeadError> {
    let mut question = server.question("publish", "");
    for event in events {
        question = question.arg(event.as_str());
    }
    server.lead(question).await.map(drop)
}

fn about(server: &Server, function: &str, event: &EventId, fence: i64) -> Question {
    server.question(function, event.as_str()).arg(fence)
}

async fn arm(server: &Server, event: &EventId, fence: i64, arming: &Arming) -> Result<Armed, LeadError> {
    if arming.epoch.0 > EPOCH_MAX {
        return Err(garbled("an epoch above two million").into());
    }
    let settings = &arming.settings;
    let question =
        about(server, "arm", event, fence).arg(arming.epoch.0).arg(arming.number_limit).arg(arming.rev);
    let question = told(question, settings)?.arg(prefix_bits(settings)).arg(u8::from(arming.unopened));
    let mut reply = server.lead(question).await?;
    Ok(Armed { seq: reply.int()?, skipped: reply.int()?, forgot: reply.int::<u8>()? == 1 })
}

/// The settings, whole for who reads them and in parts for the functions.
fn told(question: Question, settings: &EventSettings) -> Result<Question, LeadError> {
    let question = question.arg(json(settings)?).arg(settings.opens_at).arg(settings.closes_at);
    Ok(question.arg(u8::from(settings.intake)).arg(settings.applications_max))
}

/// So many bits of an application's key choose its small hash that, with the crowd that is expected, about 16 share one:
/// ten for each seat, but never less than 65,536, as the smaller an event the more crowded it may be. A hash stays small up
/// to 128, so eight times as many cost no more; and too many hashes waste at most half a megabyte.
fn prefix_bits(settings: &EventSettings) -> u32 {
    let crowd = settings.capacity.saturating_mul(10).max(65_536).min(settings.applications_max);
    // Rounded: between 11 and 23 share one.
    (u64::from(crowd) * 181 / 128 / 16).max(1).ilog2().clamp(8, 20)
}

async fn project(
    server: &Server,
    event: &EventId,
    fence: i64,
    projection: &Projection,
) -> Result<(), LeadError> {
    let mut pieces = projection.outcomes.chunks(PIECE);
    let mut piece = pieces.next().unwrap_or_default();
    let settled_seq = projection.settled_seq.map(|seq| seq.to_string()).unwrap_or_default();
    loop {
        let mut question = about(server, "project", event, fence).arg(projection.rev);
        question = told(question, &projection.settings)?
            .arg(projection.state.as_str())
            .arg(projection.number_limit)
            .arg(projection.round)
            .arg(json(&projection.figures)?)
            .arg(&settled_seq);
        for (number, shown) in piece {
            question = question.arg(number.get()).arg(stored_outcome(shown));
        }
        server.lead(question).await?;
        match pieces.next() {
            Some(next) => piece = next,
            None => return Ok(()),
        }
    }
}

async fn restore(server: &Server, event: &EventId, fence: i64, rows: &[Restored]) -> Result<(), LeadError> {
    let mut conflicts = 0;
    // Without rows the fence is still judged.
    let pieces = if rows.is_empty() { vec![rows] } else { rows.chunks(PIECE).collect() };
    for piece in pieces {
        let mut question = about(server, "restore", event, fence);
        for row in piece {
            question = question.arg(row.number.get()).arg(&row.app_key.0[..]).arg(&row.req_hash.0[..]);
            question = question.arg(letter(row.mark)).arg(&row.contact[..]);
        }
        conflicts += server.lead(question).await?.int::<u32>()?;
    }
    if conflicts == 0 { Ok(()) } else { Err(LeadError::Conflicts(conflicts)) }
}

fn letter(mark: QueueState) -> &'static str {
    match mark {
        QueueState::Waiting => "W",
        QueueState::Admitted => "A",
        QueueState::Withdrawn => "X",
    }
}

fn json(value: &impl serde::Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| garbled(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_sixteen_of_the_expected_crowd_share_a_small_hash() {
        let event = r#"{"id":"spring","title":{"ko":"a","en":"a"},"kind":"order","capacity":1,"opens_at":0,
            "closes_at":1,"intake":true,"release":"running","pace":"5","in_flight_max":1,"applications_max":1,
            "announcement":{"ko":"","en":""},"settle_after_close":false,"pepper":"k1"}"#;
        let mut settings: EventSettings = serde_json::from_str(event).unwrap();
        for (capacity, applications_max, crowd) in [
            (1_000, 10_000, 10_000),
            (10, 10_000_000, 65_536),
            (20_000, 10_000_000, 200_000),
            (100_000, 1_000_000, 1_000_000),
            (1_000_000, 10_000_000, 10_000_000),
        ] {
            (settings.capacity, settings.applications_max) = (capacity, applications_max);
            let share = crowd >> prefix_bits(&settings);
            assert!((9..=22).contains(&share), "{capacity} seats: {share}");
        }
    }
}
