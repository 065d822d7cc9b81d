//! The ledger's rows of the applications that the queue names, read in one statement: a statement for each would hold the event's
//! lock for hundreds of round trips to the server.

use std::collections::HashMap;

use domain::{AppKey, EventId, Number};
use serde_json::json;

use crate::store::column::{number, parsed};
use crate::store::error::Error;
use crate::store::transaction::Tx;

/// How the queue's view of an application compares with the ledger's.
pub(crate) enum Comparison {
    /// The ledger has neither the key nor the number.
    New,
    /// The ledger has the key with the same number.
    Known,
    /// The ledger has the key with another number, or the number with another key.
    Contradicts(String),
}

/// Applications of one event by key and by number. It is current as long as the event is locked.
pub(crate) struct KnownApplications {
    numbers: HashMap<AppKey, Number>,
    keys: HashMap<Number, AppKey>,
}

impl KnownApplications {
    /// Reads the rows that have one of these numbers or keys.
    pub(crate) async fn read(
        tx: &mut Tx,
        event: &EventId,
        named: impl Iterator<Item = (Number, AppKey)>,
    ) -> Result<Self, Error> {
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

    /// Adds an application that this transaction has inserted.
    pub(crate) fn add(&mut self, number: Number, key: AppKey) {
        self.numbers.insert(key, number);
        self.keys.insert(number, key);
    }

    /// Compares an application of the queue with the ledger.
    pub(crate) fn compare(&self, number: Number, key: AppKey) -> Comparison {
        let (ledger_number, ledger_key) = match (self.numbers.get(&key), self.keys.get(&number)) {
            (None, None) => return Comparison::New,
            (Some(known), Some(holder)) if (*known, *holder) == (number, key) => return Comparison::Known,
            (Some(known), _) if *known != number => (*known, key),
            (_, Some(holder)) => (number, *holder),
            (Some(known), None) => (*known, key),
        };
        Comparison::Contradicts(format!(
            "the queue has {} at number {number}, the ledger has {} at number {ledger_number}: the queue was put back to an earlier state",
            key.guid(),
            ledger_key.guid(),
        ))
    }
}
