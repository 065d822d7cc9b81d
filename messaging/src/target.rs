//! The targets that domain events are sent to.

use tokio::sync::{mpsc, oneshot};

use crate::envelope::CloudEvent;

/// The name of the target that always exists.
const LOG: &str = "log";

/// Why a target did not acknowledge a batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// It may work later: the batch is repeated.
    #[error("{0}")]
    Transient(String),
    /// The target can never accept this domain event of the batch. Those before it are acknowledged.
    #[error("{error}")]
    Poison {
        /// The place in the batch, from 0.
        index: usize,
        /// The reason.
        error: String,
    },
}

/// A batch that a [`Target::Channel`] was given. The target waits for the reply.
#[derive(Debug)]
pub struct ChannelBatch {
    /// The domain events, in order.
    pub events: Vec<CloudEvent>,
    /// Whether the batch is acknowledged.
    pub reply: oneshot::Sender<Result<(), PublishError>>,
}

/// A target of domain events.
#[derive(Debug, Clone)]
pub enum Target {
    /// One line of the log for each domain event.
    Log {
        /// The name.
        name: String,
    },
    /// A receiver in this process.
    Channel {
        /// The name.
        name: String,
        /// Where batches go.
        sender: mpsc::Sender<ChannelBatch>,
    },
}

impl Target {
    /// The log.
    pub fn log() -> Self {
        Self::Log { name: LOG.into() }
    }

    /// A receiver in this process, and its end of the channel.
    pub fn channel(name: &str) -> (Self, mpsc::Receiver<ChannelBatch>) {
        let (sender, receiver) = mpsc::channel(1);
        (Self::Channel { name: name.into(), sender }, receiver)
    }

    /// The name, which its cursors have in the ledger.
    pub fn name(&self) -> &str {
        match self {
            Self::Log { name } | Self::Channel { name, .. } => name,
        }
    }

    /// Sends a batch. Once this returns `Ok`, the target has all of it.
    pub async fn publish(&self, events: &[CloudEvent]) -> Result<(), PublishError> {
        match self {
            Self::Log { .. } => {
                events.iter().for_each(log);
                Ok(())
            }
            Self::Channel { sender, .. } => {
                let (reply, replied) = oneshot::channel();
                let batch = ChannelBatch { events: events.to_vec(), reply };
                let closed = || PublishError::Transient("the receiver is gone".into());
                sender.send(batch).await.map_err(|_| closed())?;
                replied.await.map_err(|_| closed())?
            }
        }
    }
}

fn log(event: &CloudEvent) {
    let domain_event = &event.domain_event;
    tracing::info!(
        target: "domain_event", event = %domain_event.event, id = event.id, seq = domain_event.seq,
        data = domain_event.data, "{}", domain_event.kind
    );
}
