//! One simulated applicant: opens the page, applies until there is a number or the event is over, sometimes applies twice, and
//! reads the progress.

use std::time::Duration;

use goose::goose::{GooseMethod, GooseRequest, GooseResponse, GooseUser, TransactionError};
use serde_json::Value;

use crate::acknowledged::Acknowledged;

/// Attempts before an applicant gives up: some minutes with the waits that a gateway asks for.
const ATTEMPTS_MAX: u32 = 60;
/// Longest wait between two attempts; longer requested waits are cut to it, as an impatient applicant does.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Wait before the next attempt if the response names none.
const WAIT_DEFAULT: Duration = Duration::from_secs(1);
/// One applicant in this many applies again after receiving a number.
const APPLIES_TWICE: u32 = 10;

/// A failure of the load generator, not of the tested system.
pub(crate) type LoadError = Box<TransactionError>;

/// A simulated applicant.
pub(crate) struct Person<'a> {
    pub(crate) event: &'a str,
    /// The applicant's number, which makes its phone number and key unique.
    pub(crate) n: u32,
    /// Whether the applicant opens the page first and reads the progress afterwards.
    pub(crate) opens_page: bool,
}

/// The result of one attempt to apply.
enum ApplyResult {
    /// A number and its receipt.
    Accepted { number: u64, receipt: String },
    /// The response asks to retry after this time.
    PutOff(Duration),
    /// The event is over.
    TooLate,
}

impl Person<'_> {
    /// Runs the applicant from the page to the number.
    pub(crate) async fn take_part(
        &self,
        user: &mut GooseUser,
        acknowledged: &Acknowledged,
    ) -> Result<(), LoadError> {
        self.open(user, &format!("/e/{}", self.event), "page").await?;
        for _ in 0..ATTEMPTS_MAX {
            match self.apply(user, acknowledged).await? {
                ApplyResult::Accepted { number, receipt } => {
                    acknowledged.lock().receipts.push(receipt);
                    self.apply_twice(user, acknowledged, number).await?;
                    let progress = format!("/event/com/v1/get/progress/{}", self.event);
                    return self.open(user, &progress, "progress").await;
                }
                ApplyResult::TooLate => {
                    acknowledged.lock().too_late += 1;
                    return Ok(());
                }
                ApplyResult::PutOff(wait) => {
                    acknowledged.lock().put_off += 1;
                    tokio::time::sleep(wait.min(WAIT_MAX)).await;
                }
            }
        }
        acknowledged.lock().gave_up += 1;
        Ok(())
    }

    async fn open(&self, user: &mut GooseUser, path: &str, name: &str) -> Result<(), LoadError> {
        if !self.opens_page {
            return Ok(());
        }
        let request = GooseRequest::builder().path(path).name(name).build();
        let mut response = user.request(request).await?;
        let is_put_off = status(&response).is_some_and(|status| matches!(status, 429 | 503));
        if is_put_off { user.set_success(&mut response.request) } else { Ok(()) }
    }

    async fn apply(
        &self,
        user: &mut GooseUser,
        acknowledged: &Acknowledged,
    ) -> Result<ApplyResult, LoadError> {
        let path = format!("/application/com/v1/create/application/{}", self.event);
        let body = serde_json::json!({ "name": "홍길동", "phone": self.phone(), "consent": true });
        let builder = user
            .get_request_builder(&GooseMethod::Post, &path)?
            .header("content-type", "application/json")
            .header("accept", "application/json")
            .header("idempotency-key", format!("goose-{}", self.n))
            .body(body.to_string());
        let request =
            GooseRequest::builder().path(path.as_str()).name("apply").set_request_builder(builder).build();
        let mut response = user.request(request).await?;
        let wait = retry_after(&response);
        match status(&response) {
            Some(200 | 201) => Ok(self.accepted(response, acknowledged).await),
            // Full, too early, or the outcome is unknown (503 `outcome-unknown`): apply again.
            Some(409 | 429 | 503) => {
                user.set_success(&mut response.request)?;
                Ok(ApplyResult::PutOff(wait))
            }
            Some(410) => {
                user.set_success(&mut response.request)?;
                Ok(ApplyResult::TooLate)
            }
            // Without a response the outcome is unknown. The next attempt uses the same key and finds it out.
            None => Ok(ApplyResult::PutOff(wait)),
            Some(other) => {
                let text = format!("applicant {} got the unexpected status {other}", self.n);
                acknowledged.lock().record_violation(text);
                Ok(ApplyResult::PutOff(wait))
            }
        }
    }

    async fn accepted(&self, response: GooseResponse, acknowledged: &Acknowledged) -> ApplyResult {
        // A response that was cut off leaves the outcome unknown. The next attempt uses the same key and finds it out.
        let Ok(response) = response.response else { return ApplyResult::PutOff(WAIT_DEFAULT) };
        let Ok(body) = response.text().await else { return ApplyResult::PutOff(WAIT_DEFAULT) };
        let body: Value = serde_json::from_str(&body).unwrap_or_default();
        if let (Some(number), Some(receipt)) = (body["number"].as_u64(), body["receipt"].as_str()) {
            return ApplyResult::Accepted { number, receipt: receipt.to_owned() };
        }
        let text = format!("applicant {} was accepted without a number or receipt", self.n);
        acknowledged.lock().record_violation(text);
        ApplyResult::PutOff(WAIT_DEFAULT)
    }

    /// Applies again after a number was received: the number must stay the same.
    async fn apply_twice(
        &self,
        user: &mut GooseUser,
        acknowledged: &Acknowledged,
        number: u64,
    ) -> Result<(), LoadError> {
        if !self.n.is_multiple_of(APPLIES_TWICE) {
            return Ok(());
        }
        if let ApplyResult::Accepted { number: second, .. } = self.apply(user, acknowledged).await?
            && second != number
        {
            let text = format!("applicant {} had number {number} and then got {second}", self.n);
            acknowledged.lock().record_violation(text);
        }
        Ok(())
    }

    /// A phone number under +82 99, a prefix that is not assigned.
    fn phone(&self) -> String {
        format!("+8299{:010}", self.n)
    }
}

fn status(response: &GooseResponse) -> Option<u16> {
    response.response.as_ref().ok().map(|response| response.status().as_u16())
}

/// The wait in `Retry-After`, or the default.
fn retry_after(response: &GooseResponse) -> Duration {
    let header = response.response.as_ref().ok().and_then(|response| response.headers().get("retry-after"));
    let seconds = header.and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    seconds.map_or(WAIT_DEFAULT, Duration::from_secs)
}
