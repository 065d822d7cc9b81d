//! What the ledger knows of those whom the queue names, asked for all of them at once: a statement each would hold the event's
//! lock for as long as it takes to ask a distant server hundreds of times.

use std::collections::HashMap;

use domain::{AppKey, EventId, Number};
use serde_json::json;

use crate::ledger::{LedgerError, Tx, number, parsed};

/// What the ledger knows of somebody in the queue.
pub(crate) enum Standing {
    New,
    Known,
    Contradicts(String),
}

/// Applications of one event, by either of their two names. True as long as the event's lock is held.
pub(crate) struct Known {
    numbers: HashMap<AppKey, Number>,
    keys: HashMap<Number, AppKey>,
}

impl Known {
    pub(crate) async fn of(
        tx: &mut Tx,
        event: &EventId,
        named: impl Iterator<Item = (Number, AppKey)>,
    ) -> Result<Self, LedgerError> {
        let named: Vec<_> =
            named.map(|(number, key)| json!({ "number": number, "key": key.to_string() })).collect();
        let rows = sqlx::query(
            "SELECT app_key, number FROM application JOIN json_each($2) AS named ON app_key = named.value ->> 'key' WHERE event = $1
             UNION
             SELECT app_key, number FROM application JOIN json_each($2) AS named ON number = CAST(named.value ->> 'number' AS BIGINT) WHERE event = $1",
        )
        .bind(event.as_str()).bind(json!(named).to_string())
        .fetch_all(&mut **tx).await?;
        let mut known =
            Self { numbers: HashMap::with_capacity(rows.len()), keys: HashMap::with_capacity(rows.len()) };
        for row in &rows {
            known.add(number(row)?, parsed(row, "app_key")?);
        }
        Ok(known)
    }

    pub(crate) fn add(&mut self, number: Number, key: AppKey) {
        self.numbers.insert(key, number);
        self.keys.insert(number, key);
    }

    pub(crate) fn standing(&self, number: Number, key: AppKey) -> Standing {
        let other = match (self.numbers.get(&key), self.keys.get(&number)) {
            (None, None) => return Standing::New,
            (Some(theirs), Some(who)) if (*theirs, *who) == (number, key) => return Standing::Known,
            (Some(theirs), _) if *theirs != number => (*theirs, key),
            (_, Some(who)) => (number, *who),
            (Some(theirs), None) => (*theirs, key),
        };
        Standing::Contradicts(format!(
            "the queue has {key} at number {number}, the ledger has {} at number {}: the queue was put back to an earlier state",
            other.1, other.0
        ))
    }
}
