//! The row of one queue, and the rules that need nothing else. A row is read and written as a whole.

use domain::{Epoch, EventId, EventSettings, EventState, Gaps, Millis, Number};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::contract::{
    ArmRequest, ArmResult, Closing, Continuity, Projection, QueueError, SeatFigures, UnjudgedArming,
};

/// How far the ledger has ended the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    NotYet,
    Settling,
    /// Applications that still wait up to this number are sold out; unknown until the ledger has projected it.
    Settled {
        through: Option<u32>,
    },
}

/// A row of the table `queue`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct QueueRow {
    pub(super) id: i64,
    pub(super) epoch: Epoch,
    pub(super) fence: i64,
    pub(super) seq: u32,
    pub(super) number_limit: u32,
    pub(super) admitted_through: u32,
    /// Applications that wait: the count of the rows in state `W`.
    pub(super) waiting: u32,
    pub(super) gaps: Gaps,
    pub(super) inbox_last: i64,
    pub(super) closed: Option<Closing>,
    pub(super) ending: Ending,
    pub(super) settings: EventSettings,
    pub(super) rev: i64,
    pub(super) figures: SeatFigures,
    /// The fence and the round of the figures.
    pub(super) figures_of: (i64, i64),
    pub(super) unjudged: Option<UnjudgedArming>,
    pub(super) lost_epoch: Epoch,
    pub(super) ledger_changes: i64,
}

impl QueueRow {
    /// The state of the event by the clock.
    pub(super) fn state(&self, now: Millis) -> EventState {
        match self.ending {
            Ending::Settled { .. } => EventState::Settled,
            Ending::Settling => EventState::Settling,
            Ending::NotYet if self.closed.is_some() || now >= self.settings.closes_at => EventState::Closed,
            Ending::NotYet if now >= self.settings.opens_at => EventState::Open,
            Ending::NotYet => EventState::Scheduled,
        }
    }

    /// Closes the queue for good; the first closing stays.
    pub(super) fn close(&mut self, at: Millis) -> Closing {
        let closing = Closing { closed_seq: self.seq, closed_at: at, closed_inbox: self.inbox_last };
        *self.closed.get_or_insert(closing)
    }

    /// Closes the queue if its closing time is reached.
    pub(super) fn close_if_due(&mut self, now: Millis) {
        if now >= self.settings.closes_at {
            self.close(self.settings.closes_at);
        }
    }

    /// The number of the next application.
    pub(super) fn next_number(&self, now: Millis) -> Result<Number, QueueError> {
        let given = self.given();
        match self.closed {
            Some(Closing { closed_at, .. }) => Err(QueueError::Closed { closed_at }),
            None if now < self.settings.opens_at => {
                Err(QueueError::NotOpen { opens_at: self.settings.opens_at })
            }
            None if !self.settings.intake => Err(QueueError::OnHold),
            None if given >= self.settings.applications_max => Err(QueueError::Full),
            None if self.seq >= self.number_limit => Err(QueueError::AtLimit),
            None => Number::new(self.seq + 1).ok_or(QueueError::AtLimit),
        }
    }

    /// Keeps what the coming arming finds, until the leader has judged it.
    pub(super) fn note_arming(&mut self, lost_applications: bool) {
        let found = UnjudgedArming { reached: self.seq, lost_applications };
        self.unjudged = Some(self.unjudged.map_or(found, |earlier| UnjudgedArming {
            reached: earlier.reached.min(found.reached),
            lost_applications: earlier.lost_applications || found.lost_applications,
        }));
    }

    /// Continues above every number that may ever have been given.
    pub(super) fn arm(&mut self, request: &ArmRequest, now: Millis) -> ArmResult {
        let limit = self.number_limit.max(request.number_limit);
        let opens_at = self.settings.opens_at.min(request.settings.opens_at);
        let continues = match request.continuity {
            Continuity::Unknown => false,
            Continuity::Unopened => self.seq == 0 && now < opens_at,
            Continuity::Whole => !self.unjudged.is_some_and(|found| found.lost_applications),
        };
        let skipped = if continues { 0 } else { limit.saturating_sub(self.seq) };
        if skipped > 0 {
            self.gaps.push(self.seq + 1, limit);
        }
        self.epoch = request.epoch;
        self.seq += skipped;
        // Restored numbers may lie above every limit.
        self.number_limit = self.seq;
        ArmResult { seq: self.seq, skipped }
    }

    /// Takes over the projection, except for times that took effect and for anything older.
    pub(super) fn project(&mut self, fence: i64, projection: &Projection, now: Millis, is_armed: bool) {
        self.take_settings(projection.rev, &projection.settings, is_armed.then_some(now));
        self.number_limit = self.number_limit.max(projection.number_limit);
        if projection.judged_epoch >= self.epoch {
            self.unjudged = None;
        }
        self.lost_epoch = self.lost_epoch.max(projection.lost_epoch);
        let figures_of = (fence, projection.round);
        if figures_of >= self.figures_of {
            self.figures = projection.figures;
            self.figures_of = figures_of;
        }
        self.ending = match (self.ending, projection.state) {
            (Ending::Settled { through: Some(known) }, _) => Ending::Settled { through: Some(known) },
            (Ending::Settled { .. }, _) | (_, EventState::Settled) => {
                Ending::Settled { through: projection.settled_seq }
            }
            (Ending::NotYet, EventState::Settling) => Ending::Settling,
            (kept, _) => kept,
        };
        if self.ending != Ending::NotYet {
            self.close(now.min(self.settings.closes_at));
        }
    }

    /// Takes over newer settings, except for times that took effect: the queue gave a number or closed, or it is armed at this time. A
    /// queue that is not armed has not acted on a time that came meanwhile.
    pub(super) fn take_settings(&mut self, rev: i64, settings: &EventSettings, armed_at: Option<Millis>) {
        if rev <= self.rev {
            return;
        }
        let (opens_at, closes_at) = (self.settings.opens_at, self.settings.closes_at);
        let opened = self.given() > 0 || armed_at.is_some_and(|now| now >= opens_at);
        let closed = self.closed.is_some() || armed_at.is_some_and(|now| now >= closes_at);
        self.settings = settings.clone();
        self.rev = rev;
        if opened {
            self.settings.opens_at = opens_at;
        }
        if closed {
            self.settings.closes_at = closes_at;
        }
    }

    /// How many numbers were given and not skipped.
    fn given(&self) -> u32 {
        self.seq - self.gaps.count(0, self.seq)
    }

    /// Includes a restored number: it lies within the queue, also within a closed one.
    pub(super) fn include(&mut self, number: Number) {
        self.seq = self.seq.max(number.get());
        if let Some(closing) = &mut self.closed {
            closing.closed_seq = closing.closed_seq.max(number.get());
        }
    }

    /// Applications that still wait up to this number are sold out; 0 before the event is settled.
    pub(super) fn sold_out_through(&self) -> u32 {
        match self.ending {
            Ending::Settled { through } => through.unwrap_or(0),
            Ending::NotYet | Ending::Settling => 0,
        }
    }

    /// The queue in the row; `None` if the event has none.
    pub(super) fn from_left_join(row: &SqliteRow) -> sqlx::Result<Option<Self>> {
        row.try_get::<Option<i64>, _>("id")?.map(|_| Self::from_row(row)).transpose()
    }

    /// Creates the queue of an event.
    pub(super) async fn create(
        conn: &mut SqliteConnection,
        event: &EventId,
        fence: i64,
        request: &ArmRequest,
    ) -> sqlx::Result<Self> {
        let row = sqlx::query(
            "INSERT INTO queue (event, epoch, fence, settings, rev, figures) VALUES (?, ?, ?, ?, ?, ?) RETURNING *",
        )
        .bind(event.as_str())
        .bind(request.epoch.0)
        .bind(fence)
        .bind(to_json(&request.settings)?)
        .bind(request.rev)
        .bind(to_json(&SeatFigures::default())?)
        .fetch_one(conn)
        .await?;
        Self::from_row(&row)
    }

    /// Writes the row.
    pub(super) async fn save(&self, conn: &mut SqliteConnection) -> sqlx::Result<()> {
        let (ending, settled_seq) = match self.ending {
            Ending::NotYet => (None, None),
            Ending::Settling => (Some(EventState::Settling.as_str()), None),
            Ending::Settled { through } => (Some(EventState::Settled.as_str()), through),
        };
        sqlx::query(
            "UPDATE queue SET epoch = ?, fence = ?, seq = ?, number_limit = ?, admitted_through = ?, waiting = ?, gaps = ?, \
             inbox_last = ?, closed_at = ?, closed_seq = ?, closed_inbox = ?, ending = ?, settled_seq = ?, \
             settings = ?, rev = ?, figures = ?, figures_fence = ?, figures_round = ?, \
             reached = ?, lost_applications = ?, lost_epoch = ?, ledger_changes = ? WHERE id = ?",
        )
        .bind(self.epoch.0)
        .bind(self.fence)
        .bind(self.seq)
        .bind(self.number_limit)
        .bind(self.admitted_through)
        .bind(self.waiting)
        .bind(to_json(&self.gaps)?)
        .bind(self.inbox_last)
        .bind(self.closed.map(|c| c.closed_at))
        .bind(self.closed.map(|c| c.closed_seq))
        .bind(self.closed.map(|c| c.closed_inbox))
        .bind(ending)
        .bind(settled_seq)
        .bind(to_json(&self.settings)?)
        .bind(self.rev)
        .bind(to_json(&self.figures)?)
        .bind(self.figures_of.0)
        .bind(self.figures_of.1)
        .bind(self.unjudged.map(|found| found.reached))
        .bind(self.unjudged.is_some_and(|found| found.lost_applications))
        .bind(self.lost_epoch.0)
        .bind(self.ledger_changes)
        .bind(self.id)
        .execute(conn)
        .await?;
        Ok(())
    }

    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        let ending = match row.try_get::<Option<&str>, _>("ending")?.and_then(EventState::parse) {
            Some(EventState::Settled) => Ending::Settled { through: row.try_get("settled_seq")? },
            Some(_) => Ending::Settling,
            None => Ending::NotYet,
        };
        Ok(Self {
            id: row.try_get("id")?,
            epoch: Epoch(row.try_get("epoch")?),
            fence: row.try_get("fence")?,
            seq: row.try_get("seq")?,
            number_limit: row.try_get("number_limit")?,
            admitted_through: row.try_get("admitted_through")?,
            waiting: row.try_get("waiting")?,
            gaps: from_json(row.try_get("gaps")?)?,
            inbox_last: row.try_get("inbox_last")?,
            closed: closing(row)?,
            ending,
            settings: from_json(row.try_get("settings")?)?,
            rev: row.try_get("rev")?,
            figures: from_json(row.try_get("figures")?)?,
            figures_of: (row.try_get("figures_fence")?, row.try_get("figures_round")?),
            unjudged: unjudged(row)?,
            lost_epoch: Epoch(row.try_get("lost_epoch")?),
            ledger_changes: row.try_get("ledger_changes")?,
        })
    }
}

fn unjudged(row: &SqliteRow) -> sqlx::Result<Option<UnjudgedArming>> {
    let lost_applications = row.try_get("lost_applications")?;
    let reached = row.try_get::<Option<u32>, _>("reached")?;
    Ok(reached.map(|reached| UnjudgedArming { reached, lost_applications }))
}

fn closing(row: &SqliteRow) -> sqlx::Result<Option<Closing>> {
    let Some(closed_at) = row.try_get("closed_at")? else { return Ok(None) };
    Ok(Some(Closing {
        closed_seq: row.try_get("closed_seq")?,
        closed_at,
        closed_inbox: row.try_get("closed_inbox")?,
    }))
}

fn to_json(value: &impl Serialize) -> sqlx::Result<String> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(Box::new(error)))
}

fn from_json<T: DeserializeOwned>(text: &str) -> sqlx::Result<T> {
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
