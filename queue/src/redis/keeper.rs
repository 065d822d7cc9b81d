//! Keeps the journal of this process known to the leader, and replays it after the queue has lost applications.

use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use domain::{Epoch, EventId, NO_JOURNAL, ReqHash};
use tokio::sync::mpsc::{self, WeakSender};

use super::apply::PendingApply;
use super::client::{FunctionCall, RedisClient};
use super::error::{CallError, unreadable};
use super::reply::ReplyFields;
use crate::contract::QueueError;
use crate::journal::{Journal, JournalRecord};

/// How often the queue is asked whether it has lost applications.
const PERIOD: Duration = Duration::from_millis(250);
/// Applications of one call, which occupies the server for a few milliseconds.
const PART: usize = 256;

/// The task of a process that acknowledges applications.
pub(super) struct JournalKeeper {
    client: Arc<RedisClient>,
    /// Weak, so that the journal ends with the last handle on the queue.
    journal: Option<Weak<Journal>>,
    /// Shows whether a handle on the queue is left.
    handles: WeakSender<PendingApply>,
}

/// What the queue says of this journal and an event.
struct JournalStatus {
    replayed: Option<Epoch>,
    lost_epoch: Epoch,
    is_settled: bool,
}

impl JournalStatus {
    fn parse(mut fields: ReplyFields) -> Result<Self, CallError> {
        Ok(Self {
            replayed: fields.replayed_epoch()?,
            lost_epoch: Epoch(fields.int()?),
            is_settled: fields.int::<u8>()? == 1,
        })
    }
}

impl JournalKeeper {
    pub(super) fn new(
        client: Arc<RedisClient>,
        journal: Option<&Arc<Journal>>,
        handles: WeakSender<PendingApply>,
    ) -> Self {
        Self { client, journal: journal.map(Arc::downgrade), handles }
    }

    /// Runs until the last handle on the queue is dropped.
    pub(super) async fn run(self) {
        let (mut settled, mut last_error) = (HashSet::new(), String::new());
        while self.handles.upgrade().is_some() {
            let error = match self.sync_all(&mut settled).await {
                Ok(()) => String::new(),
                Err(error) => error.to_string(),
            };
            // Each tick repeats it, so only a new one is logged.
            if error != last_error && !error.is_empty() {
                tracing::warn!(error, "failed to register or replay the journal; retrying");
            }
            last_error = error;
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// Registers and replays the journal for every event. An error of one event does not stop the others; the last one is returned.
    async fn sync_all(&self, settled: &mut HashSet<EventId>) -> Result<(), QueueError> {
        let events = match super::read::catalogue(&self.client).await {
            // The leader publishes the events after a restart.
            Err(QueueError::NotArmed) => return Ok(()),
            events => events?,
        };
        let mut result = Ok(());
        for event in events {
            if settled.contains(&event) {
                continue;
            }
            match self.sync(&event).await {
                Ok(true) => drop(settled.insert(event)),
                Ok(false) | Err(QueueError::NotArmed | QueueError::UnknownEvent) => {}
                Err(error) => result = Err(error),
            }
        }
        if let Some(journal) = self.journal() {
            journal.drop_settled(|event| settled.contains(event));
        }
        result
    }

    fn journal(&self) -> Option<Arc<Journal>> {
        self.journal.as_ref()?.upgrade()
    }

    /// Registers the journal, and replays it if the queue has lost applications since. Returns whether the event is settled.
    async fn sync(&self, event: &EventId) -> Result<bool, QueueError> {
        let Some(journal) = self.journal() else {
            let call = self.client.function_call("journal", event.as_str()).arg(NO_JOURNAL);
            return Ok(JournalStatus::parse(self.client.call(call).await?)?.is_settled);
        };
        let id = journal.id().to_string();
        let call = self.client.function_call("journal", event.as_str()).arg(&id);
        let answer = match self.client.call(call).await {
            Err(QueueError::NotArmed) => return self.report_number(event, &id).await,
            answer => answer?,
        };
        let status = JournalStatus::parse(answer)?;
        if status.is_settled {
            journal.note_settled(event);
            return Ok(true);
        }
        let Some(replayed) = status.replayed else { return Ok(false) };
        let record = JournalRecord::Registered { event: event.clone() };
        journal.append(&[record]).await.map_err(QueueError::Unavailable)?;
        if replayed < status.lost_epoch {
            self.replay(&journal, event, status.lost_epoch).await?;
        }
        Ok(false)
    }

    /// Tells the leader the last number that this process got, so that a queue that has it all continues without a gap.
    async fn report_number(&self, event: &EventId, id: &str) -> Result<bool, QueueError> {
        let call = self.client.function_call("report_number", event.as_str()).arg(id);
        self.client.call(call.arg(self.client.last_received(event))).await?;
        Ok(false)
    }

    async fn replay(
        &self,
        journal: &Arc<Journal>,
        event: &EventId,
        lost_epoch: Epoch,
    ) -> Result<(), QueueError> {
        tracing::warn!(%event, "the queue of event {event} lost applications; replaying the journal of this process");
        journal.begin_replay(event, lost_epoch);
        let (parts, mut read) = mpsc::channel(4);
        let (scanned, scanned_event) = (Arc::clone(journal), event.clone());
        let scan = tokio::task::spawn_blocking(move || send_parts(&scanned, &scanned_event, &parts));
        let (mut cancelled, mut confirmed, mut reported) = (Vec::new(), Vec::new(), Vec::new());
        let (mut count, mut conflicts) = (0, 0);
        while let Some(part) = read.recv().await {
            let (mut call, mut size) = (self.replay_call(journal, event, lost_epoch, false), 0);
            for record in part {
                match record {
                    JournalRecord::Applied {
                        number, app_key, req_hash: ReqHash(secret), contact, ..
                    } => {
                        call = call.arg(number.get()).arg(&app_key.0[..]).arg(&secret[..]).arg(&contact[..]);
                        size += 1;
                    }
                    JournalRecord::Cancelled { number, app_key, .. } => {
                        // The application may be in the journal of another process, which is replayed later.
                        call = call.arg(number.get()).arg(&app_key.0[..]).arg(&ReqHash::NONE.0[..]).arg("");
                        cancelled.push((number, app_key));
                    }
                    // Only who was called has confirmed, so the ledger has the application.
                    JournalRecord::Confirmed { number, app_key, at, .. } => {
                        confirmed.push((number, app_key, at));
                    }
                    JournalRecord::Reported { number, app_key, order_no, .. } => {
                        // As for a cancel request.
                        call = call.arg(number.get()).arg(&app_key.0[..]).arg(&ReqHash::NONE.0[..]).arg("");
                        reported.push((number, app_key, order_no));
                    }
                    JournalRecord::Registered { .. } => {}
                }
            }
            conflicts += self.send(call).await?;
            count += size;
        }
        scan.await
            .map_err(|error| error.to_string())
            .and_then(|scan| scan.map_err(|error| format!("the journal cannot be read: {error}")))
            .map_err(QueueError::Unavailable)?;
        for (number, app_key) in &cancelled {
            let call =
                self.client.function_call("cancel", event.as_str()).arg(&app_key.0[..]).arg(number.get());
            self.client.call(call).await?;
        }
        for (number, app_key, at) in confirmed {
            let call = self.client.function_call("replay_confirm", event.as_str());
            self.client.call(call.arg(&app_key.0[..]).arg(number.get()).arg(at)).await?;
        }
        // A report of an application that this journal does not have waits for the journal that has it, or for the ledger's.
        for (number, app_key, order_no) in reported {
            let kind = if order_no.is_empty() { "released" } else { "ordered" };
            let call = self.client.function_call("report", event.as_str());
            let call = call.arg(&app_key.0[..]).arg(number.get()).arg(kind).arg(order_no);
            self.client.call(call).await?;
        }
        conflicts += self.send(self.replay_call(journal, event, lost_epoch, true)).await?;
        tracing::warn!(%event, count, conflicts, cancelled = cancelled.len(), "replayed {count} applications into the queue of event {event}");
        Ok(())
    }

    fn replay_call(
        &self,
        journal: &Journal,
        event: &EventId,
        lost_epoch: Epoch,
        is_last: bool,
    ) -> FunctionCall {
        let call = self.client.function_call("replay", event.as_str()).arg(journal.id().to_string());
        call.arg(lost_epoch.0).arg(u8::from(is_last))
    }

    /// Sends a part, and returns how many of its applications contradict the queue.
    async fn send(&self, call: FunctionCall) -> Result<u32, QueueError> {
        let mut fields = self.client.call(call).await?;
        if fields.int::<u8>()? == 0 {
            // The queue lost applications once more: the next tick starts again.
            return Err(unreadable("the replay is out of date").into());
        }
        Ok(fields.int()?)
    }
}

/// Sends the records of the event, in parts.
fn send_parts(
    journal: &Journal,
    event: &EventId,
    parts: &mpsc::Sender<Vec<JournalRecord>>,
) -> std::io::Result<()> {
    let mut part = Vec::with_capacity(PART);
    journal.scan(event, |record| {
        part.push(record);
        part.len() < PART || parts.blocking_send(std::mem::take(&mut part)).is_ok()
    })?;
    // Fails only if the replay was given up.
    drop(parts.blocking_send(part));
    Ok(())
}
