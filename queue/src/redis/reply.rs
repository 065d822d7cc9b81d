//! An answer of the functions, taken apart from front to back. What it means is known by who asked.

use domain::{AppKey, Number, Outcome};
use redis::Value;

use super::fault::Fault;
use crate::contract::{LeadError, PlaceRow, QueueState, Refused, Shown};

/// What a function answered, after its nonce.
#[derive(Debug)]
pub(super) enum Answer {
    Done(Reply),
    UnknownEvent,
    NotArmed,
    Fenced(i64),
    OldEpoch(u32),
}

impl Answer {
    /// The answer to the question with this nonce.
    pub(super) fn to(nonce: &str, value: Value) -> Result<Self, Fault> {
        let Value::Array(values) = value else { return Err(Fault::Misaligned) };
        let mut reply = Reply(values.into_iter());
        if reply.bytes()? != nonce.as_bytes() {
            return Err(Fault::Misaligned);
        }
        Ok(match reply.text()?.as_str() {
            "OK" => Self::Done(reply),
            "UNKNOWN" => Self::UnknownEvent,
            "UNARMED" => Self::NotArmed,
            "FENCED" => Self::Fenced(reply.int()?),
            "EPOCH" => Self::OldEpoch(reply.int()?),
            other => return Err(garbled(other)),
        })
    }

    /// What an applicant is answered with.
    pub(super) fn for_applicants(self) -> Result<Reply, Refused> {
        match self {
            Self::Done(reply) => Ok(reply),
            Self::UnknownEvent => Err(Refused::UnknownEvent),
            Self::NotArmed => Err(Refused::NotArmed),
            other => Err(garbled(&format!("{other:?}")).into()),
        }
    }

    /// What the leader is answered with.
    pub(super) fn for_the_leader(self) -> Result<Reply, LeadError> {
        match self {
            Self::Done(reply) => Ok(reply),
            Self::UnknownEvent => Err(LeadError::UnknownEvent),
            Self::NotArmed => Err(LeadError::NotArmed),
            Self::Fenced(fence) => Err(LeadError::Fenced(fence)),
            Self::OldEpoch(epoch) => Err(LeadError::OldEpoch(epoch)),
        }
    }
}

/// The rest of an answer.
#[derive(Debug)]
pub(super) struct Reply(std::vec::IntoIter<Value>);

impl Reply {
    /// Whether all was taken.
    pub(super) fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    /// The next field as it is stored; `None` if it is not.
    pub(super) fn stored(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        match self.0.next() {
            Some(Value::Nil) => Ok(None),
            Some(Value::BulkString(bytes)) => Ok(Some(bytes)),
            Some(Value::Int(n)) => Ok(Some(n.to_string().into_bytes())),
            other => Err(garbled(&format!("{other:?}"))),
        }
    }

    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, Fault> {
        self.stored()?.ok_or_else(|| garbled("a field is missing"))
    }

    pub(super) fn text(&mut self) -> Result<String, Fault> {
        String::from_utf8(self.bytes()?).map_err(|_| garbled("a text is not UTF-8"))
    }

    pub(super) fn int<T: TryFrom<i64>>(&mut self) -> Result<T, Fault> {
        self.stored_int()?.ok_or_else(|| garbled("a number is missing"))
    }

    pub(super) fn stored_int<T: TryFrom<i64>>(&mut self) -> Result<Option<T>, Fault> {
        let bytes = match self.0.next() {
            Some(Value::Int(n)) => return T::try_from(n).map(Some).map_err(|_| garbled("a number is none")),
            Some(Value::BulkString(bytes)) => bytes,
            Some(Value::Nil) => return Ok(None),
            other => return Err(garbled(&format!("{other:?}"))),
        };
        let number = std::str::from_utf8(&bytes).ok().and_then(|text| text.parse::<i64>().ok());
        number.and_then(|n| T::try_from(n).ok()).map(Some).ok_or_else(|| garbled("a number is none"))
    }

    pub(super) fn number(&mut self) -> Result<Number, Fault> {
        Number::new(self.int()?).ok_or_else(|| garbled("number 0"))
    }

    pub(super) fn app_key(&mut self) -> Result<AppKey, Fault> {
        self.bytes()?.try_into().map(AppKey).map_err(|_| garbled("a key has not 16 bytes"))
    }

    pub(super) fn mark(&mut self) -> Result<QueueState, Fault> {
        mark(self.int()?)
    }

    /// `outcome`, `outcome:order number`, or nothing.
    pub(super) fn shown(&mut self) -> Result<Option<Shown>, Fault> {
        let text = self.text()?;
        if text.is_empty() {
            return Ok(None);
        }
        let (word, order_no) = match text.split_once(':') {
            Some((word, order_no)) => (word, Some(order_no.to_owned())),
            None => (text.as_str(), None),
        };
        let outcome = Outcome::parse(word).ok_or_else(|| garbled(word))?;
        Ok(Some(Shown { outcome, order_no }))
    }

    pub(super) fn place(&mut self) -> Result<Option<PlaceRow>, Fault> {
        if self.is_empty() {
            return Ok(None);
        }
        Ok(Some(PlaceRow { number: self.number()?, mark: self.mark()?, shown: self.shown()? }))
    }
}

/// An outcome as it is stored.
pub(super) fn stored_outcome(shown: &Shown) -> String {
    match &shown.order_no {
        Some(order_no) => format!("{}:{order_no}", shown.outcome.as_str()),
        None => shown.outcome.as_str().to_owned(),
    }
}

/// The mark that the functions count so.
pub(super) fn mark(n: i64) -> Result<QueueState, Fault> {
    match n {
        0 => Ok(QueueState::Waiting),
        1 => Ok(QueueState::Admitted),
        2 => Ok(QueueState::Withdrawn),
        other => Err(garbled(&format!("no mark is counted {other}"))),
    }
}

pub(super) fn garbled(what: &str) -> Fault {
    Fault::Garbled(what.to_owned())
}
