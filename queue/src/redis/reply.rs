//! The replies of the Redis functions in `queue.lua`, read field by field from the front. Only the caller knows what the fields mean.

use domain::{AppKey, CalledWindow, Epoch, Number, Outcome, ReqHash};
use redis::Value;

use super::error::{CallError, unreadable};
use crate::contract::{LeaderError, ProjectedOutcome, QueueEntry, QueueError, QueueState};
use crate::inbox::CalledReply;

/// The reply of a function, without its nonce.
#[derive(Debug)]
pub(super) enum FunctionReply {
    Done(ReplyFields),
    UnknownEvent,
    NotArmed,
    Fenced { current: i64 },
    EpochTooOld { current: u32 },
}

impl FunctionReply {
    /// Parses the reply to the call with this nonce.
    pub(super) fn parse(value: Value, nonce: &str) -> Result<Self, CallError> {
        let Value::Array(values) = value else { return Err(CallError::WrongReply) };
        let mut fields = ReplyFields(values.into_iter());
        if fields.bytes()? != nonce.as_bytes() {
            return Err(CallError::WrongReply);
        }
        Ok(match fields.text()?.as_str() {
            "OK" => Self::Done(fields),
            "UNKNOWN" => Self::UnknownEvent,
            "UNARMED" => Self::NotArmed,
            "FENCED" => Self::Fenced { current: fields.int()? },
            "EPOCH" => Self::EpochTooOld { current: fields.int()? },
            other => return Err(unreadable(other)),
        })
    }

    /// The result of a call of an applicant, or of a read of any role.
    pub(super) fn into_queue_result(self) -> Result<ReplyFields, QueueError> {
        match self {
            Self::Done(fields) => Ok(fields),
            Self::UnknownEvent => Err(QueueError::UnknownEvent),
            Self::NotArmed => Err(QueueError::NotArmed),
            other => Err(unreadable(&format!("{other:?}")).into()),
        }
    }

    /// The result of a call that only the leader makes.
    pub(super) fn into_leader_result(self) -> Result<ReplyFields, LeaderError> {
        match self {
            Self::Done(fields) => Ok(fields),
            Self::UnknownEvent => Err(LeaderError::UnknownEvent),
            Self::NotArmed => Err(LeaderError::NotArmed),
            Self::Fenced { current } => Err(LeaderError::Fenced { current }),
            Self::EpochTooOld { current } => Err(LeaderError::EpochTooOld { current }),
        }
    }
}

/// The fields of a reply that are not read yet.
#[derive(Debug)]
pub(super) struct ReplyFields(std::vec::IntoIter<Value>);

impl ReplyFields {
    /// Whether all fields are read.
    pub(super) fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    /// The next field as it is stored; `None` if nothing is stored.
    pub(super) fn stored(&mut self) -> Result<Option<Vec<u8>>, CallError> {
        match self.0.next() {
            Some(Value::Nil) => Ok(None),
            Some(Value::BulkString(bytes)) => Ok(Some(bytes)),
            Some(Value::Int(n)) => Ok(Some(n.to_string().into_bytes())),
            other => Err(unreadable(&format!("{other:?}"))),
        }
    }

    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, CallError> {
        self.stored()?.ok_or_else(|| unreadable("a field is missing"))
    }

    pub(super) fn text(&mut self) -> Result<String, CallError> {
        String::from_utf8(self.bytes()?).map_err(|_| unreadable("a text that is not UTF-8"))
    }

    pub(super) fn int<T: TryFrom<i64>>(&mut self) -> Result<T, CallError> {
        self.stored_int()?.ok_or_else(|| unreadable("an integer is missing"))
    }

    pub(super) fn stored_int<T: TryFrom<i64>>(&mut self) -> Result<Option<T>, CallError> {
        let int = match self.0.next() {
            Some(Value::Int(n)) => Some(n),
            Some(Value::BulkString(bytes)) => {
                std::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok())
            }
            Some(Value::Nil) => return Ok(None),
            other => return Err(unreadable(&format!("{other:?}"))),
        };
        let int = int.and_then(|n| T::try_from(n).ok());
        int.map(Some).ok_or_else(|| unreadable("a field that is not an integer of its range"))
    }

    /// The epoch of the loss that a journal was replayed for; an empty field is `None`.
    pub(super) fn replayed_epoch(&mut self) -> Result<Option<Epoch>, CallError> {
        let text = self.text()?;
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(|epoch| Some(Epoch(epoch))).map_err(|_| unreadable(&text))
    }

    pub(super) fn number(&mut self) -> Result<Number, CallError> {
        Number::new(self.int()?).ok_or_else(|| unreadable("the number 0"))
    }

    pub(super) fn app_key(&mut self) -> Result<AppKey, CallError> {
        self.bytes()?.try_into().map(AppKey).map_err(|_| unreadable("a key that has not 16 bytes"))
    }

    pub(super) fn req_hash(&mut self) -> Result<ReqHash, CallError> {
        self.bytes()?.try_into().map(ReqHash).map_err(|_| unreadable("a hash that has not 8 bytes"))
    }

    pub(super) fn queue_state(&mut self) -> Result<QueueState, CallError> {
        queue_state(self.int()?)
    }

    /// Parses what the ledger has projected of an application: `outcome`, `outcome:order_no` or `called:until:flags`; an empty field is
    /// neither.
    pub(super) fn projected(
        &mut self,
    ) -> Result<(Option<ProjectedOutcome>, Option<CalledWindow>), CallError> {
        let text = self.text()?;
        if text.is_empty() {
            return Ok((None, None));
        }
        if let Some(window) = text.strip_prefix(CALLED) {
            return Ok((None, Some(called_window(window)?)));
        }
        let (word, order_no) = match text.split_once(':') {
            Some((word, order_no)) => (word, Some(order_no.to_owned())),
            None => (text.as_str(), None),
        };
        let outcome = Outcome::parse(word).ok_or_else(|| unreadable(word))?;
        Ok((Some(ProjectedOutcome { outcome, order_no }), None))
    }

    /// The result of a called applicant's request; `None` if no field is left.
    pub(super) fn called_reply(&mut self, app_key: AppKey) -> Result<Option<CalledReply>, CallError> {
        if self.is_empty() {
            return Ok(None);
        }
        let (accepted, now) = (self.int::<u8>()? == 1, self.int()?);
        Ok(self.entry(app_key)?.map(|entry| CalledReply { entry, accepted, now }))
    }

    /// The application with this key; `None` if no field is left.
    pub(super) fn entry(&mut self, app_key: AppKey) -> Result<Option<QueueEntry>, CallError> {
        if self.is_empty() {
            return Ok(None);
        }
        let (number, state) = (self.number()?, self.queue_state()?);
        let (outcome, called) = self.projected()?;
        let cancel_requested = self.int::<u8>()? == 1;
        Ok(Some(QueueEntry { number, app_key, state, outcome, called, cancel_requested }))
    }
}

/// What the text of a called applicant begins with.
const CALLED: &str = "called:";

/// The time of a called applicant as it is stored.
pub(super) fn stored_called(window: CalledWindow) -> String {
    let flag = |is_set: bool, flag: &'static str| if is_set { flag } else { "" };
    format!("{CALLED}{}:{}{}", window.until, flag(window.extended, "x"), flag(window.confirmed, "c"))
}

fn called_window(text: &str) -> Result<CalledWindow, CallError> {
    let (until, flags) = text.split_once(':').ok_or_else(|| unreadable(text))?;
    let until = until.parse().map_err(|_| unreadable(text))?;
    Ok(CalledWindow { until, extended: flags.contains('x'), confirmed: flags.contains('c') })
}

/// An outcome as it is stored.
pub(super) fn stored_outcome(projected: &ProjectedOutcome) -> String {
    match &projected.order_no {
        Some(order_no) => format!("{}:{order_no}", projected.outcome.as_str()),
        None => projected.outcome.as_str().to_owned(),
    }
}

/// The state for the code that the functions use.
pub(super) fn queue_state(code: i64) -> Result<QueueState, CallError> {
    match code {
        0 => Ok(QueueState::Waiting),
        1 => Ok(QueueState::Admitted),
        2 => Ok(QueueState::Withdrawn),
        other => Err(unreadable(&format!("the code {other} for a state"))),
    }
}
