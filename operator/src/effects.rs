//! The effects of a change, computed from the event and its live figures.

use domain::{EventSettings, EventState, Millis, Release};
use ledger::{Change, ChangePreview, EventRow};

use crate::api::undo::is_undoable;
use crate::error::Error;
use crate::live::remaining_s;
use crate::response::{ChangeSeverity, Effect, LiveResponse, PreviewResponse, with_timestamps};

/// What the change would do to the event, or why it would be refused.
pub(crate) fn preview(
    row: &EventRow,
    live: &LiveResponse,
    change: &Change,
    now: Millis,
) -> Result<PreviewResponse, Error> {
    let preview = row.preview(change, now)?;
    let least = live.event.seats.held + live.event.seats.sold;
    if preview.event.settings.capacity < row.settings.capacity && preview.event.settings.capacity < least {
        return Err(Error::CapacityTooSmall { least });
    }
    let situation = Situation { row, live, after: &preview.event.settings, now };
    let ChangePreview { event: _, before, after } = &preview;
    Ok(PreviewResponse {
        event: row.settings.id.to_string(),
        rev: row.rev,
        action: change.action().as_str().to_owned(),
        changed: before != after,
        severity: severity(change, &row.settings),
        undoable: is_undoable(change.action()),
        effects: situation.effects(change),
        before: with_timestamps(before.clone()),
        after: with_timestamps(after.clone()),
    })
}

fn severity(change: &Change, before: &EventSettings) -> ChangeSeverity {
    match change {
        Change::Announcement(_) => ChangeSeverity::Mild,
        Change::Update(patch)
            if patch.intake.is_none() && patch.opens_at.is_none() && patch.closes_at.is_none() =>
        {
            ChangeSeverity::Mild
        }
        Change::Close | Change::Settle | Change::Unfreeze | Change::AcceptRecovery => ChangeSeverity::Severe,
        Change::Capacity(seats) if *seats < before.capacity => ChangeSeverity::Severe,
        Change::Update(patch) if patch.closes_at.is_some_and(|at| at < before.closes_at) => {
            ChangeSeverity::Severe
        }
        _ => ChangeSeverity::Moderate,
    }
}

/// What the effects are computed from.
struct Situation<'a> {
    row: &'a EventRow,
    live: &'a LiveResponse,
    after: &'a EventSettings,
    now: Millis,
}

impl Situation<'_> {
    fn waiting(&self) -> u32 {
        self.live.event.queue.as_ref().map_or(0, |queue| queue.waiting)
    }

    /// Waiting applications for which there is a seat at this capacity.
    fn in_range(&self, capacity: u32) -> u32 {
        let seats = &self.live.event.seats;
        self.waiting().min(capacity.saturating_sub(seats.held + seats.sold))
    }

    fn remaining(&self) -> Effect {
        let of = |settings| remaining_s(&self.live.event, settings);
        Effect::Remaining { before_s: of(&self.row.settings), after_s: of(self.after) }
    }

    fn effects(&self, change: &Change) -> Vec<Effect> {
        let keep = Effect::KeepPlace { waiting: self.waiting() };
        let finish = Effect::Finish { in_flight: self.live.event.under_way.ordering };
        match change {
            Change::Pause | Change::Drain => vec![finish, keep],
            Change::Resume => [vec![self.remaining()], self.starts_at_min(), self.limited()].concat(),
            Change::Pace(_) | Change::InFlightMax(_) => self.speed(),
            Change::AutoPace(_) => self.automatic(),
            Change::Capacity(_) => vec![
                Effect::InRange {
                    before: self.in_range(self.row.settings.capacity),
                    after: self.in_range(self.after.capacity),
                },
                self.remaining(),
            ],
            Change::Announcement(_) => vec![Effect::Shown { waiting: self.waiting() }],
            Change::Close => vec![
                Effect::ClosesEarly { by_s: (self.row.settings.closes_at - self.now).max(0) / 1000 },
                keep,
                Effect::Final,
            ],
            Change::Settle => vec![
                Effect::SoldOut {
                    waiting: self.waiting().saturating_sub(self.in_range(self.row.settings.capacity)),
                },
                Effect::Final,
            ],
            Change::Open => vec![Effect::Final],
            Change::AcceptRecovery => vec![Effect::MayOvertake, Effect::Final],
            Change::Unfreeze => vec![Effect::ContradictionStays, Effect::Final],
            Change::Update(_) | Change::Undo(_) => self.update(),
        }
    }

    fn starts_at_min(&self) -> Vec<Effect> {
        let auto = self.after.auto_pace.as_ref().filter(|_| self.row.settings.release == Release::Paused);
        auto.map(|auto| Effect::StartsAtMin { pace: auto.min.to_string() }).into_iter().collect()
    }

    fn automatic(&self) -> Vec<Effect> {
        let mut effects = vec![self.remaining()];
        match (&self.row.settings.auto_pace, &self.after.auto_pace) {
            (Some(_), None) => effects.push(Effect::AutoPaceEnds),
            (_, Some(_)) => effects.push(Effect::PaceFollows),
            (None, None) => {}
        }
        effects
    }

    /// The effects on how fast the queue is served.
    fn speed(&self) -> Vec<Effect> {
        let mut effects = vec![self.remaining()];
        if self.row.settings.auto_pace.is_some() && self.after.auto_pace.is_none() {
            effects.push(Effect::AutoPaceEnds);
        }
        if self.after.pace.micro() > 2 * self.row.settings.pace.micro() {
            effects.push(Effect::MoreThanDouble);
        }
        effects.extend(self.limited());
        effects
    }

    fn limited(&self) -> Vec<Effect> {
        let Some(p50_ms) = self.live.recent.calls.p50_ms.filter(|ms| *ms > 0) else { return Vec::new() };
        let possible = u64::from(self.after.in_flight_max) * 1000 / u64::from(p50_ms);
        let pace = self.after.pace.micro().unsigned_abs() / 1_000_000;
        let calls_per_s = u32::try_from(possible).unwrap_or(u32::MAX);
        if possible < pace { vec![Effect::LimitedByInFlight { calls_per_s }] } else { Vec::new() }
    }

    fn update(&self) -> Vec<Effect> {
        let (before, after) = (&self.row.settings, self.after);
        let mut effects = Vec::new();
        match (before.intake, after.intake) {
            (true, false) => effects.push(Effect::IntakeHeld),
            (false, true) => effects.push(Effect::IntakeResumed),
            _ => {}
        }
        let is_open = self.row.state.at(before, self.now) == EventState::Open;
        if is_open && after.closes_at < before.closes_at {
            effects.push(Effect::ClosesEarly { by_s: (before.closes_at - after.closes_at) / 1000 });
        }
        effects
    }
}
