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
pub(super) struct Finding {
    /// The name of the check.
    pub(super) name: &'static str,
    /// The rule of docs/order-service.md.
    pub(super) rule: Option<u8>,
    /// Whether the check passed.
    pub(super) verdict: Verdict,
    /// The response of the service.
    pub(super) said: String,
    /// How to fix it.
    pub(super) todo: Option<String>,
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
type Found = Result<String, (String, String)>;

/// A running examination.
pub(super) struct Examination {
    caller: Caller,
    rng: Rng,
    /// Keys with a `PUT` that have no known tombstone.
    open: Vec<AppKey>,
    /// The results so far, in order.
    pub(super) findings: Vec<Finding>,
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
        let (open, findings, live) = (Vec::new(), Vec::new(), Vec::new());
        Self { caller, rng, open, findings, speed: None, tombstones: 0, live, numbers: NUMBER }
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
        self.note("a PUT makes an order", Some(4), made);
        if failed && !unknown {
            // Nothing was made, and a service that cannot be reached need not be asked to take that back.
            self.open.clear();
        }
        if !failed {
            self.repeat(key, number, &first).await;
            self.two_at_once().await;
            self.unknown_person().await;
            self.take_back(key, number).await;
            self.take_back_unknown().await;
            self.wrong_bodies().await;
            self.time(calls, pace).await;
        }
        self.clean_up().await;
    }

    fn first(&self, said: &PutResponse) -> Found {
        match said {
            PutResponse::Accepted(order_no) => Ok(format!("order number '{order_no}'")),
            PutResponse::Rejected(status) => Err((
                format!("{status}, a no, to the event {}", self.caller.event),
                "name an event that the service accepts: --event EVENT".into(),
            )),
            PutResponse::Deleted => Err(gone()),
            PutResponse::Unexpected(unexpected) => Err(explanation(unexpected)),
        }
    }

    async fn repeat(&mut self, key: AppKey, number: u32, first: &PutResponse) {
        let again = self.caller.put(key, number).await;
        let found = same(first, &again);
        self.note("the same PUT again answers the same order", Some(1), found);
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
            ) => same(&yes, &last).map(|said| format!("one got {}, the next call {said}", unexpected.what)),
            ((PutResponse::Unexpected(unexpected), PutResponse::Unexpected(_)), PutResponse::Accepted(_)) => {
                Ok(format!("both got {}, the next call the order", unexpected.what))
            }
            ((one, other), _) => same(&one, &other).and_then(|_| same(&one, &last)),
        };
        self.note("two PUTs at once make one order", Some(1), found);
    }

    async fn unknown_person(&mut self) {
        let (key, number) = self.fresh();
        let found = match self.caller.put_unknown(key, number).await {
            PutResponse::Accepted(order_no) => Ok(format!("order number '{order_no}'")),
            PutResponse::Rejected(status) => Err((
                format!("{status}, a no"),
                "take the order and ask for name and phone later, by the GUID: null is for an applicant restored by receipt".into(),
            )),
            PutResponse::Deleted => Err(gone()),
            PutResponse::Unexpected(unexpected) => Err(explanation(&unexpected)),
        };
        self.note("a PUT without name and phone makes an order", None, found);
    }

    async fn take_back(&mut self, key: AppKey, number: u32) {
        let found = self.delete(key).await;
        self.note("DELETE takes an order back", Some(5), found);
        let found = self.delete(key).await;
        self.note("the same DELETE again says the same", Some(5), found);
        self.put_again("a PUT after DELETE makes nothing", key, number).await;
    }

    async fn take_back_unknown(&mut self) {
        let (key, number) = self.fresh();
        let found = self.delete(key).await;
        self.note("DELETE of a key that never came", Some(5), found);
        self.put_again("a PUT that comes after its DELETE makes nothing", key, number).await;
    }

    async fn put_again(&mut self, name: &'static str, key: AppKey, number: u32) {
        let said = self.caller.put(key, number).await;
        if matches!(said, PutResponse::Accepted(_)) && !self.open.contains(&key) {
            // An order stands where the tombstone should be: at the end it is tried to be taken back once more.
            self.open.push(key);
            self.tombstones -= 1;
        }
        self.note(name, Some(2), behind_tombstone(&said));
    }

    async fn wrong_bodies(&mut self) {
        for (name, body) in [
            ("a body that is no JSON is refused", "{\"event\": "),
            ("a body without its members is refused", "{}"),
        ] {
            let (key, number) = self.fresh();
            let found = match self.caller.put_body(key, body.to_owned()).await {
                Ok(answer) if (400..=499).contains(&answer.status) && answer.is_problem() => {
                    self.caller_makes(key, number, answer.status).await
                }
                Ok(answer) => Err(unfit(answer.status)),
                Err(unexpected) => Err(explanation(&unexpected)),
            };
            self.note(name, Some(3), found);
        }
    }

    /// A refused body must not have burned its key.
    async fn caller_makes(&self, key: AppKey, number: u32, status: u16) -> Found {
        match self.caller.put(key, number).await {
            PutResponse::Accepted(_) => Ok(format!("{status}, and the key still makes an order")),
            _ => Err((
                format!("{status}, but then the key makes no order any more"),
                "look at the body before anything is written: a refused body makes nothing and keeps nothing"
                    .into(),
            )),
        }
    }

    async fn time(&mut self, calls: u32, pace: Pace) {
        let (mut took, mut troubles) = (Vec::new(), Vec::new());
        for _ in 0..calls {
            let (key, number) = self.fresh();
            let begun = Instant::now();
            match self.caller.put(key, number).await {
                PutResponse::Accepted(_) => took.push(begun.elapsed().as_secs_f64() * 1000.0),
                PutResponse::Rejected(status) => troubles.push((
                    format!("{status}, a no"),
                    "name an event with room for the test: --event".into(),
                )),
                PutResponse::Deleted => troubles.push(gone()),
                PutResponse::Unexpected(unexpected) => troubles.push(explanation(&unexpected)),
            }
            if troubles.len() == SILENT_MAX {
                break;
            }
        }
        self.speed = Speed::of(took);
        let found = self.judge(calls, pace, troubles);
        let advice = self.speed.as_ref().filter(|_| found.is_ok()).map(|speed| speed.advice(pace));
        self.note("calls one after the other are quick enough", None, found);
        if let (Some(finding), Some(advice)) = (self.findings.last_mut(), advice) {
            finding.todo = Some(advice);
        }
    }

    fn judge(&self, calls: u32, pace: Pace, mut troubles: Vec<(String, String)>) -> Found {
        let count = troubles.len();
        if let Some((what, todo)) = troubles.pop() {
            return Err((format!("{count} of {calls} without an order, the last one {what}"), todo));
        }
        let Some(speed) = &self.speed else { return Ok("none was made".into()) };
        let said =
            format!("p50 {:.0} ms, p99 {:.0} ms over {} calls", speed.p50_ms, speed.p99_ms, speed.calls);
        let bound_ms = self.caller.timeout.as_secs_f64() * 500.0;
        if speed.p99_ms <= bound_ms {
            return Ok(said);
        }
        let todo = "more than half of the time a call may take: make it quicker, or raise worker.call_timeout. A late call is repeated";
        Err((said, format!("{todo}; {}", speed.advice(pace))))
    }

    async fn clean_up(&mut self) {
        let (mut silent, mut troubles) = (0, 0);
        for key in std::mem::take(&mut self.open) {
            let taken =
                if silent < SILENT_MAX { self.caller.delete(key).await.err() } else { Some(unasked()) };
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
        if self.findings.first().is_some_and(|finding| finding.verdict == Verdict::Wrong) {
            return;
        }
        let found = if troubles == 0 {
            Ok(format!("{} tombstones stay", self.tombstones))
        } else {
            let todo =
                "a DELETE is answered 200, 204 or 410 (rule 5): only then is the seat given to the next";
            Err((format!("{troubles} could not be"), todo.into()))
        };
        self.note("what was made here is taken back", Some(5), found);
    }

    async fn delete(&mut self, key: AppKey) -> Found {
        let answer = self.caller.delete(key).await.map_err(|unexpected| explanation(&unexpected))?;
        if self.open.contains(&key) {
            self.open.retain(|open| *open != key);
            self.tombstones += 1;
        }
        Ok(answer.to_string())
    }

    /// A key that no call was made for, and its number.
    fn fresh(&mut self) -> (AppKey, u32) {
        let mut bytes = [0; 16];
        (self.rng)(&mut bytes);
        self.open.push(AppKey(bytes));
        self.numbers += 1;
        (AppKey(bytes), self.numbers)
    }

    fn note(&mut self, name: &'static str, rule: Option<u8>, found: Found) {
        self.findings.push(match found {
            Ok(said) => Finding { name, rule, verdict: Verdict::Ok, said, todo: None },
            Err((said, todo)) => Finding { name, rule, verdict: Verdict::Wrong, said, todo: Some(todo) },
        });
    }
}

fn explanation(unexpected: &Unexpected) -> (String, String) {
    (unexpected.what.clone(), unexpected.todo.clone())
}

fn unasked() -> Unexpected {
    Unexpected { what: "not asked".into(), todo: String::new(), reach: Reach::Never }
}

fn gone() -> (String, String) {
    let todo = "410 is for a key that was deleted before, and this one never was";
    ("410 to a new key".into(), todo.into())
}

/// Whether two answers to one key are one order.
fn same(one: &PutResponse, other: &PutResponse) -> Found {
    match (one, other) {
        (PutResponse::Accepted(one), PutResponse::Accepted(other)) if one == other => Ok(format!("order number '{one}' each time")),
        (PutResponse::Accepted(one), PutResponse::Accepted(other)) => Err((
            format!("'{one}' and '{other}': two orders for one key"),
            "keep the key with the order, under a unique index, and answer the order that is there".into(),
        )),
        (PutResponse::Rejected(status), _) | (_, PutResponse::Rejected(status)) => Err((
            format!("{status}, a no, although the order is there"),
            "answer the order that is there: a no gives the seat to the next, and then there are two orders for it".into(),
        )),
        (PutResponse::Deleted, _) | (_, PutResponse::Deleted) => Err(gone()),
        (PutResponse::Unexpected(unexpected), _) | (_, PutResponse::Unexpected(unexpected)) => Err(explanation(unexpected)),
    }
}

/// Whether a `PUT` after a `DELETE` was answered as it should be.
fn behind_tombstone(said: &PutResponse) -> Found {
    let todo = || {
        "keep a tombstone for the key and answer 410: a call may still be under way when its order is taken back".to_owned()
    };
    match said {
        PutResponse::Deleted => Ok("410".into()),
        PutResponse::Accepted(order_no) => Err((format!("a new order, '{order_no}'"), todo())),
        PutResponse::Rejected(status) => Err((format!("{status}"), todo())),
        PutResponse::Unexpected(unexpected) => Err(explanation(unexpected)),
    }
}

/// What is wrong with the answer to a body that is no application.
fn unfit(status: u16) -> (String, String) {
    let said = match status {
        200..=299 => format!("{status}: it was taken"),
        400..=499 => format!("{status} without Content-Type: application/problem+json"),
        _ => format!("{status}"),
    };
    (
        said,
        "answer 400 or 422 as problem+json, and make nothing: a body is looked at before anything is written"
            .into(),
    )
}
