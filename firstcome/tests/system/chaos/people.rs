//! People who arrive at a steady rate for as long as the faults last. One in fifteen cancels, one in ten applies again. No one looks at
//! the page again, so that nothing that the queue loses comes back from a receipt.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::{JoinError, JoinSet};

use crate::crowd::{Ack, Crowd};

const ARRIVAL: Duration = Duration::from_millis(25);
const ARRIVALS: u32 = 3;
/// People who press at the same time during an outage; further ones arrive later.
const PRESSING_MAX: usize = 1500;

pub(super) struct People {
    acks: Arc<Mutex<Vec<Ack>>>,
    have_left: Arc<AtomicBool>,
    arriving: JoinSet<Vec<String>>,
}

impl People {
    pub(super) fn arrive(crowd: Crowd, mut dice: fastrand::Rng) -> Self {
        let acks: Arc<Mutex<Vec<Ack>>> = Arc::default();
        let have_left = Arc::new(AtomicBool::new(false));
        let visit = Visit { crowd, acks: Arc::clone(&acks) };
        let leaving = Arc::clone(&have_left);
        let mut arriving = JoinSet::new();
        arriving.spawn(async move {
            let mut arrivals = Arrivals { visit, tasks: JoinSet::new(), broken: Vec::new() };
            let mut person = 0;
            while !leaving.load(Ordering::Relaxed) {
                for _ in 0..ARRIVALS {
                    person += u32::from(arrivals.let_in(person, &mut dice));
                }
                arrivals.collect_ended();
                tokio::time::sleep(ARRIVAL).await;
            }
            arrivals.collect_all().await
        });
        Self { acks, have_left, arriving }
    }

    /// How many applications were acknowledged so far.
    pub(super) fn acknowledged(&self) -> u32 {
        u32::try_from(self.acks.lock().len()).unwrap()
    }

    /// Lets no one arrive any more, waits until all have their answer, and returns what the answers broke.
    pub(super) async fn leave(self) -> (Vec<Ack>, Vec<String>) {
        self.have_left.store(true, Ordering::Relaxed);
        let broken = self.arriving.join_all().await.concat();
        let acks = self.acks.lock().clone();
        (acks, broken)
    }
}

/// The tasks of all people.
struct Arrivals {
    visit: Visit,
    tasks: JoinSet<()>,
    broken: Vec<String>,
}

impl Arrivals {
    /// Lets a person in, unless too many still press.
    fn let_in(&mut self, person: u32, dice: &mut fastrand::Rng) -> bool {
        let has_room = self.tasks.len() < PRESSING_MAX;
        if has_room {
            let plan = PersonPlan::choose(dice);
            self.tasks.spawn(self.visit.clone().take_part(person, plan));
        }
        has_room
    }

    fn collect_ended(&mut self) {
        while let Some(ended) = self.tasks.try_join_next() {
            self.record(ended);
        }
    }

    async fn collect_all(mut self) -> Vec<String> {
        while let Some(ended) = self.tasks.join_next().await {
            self.record(ended);
        }
        self.broken
    }

    /// A task ends by a panic if an answer breaks a promise.
    fn record(&mut self, ended: Result<(), JoinError>) {
        if let Err(error) = ended {
            self.broken.push(error.to_string());
        }
    }
}

/// What a person does after the acknowledgement.
#[derive(Debug, Clone, Copy)]
enum PersonPlan {
    Waits,
    AppliesAgain(Duration),
    Cancels(Duration),
}

impl PersonPlan {
    fn choose(dice: &mut fastrand::Rng) -> Self {
        let later = Duration::from_millis(dice.u64(0..3000));
        match dice.u32(0..30) {
            0..2 => Self::Cancels(later),
            2..5 => Self::AppliesAgain(later),
            _ => Self::Waits,
        }
    }
}

/// What each person uses.
#[derive(Clone)]
struct Visit {
    crowd: Crowd,
    acks: Arc<Mutex<Vec<Ack>>>,
}

impl Visit {
    async fn take_part(self, person: u32, plan: PersonPlan) {
        let ack = self.crowd.apply_one(person).await;
        self.acks.lock().push(ack.clone());
        match plan {
            PersonPlan::Waits => {}
            PersonPlan::AppliesAgain(later) => {
                tokio::time::sleep(later).await;
                let again = self.crowd.apply_again(person).await;
                assert_eq!(again, ack.number, "the number of person {person} changed");
            }
            PersonPlan::Cancels(later) => {
                tokio::time::sleep(later).await;
                self.crowd.cancel(&ack).await;
            }
        }
    }
}
