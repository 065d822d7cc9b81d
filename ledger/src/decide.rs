//! Which changes an event's state allows. The rules alone: what is locked and written stands in `change`.

use domain::{EventSettings, EventState, Millis, Release};
use serde::Serialize;

use crate::change::{Change, ChangeError, EventPatch};
use crate::event::LedgerEvent;
use crate::ledger::{LedgerError, Tx};
use crate::outbox::{self, DomainEvent};

/// A time this near, in milliseconds, does not move any more: the queue hears of a change a moment later, by its own clock, and
/// what it acted on stays.
const NEAR_MS: Millis = 2000;

/// All of an event that a change may touch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Standing {
    #[serde(flatten)]
    pub(crate) settings: EventSettings,
    pub(crate) state: EventState,
    pub(crate) frozen: Option<String>,
    pub(crate) recover_until: Millis,
}

impl Standing {
    pub(crate) fn of(event: &LedgerEvent) -> Self {
        let LedgerEvent { settings, state, frozen, recover_until, .. } = event.clone();
        Self { settings, state, frozen, recover_until }
    }

    pub(crate) fn into_event(self, held: &LedgerEvent, rev: i64) -> LedgerEvent {
        let Self { settings, state, frozen, recover_until } = self;
        LedgerEvent { settings, rev, state, recover_until, frozen, ..held.clone() }
    }

    fn state_at(&self, now: Millis) -> EventState {
        self.state.at(&self.settings, now)
    }

    /// Makes the change, if the state allows it.
    pub(crate) fn take(&mut self, change: &Change, now: Millis) -> Result<(), ChangeError> {
        match change {
            Change::Update(patch) => self.update(patch, now)?,
            Change::Open => {
                self.may_still_open(now)?;
                self.settings.opens_at = now;
            }
            Change::Close => self.close(now)?,
            Change::Settle => self.settle(now)?,
            Change::Pause => self.settings.release = Release::Paused,
            Change::Resume => self.settings.release = Release::Running,
            Change::Drain => self.settings.release = Release::Draining,
            Change::Pace(pace) => self.settings.pace = *pace,
            Change::InFlightMax(most) => self.settings.in_flight_max = *most,
            Change::Capacity(seats) => {
                self.settings.capacity = *seats;
                self.settings.applications_max = self.settings.applications_max.max(*seats);
            }
            Change::Announcement(text) => self.settings.announcement = text.clone(),
            // Not 0, which says that the queue never forgot anybody.
            Change::AcceptRecovery => self.recover_until = self.recover_until.min(now),
            Change::Unfreeze => self.frozen = None,
        }
        Ok(())
    }

    fn update(&mut self, patch: &EventPatch, now: Millis) -> Result<(), ChangeError> {
        let EventPatch { title, opens_at, closes_at, applications_max, settle_after_close, diverts, intake } =
            patch.clone();
        if let Some(opens_at) = opens_at.filter(|at| *at != self.settings.opens_at) {
            self.may_still_open(now)?;
            self.must_lie_ahead(opens_at, now, "opens_at must lie ahead; to open it now, use open")?;
            self.settings.opens_at = opens_at;
        }
        if let Some(closes_at) = closes_at.filter(|at| *at != self.settings.closes_at) {
            self.may_still_close(now)?;
            self.must_lie_ahead(closes_at, now, "closes_at must lie ahead; to close it now, use close")?;
            self.settings.closes_at = closes_at;
        }
        let settings = &mut self.settings;
        settings.title = title.unwrap_or_else(|| settings.title.clone());
        settings.applications_max = applications_max.unwrap_or(settings.applications_max);
        settings.settle_after_close = settle_after_close.unwrap_or(settings.settle_after_close);
        settings.diverts = diverts.unwrap_or_else(|| settings.diverts.clone());
        settings.intake = intake.unwrap_or(settings.intake);
        Ok(())
    }

    fn close(&mut self, now: Millis) -> Result<(), ChangeError> {
        if self.state_at(now) == EventState::Scheduled {
            return self.not_now(now, "it is not open yet; hold its intake, or move its times");
        }
        self.may_still_close(now)?;
        self.settings.closes_at = now.max(self.settings.opens_at + 1);
        Ok(())
    }

    fn settle(&mut self, now: Millis) -> Result<(), ChangeError> {
        match self.state_at(now) {
            EventState::Scheduled | EventState::Open => {
                self.not_now(now, "it can be settled once it is closed")
            }
            EventState::Closed if self.frozen.is_some() => {
                self.not_now(now, "it is frozen: look why, and unfreeze it first")
            }
            EventState::Closed if now < self.recover_until => self.not_now(
                now,
                "those whom the queue forgot may still show their receipts; wait, or accept the recovery",
            ),
            EventState::Closed => {
                self.state = EventState::Settling;
                Ok(())
            }
            EventState::Settling | EventState::Settled => Ok(()),
        }
    }

    fn may_still_open(&self, now: Millis) -> Result<(), ChangeError> {
        match self.state_at(now) {
            EventState::Scheduled if self.settings.opens_at - now >= NEAR_MS => Ok(()),
            EventState::Scheduled => self.not_now(now, "it opens by itself within two seconds"),
            _ => self.not_now(now, "it has opened already"),
        }
    }

    fn may_still_close(&self, now: Millis) -> Result<(), ChangeError> {
        match self.state_at(now) {
            EventState::Scheduled | EventState::Open if self.settings.closes_at - now >= NEAR_MS => Ok(()),
            EventState::Scheduled | EventState::Open => {
                self.not_now(now, "it closes by itself within two seconds")
            }
            _ => self.not_now(now, "it is closed already, for good"),
        }
    }

    fn must_lie_ahead(&self, time: Millis, now: Millis, why: &'static str) -> Result<(), ChangeError> {
        if time > now { Ok(()) } else { self.not_now(now, why) }
    }

    fn not_now(&self, now: Millis, why: &'static str) -> Result<(), ChangeError> {
        Err(ChangeError::NotNow { state: self.state_at(now), why })
    }

    /// Whether it may become this: settings that can be, and little else once the event is settled.
    pub(crate) fn check(&self, before: &Self, now: Millis) -> Result<(), ChangeError> {
        // Mistakes from before are not the doing of this change.
        let old = before.settings.mistakes();
        let mistakes: Vec<_> =
            self.settings.mistakes().into_iter().filter(|mistake| !old.contains(mistake)).collect();
        if !mistakes.is_empty() {
            return Err(LedgerError::Settings(mistakes).into());
        }
        let words = |of: &Self| (of.settings.title.clone(), of.settings.announcement.clone());
        let mut as_settled = before.settings.clone();
        (as_settled.title, as_settled.announcement) = words(self);
        if before.state == EventState::Settled && as_settled != self.settings {
            return before
                .not_now(now, "a settled event keeps its settings, but for its title and its announcement");
        }
        Ok(())
    }

    /// Posts the domain events of a change of state. The closing is told here if the leader had no time to.
    pub(crate) async fn tell(&self, tx: &mut Tx, before: &Self, now: Millis) -> Result<(), LedgerError> {
        if self.state == before.state {
            return Ok(());
        }
        for state in [EventState::Closed, EventState::Settling] {
            let kind = format!("event.{}", state.as_str());
            outbox::post(tx, &DomainEvent::of_event(&self.settings.id, &kind, ""), now).await?;
        }
        Ok(())
    }
}
