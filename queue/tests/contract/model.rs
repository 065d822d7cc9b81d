//! The line as simply as it can be said: one event, a map, and no store. What a store answers must be what this answers.

use std::collections::BTreeMap;

use domain::{Epoch, EventSettings, EventState, Gaps, Millis, Number, Outcome, ReqHash};
use queue::{
    Applicant, Applied, Armed, Arming, Ask, AskKind, Closing, Entry, Figures, Head, LeadError, LineView,
    Mark, PlaceRow, Projection, Refused, Restored, Shown, Waiting,
};

use crate::house::event;

#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) now: Millis,
    pub(crate) listed: bool,
    pub(crate) published: bool,
    pub(crate) armed: bool,
    pub(crate) line: Option<Kept>,
}

/// What outlives a restart. The inbox counts its own positions from 1.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) epoch: u32,
    pub(crate) fence: i64,
    pub(crate) seq: u32,
    line_limit: u32,
    moved_through: u32,
    gaps: Gaps,
    people: BTreeMap<u32, Person>,
    pub(crate) inbox: Vec<Ask>,
    asked: i64,
    closed: Option<Closing>,
    settings: EventSettings,
    pub(crate) rev: i64,
    figures: (i64, i64, Figures),
    ending: EventState,
    settled_seq: Option<u32>,
    shown: BTreeMap<u32, Shown>,
}

#[derive(Debug, Clone)]
struct Person {
    applicant: Applicant,
    mark: Mark,
}

impl Person {
    fn waits(&self, n: u32) -> Waiting {
        let Applicant { app_key, contact, .. } = self.applicant.clone();
        Waiting { number: Number::new(n).unwrap(), app_key, contact }
    }
}

impl Kept {
    fn find(&self, key: domain::AppKey) -> Option<(u32, &Person)> {
        self.people.iter().find(|(_, p)| p.applicant.app_key == key).map(|(n, p)| (*n, p))
    }
    fn place(&self, n: u32) -> PlaceRow {
        let mark = self.people[&n].mark;
        let settled = self.ending == EventState::Settled && self.settled_seq.is_some_and(|seq| n <= seq);
        let sold_out = Shown { outcome: Outcome::SoldOut, order_no: None };
        let shown = self.shown.get(&n).cloned().or((settled && mark == Mark::Waiting).then_some(sold_out));
        PlaceRow { number: Number::new(n).unwrap(), mark, shown }
    }
    fn close(&mut self, closed_at: Millis) -> Closing {
        *self.closed.get_or_insert(Closing { closed_seq: self.seq, closed_at, inbox_last: self.asked })
    }
    fn mark(&mut self, n: u32, mark: Mark) {
        let person = self.people.get_mut(&n).unwrap();
        (person.mark, person.applicant.contact) = (mark, Vec::new());
    }
}

impl Model {
    /// A line that takes writes is closed by the first write after its time.
    fn close_if_due(&mut self) {
        if let Some(line) = self.line.as_mut().filter(|l| self.armed && self.now >= l.settings.closes_at) {
            line.close(line.settings.closes_at);
        }
    }
    fn known(&self) -> Result<&Kept, Refused> {
        match (self.listed, self.published, &self.line) {
            (true, _, Some(line)) => Ok(line),
            (false, true, _) => Err(Refused::UnknownEvent),
            _ => Err(Refused::NotArmed),
        }
    }
    fn open(&mut self) -> Result<&mut Kept, Refused> {
        self.close_if_due();
        self.known()?;
        self.line.as_mut().filter(|_| self.armed).ok_or(Refused::NotArmed)
    }
    fn led(&mut self, fence: Option<i64>, needs_arming: bool) -> Result<&mut Kept, LeadError> {
        self.close_if_due();
        let line = self.line.as_mut().ok_or(LeadError::UnknownEvent)?;
        match fence {
            Some(fence) if fence < line.fence => return Err(LeadError::Fenced(line.fence)),
            _ if needs_arming && !self.armed => return Err(LeadError::NotArmed),
            fence => line.fence = fence.unwrap_or(line.fence),
        }
        Ok(line)
    }

    pub(crate) fn apply(&mut self, applicant: Applicant) -> Result<Applied, Refused> {
        let now = self.now;
        let line = self.open()?;
        let epoch = Epoch(line.epoch);
        if let Some((n, person)) = line.find(applicant.app_key) {
            let proven = applicant.req_hash.proves(person.applicant.req_hash);
            let number = Number::new(n).unwrap();
            return Ok(Applied { number, epoch, mark: person.mark, again: true, proven });
        }
        let given = line.seq - line.gaps.count(0, line.seq);
        match line.closed {
            Some(Closing { closed_at, .. }) => return Err(Refused::Closed { closed_at }),
            None if now < line.settings.opens_at => {
                return Err(Refused::NotOpen { opens_at: line.settings.opens_at });
            }
            None if !line.settings.intake => return Err(Refused::OnHold),
            None if given >= line.settings.applications_max => return Err(Refused::Full),
            None if line.seq >= line.line_limit => return Err(Refused::AtLimit),
            None => line.seq += 1,
        }
        let proven = applicant.req_hash != ReqHash::NONE;
        line.people.insert(line.seq, Person { applicant, mark: Mark::Waiting });
        let number = Number::new(line.seq).unwrap();
        Ok(Applied { number, epoch, mark: Mark::Waiting, again: false, proven })
    }

    pub(crate) fn cancel(
        &mut self,
        key: domain::AppKey,
        number: Number,
    ) -> Result<Option<PlaceRow>, Refused> {
        let at = self.now;
        let line = self.open()?;
        let found = line.find(key).filter(|(n, _)| *n == number.get());
        let Some((n, person)) = found else { return Ok(None) };
        let before = line.place(n);
        if person.mark == Mark::Withdrawn || line.ending == EventState::Settled {
            return Ok(Some(before));
        }
        if person.mark == Mark::Waiting && n > line.moved_through {
            line.mark(n, Mark::Withdrawn);
        }
        let final_now = before.shown.is_some_and(|shown| shown.outcome != Outcome::Ordered);
        if !final_now && line.inbox.iter().all(|ask| ask.number.get() != n) {
            line.asked += 1;
            let (id, number) = (line.asked, before.number);
            line.inbox.push(Ask { id, at, app_key: key, number, kind: AskKind::Cancel });
        }
        Ok(Some(line.place(n)))
    }

    pub(crate) fn arm(&mut self, fence: i64, arming: &Arming) -> Result<Armed, LeadError> {
        self.close_if_due();
        match &self.line {
            Some(line) if fence < line.fence => return Err(LeadError::Fenced(line.fence)),
            Some(line) if arming.epoch.0 <= line.epoch => return Err(LeadError::OldEpoch(line.epoch)),
            _ => self.armed = true,
        }
        let made_anew = self.line.is_none();
        let line = self.line.get_or_insert_with(|| Kept::new(arming));
        (line.fence, line.epoch) = (fence, arming.epoch.0);
        let last = line.seq.max(line.line_limit).max(arming.line_limit);
        let skipped = last - line.seq;
        line.gaps.push(line.seq + 1, last);
        (line.seq, line.line_limit) = (last, last);
        self.close_if_due();
        Ok(Armed { seq: last, skipped, forgot: made_anew && skipped > 0 })
    }

    pub(crate) fn project(&mut self, fence: i64, projection: Projection) -> Result<(), LeadError> {
        let now = self.now;
        let line = self.led(Some(fence), false)?;
        let (old, opened) = (line.settings.clone(), now >= line.settings.opens_at);
        let closed = line.closed.is_some() || now >= old.closes_at;
        if projection.rev > line.rev {
            (line.rev, line.settings) = (projection.rev, projection.settings);
            line.settings.opens_at = if opened { old.opens_at } else { line.settings.opens_at };
            line.settings.closes_at = if closed { old.closes_at } else { line.settings.closes_at };
        }
        line.line_limit = line.line_limit.max(projection.line_limit);
        if (fence, projection.round) >= (line.figures.0, line.figures.1) {
            line.figures = (fence, projection.round, projection.figures);
        }
        line.ending = line.ending.max(projection.state);
        if line.ending == EventState::Settled {
            line.settled_seq = line.settled_seq.or(projection.settled_seq);
        }
        if line.ending >= EventState::Settling {
            line.close(now.min(line.settings.closes_at));
        }
        for (n, shown) in projection.outcomes {
            let before = line.shown.get(&n.get());
            if before.is_none_or(|before| before.outcome.may_become(shown.outcome)) {
                line.shown.insert(n.get(), shown);
            }
        }
        Ok(())
    }

    pub(crate) fn head(&self, n: usize) -> Result<Head, LeadError> {
        let line = self.line.as_ref().ok_or(LeadError::UnknownEvent)?;
        if !self.armed {
            return Err(LeadError::NotArmed);
        }
        let end = line.seq.min(line.moved_through + 4096);
        let waiting = line.people.range(..=end).filter(|(_, p)| p.mark == Mark::Waiting).take(n);
        let waiting: Vec<_> = waiting.map(|(number, p)| p.waits(*number)).collect();
        let looked = if waiting.len() < n { end } else { waiting.last().map_or(0, |w| w.number.get()) };
        Ok(Head { waiting, through: looked.max(line.moved_through) })
    }

    pub(crate) fn moved(
        &mut self,
        fence: i64,
        through: u32,
        keys: &[domain::AppKey],
    ) -> Result<(), LeadError> {
        let line = self.led(Some(fence), true)?;
        for key in keys {
            if let Some((n, Person { mark: Mark::Waiting, .. })) = line.find(*key) {
                line.mark(n, Mark::Moved);
            }
        }
        line.moved_through = line.moved_through.max(through.min(line.seq));
        Ok(())
    }

    pub(crate) fn acknowledge(&mut self, fence: i64, through: i64) -> Result<(), LeadError> {
        self.led(Some(fence), true).map(|line| line.inbox.retain(|ask| ask.id > through))
    }

    pub(crate) fn settle(&mut self, fence: i64) -> Result<Closing, LeadError> {
        let now = self.now;
        self.led(Some(fence), true).map(|line| line.close(now.min(line.settings.closes_at)))
    }

    pub(crate) fn restore(&mut self, fence: i64, rows: &[Restored]) -> Result<(), LeadError> {
        let line = self.led(Some(fence), false)?;
        let mut conflicts = 0;
        for row in rows {
            let n = row.number.get();
            match (line.find(row.app_key).map(|(known, p)| (known, p.mark)), line.people.get(&n)) {
                (Some((known, mark)), _) if known == n => {
                    if (mark, row.mark) == (Mark::Waiting, Mark::Moved) {
                        line.mark(n, Mark::Moved);
                    }
                }
                (None, None) => {
                    let contact = if row.mark == Mark::Waiting { row.contact.clone() } else { Vec::new() };
                    let applicant = Applicant { app_key: row.app_key, req_hash: row.req_hash, contact };
                    line.people.insert(n, Person { applicant, mark: row.mark });
                }
                _ => {
                    conflicts += 1;
                    continue;
                }
            }
            line.seq = line.seq.max(n);
            if let Some(closing) = &mut line.closed {
                closing.closed_seq = closing.closed_seq.max(n);
            }
        }
        if conflicts == 0 { Ok(()) } else { Err(LeadError::Conflicts(conflicts)) }
    }

    pub(crate) fn view(&self) -> Result<LineView, Refused> {
        let line = self.known()?.clone();
        let state = match line.ending {
            ended @ (EventState::Settling | EventState::Settled) => ended,
            _ if line.closed.is_some() || self.now >= line.settings.closes_at => EventState::Closed,
            _ if self.now >= line.settings.opens_at => EventState::Open,
            _ => EventState::Scheduled,
        };
        Ok(LineView {
            event: event(),
            epoch: Epoch(line.epoch),
            armed: self.armed,
            state,
            seq: line.seq,
            line_limit: line.line_limit,
            moved_through: line.moved_through,
            gaps: line.gaps,
            closed: line.closed,
            settings: line.settings,
            rev: line.rev,
            figures: line.figures.2,
            now: self.now,
        })
    }

    pub(crate) fn entries(&self) -> Result<Vec<Entry>, Refused> {
        let line = self.known()?;
        let entry = |(n, person): (&u32, &Person)| {
            let PlaceRow { number, mark, shown } = line.place(*n);
            Entry { number, app_key: person.applicant.app_key, mark, shown }
        };
        Ok(line.people.iter().map(entry).collect())
    }
}

impl Kept {
    fn new(arming: &Arming) -> Self {
        Self {
            epoch: 0,
            fence: 0,
            seq: 0,
            line_limit: 0,
            moved_through: 0,
            gaps: Gaps::default(),
            people: BTreeMap::new(),
            inbox: Vec::new(),
            asked: 0,
            closed: None,
            settings: arming.settings.clone(),
            rev: arming.rev,
            figures: (0, 0, Figures::default()),
            ending: EventState::Scheduled,
            settled_seq: None,
            shown: BTreeMap::new(),
        }
    }
}
