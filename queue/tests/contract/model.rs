//! The model of the queue: one event, a map, and no store. Every store must return what the model returns.

use std::collections::{BTreeMap, BTreeSet};

use domain::{CalledWindow, Epoch, EventSettings, EventState, Gaps, Millis, Number, Outcome, ReqHash};
use queue::{
    Applicant, ApplyAck, ArmRequest, ArmResult, BLOCK, CalledReply, CalledRequest, Closing, Continuity,
    InboxEntry, InboxKind, LeaderError, ProjectedOutcome, Projection, QueueEntry, QueueError, QueueHead,
    QueueSnapshot, QueueState, RestoredApplication, SeatFigures, UnjudgedArming, WaitingApplication,
};

use crate::harness::event;

#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) now: Millis,
    pub(crate) listed: bool,
    pub(crate) published: bool,
    pub(crate) armed: bool,
    pub(crate) queue: Option<ModelQueue>,
}

/// The state that a restart keeps. The model counts inbox positions from 1.
#[derive(Debug, Clone)]
pub(crate) struct ModelQueue {
    pub(crate) epoch: u32,
    pub(crate) fence: i64,
    pub(crate) seq: u32,
    number_limit: u32,
    admitted_through: u32,
    gaps: Gaps,
    people: BTreeMap<u32, Person>,
    pub(crate) inbox: Vec<InboxEntry>,
    inbox_last: i64,
    closed: Option<Closing>,
    settings: EventSettings,
    pub(crate) rev: i64,
    figures: (i64, i64, SeatFigures),
    ending: EventState,
    settled_seq: Option<u32>,
    unjudged: Option<UnjudgedArming>,
    lost_epoch: Epoch,
    outcomes: BTreeMap<u32, ProjectedOutcome>,
    called: BTreeMap<u32, CalledWindow>,
    /// Who has requested more time.
    asked_for_time: BTreeSet<u32>,
}

#[derive(Debug, Clone)]
struct Person {
    applicant: Applicant,
    state: QueueState,
    cancel_requested: bool,
}

impl Person {
    fn waiting(&self, n: u32) -> WaitingApplication {
        let Applicant { app_key, req_hash, contact } = self.applicant.clone();
        WaitingApplication { number: Number::new(n).unwrap(), app_key, req_hash, contact }
    }
}

impl ModelQueue {
    fn find(&self, key: domain::AppKey) -> Option<(u32, &Person)> {
        self.people.iter().find(|(_, p)| p.applicant.app_key == key).map(|(n, p)| (*n, p))
    }
    fn entry(&self, n: u32) -> QueueEntry {
        let Person { applicant, state, cancel_requested } = &self.people[&n];
        let state = *state;
        let settled = self.ending == EventState::Settled && self.settled_seq.is_some_and(|seq| n <= seq);
        let sold_out = ProjectedOutcome { outcome: Outcome::SoldOut, order_no: None };
        let outcome =
            self.outcomes.get(&n).cloned().or((settled && state == QueueState::Waiting).then_some(sold_out));
        let (number, cancel_requested) = (Number::new(n).unwrap(), *cancel_requested);
        let called = self.called.get(&n).copied().filter(|_| outcome.is_none());
        QueueEntry { number, app_key: applicant.app_key, state, outcome, called, cancel_requested }
    }
    fn close(&mut self, closed_at: Millis) -> Closing {
        *self.closed.get_or_insert(Closing { closed_seq: self.seq, closed_at, closed_inbox: self.inbox_last })
    }
    fn take_settings(&mut self, rev: i64, settings: EventSettings, armed_at: Option<Millis>) {
        if rev <= self.rev {
            return;
        }
        let old = std::mem::replace(&mut self.settings, settings);
        self.rev = rev;
        let given = self.seq - self.gaps.count(0, self.seq);
        if given > 0 || armed_at.is_some_and(|now| now >= old.opens_at) {
            self.settings.opens_at = old.opens_at;
        }
        if self.closed.is_some() || armed_at.is_some_and(|now| now >= old.closes_at) {
            self.settings.closes_at = old.closes_at;
        }
    }
    fn complete(&mut self, n: u32, row: &RestoredApplication) {
        let Person { applicant, state, .. } = self.people.get_mut(&n).unwrap();
        if applicant.req_hash == ReqHash::NONE {
            applicant.req_hash = row.req_hash;
        }
        if *state == QueueState::Waiting && applicant.contact.is_empty() {
            applicant.contact.clone_from(&row.contact);
        }
    }
    fn set_state(&mut self, n: u32, state: QueueState) {
        let person = self.people.get_mut(&n).unwrap();
        (person.state, person.applicant.contact) = (state, Vec::new());
    }
}

impl Model {
    /// An armed queue is closed by the first write after its closing time.
    fn close_if_due(&mut self) {
        if let Some(queue) = self.queue.as_mut().filter(|l| self.armed && self.now >= l.settings.closes_at) {
            queue.close(queue.settings.closes_at);
        }
    }
    fn listed_queue(&self) -> Result<&ModelQueue, QueueError> {
        match (self.listed, self.published, &self.queue) {
            (true, _, Some(queue)) => Ok(queue),
            (false, true, _) => Err(QueueError::UnknownEvent),
            _ => Err(QueueError::NotArmed),
        }
    }
    fn open_queue(&mut self) -> Result<&mut ModelQueue, QueueError> {
        self.close_if_due();
        self.listed_queue()?;
        self.queue.as_mut().filter(|_| self.armed).ok_or(QueueError::NotArmed)
    }
    fn fenced_queue(
        &mut self,
        fence: Option<i64>,
        needs_arming: bool,
    ) -> Result<&mut ModelQueue, LeaderError> {
        self.close_if_due();
        let queue = self.queue.as_mut().ok_or(LeaderError::UnknownEvent)?;
        match fence {
            Some(fence) if fence < queue.fence => return Err(LeaderError::Fenced { current: queue.fence }),
            _ if needs_arming && !self.armed => return Err(LeaderError::NotArmed),
            fence => queue.fence = fence.unwrap_or(queue.fence),
        }
        Ok(queue)
    }

    pub(crate) fn apply(&mut self, applicant: Applicant) -> Result<ApplyAck, QueueError> {
        let now = self.now;
        let queue = self.open_queue()?;
        let epoch = Epoch(queue.epoch);
        if let Some((n, person)) = queue.find(applicant.app_key) {
            let proven = applicant.req_hash.proves(person.applicant.req_hash);
            let number = Number::new(n).unwrap();
            return Ok(ApplyAck { number, epoch, state: person.state, already_applied: true, proven });
        }
        let used = queue.seq - queue.gaps.count(0, queue.seq);
        match queue.closed {
            Some(Closing { closed_at, .. }) => return Err(QueueError::Closed { closed_at }),
            None if now < queue.settings.opens_at => {
                return Err(QueueError::NotOpen { opens_at: queue.settings.opens_at });
            }
            None if !queue.settings.intake => return Err(QueueError::OnHold),
            None if used >= queue.settings.applications_max => return Err(QueueError::Full),
            None if queue.seq >= queue.number_limit => return Err(QueueError::AtLimit),
            None => queue.seq += 1,
        }
        let proven = applicant.req_hash != ReqHash::NONE;
        queue
            .people
            .insert(queue.seq, Person { applicant, state: QueueState::Waiting, cancel_requested: false });
        let number = Number::new(queue.seq).unwrap();
        Ok(ApplyAck { number, epoch, state: QueueState::Waiting, already_applied: false, proven })
    }

    pub(crate) fn cancel(
        &mut self,
        key: domain::AppKey,
        number: Number,
    ) -> Result<Option<QueueEntry>, QueueError> {
        let at = self.now;
        let queue = self.open_queue()?;
        let found = queue.find(key).filter(|(n, _)| *n == number.get());
        let Some((n, person)) = found else { return Ok(None) };
        let before = queue.entry(n);
        if person.state == QueueState::Withdrawn || queue.ending == EventState::Settled {
            return Ok(Some(before));
        }
        if person.state == QueueState::Waiting && n > queue.admitted_through {
            queue.set_state(n, QueueState::Withdrawn);
        }
        let is_final = before.outcome.is_some_and(|projected| projected.outcome != Outcome::Ordered);
        let is_cancel = |entry: &InboxEntry| entry.number.get() == n && entry.kind == InboxKind::Cancel;
        if !is_final && !queue.inbox.iter().any(is_cancel) {
            queue.inbox_last += 1;
            let (id, number) = (queue.inbox_last, before.number);
            queue.inbox.push(InboxEntry {
                id,
                at,
                app_key: key,
                number,
                kind: InboxKind::Cancel,
                order_no: None,
            });
        }
        if !is_final {
            queue.people.get_mut(&n).unwrap().cancel_requested = true;
        }
        Ok(Some(queue.entry(n)))
    }

    pub(crate) fn request_called(
        &mut self,
        key: domain::AppKey,
        number: Number,
        request: CalledRequest,
    ) -> Result<Option<CalledReply>, QueueError> {
        let now = self.now;
        let queue = self.open_queue()?;
        let found = queue.find(key).filter(|(n, _)| *n == number.get());
        let Some((n, person)) = found else { return Ok(None) };
        let cancels = person.cancel_requested;
        let window = queue.entry(n).called;
        let repeated = window.is_some_and(|window| match request {
            CalledRequest::Confirm => window.confirmed,
            CalledRequest::Extend => {
                !window.confirmed && (window.extended || queue.asked_for_time.contains(&n))
            }
        });
        let accepted = repeated || (window.is_some_and(|window| window.is_open(now)) && !cancels);
        if accepted && !repeated {
            match request {
                CalledRequest::Confirm => queue.called.get_mut(&n).unwrap().confirmed = true,
                CalledRequest::Extend => drop(queue.asked_for_time.insert(n)),
            }
            queue.inbox_last += 1;
            let id = queue.inbox_last;
            queue.inbox.push(InboxEntry {
                id,
                at: now,
                app_key: key,
                number,
                kind: request.inbox_kind(),
                order_no: None,
            });
        }
        Ok(Some(CalledReply { entry: queue.entry(n), accepted, now }))
    }

    pub(crate) fn arm(&mut self, fence: i64, arming: &ArmRequest) -> Result<ArmResult, LeaderError> {
        self.close_if_due();
        let armed_at = self.armed.then_some(self.now);
        match &self.queue {
            Some(queue) if fence < queue.fence => return Err(LeaderError::Fenced { current: queue.fence }),
            Some(queue) if arming.epoch.0 <= queue.epoch => {
                return Err(LeaderError::EpochTooOld { current: queue.epoch });
            }
            _ => self.armed = true,
        }
        let is_new = self.queue.is_none();
        let queue = self.queue.get_or_insert_with(|| ModelQueue::new(arming));
        queue.take_settings(arming.rev, arming.settings.clone(), armed_at);
        (queue.fence, queue.epoch) = (fence, arming.epoch.0);
        let opens_at = queue.settings.opens_at.min(arming.settings.opens_at);
        let continues = match arming.continuity {
            Continuity::Unknown => false,
            Continuity::Unopened => !is_new && queue.seq == 0 && self.now < opens_at,
            Continuity::Whole => !is_new && !queue.unjudged.is_some_and(|found| found.lost_applications),
        };
        let last =
            if continues { queue.seq } else { queue.seq.max(queue.number_limit).max(arming.number_limit) };
        let skipped = last - queue.seq;
        let earlier = queue.unjudged;
        queue.unjudged = Some(UnjudgedArming {
            reached: earlier.map_or(queue.seq, |earlier| earlier.reached.min(queue.seq)),
            lost_applications: (is_new && arming.number_limit > 0)
                || earlier.is_some_and(|earlier| earlier.lost_applications),
        });
        if skipped > 0 {
            queue.gaps.push(queue.seq + 1, last);
        }
        (queue.seq, queue.number_limit) = (last, last);
        self.close_if_due();
        Ok(ArmResult { seq: last, skipped })
    }

    pub(crate) fn project(&mut self, fence: i64, projection: Projection) -> Result<(), LeaderError> {
        let (now, armed) = (self.now, self.armed);
        let queue = self.fenced_queue(Some(fence), false)?;
        queue.take_settings(projection.rev, projection.settings, armed.then_some(now));
        queue.number_limit = queue.number_limit.max(projection.number_limit);
        queue.unjudged = queue.unjudged.filter(|_| projection.judged_epoch.0 < queue.epoch);
        queue.lost_epoch = queue.lost_epoch.max(projection.lost_epoch);
        if (fence, projection.round) >= (queue.figures.0, queue.figures.1) {
            queue.figures = (fence, projection.round, projection.figures);
        }
        queue.ending = queue.ending.max(projection.state);
        if queue.ending == EventState::Settled {
            queue.settled_seq = queue.settled_seq.or(projection.settled_seq);
        }
        if queue.ending >= EventState::Settling {
            queue.close(now.min(queue.settings.closes_at));
        }
        for (n, window) in projection.called {
            let confirmed = queue.called.get(&n.get()).is_some_and(|before| before.confirmed);
            let window = CalledWindow { confirmed: confirmed || window.confirmed, ..window };
            queue.called.insert(n.get(), window);
        }
        for (n, projected) in projection.outcomes {
            let before = queue.outcomes.get(&n.get());
            if before.is_none_or(|before| before.outcome.may_become(projected.outcome)) {
                queue.outcomes.insert(n.get(), projected);
            }
        }
        Ok(())
    }

    pub(crate) fn head(&self, n: usize) -> Result<QueueHead, LeaderError> {
        let queue = self.queue.as_ref().ok_or(LeaderError::UnknownEvent)?;
        if !self.armed {
            return Err(LeaderError::NotArmed);
        }
        let block = |number: u32| (number - 1) / BLOCK;
        let first = queue.admitted_through + 1;
        let waiting = queue.people.iter().filter(|(_, p)| p.state == QueueState::Waiting);
        let occupied = waiting.map(|(n, _)| block(*n)).find(|occupied| *occupied >= block(first));
        let from = occupied.map_or(queue.seq, |occupied| first.max(occupied * BLOCK + 1));
        let end = queue.seq.min(from + BLOCK - 1);
        let waiting = queue.people.range(..=end).filter(|(_, p)| p.state == QueueState::Waiting).take(n);
        let waiting: Vec<_> = waiting.map(|(number, p)| p.waiting(*number)).collect();
        let through = if waiting.len() < n { end } else { waiting.last().map_or(0, |w| w.number.get()) };
        Ok(QueueHead { waiting, through: through.max(queue.admitted_through) })
    }

    pub(crate) fn admitted(
        &mut self,
        fence: i64,
        through: u32,
        keys: &[domain::AppKey],
    ) -> Result<(), LeaderError> {
        let queue = self.fenced_queue(Some(fence), true)?;
        for key in keys {
            if let Some((n, Person { state: QueueState::Waiting, .. })) = queue.find(*key) {
                queue.set_state(n, QueueState::Admitted);
            }
        }
        queue.admitted_through = queue.admitted_through.max(through.min(queue.seq));
        Ok(())
    }

    pub(crate) fn acknowledge(&mut self, fence: i64, through: i64) -> Result<(), LeaderError> {
        self.fenced_queue(Some(fence), true).map(|queue| queue.inbox.retain(|entry| entry.id > through))
    }

    pub(crate) fn settle(&mut self, fence: i64) -> Result<Closing, LeaderError> {
        let now = self.now;
        self.fenced_queue(Some(fence), true).map(|queue| queue.close(now.min(queue.settings.closes_at)))
    }

    pub(crate) fn restore(&mut self, fence: i64, rows: &[RestoredApplication]) -> Result<(), LeaderError> {
        let queue = self.fenced_queue(Some(fence), false)?;
        let mut conflicts = 0;
        for row in rows {
            let n = row.number.get();
            match (queue.find(row.app_key).map(|(known, p)| (known, p.state)), queue.people.get(&n)) {
                (Some((known, state)), _) if known == n => {
                    queue.complete(n, row);
                    if (state, row.state) == (QueueState::Waiting, QueueState::Admitted) {
                        queue.set_state(n, QueueState::Admitted);
                    }
                }
                (None, None) => {
                    let contact =
                        if row.state == QueueState::Waiting { row.contact.clone() } else { Vec::new() };
                    let applicant = Applicant { app_key: row.app_key, req_hash: row.req_hash, contact };
                    queue.people.insert(n, Person { applicant, state: row.state, cancel_requested: false });
                }
                _ => {
                    conflicts += 1;
                    continue;
                }
            }
            queue.seq = queue.seq.max(n);
            if let Some(closing) = &mut queue.closed {
                closing.closed_seq = closing.closed_seq.max(n);
            }
        }
        if conflicts == 0 { Ok(()) } else { Err(LeaderError::Conflicts(conflicts)) }
    }

    pub(crate) fn snapshot(&self) -> Result<QueueSnapshot, QueueError> {
        let queue = self.listed_queue()?.clone();
        let state = match queue.ending {
            ended @ (EventState::Settling | EventState::Settled) => ended,
            _ if queue.closed.is_some() || self.now >= queue.settings.closes_at => EventState::Closed,
            _ if self.now >= queue.settings.opens_at => EventState::Open,
            _ => EventState::Scheduled,
        };
        Ok(QueueSnapshot {
            event: event(),
            epoch: Epoch(queue.epoch),
            armed: self.armed,
            state,
            seq: queue.seq,
            number_limit: queue.number_limit,
            admitted_through: queue.admitted_through,
            waiting: u32::try_from(queue.people.values().filter(|p| p.state == QueueState::Waiting).count())
                .unwrap(),
            unjudged: queue.unjudged,
            lost_epoch: queue.lost_epoch,
            ledger_changes: 0,
            gaps: queue.gaps,
            closed: queue.closed,
            settings: queue.settings,
            rev: queue.rev,
            figures: queue.figures.2,
            now: self.now,
        })
    }

    pub(crate) fn entries(&self) -> Result<Vec<QueueEntry>, QueueError> {
        let queue = self.listed_queue()?;
        Ok(queue.people.keys().map(|n| queue.entry(*n)).collect())
    }
}

impl ModelQueue {
    fn new(arming: &ArmRequest) -> Self {
        Self {
            epoch: 0,
            fence: 0,
            seq: 0,
            number_limit: 0,
            admitted_through: 0,
            unjudged: None,
            lost_epoch: Epoch(0),
            gaps: Gaps::default(),
            people: BTreeMap::new(),
            inbox: Vec::new(),
            inbox_last: 0,
            closed: None,
            settings: arming.settings.clone(),
            rev: arming.rev,
            figures: (0, 0, SeatFigures::default()),
            ending: EventState::Scheduled,
            settled_seq: None,
            outcomes: BTreeMap::new(),
            called: BTreeMap::new(),
            asked_for_time: BTreeSet::new(),
        }
    }
}
