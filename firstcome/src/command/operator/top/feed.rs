//! The live figures of an event as they come from the operator API, which sends them once a second (server-sent events). A stream that
//! breaks is opened again.

use std::time::Duration;

use domain::EventId;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use operator::response::LiveResponse;
use serde_json::Value;
use tokio::time::Instant;

use super::super::client::OperatorClient;
use crate::command::error::CommandError;

/// How long after a failure the stream is opened again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// A stream that is silent for so long is broken.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// The longest message.
const MESSAGE_MAX: usize = 1024 * 1024;

/// What comes from the operator API.
pub(super) enum FeedMessage {
    /// The figures of now.
    Live(Box<LiveResponse>),
    /// There are none, and why.
    Lost(String),
}

/// The stream of an event.
pub(super) struct Feed<'a> {
    operator: &'a OperatorClient,
    path: String,
    stream: Option<Incoming>,
    /// What has arrived of the next message.
    begun: Vec<u8>,
    retry_at: Instant,
}

impl<'a> Feed<'a> {
    pub(super) fn new(operator: &'a OperatorClient, event: &EventId) -> Self {
        let path = format!("/gate/adm/v1/stream/metric/{event}");
        Self { operator, path, stream: None, begun: Vec::new(), retry_at: Instant::now() }
    }

    /// The next message. May be dropped while it waits.
    pub(super) async fn next(&mut self) -> FeedMessage {
        loop {
            if let Some(message) = take_message(&mut self.begun) {
                return message;
            }
            if let Err(reason) = self.read().await {
                self.stream = None;
                self.begun.clear();
                self.retry_at = Instant::now() + RETRY_AFTER;
                return FeedMessage::Lost(reason);
            }
        }
    }

    /// Reads more of the stream, or opens it.
    async fn read(&mut self) -> Result<(), String> {
        let Some(stream) = &mut self.stream else {
            tokio::time::sleep_until(self.retry_at).await;
            self.stream = Some(self.operator.stream(&self.path).await.map_err(CommandError::text)?);
            return Ok(());
        };
        let frame = tokio::time::timeout(SILENCE_MAX, stream.frame()).await;
        let frame = frame
            .map_err(|_| "the operator API is silent")?
            .ok_or("the operator API has ended the stream")?;
        let frame = frame.map_err(|error| error.to_string())?;
        self.begun.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        if self.begun.len() > MESSAGE_MAX { Err("a message is too long".to_owned()) } else { Ok(()) }
    }
}

/// Takes the next complete message out of what has arrived.
fn take_message(begun: &mut Vec<u8>) -> Option<FeedMessage> {
    let end = begun.windows(2).position(|pair| pair == b"\n\n")?;
    let message: Vec<u8> = begun.drain(..end + 2).collect();
    let message = String::from_utf8_lossy(&message);
    let field = |name: &str| message.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let data = field("data:").unwrap_or_default();
    Some(match field("event:") {
        Some("live") => match serde_json::from_str(data) {
            Ok(live) => FeedMessage::Live(Box::new(live)),
            Err(error) => FeedMessage::Lost(format!("the operator API is of another version: {error}")),
        },
        Some("trouble") => {
            let code = serde_json::from_str::<Value>(data).unwrap_or_default();
            FeedMessage::Lost(format!(
                "the ledger does not respond ({})",
                code["code"].as_str().unwrap_or("-")
            ))
        }
        _ => FeedMessage::Lost("the operator API has ended the stream".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_one_by_one_however_they_arrive() {
        let mut begun = b"event: trouble\ndata: {\"code\":\"una".to_vec();
        assert!(take_message(&mut begun).is_none());
        begun.extend_from_slice(b"vailable\"}\n\nevent: live\ndata: {}\n\nevent: ended\n");
        let lost = |message| match message {
            Some(FeedMessage::Lost(reason)) => reason,
            _ => panic!("no reason"),
        };
        assert_eq!(lost(take_message(&mut begun)), "the ledger does not respond (unavailable)");
        assert!(
            lost(take_message(&mut begun))
                .starts_with("the operator API is of another version: missing field")
        );
        assert!(take_message(&mut begun).is_none());
    }
}
