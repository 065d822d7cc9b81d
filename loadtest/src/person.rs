//! One person of a crowd: opens the page, presses until there is a number or the event is over, presses once more by
//! mistake, and looks how the queue moves.

use std::time::Duration;

use goose::goose::{GooseMethod, GooseRequest, GooseResponse, GooseUser, TransactionError};
use serde_json::Value;

use crate::ledger::Ledger;

/// Presses before somebody gives up: with the waits that a gateway asks for, some minutes.
const PRESSES_MAX: u32 = 60;
/// Longest wait between two presses; a person does not believe in more.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Before pressing again, if nobody said how long to wait.
const AGAIN: Duration = Duration::from_secs(1);
/// Every so-manyth person presses again after having a number.
const PRESSES_TWICE: u32 = 10;

/// A failure of the load itself, not of what is tested.
pub(crate) type Trouble = Box<TransactionError>;

/// A person.
pub(crate) struct Person<'a> {
    pub(crate) event: &'a str,
    /// Tells people apart.
    pub(crate) n: u32,
    /// Whether the page is opened first, and the progress looked at afterwards.
    pub(crate) looks: bool,
}

/// What came of a press.
enum Pressed {
    /// A number, and its receipt.
    Accepted { number: u64, receipt: String },
    /// Come again in a while.
    PutOff(Duration),
    /// The event is over.
    TooLate,
}

impl Person<'_> {
    /// From the page to the number.
    pub(crate) async fn take_part(&self, user: &mut GooseUser, ledger: &Ledger) -> Result<(), Trouble> {
        self.look(user, &format!("/e/{}", self.event), "page").await?;
        for _ in 0..PRESSES_MAX {
            match self.press(user, ledger).await? {
                Pressed::Accepted { number, receipt } => {
                    ledger.write().receipts.push(receipt);
                    self.press_by_mistake(user, ledger, number).await?;
                    let progress = format!("/event/com/v1/get/progress/{}", self.event);
                    return self.look(user, &progress, "progress").await;
                }
                Pressed::TooLate => {
                    ledger.write().too_late += 1;
                    return Ok(());
                }
                Pressed::PutOff(wait) => {
                    ledger.write().put_off += 1;
                    tokio::time::sleep(wait.min(WAIT_MAX)).await;
                }
            }
        }
        ledger.write().gave_up += 1;
        Ok(())
    }

    async fn look(&self, user: &mut GooseUser, path: &str, name: &str) -> Result<(), Trouble> {
        if !self.looks {
            return Ok(());
        }
        let request = GooseRequest::builder().path(path).name(name).build();
        let mut answer = user.request(request).await?;
        let put_off = status(&answer).is_some_and(|status| matches!(status, 429 | 503));
        if put_off { user.set_success(&mut answer.request) } else { Ok(()) }
    }

    async fn press(&self, user: &mut GooseUser, ledger: &Ledger) -> Result<Pressed, Trouble> {
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
        let mut answer = user.request(request).await?;
        let code = status(&answer).unwrap_or(0);
        let wait = wait_asked(&answer);
        match code {
            200 | 201 => Ok(self.accepted(answer, ledger).await),
            // Full, too early, or the answer was lost inside (503 `outcome-unknown`): press again.
            409 | 429 | 503 => {
                user.set_success(&mut answer.request)?;
                Ok(Pressed::PutOff(wait))
            }
            410 => {
                user.set_success(&mut answer.request)?;
                Ok(Pressed::TooLate)
            }
            // Nobody knows whether it was registered: the same key finds out.
            0 => Ok(Pressed::PutOff(wait)),
            other => {
                ledger.write().broke(format!("person {} pressed and was answered {other}", self.n));
                Ok(Pressed::PutOff(wait))
            }
        }
    }

    async fn accepted(&self, answer: GooseResponse, ledger: &Ledger) -> Pressed {
        // Cut off on its way: nobody knows what it would have said, and the same key finds out.
        let Ok(response) = answer.response else { return Pressed::PutOff(AGAIN) };
        let Ok(body) = response.text().await else { return Pressed::PutOff(AGAIN) };
        let told: Value = serde_json::from_str(&body).unwrap_or_default();
        if let (Some(number), Some(receipt)) = (told["number"].as_u64(), told["receipt"].as_str()) {
            return Pressed::Accepted { number, receipt: receipt.to_owned() };
        }
        ledger.write().broke(format!("person {} was accepted without a number or receipt", self.n));
        Pressed::PutOff(AGAIN)
    }

    /// Who presses twice keeps the number.
    async fn press_by_mistake(
        &self,
        user: &mut GooseUser,
        ledger: &Ledger,
        number: u64,
    ) -> Result<(), Trouble> {
        if !self.n.is_multiple_of(PRESSES_TWICE) {
            return Ok(());
        }
        if let Pressed::Accepted { number: again, .. } = self.press(user, ledger).await?
            && again != number
        {
            ledger.write().broke(format!("person {} had number {number} and was told {again}", self.n));
        }
        Ok(())
    }

    /// +82 99: no such number is anybody's.
    fn phone(&self) -> String {
        format!("+8299{:010}", self.n)
    }
}

fn status(answer: &GooseResponse) -> Option<u16> {
    answer.response.as_ref().ok().map(|response| response.status().as_u16())
}

/// `Retry-After`, or a second.
fn wait_asked(answer: &GooseResponse) -> Duration {
    let header = answer.response.as_ref().ok().and_then(|response| response.headers().get("retry-after"));
    let seconds = header.and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    seconds.map_or(AGAIN, Duration::from_secs)
}
