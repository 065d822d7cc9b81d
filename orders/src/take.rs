//! The mover's transaction: the head of the line gets seats, in order, or nobody does.

use domain::{AppKey, EventId, EventState, Fence, Millis, Number, Release};
use serde_json::json;

use crate::book::{Book, BookError, Tx, count, int};
use crate::event::BookEvent;
use crate::known::{Known, Standing};
use crate::lead::hold_lead;
use crate::relay::{self, Notice};

/// Most people moved in one transaction: it holds the event's row, and makers wait for that.
pub const TAKE_MAX: u32 = 256;

/// Somebody at the head of the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newcomer {
    /// The place in the line.
    pub number: Number,
    /// The application.
    pub app_key: AppKey,
    /// The sealed contact, base64.
    pub contact: String,
}

/// What the mover's transaction did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// The book has these now, new or from before: the line may mark them moved.
    pub known: Vec<AppKey>,
    /// How many of them got a seat just now.
    pub seated: u32,
    /// Whether all that were handed in are in `known`.
    pub all: bool,
}

impl Book {
    /// How many may be moved now: free seats and room among the orders under way, whichever is less.
    pub async fn room(&self, event: &BookEvent) -> Result<u32, BookError> {
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
        .bind(event.settings.id.as_str()).bind(i64::from(TAKE_MAX))
        .fetch_one(self.reader()).await?;
        Ok(event.settings.in_flight_max.saturating_sub(count(&row, "ordering")?).min(count(&row, "free")?))
    }

    /// Gives the newcomers a free seat each, in the order in which they are handed in, as far as the seats reach. Whom the book
    /// already knows is only reported. If the line shows somebody under another number than the book, it went back in time:
    /// the event is frozen.
    pub async fn take(
        &self,
        event: &EventId,
        fence: Fence,
        newcomers: &[Newcomer],
    ) -> Result<Taken, BookError> {
        let mut tx = self.begin().await?;
        let (held, now) = hold_lead(self, &mut tx, event, fence).await?;
        if let Some(why) = held.frozen {
            return Err(BookError::Frozen(why));
        }
        let named = newcomers.iter().map(|who| (who.number, who.app_key));
        let mut known = Known::of(&mut tx, event, named).await?;
        let mut seats = free_seats(&mut tx, event, newcomers.len()).await?.into_iter();
        let (mut taken, mut seated) = (Taken { all: true, ..Taken::default() }, Vec::new());
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
        seat_newcomers(&mut tx, event, &seated, now).await?;
        tx.commit().await?;
        Ok(taken)
    }
}

/// A free seat stays free: only who holds the event's lock gives one away.
async fn free_seats(tx: &mut Tx, event: &EventId, most: usize) -> Result<Vec<i64>, BookError> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = sqlx::query("SELECT n FROM seat WHERE event = $1 AND state = 'free' ORDER BY n LIMIT $2")
        .bind(event.as_str())
        .bind(most)
        .fetch_all(&mut **tx)
        .await?;
    rows.iter().map(|row| int(row, "n")).collect()
}

pub(crate) async fn freeze<T>(
    book: &Book,
    tx: Tx,
    event: &EventId,
    fence: Fence,
    why: String,
) -> Result<T, BookError> {
    // Nothing of this round may stay, only the freeze itself.
    tx.rollback().await?;
    let mut tx = book.begin().await?;
    let (_, now) = hold_lead(book, &mut tx, event, fence).await?;
    sqlx::query("UPDATE event SET frozen = $2 WHERE id = $1")
        .bind(event.as_str())
        .bind(&why)
        .execute(&mut *tx)
        .await?;
    relay::post(&mut tx, &Notice::of_event(event, "event.frozen", &why), now).await?;
    tx.commit().await?;
    Err(BookError::Frozen(why))
}

async fn seat_newcomers(
    tx: &mut Tx,
    event: &EventId,
    seated: &[(&Newcomer, i64)],
    now: Millis,
) -> Result<(), BookError> {
    let json = |(who, seat): &(&Newcomer, i64)| json!({ "number": who.number, "key": who.app_key.to_string(), "contact": who.contact, "seat": seat });
    let rows = json!(seated.iter().map(json).collect::<Vec<_>>()).to_string();
    sqlx::query(
        "INSERT INTO application (event, app_key, number, state, seat, contact, moved_at)
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
        return Err(BookError::Inconsistent("a seat was taken under the event's lock".into()));
    }
    Ok(())
}

impl Book {
    /// Everything the book has of the line, in number order, for making a lost line whole again.
    pub async fn moved_after(
        &self,
        event: &EventId,
        after: u32,
        max: u32,
    ) -> Result<Vec<(Number, AppKey)>, BookError> {
        let rows = sqlx::query("SELECT app_key, number FROM application WHERE event = $1 AND number > $2 ORDER BY number LIMIT $3")
            .bind(event.as_str()).bind(i64::from(after)).bind(i64::from(max))
            .fetch_all(self.reader()).await?;
        rows.iter().map(|row| Ok((crate::book::number(row)?, crate::book::parsed(row, "app_key")?))).collect()
    }
}
