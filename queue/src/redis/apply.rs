//! Batches of applications. Each connection has one task, which takes all waiting applications as soon as it is free: no
//! application waits for a timer, and the busier the queue, the more applications share one sync of the server's disk. A
//! connection that failed is never used again.

use std::sync::Arc;

use domain::{AppKey, Epoch, EventId, Number};
use futures_util::future::join_all;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::client::{RedisClient, server_error_as_err};
use super::error::{CallError, unreadable};
use super::reply::{ReplyFields, queue_state};
use crate::contract::{Applicant, ApplyAck, QueueError, QueueState};
use crate::journal::{Journal, JournalRecord};

/// The most applications of one call, which occupies the server for about one millisecond.
const BATCH_MAX: usize = 256;

/// An application and the channel for its result.
#[derive(Debug)]
pub(super) struct PendingApply {
    pub(super) event: EventId,
    pub(super) applicant: Applicant,
    pub(super) reply: oneshot::Sender<Result<ApplyAck, QueueError>>,
}

/// The owner of one connection.
pub(super) struct Batcher {
    pub(super) client: Arc<RedisClient>,
    pub(super) journal: Option<Arc<Journal>>,
    pub(super) waiting: Arc<Mutex<mpsc::Receiver<PendingApply>>>,
    /// `None` before the first batch and after a failure.
    pub(super) conn: Option<MultiplexedConnection>,
}

/// The applications of one event in a batch.
struct EventBatch {
    event: EventId,
    applications: Vec<PendingApply>,
}

impl Batcher {
    /// Runs until the last handle on the queue is dropped.
    pub(super) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while self.waiting.lock().await.recv_many(&mut batch, BATCH_MAX).await > 0 {
            // An application whose caller has gone is left out: applying again gives the number then.
            batch.retain(|application| !application.reply.is_closed());
            if !batch.is_empty() {
                self.send(by_event(batch.drain(..))).await;
            }
        }
    }

    async fn send(&mut self, batches: Vec<EventBatch>) {
        let conn = match self.conn.take() {
            Some(conn) => conn,
            None => match self.client.connect().await {
                Ok(conn) => conn,
                Err(error) => return fail_all(batches, error),
            },
        };
        let calls = batches.into_iter().map(|batch| self.apply(conn.clone(), batch));
        if join_all(calls).await.into_iter().all(|usable| usable) {
            self.conn = Some(conn);
        }
    }

    /// Applies for all of one event. Returns `false` if the connection must not be used again.
    async fn apply(&self, mut conn: MultiplexedConnection, mut batch: EventBatch) -> bool {
        // Asked first: an application that cannot be acknowledged must not use a number.
        let accepts = self.journal.as_ref().map_or(Ok(()), |journal| journal.accepts(&batch.event));
        if let Err(why) = accepts {
            refuse(batch, &QueueError::Unavailable(why));
            return true;
        }
        let mut call = self.client.function_call("apply", batch.event.as_str());
        call = call.arg(self.client.last_received(&batch.event));
        for PendingApply { applicant, .. } in &batch.applications {
            let Applicant { app_key: AppKey(key), req_hash, contact } = applicant;
            call = call.arg(&key[..]).arg(&req_hash.0[..]).arg(&contact[..]);
        }
        let sent = conn.req_packed_command(&call.command).await.map_err(CallError::from);
        let reply = sent.and_then(|value| call.reply(server_error_as_err(value)?));
        let results = reply.and_then(|reply| match reply.into_queue_result() {
            Ok(fields) => acks(fields, batch.applications.len()).map(Ok),
            Err(refused) => Ok(Err(refused)),
        });
        match results {
            Ok(Ok(acks)) => {
                let last = acks.iter().flatten().map(|ack| ack.number.get()).max();
                // Before any response, so that the next call tells the queue what this process got from it.
                self.client.record_received(&batch.event, last.unwrap_or(0));
                match self.keep(&mut batch, &acks).await {
                    Ok(()) => respond(batch, acks),
                    Err(why) => refuse(batch, &QueueError::Unknown(why)),
                }
            }
            Ok(Err(refused)) => refuse(batch, &refused),
            Err(error) => {
                let usable = !error.spoils_connection();
                fail_all(vec![batch], error);
                return usable;
            }
        }
        true
    }

    /// Writes the waiting applications into the journal, unless it has them. One that was applied for before may have been
    /// acknowledged by a process whose journal is lost. A repetition without the secret is left out: its secret and contact are not
    /// those of the application.
    async fn keep(
        &self,
        batch: &mut EventBatch,
        acks: &[Result<ApplyAck, QueueError>],
    ) -> Result<(), String> {
        let Some(journal) = &self.journal else { return Ok(()) };
        let mut records = Vec::new();
        for (PendingApply { applicant, .. }, ack) in batch.applications.iter_mut().zip(acks) {
            let Ok(ack) = ack else { continue };
            let is_applicant = !ack.already_applied || ack.proven;
            let waits = ack.state == QueueState::Waiting;
            if waits && is_applicant {
                records.push(JournalRecord::Applied {
                    event: batch.event.clone(),
                    epoch: ack.epoch,
                    number: ack.number,
                    app_key: applicant.app_key,
                    req_hash: applicant.req_hash,
                    contact: std::mem::take(&mut applicant.contact),
                });
            }
        }
        journal.append(&records).await
    }
}

fn respond(batch: EventBatch, acks: Vec<Result<ApplyAck, QueueError>>) {
    for (application, ack) in batch.applications.into_iter().zip(acks) {
        drop(application.reply.send(ack));
    }
}

fn by_event(applications: impl Iterator<Item = PendingApply>) -> Vec<EventBatch> {
    let mut batches: Vec<EventBatch> = Vec::new();
    for application in applications {
        match batches.iter_mut().find(|batch| batch.event == application.event) {
            Some(batch) => batch.applications.push(application),
            None => {
                batches
                    .push(EventBatch { event: application.event.clone(), applications: vec![application] });
            }
        }
    }
    batches
}

fn fail_all(batches: Vec<EventBatch>, error: CallError) {
    let size: usize = batches.iter().map(|batch| batch.applications.len()).sum();
    tracing::error!(%error, batch = size, "failed to write {size} applications: {error}; the applicants may try again");
    let refused = error.into();
    for batch in batches {
        refuse(batch, &refused);
    }
}

fn refuse(batch: EventBatch, refused: &QueueError) {
    for application in batch.applications {
        drop(application.reply.send(Err(refused.clone())));
    }
}

/// The results of a batch: code, number and flags of each application, as `apply` in `queue.lua` packs them.
fn acks(mut fields: ReplyFields, count: usize) -> Result<Vec<Result<ApplyAck, QueueError>>, CallError> {
    let epoch = Epoch(fields.int()?);
    let opens_at = fields.int()?;
    let closed_at = fields.int()?;
    let packed = fields.bytes()?;
    let (results, rest) = packed.as_chunks::<6>();
    if results.len() != count || !rest.is_empty() {
        return Err(unreadable(&format!("{} bytes for {count} applications", packed.len())));
    }
    let unpack = |&[code, a, b, c, d, flags]: &[u8; 6]| {
        Ok(Err(match code {
            0 | 1 => {
                let number = Number::new(u32::from_be_bytes([a, b, c, d]));
                return Ok(Ok(ApplyAck {
                    number: number.ok_or_else(|| unreadable("the number 0"))?,
                    epoch,
                    state: queue_state(i64::from(flags / 2))?,
                    already_applied: code == 1,
                    proven: flags % 2 == 1,
                }));
            }
            2 => QueueError::Regressed,
            3 => QueueError::Closed { closed_at },
            4 => QueueError::NotOpen { opens_at },
            5 => QueueError::OnHold,
            6 => QueueError::Full,
            7 => QueueError::AtLimit,
            other => return Err(unreadable(&format!("the code {other} for an application"))),
        }))
    };
    results.iter().map(unpack).collect()
}
