//! The scenario `spike`: many applicants for one event. Each Goose user simulates several of them, one after another.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use goose::goose::{Scenario, Transaction, TransactionFunction};

use crate::acknowledged::Acknowledged;
use crate::attack::{self, RunLength};
use crate::person::Person;
use crate::report::LoadReport;

/// A crowd of applicants.
#[derive(Debug, Clone)]
pub struct Spike {
    /// The address of the gateway or the signup service.
    pub gateway: String,
    /// The event that all apply for.
    pub event: String,
    /// The number of applicants.
    pub people: u32,
    /// The number of concurrent Goose users that simulate them.
    pub users: u16,
    /// The number of the first applicant, so that two crowds differ.
    pub first_person: u32,
    /// One applicant in this many opens the page first and reads the progress afterwards. All others only apply, like applicants
    /// whose page was open before the opening.
    pub page_every: u32,
}

impl Spike {
    /// Sends the crowd, and reports the results.
    pub async fn run(&self) -> anyhow::Result<LoadReport> {
        let acknowledged = Arc::new(Acknowledged::default());
        let users = u32::from(self.users).min(self.people);
        let rounds = self.people.div_ceil(users);
        let scenario = Scenario::new("spike").register_transaction(self.transaction(&acknowledged));
        let metrics = attack::run(
            &self.gateway,
            u16::try_from(users).unwrap_or(self.users),
            RunLength::Rounds(usize::try_from(rounds)?),
            scenario,
        )
        .await?;
        let entries = acknowledged.lock().clone();
        Ok(LoadReport::of_crowd(&metrics, entries, self.people))
    }

    /// Simulates the next applicant in each iteration of a user.
    fn transaction(&self, acknowledged: &Arc<Acknowledged>) -> Transaction {
        let next = AtomicU32::new(0);
        let acknowledged = Arc::clone(acknowledged);
        let event: Arc<str> = self.event.as_str().into();
        let people = self.people;
        let first_person = self.first_person;
        let page_every = self.page_every;
        let take_part: TransactionFunction = Arc::new(move |user| {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let event = Arc::clone(&event);
            let acknowledged = Arc::clone(&acknowledged);
            Box::pin(async move {
                // There are more iterations than applicants unless the users divide them evenly.
                if n >= people {
                    return Ok(());
                }
                let opens_page = n.is_multiple_of(page_every);
                Person { event: &event, n: first_person + n, opens_page }.take_part(user, &acknowledged).await
            })
        });
        Transaction::new(take_part).set_name("applicant")
    }
}
