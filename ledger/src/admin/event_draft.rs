//! The rules of which changes an event's state allows. `change_event` locks and writes.

use domain::{EventSettings, EventState, Millis, Release};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::admin::change::{Change, EventPatch};
use crate::admin::change_error::ChangeError;
use crate::leader::lifecycle::post_state;
use crate::store::error::Error;
use crate::store::transaction::Tx;
use crate::tables::event::EventRow;

/// A time that is less than this ahead, in milliseconds, cannot be moved: the queue gets a change a moment later, judges by its own
/// clock, and never revokes an opening or a closing.
const NEAR_MS: Millis = 2000;

/// Settings that never change after the creation.
const FIXED: [&str; 3] = ["id", "kind", "pepper"];

/// The part of an event that a change may touch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct EventDraft {
    #[serde(flatten)]
    pub(crate) settings: EventSettings,
    pub(crate) state: EventState,
    pub(crate) frozen: Option<String>,
    pub(crate) recover_until: Millis,
    pub(crate) journals_missing: u32,
}

impl EventDraft {
    pub(crate) fn of(event: &EventRow) -> Self {
        let EventRow { settings, state, frozen, recover_until, journals_missing, .. } = event.clone();
        Self { settings, state, frozen, recover_until, journals_missing }
    }

    pub(crate) fn into_event(self, locked: &EventRow, rev: i64) -> EventRow {
        let Self { settings, state, frozen, recover_until, journals_missing } = self;
        EventRow { settings, rev, state, recover_until, journals_missing, frozen, ..locked.clone() }
    }

    fn state_at(&self, now: Millis) -> EventState {
        self.state.at(&self.settings, now)
    }

    /// Applies the change, if the state allows it.
    pub(crate) fn apply(&mut self, change: &Change, now: Millis) -> Result<(), ChangeError> {
        let was_paused = self.settings.release == Release::Paused;
        self.change(change, now)?;
        self.limit_pace(was_paused);
        Ok(())
    }

    /// Keeps an automatic pace within its limits. After a pause it starts with the lowest one.
    fn limit_pace(&mut self, was_paused: bool) {
        let EventSettings { auto_pace, pace, release, .. } = &mut self.settings;
        let Some(auto) = auto_pace else { return };
        let resumes = was_paused && *release != Release::Paused;
        *pace = if resumes { auto.min } else { auto.limit(*pace) };
    }

    fn change(&mut self, change: &Change, now: Millis) -> Result<(), ChangeError> {
        match change {
            Change::Update(patch) => self.update(patch, now)?,
            Change::Open => {
                self.check_may_open(now)?;
                self.settings.opens_at = now;
            }
            Change::Close => self.close(now)?,
            Change::Settle => self.settle(now)?,
            Change::Pause => self.settings.release = Release::Paused,
            Change::Resume => self.settings.release = Release::Running,
            Change::Drain => self.settings.release = Release::Draining,
            Change::Pace(pace) => {
                self.settings.pace = *pace;
                self.settings.auto_pace = None;
            }
            Change::AutoPace(auto) => self.settings.auto_pace.clone_from(auto),
            Change::InFlightMax(max) => self.settings.in_flight_max = *max,
            Change::Capacity(seats) => {
                self.settings.capacity = *seats;
                self.settings.applications_max = self.settings.applications_max.max(*seats);
            }
            Change::Announcement(text) => self.settings.announcement = text.clone(),
            Change::AcceptRecovery => {
                // Not 0, which means that the queue never lost an application.
                self.recover_until = self.recover_until.min(now);
                self.journals_missing = 0;
            }
            Change::Unfreeze => self.frozen = None,
            Change::Undo(fields) => self.restore(fields, now)?,
        }
        Ok(())
    }

    fn update(&mut self, patch: &EventPatch, now: Millis) -> Result<(), ChangeError> {
        let patch = patch.clone();
        let EventPatch { title, opens_at, closes_at, applications_max, settle_after_close, diverts, .. } =
            patch;
        if let Some(opens_at) = opens_at.filter(|at| *at != self.settings.opens_at) {
            self.check_may_open(now)?;
            self.check_future(opens_at, now, "opens_at must be in the future; to open it now, use open")?;
            self.settings.opens_at = opens_at;
        }
        if let Some(closes_at) = closes_at.filter(|at| *at != self.settings.closes_at) {
            self.check_may_close(now)?;
            self.check_future(closes_at, now, "closes_at must be in the future; to close it now, use close")?;
            self.settings.closes_at = closes_at;
        }
        let settings = &mut self.settings;
        settings.title = title.unwrap_or_else(|| settings.title.clone());
        settings.look = patch.look.applied_to(settings.look.clone());
        settings.applications_max = applications_max.unwrap_or(settings.applications_max);
        settings.settle_after_close = settle_after_close.unwrap_or(settings.settle_after_close);
        settings.diverts = diverts.unwrap_or_else(|| settings.diverts.clone());
        settings.intake = patch.intake.unwrap_or(settings.intake);
        settings.called_for_ms = patch.called_for_ms.unwrap_or(settings.called_for_ms);
        settings.extension_ms = patch.extension_ms.unwrap_or(settings.extension_ms);
        settings.pass_target = patch.pass_target.unwrap_or_else(|| settings.pass_target.clone());
        Ok(())
    }

    /// Sets fields back. The times follow the rules of any other change of a time, so an event that has opened stays open.
    fn restore(&mut self, fields: &Map<String, Value>, now: Millis) -> Result<(), ChangeError> {
        let time = |name: &str| fields.get(name).and_then(Value::as_i64);
        let times =
            EventPatch { opens_at: time("opens_at"), closes_at: time("closes_at"), ..EventPatch::default() };
        self.update(&times, now)?;
        let mut settings = json!(self.settings);
        for (name, value) in fields {
            if FIXED.contains(&name.as_str()) || settings.get(name).is_none() {
                return self.not_now(now, "this change cannot be undone");
            }
            settings[name] = value.clone();
        }
        self.settings = serde_json::from_value(settings)
            .map_err(|error| Error::Inconsistent(format!("the values before a change: {error}")))?;
        Ok(())
    }

    fn close(&mut self, now: Millis) -> Result<(), ChangeError> {
        if self.state_at(now) == EventState::Scheduled {
            return self.not_now(now, "it is not open yet; hold its intake, or move its times");
        }
        self.check_may_close(now)?;
        self.settings.closes_at = now.max(self.settings.opens_at + 1);
        Ok(())
    }

    fn settle(&mut self, now: Millis) -> Result<(), ChangeError> {
        match self.state_at(now) {
            EventState::Scheduled | EventState::Open => {
                self.not_now(now, "it can be settled once it is closed")
            }
            EventState::Closed if self.frozen.is_some() => {
                self.not_now(now, "it is frozen: examine the reason, then unfreeze it")
            }
            EventState::Closed if self.journals_missing > 0 || now < self.recover_until => self.not_now(
                now,
                "journals or receipts may still restore applications that the queue lost; wait, or accept the recovery",
            ),
            EventState::Closed => {
                self.state = EventState::Settling;
                Ok(())
            }
            EventState::Settling | EventState::Settled => Ok(()),
        }
    }

    fn check_may_open(&self, now: Millis) -> Result<(), ChangeError> {
        match self.state_at(now) {
            EventState::Scheduled if self.settings.opens_at - now >= NEAR_MS => Ok(()),
            EventState::Scheduled => self.not_now(now, "it opens at its time within two seconds"),
            _ => self.not_now(now, "it has opened already"),
        }
    }

    fn check_may_close(&self, now: Millis) -> Result<(), ChangeError> {
        match self.state_at(now) {
            EventState::Scheduled | EventState::Open if self.settings.closes_at - now >= NEAR_MS => Ok(()),
            EventState::Scheduled | EventState::Open => {
                self.not_now(now, "it closes at its time within two seconds")
            }
            _ => self.not_now(now, "it is closed already, for good"),
        }
    }

    fn check_future(&self, time: Millis, now: Millis, why: &'static str) -> Result<(), ChangeError> {
        if time > now { Ok(()) } else { self.not_now(now, why) }
    }

    fn not_now(&self, now: Millis, why: &'static str) -> Result<(), ChangeError> {
        Err(ChangeError::NotNow { state: self.state_at(now), why })
    }

    /// Fails if the change makes the settings invalid, or if a settled event changes other than in its texts.
    pub(crate) fn check(&self, before: &Self, now: Millis) -> Result<(), ChangeError> {
        // A change is not refused for mistakes that the settings had before it.
        let old = before.settings.mistakes();
        let mistakes: Vec<_> =
            self.settings.mistakes().into_iter().filter(|mistake| !old.contains(mistake)).collect();
        if !mistakes.is_empty() {
            return Err(Error::Settings(mistakes).into());
        }
        let only_texts = EventSettings {
            title: self.settings.title.clone(),
            announcement: self.settings.announcement.clone(),
            look: self.settings.look.clone(),
            ..before.settings.clone()
        };
        if before.state == EventState::Settled && only_texts != self.settings {
            return before.not_now(now, "only the texts and the look of a settled event can change");
        }
        Ok(())
    }

    /// Posts the domain events of a change of state. It posts the closing too, if the leader has not recorded it yet.
    pub(crate) async fn post_state_change(
        &self,
        tx: &mut Tx,
        before: &Self,
        now: Millis,
    ) -> Result<(), Error> {
        for state in [EventState::Closed, EventState::Settling] {
            if before.state < state && state <= self.state {
                post_state(tx, &self.settings.id, state, now).await?;
            }
        }
        Ok(())
    }
}
