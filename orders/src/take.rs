//! The mover's transaction: the head of the line gets seats, in order, or nobody does.

use domain::{AppKey, EventId, EventState, Fence, Millis, Number, Release};
use sqlx::Row;

use crate::book::{Book, BookError, Tx, count, int, text};
use crate::event::BookEvent;
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
        let held = hold_lead(self, &mut tx, event, fence).await?;
        if let Some(why) = held.frozen {
            return Err(BookError::Frozen(why));
        }
        let now = self.now(&mut tx).await?;
        let mut seats = free_seats(&mut tx, event, newcomers.len()).await?.into_iter();
        let mut taken = Taken::default();
        for newcomer in newcomers {
            match standing(&mut tx, event, newcomer).await? {
                Standing::Known => {}
                Standing::Contradicts(why) => return freeze(self, tx, event, fence, why).await,
                Standing::New => {
                    let Some(seat) = seats.next() else { return commit(tx, taken).await };
                    seat_newcomer(&mut tx, event, newcomer, seat, now).await?;
                    taken.seated += 1;
                }
            }
            taken.known.push(newcomer.app_key);
        }
        taken.all = true;
        commit(tx, taken).await
    }
}

async fn commit(tx: Tx, taken: Taken) -> Result<Taken, BookError> {
    tx.commit().await?;
    Ok(taken)
}

async fn free_seats(tx: &mut Tx, event: &EventId, most: usize) -> Result<Vec<i64>, BookError> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = sqlx::query("SELECT n FROM seat WHERE event = $1 AND state = 'free' ORDER BY n LIMIT $2")
        .bind(event.as_str())
        .bind(most)
        .fetch_all(&mut **tx)
        .await?;
    rows.iter().map(|row| int(row, "n")).collect()
}

/// What the book knows of a newcomer.
pub(crate) enum Standing {
    New,
    Known,
    Contradicts(String),
}

pub(crate) async fn standing(tx: &mut Tx, event: &EventId, who: &Newcomer) -> Result<Standing, BookError> {
    let rows = sqlx::query(
        "SELECT app_key, number FROM application WHERE event = $1 AND (app_key = $2 OR number = $3)",
    )
    .bind(event.as_str())
    .bind(who.app_key.to_string())
    .bind(i64::from(who.number))
    .fetch_all(&mut **tx)
    .await?;
    for row in &rows {
        let (key, number) = (text(row, "app_key")?, int(row, "number")?);
        if key != who.app_key.to_string() || number != i64::from(who.number) {
            return Ok(Standing::Contradicts(format!(
                "the line has {} at number {}, the book has {key} at number {number}: the line was put back to an earlier state",
                who.app_key, who.number
            )));
        }
    }
    Ok(if rows.is_empty() { Standing::New } else { Standing::Known })
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
    hold_lead(book, &mut tx, event, fence).await?;
    sqlx::query("UPDATE event SET frozen = $2 WHERE id = $1")
        .bind(event.as_str())
        .bind(&why)
        .execute(&mut *tx)
        .await?;
    let now = book.now(&mut tx).await?;
    relay::post(&mut tx, &Notice::of_event(event, "event.frozen", &why), now).await?;
    tx.commit().await?;
    Err(BookError::Frozen(why))
}

async fn seat_newcomer(
    tx: &mut Tx,
    event: &EventId,
    who: &Newcomer,
    seat: i64,
    now: Millis,
) -> Result<(), BookError> {
    let key = who.app_key.to_string();
    let held = sqlx::query(
        "UPDATE seat SET state = 'held', app_key = $3 WHERE event = $1 AND n = $2 AND state = 'free'",
    )
    .bind(event.as_str())
    .bind(seat)
    .bind(&key)
    .execute(&mut **tx)
    .await?;
    if held.rows_affected() != 1 {
        return Err(BookError::Inconsistent(format!("seat {seat} was taken under the event's lock")));
    }
    sqlx::query("INSERT INTO application (event, app_key, number, state, seat, contact, moved_at) VALUES ($1, $2, $3, 'ordering', $4, $5, $6)")
        .bind(event.as_str()).bind(&key).bind(i64::from(who.number)).bind(seat).bind(&who.contact).bind(now)
        .execute(&mut **tx).await?;
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

    /// Why nobody is moved, if the event is frozen.
    pub async fn frozen(&self, event: &EventId) -> Result<Option<String>, BookError> {
        let row = sqlx::query("SELECT frozen FROM event WHERE id = $1")
            .bind(event.as_str())
            .fetch_one(self.reader())
            .await?;
        Ok(row.try_get("frozen")?)
    }
}
