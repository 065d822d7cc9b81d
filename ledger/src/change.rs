//! Changing an event: one transaction that locks it, checks the rev, decides, and writes settings, rev and audit, or nothing.
//! The queue hears of it from the leader, within a round.

use domain::event::Text;
use domain::{EventId, EventSettings, EventState, Millis, Pace};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::audit::{self, AuditRow};
use crate::decide::Standing;
use crate::event::{self, Created, LedgerEvent};
use crate::lead::lock_event;
use crate::lease;
use crate::ledger::{Ledger, LedgerError, Tx};

/// What an operator asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", content = "to", rename_all = "snake_case")]
pub enum Change {
    /// Settings that are no valve and no limit; see [`EventPatch`].
    Update(EventPatch),
    /// Opens it now. Refused once it is open.
    Open,
    /// Closes it now, for good. Refused unless it is open.
    Close,
    /// Has the leader settle it. Refused before it is closed, while it is frozen and while the queue recovers.
    Settle,
    /// No order call is started any more.
    Pause,
    /// People are admitted and orders made again, without a burst.
    Resume,
    /// Nobody is admitted any more; the orders of those who were are made.
    Drain,
    /// Order calls started per second.
    Pace(Pace),
    /// Most order calls unanswered at once.
    InFlightMax(u32),
    /// Seats. Raising adds some; lowering takes free ones away, and no others.
    Capacity(u32),
    /// What the applicants are told.
    Announcement(Text),
    /// Moves on without waiting for those whom the queue forgot.
    AcceptRecovery,
    /// An operator looked at why the event is frozen.
    Unfreeze,
}

impl Change {
    /// The word for it in the audit.
    pub fn action(&self) -> &'static str {
        match self {
            Self::Update(_) => "update",
            Self::Open => "open",
            Self::Close => "close",
            Self::Settle => "settle",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Drain => "drain",
            Self::Pace(_) => "pace",
            Self::InFlightMax(_) => "in_flight_max",
            Self::Capacity(_) => "capacity",
            Self::Announcement(_) => "announcement",
            Self::AcceptRecovery => "accept_recovery",
            Self::Unfreeze => "unfreeze",
        }
    }
}

/// The settings to change; what is not there stays. The times may move until two seconds before each comes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventPatch {
    /// What the page calls it.
    pub title: Option<Text>,
    /// When applying becomes possible.
    pub opens_at: Option<Millis>,
    /// When applying ends, for good.
    pub closes_at: Option<Millis>,
    /// Most numbers that the queue may give.
    pub applications_max: Option<u32>,
    /// Whether the event settles by itself.
    pub settle_after_close: Option<bool>,
    /// Paths of the shop that lead to the event's page.
    pub diverts: Option<Vec<String>>,
    /// The intake valve.
    pub intake: Option<bool>,
}

/// Who changes something, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct By<'a> {
    /// Who.
    pub actor: &'a str,
    /// Why, in their words.
    pub reason: &'a str,
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The event as it is now.
    pub event: LedgerEvent,
    /// The change as audited; `None` if it was so already, and then the rev did not rise.
    pub change: Option<AuditRow>,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The ledger did not do it: there is no such event, the settings cannot be, the database does not answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Somebody else changed the event meanwhile.
    #[error("the event was changed meanwhile and is at rev {rev}")]
    Stale {
        /// The event's rev now.
        rev: i64,
    },
    /// It cannot be done in this state.
    #[error("the event is {}: {why}", .state.as_str())]
    NotNow {
        /// Where the event stands, by its times.
        state: EventState,
        /// Why not, and what to do instead.
        why: &'static str,
    },
    /// More seats than that are sold or held.
    #[error("{least} seats are sold or held, so the capacity cannot be lower")]
    TooSmall {
        /// The least possible capacity.
        least: u32,
    },
}

impl Ledger {
    /// Changes an event that is at `if_rev`, if one is given. Nothing changes without a row in the audit.
    pub async fn change(
        &self,
        event: &EventId,
        if_rev: Option<i64>,
        change: &Change,
        by: By<'_>,
    ) -> Result<Changed, ChangeError> {
        let mut tx = self.begin().await?;
        let row = lock_event(&mut tx, event).await?;
        let row = row.ok_or_else(|| LedgerError::UnknownEvent(event.to_string()))?;
        let held = LedgerEvent::from_row(&row)?;
        if if_rev.is_some_and(|rev| rev != held.rev) {
            return Err(ChangeError::Stale { rev: held.rev });
        }
        let now = self.now(&mut tx).await?;
        let (before, mut after) = (Standing::of(&held), Standing::of(&held));
        after.take(change, now)?;
        if after == before {
            return Ok(Changed { event: held, change: None });
        }
        after.check(&before, now)?;
        if after.settings.capacity != before.settings.capacity {
            event::fit_seats(&mut tx, event, after.settings.capacity).await?;
        }
        lease::fit_bucket(&mut tx, &row, &after.settings, now).await?;
        after.tell(&mut tx, &before, now).await?;
        let change = save(&mut tx, &held, (&before, &after), (change.action(), by), now).await?;
        tx.commit().await?;
        Ok(Changed { event: after.into_event(&held, change.rev), change: Some(change) })
    }

    /// Makes a new event with the settings of another: not yet open, without its announcement, both valves open.
    pub async fn clone_event(
        &self,
        from: &EventId,
        to: EventId,
        opens_at: Millis,
        closes_at: Millis,
        by: By<'_>,
    ) -> Result<Created, ChangeError> {
        let settings = EventSettings {
            id: to,
            opens_at,
            closes_at,
            intake: true,
            release: domain::Release::Running,
            announcement: Text::default(),
            ..self.event(from).await?.settings
        };
        let before = json!({ "id": from });
        Ok(self.create(&settings, ("clone", by), &before).await?)
    }

    /// Takes over the times that the queue kept, since it had acted on them when a change of `rev` arrived: it never takes
    /// back an opening or a closing, and the two must not contradict each other for ever.
    pub async fn keep_times(
        &self,
        event: &EventId,
        fence: domain::Fence,
        rev: i64,
        (opens_at, closes_at): (Millis, Millis),
    ) -> Result<(), LedgerError> {
        let mut tx = self.begin().await?;
        let (held, now) = crate::lead::hold_lead(self, &mut tx, event, fence).await?;
        let (before, mut after) = (Standing::of(&held), Standing::of(&held));
        (after.settings.opens_at, after.settings.closes_at) = (opens_at, closes_at);
        if held.rev == rev && before != after {
            let by = By {
                actor: "worker",
                reason: "the queue had acted on these times before the change arrived",
            };
            save(&mut tx, &held, (&before, &after), ("keep_times", by), now).await?;
        }
        tx.commit().await
    }
}

/// Writes the event as it is to be, under the next rev, and the audit of it.
async fn save(
    tx: &mut Tx,
    held: &LedgerEvent,
    (before, after): (&Standing, &Standing),
    (action, by): (&str, By<'_>),
    now: Millis,
) -> Result<AuditRow, LedgerError> {
    let event = &held.settings.id;
    let (rev, json) = (held.rev + 1, serde_json::to_string(&after.settings).map_err(|e| unwritable(&e))?);
    sqlx::query(
        "UPDATE event SET rev = $2, settings = $3, state = $4, frozen = $5, recover_until = $6 WHERE id = $1",
    )
    .bind(event.as_str())
    .bind(rev)
    .bind(json)
    .bind(after.state.as_str())
    .bind(after.frozen.as_deref())
    .bind(after.recover_until)
    .execute(&mut **tx)
    .await?;
    let (before, after) = audit::difference(&value(before)?, &value(after)?);
    let (actor, action, reason) = (by.actor.to_owned(), action.to_owned(), by.reason.to_owned());
    audit::write(tx, AuditRow { event: event.clone(), rev, at: now, actor, action, reason, before, after })
        .await
}

fn value(standing: &Standing) -> Result<Value, LedgerError> {
    serde_json::to_value(standing).map_err(|e| unwritable(&e))
}

fn unwritable(error: &serde_json::Error) -> LedgerError {
    LedgerError::Inconsistent(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_read_as_it_is_written() {
        let patch = EventPatch { intake: Some(false), ..EventPatch::default() };
        for (change, written) in [
            (Change::Pause, json!({ "action": "pause" })),
            (Change::Capacity(5), json!({ "action": "capacity", "to": 5 })),
            (Change::InFlightMax(5), json!({ "action": "in_flight_max", "to": 5 })),
        ] {
            assert_eq!(serde_json::to_value(&change).unwrap(), written);
            assert_eq!(change.action(), written["action"]);
        }
        let update = json!({ "action": "update", "to": { "intake": false } });
        assert_eq!(serde_json::from_value::<Change>(update).unwrap(), Change::Update(patch));
    }

    #[test]
    fn a_patch_of_what_cannot_be_patched_is_refused() {
        for field in ["capacity", "pepper", "id", "kind", "release", "intakes"] {
            assert!(serde_json::from_value::<EventPatch>(json!({ field: null })).is_err(), "{field}");
        }
    }
}
