//! Applying. Each connection has one task, which takes all waiting applications when it is free: none waits for a timer, and the
//! busier the queue the more one sync of the server's disk pays for. A connection that failed is never used again.

use std::sync::Arc;

use domain::{AppKey, Epoch, EventId, Number};
use futures_util::future::join_all;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::fault::Fault;
use super::reply::{Reply, garbled, mark};
use super::server::{Server, flat};
use crate::contract::{Applicant, Applied, Refused};

/// The most applications of one call, which occupies the server for about a millisecond.
const BATCH_MAX: usize = 256;

/// An application and the channel for its result.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) event: EventId,
    pub(super) applicant: Applicant,
    pub(super) reply: oneshot::Sender<Result<Applied, Refused>>,
}

/// The owner of one connection.
pub(super) struct Batcher {
    pub(super) server: Arc<Server>,
    pub(super) waiting: Arc<Mutex<mpsc::Receiver<Command>>>,
    /// `None` until it is needed, and after a failure.
    pub(super) conn: Option<MultiplexedConnection>,
}

/// Those of one event in a batch.
struct Group {
    event: EventId,
    commands: Vec<Command>,
}

impl Batcher {
    /// Works until the last handle is gone.
    pub(super) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while self.waiting.lock().await.recv_many(&mut batch, BATCH_MAX).await > 0 {
            // Who asked may have gone: asking again gives the number then.
            batch.retain(|command| !command.reply.is_closed());
            if !batch.is_empty() {
                self.carry_out(grouped(batch.drain(..))).await;
            }
        }
    }

    async fn carry_out(&mut self, groups: Vec<Group>) {
        let conn = match self.conn.take() {
            Some(conn) => conn,
            None => match self.server.connect().await {
                Ok(conn) => conn,
                Err(fault) => return refuse_all(groups, fault),
            },
        };
        let done = groups.into_iter().map(|group| self.apply(conn.clone(), group));
        if join_all(done).await.into_iter().all(|usable| usable) {
            self.conn = Some(conn);
        }
    }

    /// Applies for all of one event; `false` if the connection must not be used again.
    async fn apply(&self, mut conn: MultiplexedConnection, group: Group) -> bool {
        let mut question = self.server.question("apply", group.event.as_str());
        question = question.arg(self.server.known_max(&group.event));
        for Command { applicant, .. } in &group.commands {
            let Applicant { app_key: AppKey(key), req_hash, contact } = applicant;
            question = question.arg(&key[..]).arg(&req_hash.0[..]).arg(&contact[..]);
        }
        let asked = conn.req_packed_command(&question.command).await.map_err(Fault::from);
        let answered = asked.and_then(|value| question.answered(flat(value)?));
        let told = answered.and_then(|answer| match answer.for_applicants() {
            Ok(reply) => read(reply, group.commands.len()).map(Ok),
            Err(refused) => Ok(Err(refused)),
        });
        match told {
            Ok(Ok(answers)) => self.tell(group, answers),
            Ok(Err(refused)) => refuse(group, &refused),
            Err(fault) => {
                let usable = !fault.spoils_connection();
                refuse_all(vec![group], fault);
                return usable;
            }
        }
        true
    }

    fn tell(&self, group: Group, answers: Vec<Result<Applied, Refused>>) {
        let highest = answers.iter().flatten().map(|applied| applied.number.get()).max();
        // Before any response, so that the queue knows what it has acknowledged.
        self.server.acknowledged(&group.event, highest.unwrap_or(0));
        for (command, answer) in group.commands.into_iter().zip(answers) {
            drop(command.reply.send(answer));
        }
    }
}

fn grouped(commands: impl Iterator<Item = Command>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for command in commands {
        match groups.iter_mut().find(|group| group.event == command.event) {
            Some(group) => group.commands.push(command),
            None => groups.push(Group { event: command.event.clone(), commands: vec![command] }),
        }
    }
    groups
}

fn refuse_all(groups: Vec<Group>, fault: Fault) {
    let batch: usize = groups.iter().map(|group| group.commands.len()).sum();
    tracing::error!(%fault, batch, "the queue could not be written");
    let refused = fault.into();
    for group in groups {
        refuse(group, &refused);
    }
}

fn refuse(group: Group, refused: &Refused) {
    for command in group.commands {
        drop(command.reply.send(Err(refused.clone())));
    }
}

/// Code, number and flags of each, as `apply` in `queue.lua` packs them.
fn read(mut reply: Reply, count: usize) -> Result<Vec<Result<Applied, Refused>>, Fault> {
    let epoch = Epoch(reply.int()?);
    let (opens_at, closed_at) = (reply.int()?, reply.int()?);
    let packed = reply.bytes()?;
    let (answers, rest) = packed.as_chunks::<6>();
    if answers.len() != count || !rest.is_empty() {
        return Err(garbled(&format!("{} bytes answer {count} applications", packed.len())));
    }
    let read = |&[code, a, b, c, d, flags]: &[u8; 6]| {
        Ok(Err(match code {
            0 | 1 => {
                let number =
                    Number::new(u32::from_be_bytes([a, b, c, d])).ok_or_else(|| garbled("number 0"))?;
                let (mark, again) = (mark(i64::from(flags / 2))?, code == 1);
                return Ok(Ok(Applied { number, epoch, mark, again, proven: flags % 2 == 1 }));
            }
            2 => Refused::Regressed,
            3 => Refused::Closed { closed_at },
            4 => Refused::NotOpen { opens_at },
            5 => Refused::OnHold,
            6 => Refused::Full,
            7 => Refused::AtLimit,
            other => return Err(garbled(&format!("no refusal is counted {other}"))),
        }))
    };
    answers.iter().map(read).collect()
}
