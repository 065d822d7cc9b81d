//! `spike`: so many people for one event, played by Goose's users one person after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use goose::goose::{Scenario, Transaction, TransactionFunction};

use crate::attack::{self, Until};
use crate::ledger::Ledger;
use crate::person::Person;
use crate::report::Report;

/// A crowd.
#[derive(Debug, Clone)]
pub struct Spike {
    /// Where it knocks.
    pub gateway: String,
    /// What it wants.
    pub event: String,
    /// How many people.
    pub people: u32,
    /// How many Goose users play them, at once.
    pub users: u16,
    /// The first person's number, so that two crowds differ.
    pub first_person: u32,
    /// Every so-manyth person opens the page first, and looks at the progress afterwards; all others only press, as people do who
    /// have had the page open since before the opening.
    pub page_every: u32,
}

impl Spike {
    /// Sends the crowd, and tells how it went.
    pub async fn run(&self) -> anyhow::Result<Report> {
        let ledger = Arc::new(Ledger::default());
        let users = u32::from(self.users).min(self.people);
        let rounds = self.people.div_ceil(users);
        let scenario = Scenario::new("spike").register_transaction(self.people(&ledger));
        let metrics = attack::run(
            &self.gateway,
            u16::try_from(users).unwrap_or(self.users),
            Until::Rounds(usize::try_from(rounds)?),
            scenario,
        )
        .await?;
        let entries = ledger.write().clone();
        Ok(Report::of_crowd(&metrics, entries, self.people))
    }

    /// Each round of a user is the next person who has not come yet.
    fn people(&self, ledger: &Arc<Ledger>) -> Transaction {
        let (next, ledger) = (Arc::new(AtomicU32::new(0)), Arc::clone(ledger));
        let event: Arc<str> = self.event.as_str().into();
        let (people, first, page_every) = (self.people, self.first_person, self.page_every);
        let come: TransactionFunction = Arc::new(move |user| {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let (event, ledger) = (Arc::clone(&event), Arc::clone(&ledger));
            Box::pin(async move {
                // More rounds than people, if they do not divide.
                if n >= people {
                    return Ok(());
                }
                let looks = n.is_multiple_of(page_every);
                Person { event: &event, n: first + n, looks }.take_part(user, &ledger).await
            })
        });
        Transaction::new(come).set_name("a person")
    }
}
