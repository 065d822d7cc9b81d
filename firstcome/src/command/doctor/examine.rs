//! The checks of an order service, rule by rule, with test orders that are deleted at the end.

use domain::{AppKey, EventId, Pace};
use service::Rng;
use tokio::time::Instant;

use super::call::{Caller, PutResponse, Reach, Unexpected};
use super::speed::Speed;

/// The first test number: above the numbers of real queues, and within a signed 32-bit column.
const NUMBER: u32 = 2_000_000_000;
/// The number of calls without an order after which a series stops.
const SILENT_MAX: usize = 3;

/// The result of one check.
#[derive(Debug)]
pub(super) struct RuleCheck {
    /// The name of the check.
    pub(super) name: &'static str,
    /// The rule of docs/order-service.md.
    pub(super) rule: Option<u8>,
    /// Whether the check passed.
    pub(super) verdict: Verdict,
    /// The response of the service.
    pub(super) response: String,
    /// How to fix it.
    pub(super) fix: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The check passed.
    Ok,
    /// The check failed.
    Wrong,
}

impl Verdict {
    /// The word in the report.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Wrong => "WRONG",
        }
    }
}

/// The response of a passed check, or the response of a failed one with how to fix it.
type RuleResult = Result<String, (String, String)>;

/// A running examination.
pub(super) struct Examination {
    caller: Caller,
    rng: Rng,
    /// Keys with a `PUT` that have no known tombstone.
    open: Vec<AppKey>,
    /// The results so far, in order.
    pub(super) checks: Vec<RuleCheck>,
    /// How long calls took.
    pub(super) speed: Option<Speed>,
    /// Tombstones that stay there.
    pub(super) tombstones: usize,
    /// Orders that could not be taken back, `event:key`.
    pub(super) live: Vec<String>,
    numbers: u32,
}

/// The id of an event that does not exist: `doctor-` and six hexadecimal digits.
pub(super) fn test_event(rng: &Rng) -> anyhow::Result<EventId> {
    let mut bytes = [0; 3];
    rng(&mut bytes);
    Ok(format!("doctor-{}", data_encoding::HEXLOWER.encode(&bytes)).parse()?)
}

impl Examination {
    pub(super) fn new(caller: Caller, rng: Rng) -> Self {
        let open = Vec::new();
        let checks = Vec::new();
        let live = Vec::new();
        Self { caller, rng, open, checks, speed: None, tombstones: 0, live, numbers: NUMBER }
    }

    /// Runs all checks. If the first order fails, the other checks are skipped, since they would fail for the same reason.
    pub(super) async fn run(&mut self, calls: u32, pace: Pace) {
        let (key, number) = self.fresh();
        let first = self.caller.put(key, number).await;
        let made = self.first(&first);
        let (failed, unknown) = (
            made.is_err(),
            matches!(&first, PutResponse::Unexpected(unexpected) if unexpected.reach == Reach::Unknown),
        );
        self.note("a PUT creates an order", Some(4), made);
        if failed && !unknown {
            // Nothing was made, and a service that cannot be reached need not be asked to take that back.
            self.open.clear();
        }
        if !failed {
            self.repeat(key, number, &first).await;
            self.two_at_once().await;
            self.unknown_person().await;
            self.delete_and_put(key, number).await;
            self.delete_unknown().await;
            self.wrong_bodies().await;
            self.time(calls, pace).await;
        }
        self.clean_up().await;
    }

    fn first(&self, response: &PutResponse) -> RuleResult {
        match response {
            PutResponse::Accepted(order_no) => Ok(format!("order number '{order_no}'")),
            PutResponse::Rejected(status) => Err((
                format!("{status}, a rejection, for the event {}", self.caller.event),
                "name an event that the service accepts: --event EVENT".into(),
            )),
            PutResponse::Deleted => Err(unexpected_410()),
            PutResponse::Unexpected(unexpected) => Err(explanation(unexpected)),
        }
    }

    async fn repeat(&mut self, key: AppKey, number: u32, first: &PutResponse) {
        let again = self.caller.put(key, number).await;
        let found = same(first, &again);
        self.note("a repeated PUT returns the same order", Some(1), found);
    }

    async fn two_at_once(&mut self) {
        let (key, number) = self.fresh();
        let both = tokio::join!(self.caller.put(key, number), self.caller.put(key, number));
        let last = self.caller.put(key, number).await;
        let found = match (both, &last) {
            (
                (PutResponse::Unexpected(unexpected), yes @ PutResponse::Accepted(_))
                | (yes @ PutResponse::Accepted(_), PutResponse::Unexpected(unexpected)),
                _,
            ) => same(&yes, &last)
                .map(|response| format!("one got {}, the next call {response}", unexpected.what)),
            ((PutResponse::Unexpected(unexpected), PutResponse::Unexpected(_)), PutResponse::Accepted(_)) => {
                Ok(format!("both got {}, the next call got the order", unexpected.what))
            }
            ((one, other), _) => same(&one, &other).and_then(|_| same(&one, &last)),
        };
        self.note("two concurrent PUTs create one order", Some(1), found);
    }

    async fn unknown_person(&mut self) {
        let (key, number) = self.fresh();
        let found = match self.caller.put_unknown(key, number).await {
            PutResponse::Accepted(order_no) => Ok(format!("order number '{order_no}'")),
            PutResponse::Rejected(status) => Err((
                format!("{status}, a rejection"),
                "create the order and get name and phone later, by the GUID: they are null for an applicant who was restored from a receipt".into(),
            )),
            PutResponse::Deleted => Err(unexpected_410()),
            PutResponse::Unexpected(unexpected) => Err(explanation(&unexpected)),
        };
        self.note("a PUT without name and phone creates an order", None, found);
    }

    async fn delete_and_put(&mut self, key: AppKey, number: u32) {
        let found = self.delete(key).await;
        self.note("a DELETE deletes the order", Some(5), found);
        let found = self.delete(key).await;
        self.note("a repeated DELETE succeeds too", Some(5), found);
        self.put_again("a PUT after the DELETE creates nothing", key, number).await;
    }

    async fn delete_unknown(&mut self) {
        let (key, number) = self.fresh();
        let found = self.delete(key).await;
        self.note("a DELETE of an unknown key succeeds", Some(5), found);
        self.put_again("a PUT that arrives after its DELETE creates nothing", key, number).await;
    }

    async fn put_again(&mut self, name: &'static str, key: AppKey, number: u32) {
        let response = self.caller.put(key, number).await;
        if matches!(response, PutResponse::Accepted(_)) && !self.open.contains(&key) {
            // An order stands where the tombstone should be: at the end it is tried to be taken back once more.
            self.open.push(key);
            self.tombstones -= 1;
        }
        self.note(name, Some(2), behind_tombstone(&response));
    }

    async fn wrong_bodies(&mut self) {
        for (name, body) in [
            ("a body that is not JSON is refused", "{\"event\": "),
            ("a body without the members is refused", "{}"),
        ] {
            let (key, number) = self.fresh();
            let found = match self.caller.put_body(key, body.to_owned()).await {
                Ok(response) if (400..=499).contains(&response.status) && response.is_problem() => {
                    self.caller_makes(key, number, response.status).await
                }
                Ok(response) => Err(unfit(response.status)),
                Err(unexpected) => Err(explanation(&unexpected)),
            };
            self.note(name, Some(3), found);
        }
    }

    /// A refused body must not have burned its key.
    async fn caller_makes(&self, key: AppKey, number: u32, status: u16) -> RuleResult {
        match self.caller.put(key, number).await {
            PutResponse::Accepted(_) => {
                Ok(format!("{status}, and a valid PUT of the key then creates an order"))
            }
            _ => Err((
                format!("{status}, but a valid PUT of the key then creates no order"),
                "validate the body before you write anything: a refused body must leave no trace of its key"
                    .into(),
            )),
        }
    }

    async fn time(&mut self, calls: u32, pace: Pace) {
        let mut took = Vec::new();
        let mut troubles = Vec::new();
        for _ in 0..calls {
            let (key, number) = self.fresh();
            let begun = Instant::now();
            match self.caller.put(key, number).await {
                PutResponse::Accepted(_) => took.push(begun.elapsed().as_secs_f64() * 1000.0),
                PutResponse::Rejected(status) => troubles.push((
                    format!("{status}, a rejection"),
                    "name an event with enough capacity for the test: --event".into(),
                )),
                PutResponse::Deleted => troubles.push(unexpected_410()),
                PutResponse::Unexpected(unexpected) => troubles.push(explanation(&unexpected)),
            }
            if troubles.len() == SILENT_MAX {
                break;
            }
        }
        self.speed = Speed::of(took);
        let found = self.judge(calls, pace, troubles);
        let advice = self.speed.as_ref().filter(|_| found.is_ok()).map(|speed| speed.advice(pace));
        self.note("consecutive calls are fast enough", None, found);
        if let (Some(check), Some(advice)) = (self.checks.last_mut(), advice) {
            check.fix = Some(advice);
        }
    }

    fn judge(&self, calls: u32, pace: Pace, mut troubles: Vec<(String, String)>) -> RuleResult {
        let count = troubles.len();
        if let Some((what, fix)) = troubles.pop() {
            return Err((
                format!("{count} of {calls} calls created no order; the last response was {what}"),
                fix,
            ));
        }
        let Some(speed) = &self.speed else { return Ok("no call was made".into()) };
        let response =
            format!("p50 {:.0} ms, p99 {:.0} ms over {} calls", speed.p50_ms, speed.p99_ms, speed.calls);
        let bound_ms = self.caller.timeout.as_secs_f64() * 500.0;
        if speed.p99_ms <= bound_ms {
            return Ok(response);
        }
        let fix = "the p99 is more than half of the timeout: make the service faster, or raise worker.call_timeout. A call that times out is repeated";
        Err((response, format!("{fix}; {}", speed.advice(pace))))
    }

    async fn clean_up(&mut self) {
        let mut silent = 0;
        let mut troubles = 0;
        for key in std::mem::take(&mut self.open) {
            let taken =
                if silent < SILENT_MAX { self.caller.delete(key).await.err() } else { Some(unsent()) };
            match taken {
                None => self.tombstones += 1,
                Some(unexpected) => {
                    silent += usize::from(unexpected.reach != Reach::Answered);
                    troubles += 1;
                    self.live.push(format!("{}:{key}", self.caller.event));
                }
            }
        }
        // The first check has already reported a service that makes no order.
        if self.checks.first().is_some_and(|check| check.verdict == Verdict::Wrong) {
            return;
        }
        let found = if troubles == 0 {
            Ok(format!("{} tombstones remain", self.tombstones))
        } else {
            let fix =
                "respond 200, 204 or 410 to a DELETE (rule 5): the seat goes to the next applicant only then";
            Err((format!("{troubles} could not be deleted"), fix.into()))
        };
        self.note("the test orders are deleted", Some(5), found);
    }

    async fn delete(&mut self, key: AppKey) -> RuleResult {
        let response = self.caller.delete(key).await.map_err(|unexpected| explanation(&unexpected))?;
        if self.open.contains(&key) {
            self.open.retain(|open| *open != key);
            self.tombstones += 1;
        }
        Ok(response.to_string())
    }

    /// A key that no call was made for, and its number.
    fn fresh(&mut self) -> (AppKey, u32) {
        let mut bytes = [0; 16];
        (self.rng)(&mut bytes);
        self.open.push(AppKey(bytes));
        self.numbers += 1;
        (AppKey(bytes), self.numbers)
    }

    fn note(&mut self, name: &'static str, rule: Option<u8>, result: RuleResult) {
        self.checks.push(match result {
            Ok(response) => RuleCheck { name, rule, verdict: Verdict::Ok, response, fix: None },
            Err((response, fix)) => {
                RuleCheck { name, rule, verdict: Verdict::Wrong, response, fix: Some(fix) }
            }
        });
    }
}

fn explanation(unexpected: &Unexpected) -> (String, String) {
    (unexpected.what.clone(), unexpected.fix.clone())
}

fn unsent() -> Unexpected {
    Unexpected { what: "not sent".into(), fix: String::new(), reach: Reach::Never }
}

fn unexpected_410() -> (String, String) {
    let fix = "respond 410 only for a key that was deleted before; this one was not";
    ("410 for a new key".into(), fix.into())
}

/// Whether two answers to one key are one order.
fn same(one: &PutResponse, other: &PutResponse) -> RuleResult {
    match (one, other) {
        (PutResponse::Accepted(one), PutResponse::Accepted(other)) if one == other => Ok(format!("order number '{one}' each time")),
        (PutResponse::Accepted(one), PutResponse::Accepted(other)) => Err((
            format!("'{one}' and '{other}': two orders for one key"),
            "store the key with the order, under a unique index, and return the existing order".into(),
        )),
        (PutResponse::Rejected(status), _) | (_, PutResponse::Rejected(status)) => Err((
            format!("{status}, a rejection, although the order exists"),
            "return the existing order: after a rejection the next applicant gets the seat, and then two orders exist for it".into(),
        )),
        (PutResponse::Deleted, _) | (_, PutResponse::Deleted) => Err(unexpected_410()),
        (PutResponse::Unexpected(unexpected), _) | (_, PutResponse::Unexpected(unexpected)) => Err(explanation(unexpected)),
    }
}

/// Whether a `PUT` after a `DELETE` was answered as it should be.
fn behind_tombstone(response: &PutResponse) -> RuleResult {
    let fix = || {
        "store a tombstone for the key and respond 410: a PUT can arrive after the DELETE of its order"
            .to_owned()
    };
    match response {
        PutResponse::Deleted => Ok("410".into()),
        PutResponse::Accepted(order_no) => Err((format!("a new order, '{order_no}'"), fix())),
        PutResponse::Rejected(status) => Err((format!("{status}"), fix())),
        PutResponse::Unexpected(unexpected) => Err(explanation(unexpected)),
    }
}

/// What is wrong with the response to a body that is no application.
fn unfit(status: u16) -> (String, String) {
    let response = match status {
        200..=299 => format!("{status}: the body was accepted"),
        400..=499 => format!("{status} without Content-Type: application/problem+json"),
        _ => format!("{status}"),
    };
    (
        response,
        "respond 400 or 422 as problem+json and create nothing: validate the body before you write anything"
            .into(),
    )
}
