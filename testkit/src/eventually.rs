//! Waiting for a condition that another task or process brings about.

use std::time::Duration;

const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// Longer than any condition takes on a busy machine.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// Waits until the condition is true.
///
/// # Panics
/// If it is still false after 20 s; `what` is in the message.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    until_some(what, async || condition().await.then_some(())).await;
}

/// Waits until `poll` returns a value.
///
/// # Panics
/// If there is none after 20 s; `what` is in the message.
pub async fn until_some<T>(what: &str, mut poll: impl AsyncFnMut() -> Option<T>) -> T {
    let found = tokio::time::timeout(WAIT_MAX, async {
        loop {
            if let Some(value) = poll().await {
                return value;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    });
    found.await.unwrap_or_else(|_| panic!("not within {WAIT_MAX:?}: {what}"))
}
