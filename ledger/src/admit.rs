//! Admission's transaction: the head of the queue gets seats, in order, or nobody does.

use domain::{AppKey, EventId, EventState, Fence, Millis, Number, Release};
use serde_json::json;

use crate::event::LedgerEvent;
use crate::known::{Known, Standing};
use crate::lead::hold_lead;
use crate::ledger::{Ledger, LedgerError, Tx, count, int};
use crate::outbox::{self, DomainEvent};

/// Most people moved in one transaction: it holds the event's row, and dispatchers wait for that.
pub const ADMIT_MAX: u32 = 256;

/// Somebody at the head of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The place in the queue.
    pub number: Number,
    /// The application.
    pub app_key: AppKey,
    /// The sealed contact, base64.
    pub contact: String,
}

/// What admission's transaction did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Admission {
    /// The ledger has these now, new or from before: the queue may mark them moved.
    pub known: Vec<AppKey>,
    /// How many of them got a seat just now.
    pub seated: u32,
    /// Whether all that were handed in are in `known`.
    pub all: bool,
}

impl Ledger {
    /// How many may be moved now: free seats and room among the orders under way, whichever is less.
    pub async fn admissible(&self, event: &LedgerEvent) -> Result<u32, LedgerError> {
        let may_move = event.settings.release == Release::Running
            && event.frozen.is_none()
            && event.state < EventState::Settled;
        if !may_move {
            return Ok(0);
        }
        let row = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM application WHERE event = $1 AND state IN ('ordering', 'undoing')) AS ordering,
                    (SELECT COUNT(*) FROM (SELECT n FROM seat WHERE event = $1 AND state = 'free' LIMIT $2) AS some_free) AS free",
        )
        .bind(event.settings.id.as_str()).bind(i64::from(ADMIT_MAX))
        .fetch_one(self.reader()).await?;
        Ok(event.settings.in_flight_max.saturating_sub(count(&row, "ordering")?).min(count(&row, "free")?))
    }

    /// Gives the newcomers a free seat each, in the order in which they are handed in, as far as the seats reach. Whom the ledger
    /// already knows is only reported. If the queue shows somebody under another number than the ledger, it went back in time:
    /// the event is frozen.
    pub async fn take(
        &self,
        event: &EventId,
        fence: Fence,
        newcomers: &[Candidate],
    ) -> Result<Admission, LedgerError> {
        let mut tx = self.begin().await?;
        let (held, now) = hold_lead(self, &mut tx, event, fence).await?;
        if let Some(why) = held.frozen {
            return Err(LedgerError::Frozen(why));
        }
        let named = newcomers.iter().map(|who| (who.number, who.app_key));
        let mut known = Known::of(&mut tx, event, named).await?;
        let mut seats = free_seats(&mut tx, event, newcomers.len()).await?.into_iter();
        let (mut taken, mut seated) = (Admission { all: true, ..Admission::default() }, Vec::new());
        for newcomer in newcomers {
            match known.standing(newcomer.number, newcomer.app_key) {
                Standing::Known => {}
                Standing::Contradicts(why) => return freeze(self, tx, event, fence, why).await,
                Standing::New => {
                    let Some(seat) = seats.next() else {
                        taken.all = false;
                        break;
                    };
                    known.add(newcomer.number, newcomer.app_key);
                    seated.push((newcomer, seat));
                }
            }
            taken.known.push(newcomer.app_key);
        }
        taken.seated = u32::try_from(seated.len()).unwrap_or(u32::MAX);
        seat_candidates(&mut tx, event, &seated, now).await?;
        tx.commit().await?;
        Ok(taken)
    }
}

/// A free seat stays free: only who holds the event's lock gives one away.
async fn free_seats(tx: &mut Tx, event: &EventId, most: usize) -> Result<Vec<i64>, LedgerError> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = sqlx::query("SELECT n FROM seat WHERE event = $1 AND state = 'free' ORDER BY n LIMIT $2")
        .bind(event.as_str())
        .bind(most)
        .fetch_all(&mut **tx)
        .await?;
    rows.iter().map(|row| int(row, "n")).collect()
}

pub(crate) async fn freeze<T>(
    ledger: &Ledger,
    tx: Tx,
    event: &EventId,
    fence: Fence,
    why: String,
) -> Result<T, LedgerError> {
    // Nothing of this round may stay, only the freeze itself.
    tx.rollback().await?;
    let mut tx = ledger.begin().await?;
    let (_, now) = hold_lead(ledger, &mut tx, event, fence).await?;
    sqlx::query("UPDATE event SET frozen = $2 WHERE id = $1")
        .bind(event.as_str())
        .bind(&why)
        .execute(&mut *tx)
        .await?;
    outbox::post(&mut tx, &DomainEvent::of_event(event, "event.frozen", &why), now).await?;
    tx.commit().await?;
    Err(LedgerError::Frozen(why))
}

async fn seat_candidates(
    tx: &mut Tx,
    event: &EventId,
    seated: &[(&Candidate, i64)],
    now: Millis,
) -> Result<(), LedgerError> {
    let json = |(who, seat): &(&Candidate, i64)| json!({ "number": who.number, "key": who.app_key.to_string(), "contact": who.contact, "seat": seat });
    let rows = json!(seated.iter().map(json).collect::<Vec<_>>()).to_string();
    sqlx::query(
        "INSERT INTO application (event, app_key, number, state, seat, contact, admitted_at)
         SELECT $1, value ->> 'key', CAST(value ->> 'number' AS BIGINT), 'ordering', CAST(value ->> 'seat' AS BIGINT), value ->> 'contact', $3
         FROM json_each($2) AS one",
    )
    .bind(event.as_str()).bind(&rows).bind(now)
    .execute(&mut **tx).await?;
    let held = sqlx::query(
        "UPDATE seat SET state = 'held', app_key = one.value ->> 'key' FROM json_each($2) AS one
         WHERE event = $1 AND n = CAST(one.value ->> 'seat' AS BIGINT) AND state = 'free'",
    )
    .bind(event.as_str())
    .bind(&rows)
    .execute(&mut **tx)
    .await?;
    if held.rows_affected() != seated.len() as u64 {
        return Err(LedgerError::Inconsistent("a seat was taken under the event's lock".into()));
    }
    Ok(())
}

impl Ledger {
    /// Everything the ledger has of the queue, in number order, for making a lost line whole again.
    pub async fn admitted_after(
        &self,
        event: &EventId,
        after: u32,
        max: u32,
    ) -> Result<Vec<(Number, AppKey)>, LedgerError> {
        let rows = sqlx::query("SELECT app_key, number FROM application WHERE event = $1 AND number > $2 ORDER BY number LIMIT $3")
            .bind(event.as_str()).bind(i64::from(after)).bind(i64::from(max))
            .fetch_all(self.reader()).await?;
        rows.iter()
            .map(|row| Ok((crate::ledger::number(row)?, crate::ledger::parsed(row, "app_key")?)))
            .collect()
    }
}
