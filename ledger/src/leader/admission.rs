//! Admission: one transaction gives the head of the queue its seats, in order.

use domain::{
    AppKey, Bucket, DomainEventKind, EventId, EventSettings, EventState, Fence, Kind, Millis, Number,
    Release, ReqHash,
};
use serde_json::json;

use crate::calls::pace_bucket::{read_bucket, save_bucket};
use crate::leader::freeze::freeze;
use crate::leader::known_applications::{Comparison, KnownApplications};
use crate::leader::leader_lease::{LedEvent, lock_led_event};
use crate::store::column::{count, int, parsed};
use crate::store::error::Error;
use crate::store::ledger::Ledger;
use crate::store::transaction::Tx;
use crate::tables::event::{EventRow, raise_changes};
use crate::tables::outbox::{self, ApplicationFact};
use crate::tables::seat_changes::CounterShard;
use crate::tables::seat_state::SeatState;

/// The most applications admitted in one transaction. The transaction locks the event's row, which dispatchers wait for.
pub const ADMIT_MAX: u32 = 256;

/// When an order call is due that waits until the queue has the application as admitted.
const NOT_DUE: Millis = Millis::MAX;

const TOKENS: &str = "SELECT tokens, refilled_at FROM event WHERE id = $1";

/// An application at the head of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The number in the queue.
    pub number: Number,
    /// The key of the application.
    pub app_key: AppKey,
    /// The hash of the client's secret.
    pub req_hash: ReqHash,
    /// The sealed contact, base64.
    pub contact: String,
}

/// The result of an admission.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Admission {
    /// The candidates that the ledger has now, new or from before: the queue may mark them as admitted.
    pub known: Vec<AppKey>,
    /// How many of them got a seat in this transaction.
    pub seated: u32,
    /// Whether `known` holds all candidates.
    pub all: bool,
    /// The event's count of changes after this.
    pub changes: i64,
}

/// What the leader read of the queue before a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueReading {
    /// The queue's clock.
    pub now: Millis,
    /// The count of changes that the queue was told. A ledger with fewer was put back to an older state.
    pub changes: i64,
}

/// A candidate and the seat that it gets.
struct Seating<'a> {
    candidate: &'a Candidate,
    seat: i64,
}

impl Ledger {
    /// Returns how many applications may be admitted now: the free seats. In an event of kind `order`, no more than the room below
    /// `in_flight_max`. A called applicant has no order call, so in kind `confirm` that limit applies to the lease of calls. In kind
    /// `pass` each admission costs a token of the pace, since it sends an applicant to the shop.
    pub async fn admissible(&self, event: &EventRow) -> Result<u32, Error> {
        let is_admitting = event.settings.release == Release::Running
            && event.frozen.is_none()
            && event.state < EventState::Settled;
        if !is_admitting {
            return Ok(0);
        }
        let row = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM application WHERE event = $1 AND state IN ('ordering', 'undoing')) AS ordering,
                    (SELECT COUNT(*) FROM (SELECT n FROM seat WHERE event = $1 AND state = 'free' LIMIT $2) AS some_free) AS free",
        )
        .bind(event.settings.id.as_str()).bind(i64::from(ADMIT_MAX))
        .fetch_one(self.reader()).await?;
        let free = count(&row, "free")?;
        Ok(match event.settings.kind {
            Kind::Order => event.settings.in_flight_max.saturating_sub(count(&row, "ordering")?).min(free),
            Kind::Confirm => free,
            Kind::Pass => free.min(self.tokens(event).await?),
        })
    }

    /// The tokens that the event has now. Nothing is locked, so the admission reads them again.
    async fn tokens(&self, event: &EventRow) -> Result<u32, Error> {
        let row = sqlx::query(TOKENS).bind(event.settings.id.as_str()).fetch_one(self.reader()).await?;
        Ok(read_bucket(&row)?.refilled(event.settings.pace, self.time().await?).whole())
    }

    /// Fails if the event has fewer changes than the queue was told: then the ledger was put back to an older state, in which seats look
    /// free that are not.
    ///
    /// Gives each candidate a free seat, in the given order, as far as the seats reach. In the kinds `confirm` and `pass` the
    /// applicants are called with that. Order calls are due only after [`Ledger::make_due`]. A candidate that the ledger already knows is
    /// only reported. If the queue has an application under another number than the ledger, the queue was put back to an earlier state:
    /// the event is frozen.
    pub async fn admit(
        &self,
        event: &EventId,
        fence: Fence,
        candidates: &[Candidate],
        queue: QueueReading,
    ) -> Result<Admission, Error> {
        let mut tx = self.begin().await?;
        let led = lock_led_event(self, &mut tx, event, fence).await?;
        led.event.require_changes(queue.changes)?;
        if let Some(why) = led.event.frozen.clone() {
            return Err(Error::Frozen(why));
        }
        let named = candidates.iter().map(|candidate| (candidate.number, candidate.app_key));
        let mut known = KnownApplications::read(&mut tx, event, named).await?;
        let bucket = bucket_of_passes(&mut tx, &led).await?;
        let most = bucket.map_or(candidates.len(), |bucket| candidates.len().min(bucket.whole() as usize));
        let mut seats = free_seats(&mut tx, event, most).await?.into_iter();
        let mut admission = Admission { all: true, changes: led.event.changes, ..Admission::default() };
        let mut seated = Vec::new();
        for candidate in candidates {
            match known.compare(candidate.number, candidate.app_key) {
                Comparison::Known => {}
                Comparison::Contradicts(why) => return freeze(self, tx, event, fence, why).await,
                Comparison::New => {
                    let Some(seat) = seats.next() else {
                        admission.all = false;
                        break;
                    };
                    known.add(candidate.number, candidate.app_key);
                    seated.push(Seating { candidate, seat });
                }
            }
            admission.known.push(candidate.app_key);
        }
        admission.seated = u32::try_from(seated.len()).unwrap_or(u32::MAX);
        if !seated.is_empty() {
            let called_until = called_until(&led.event, queue.now);
            seat_candidates(&mut tx, event, &seated, called_until, led.now).await?;
            post_seated(&mut tx, event, &seated, called_until, led.now).await?;
            if let Some(left) = bucket.and_then(|bucket| bucket.take(admission.seated)) {
                save_bucket(&mut tx, event, left).await?;
            }
            admission.changes = raise_changes(&mut tx, event).await?;
        }
        tx.commit().await?;
        Ok(admission)
    }

    /// Makes the order calls of these applications due: the queue has them as admitted. Without that, a ledger that is put back to an
    /// older state could lose an application with an order, which the queue has as waiting (`domain/tests/model`).
    pub async fn make_due(&self, event: &EventId, admitted: &[AppKey]) -> Result<(), Error> {
        let keys: Vec<_> = admitted.iter().map(|key| json!({ "key": key.to_string() })).collect();
        let mut tx = self.begin().await?;
        sqlx::query(
            "UPDATE application SET next_try_at = 0
             WHERE event = $1 AND next_try_at = $3 AND app_key IN (SELECT value ->> 'key' FROM json_each($2) AS one)",
        )
        .bind(event.as_str()).bind(json!(keys).to_string()).bind(NOT_DUE)
        .execute(&mut *tx).await?;
        tx.commit().await
    }

    /// Returns applications whose order calls are not due yet, at most [`ADMIT_MAX`].
    pub async fn not_due(&self, event: &EventId) -> Result<Vec<AppKey>, Error> {
        let rows = sqlx::query(
            "SELECT app_key FROM application WHERE event = $1 AND state = 'ordering' AND next_try_at = $2 ORDER BY number LIMIT $3",
        )
        .bind(event.as_str()).bind(NOT_DUE).bind(i64::from(ADMIT_MAX))
        .fetch_all(self.reader()).await?;
        rows.iter().map(|row| parsed(row, "app_key")).collect()
    }
}

/// The bucket that admissions take tokens from; `None` in an event whose admissions cost none.
async fn bucket_of_passes(tx: &mut Tx, led: &LedEvent) -> Result<Option<Bucket>, Error> {
    let EventSettings { id, kind, pace, .. } = &led.event.settings;
    if *kind != Kind::Pass {
        return Ok(None);
    }
    let row = sqlx::query(TOKENS).bind(id.as_str()).fetch_one(&mut **tx).await?;
    Ok(Some(read_bucket(&row)?.refilled(*pace, led.now)))
}

/// When the time of an applicant ends who is called now; `None` in an event of kind `order`.
pub(crate) fn called_until(event: &EventRow, queue_now: Millis) -> Option<Millis> {
    match event.settings.kind {
        Kind::Order => None,
        Kind::Confirm | Kind::Pass => Some(queue_now + event.settings.called_for_ms),
    }
}

/// Returns the first free seats. They stay free: only a transaction that holds the event's lock assigns seats.
pub(crate) async fn free_seats(tx: &mut Tx, event: &EventId, max: usize) -> Result<Vec<i64>, Error> {
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let rows = sqlx::query("SELECT n FROM seat WHERE event = $1 AND state = 'free' ORDER BY n LIMIT $2")
        .bind(event.as_str())
        .bind(max)
        .fetch_all(&mut **tx)
        .await?;
    rows.iter().map(|row| int(row, "n")).collect()
}

/// Posts the domain events of applications that got a seat: the applicant is called, or the order is about to be made.
async fn post_seated(
    tx: &mut Tx,
    event: &EventId,
    seated: &[Seating<'_>],
    called_until: Option<Millis>,
    now: Millis,
) -> Result<(), Error> {
    let (kind, fields) = match called_until {
        Some(until) => (DomainEventKind::ApplicationCalled, json!({ "until_ms": until })),
        None => (DomainEventKind::ApplicationAdmitted, json!({ "admitted_at_ms": now })),
    };
    let fact = |Seating { candidate, .. }: &Seating<'_>| ApplicationFact {
        event,
        app_key: candidate.app_key,
        number: candidate.number,
        version: 0,
        kind,
        fields: fields.clone(),
    };
    outbox::post_first(tx, &seated.iter().map(fact).collect::<Vec<_>>(), now).await
}

/// Inserts the applications and holds their seats. With `called_until` the applicants are called.
async fn seat_candidates(
    tx: &mut Tx,
    event: &EventId,
    seated: &[Seating<'_>],
    called_until: Option<Millis>,
    now: Millis,
) -> Result<(), Error> {
    let json = |Seating { candidate, seat }: &Seating<'_>| json!({ "number": candidate.number, "key": candidate.app_key.to_string(), "secret": candidate.req_hash.to_string(), "contact": candidate.contact, "seat": seat });
    let rows = json!(seated.iter().map(json).collect::<Vec<_>>()).to_string();
    sqlx::query(
        "INSERT INTO application (event, app_key, number, state, seat, req_hash, contact, admitted_at, called_until, next_try_at)
         SELECT $1, value ->> 'key', CAST(value ->> 'number' AS BIGINT), $4, CAST(value ->> 'seat' AS BIGINT), value ->> 'secret',
             value ->> 'contact', $3, $5, $6
         FROM json_each($2) AS one",
    )
    .bind(event.as_str()).bind(&rows).bind(now)
    .bind(if called_until.is_some() { "called" } else { "ordering" }).bind(called_until).bind(NOT_DUE)
    .execute(&mut **tx).await?;
    hold_seats(tx, event, &rows, seated.len()).await
}

/// Holds free seats for applications: `rows` is JSON with the `key` and the `seat` of each, `count` in all.
pub(crate) async fn hold_seats(tx: &mut Tx, event: &EventId, rows: &str, count: usize) -> Result<(), Error> {
    let held = sqlx::query(
        "UPDATE seat SET state = 'held', app_key = one.value ->> 'key' FROM json_each($2) AS one
         WHERE event = $1 AND n = CAST(one.value ->> 'seat' AS BIGINT) AND state = 'free'",
    )
    .bind(event.as_str())
    .bind(rows)
    .execute(&mut **tx)
    .await?;
    if held.rows_affected() != count as u64 {
        return Err(Error::Inconsistent("a seat was assigned in spite of the event's lock".into()));
    }
    let seats = i64::try_from(count).unwrap_or(i64::MAX);
    tx.seats.add(event, CounterShard::LOCKED_EVENT, SeatState::Free, -seats);
    tx.seats.add(event, CounterShard::LOCKED_EVENT, SeatState::Held, seats);
    Ok(())
}
