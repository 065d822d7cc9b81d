//! Random steps on a real store and on the model: every result, and all that can be read after each step, must be the same. A
//! failing run shrinks to the shortest one.

use std::collections::BTreeMap;

use domain::{CalledWindow, EventState, Number, Outcome, ReqHash};
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use queue::{
    Applicant, ApplyAck, ArmRequest, ArmResult, CalledReply, CalledRequest, Closing, Continuity, InboxEntry,
    LeaderError, Projection, QueueEntry, QueueError, QueueHead, QueueState, RestoredApplication, SeatFigures,
};
use testkit::RedisKind;

use crate::harness::{
    OPENS, QueueHarness, Store, arming, contact, event, key, number, projected, projection, restored,
};
use crate::model::Model;

const PEOPLE: u32 = 8;

#[derive(Debug, Clone)]
enum Step {
    Publish {
        listed: bool,
    },
    Restart,
    Wait {
        ms: i64,
    },
    Apply(Applicant),
    Cancel {
        person: u32,
        number: Number,
    },
    RequestCalled {
        person: u32,
        number: Number,
        request: CalledRequest,
    },
    Arm {
        fence: i64,
        arming: ArmRequest,
    },
    Project {
        fence: i64,
        projection: Projection,
    },
    /// The steps of admission: read the head, then mark it as admitted.
    AdmitHead {
        fence: i64,
        n: u32,
    },
    Admitted {
        fence: i64,
        through: u32,
        persons: Vec<u32>,
    },
    /// Acknowledges the first `n` of the inbox.
    Acknowledge {
        fence: i64,
        n: usize,
    },
    Settle {
        fence: i64,
    },
    Restore {
        fence: i64,
        rows: Vec<RestoredApplication>,
    },
}

#[derive(Debug, Clone, PartialEq)]
enum Reply {
    Nothing,
    Ack(Result<ApplyAck, QueueError>),
    Entry(Result<Option<QueueEntry>, QueueError>),
    Called(Result<Option<CalledReply>, QueueError>),
    Armed(Result<ArmResult, LeaderError>),
    Written(Result<(), LeaderError>),
    AdmittedHead(Result<(QueueHead, Result<(), LeaderError>), LeaderError>),
    Closed(Result<Closing, LeaderError>),
}

/// The model and its last reply.
#[derive(Debug, Clone)]
struct Reference {
    model: Model,
    reply: Reply,
}

/// The steps that open an event, so that not every run has to find them.
fn opening() -> [Step; 3] {
    let fence = 1;
    [
        Step::Publish { listed: true },
        Step::Arm { fence, arming: arming(1, 0) },
        Step::Project { fence, projection: projection() },
    ]
}

fn keys(head: &QueueHead) -> Vec<domain::AppKey> {
    head.waiting.iter().map(|w| w.app_key).collect()
}

fn step_model(model: &mut Model, step: &Step) -> Reply {
    match step.clone() {
        Step::Publish { listed } => {
            (model.published, model.listed) = (true, listed);
            Reply::Written(Ok(()))
        }
        Step::Restart => {
            (model.published, model.armed) = (false, false);
            Reply::Nothing
        }
        Step::Wait { ms } => {
            model.now += ms;
            Reply::Nothing
        }
        Step::Apply(applicant) => Reply::Ack(model.apply(applicant)),
        Step::Cancel { person, number } => Reply::Entry(model.cancel(key(person), number)),
        Step::RequestCalled { person, number, request } => {
            Reply::Called(model.request_called(key(person), number, request))
        }
        Step::Arm { fence, arming } => Reply::Armed(model.arm(fence, &arming)),
        Step::Project { fence, projection } => Reply::Written(model.project(fence, projection)),
        Step::AdmitHead { fence, n } => Reply::AdmittedHead(model.head(n as usize).map(|head| {
            let admitted = model.admitted(fence, head.through, &keys(&head));
            (head, admitted)
        })),
        Step::Admitted { fence, through, persons } => {
            let keys: Vec<_> = persons.into_iter().map(key).collect();
            Reply::Written(model.admitted(fence, through, &keys))
        }
        Step::Acknowledge { fence, n } => {
            let through =
                model.queue.as_ref().and_then(|l| l.inbox.iter().take(n).next_back()).map_or(0, |a| a.id);
            Reply::Written(model.acknowledge(fence, through))
        }
        Step::Settle { fence } => Reply::Closed(model.settle(fence)),
        Step::Restore { fence, rows } => Reply::Written(model.restore(fence, &rows)),
    }
}

/// The real store, and its inbox position for each position of the model.
struct RealQueue {
    runtime: tokio::runtime::Runtime,
    harness: QueueHarness,
    /// The inbox after the last step.
    inbox: Vec<InboxEntry>,
    positions: BTreeMap<i64, i64>,
}

impl RealQueue {
    async fn step(harness: &mut QueueHarness, step: Step, model: &Model, inbox: &[InboxEntry]) -> Reply {
        let queue = harness.queue().clone();
        let event = &event();
        match step {
            Step::Publish { listed } => {
                let events: &[_] = if listed { std::slice::from_ref(event) } else { &[] };
                Reply::Written(queue.publish(events).await)
            }
            Step::Restart => {
                drop(queue);
                harness.restart().await;
                Reply::Nothing
            }
            Step::Wait { .. } => {
                harness.set_clock(model.now);
                Reply::Nothing
            }
            Step::Apply(applicant) => Reply::Ack(queue.apply(event, applicant).await),
            Step::Cancel { person, number } => Reply::Entry(queue.cancel(event, key(person), number).await),
            Step::RequestCalled { person, number, request } => {
                Reply::Called(queue.request_called(event, key(person), number, request).await)
            }
            Step::Arm { fence, arming } => Reply::Armed(queue.arm(event, fence, arming).await),
            Step::Project { fence, projection } => {
                Reply::Written(queue.project(event, fence, projection).await)
            }
            Step::AdmitHead { fence, n } => Reply::AdmittedHead(match queue.head(event, n).await {
                Err(error) => Err(error),
                Ok(head) => {
                    let admitted = queue.admitted(event, fence, head.through, &keys(&head), 0).await;
                    Ok((head, admitted))
                }
            }),
            Step::Admitted { fence, through, persons } => {
                let keys: Vec<_> = persons.into_iter().map(key).collect();
                Reply::Written(queue.admitted(event, fence, through, &keys, 0).await)
            }
            Step::Acknowledge { fence, n } => {
                let through = inbox.iter().take(n).next_back().map_or(0, |entry| entry.id);
                Reply::Written(queue.acknowledge(event, fence, through, 0).await)
            }
            Step::Settle { fence } => Reply::Closed(queue.settle(event, fence).await),
            Step::Restore { fence, rows } => Reply::Written(queue.restore(event, fence, &rows).await),
        }
    }

    /// The closing with the real inbox position.
    fn real(&self, closing: Closing) -> Closing {
        let closed_inbox = self.positions.get(&closing.closed_inbox).copied().unwrap_or(0);
        Closing { closed_inbox, ..closing }
    }

    async fn compare(harness: &QueueHarness, model: &Model) -> Vec<InboxEntry> {
        let (queue, event) = (harness.queue(), &event());
        let entries = queue.entries(event, 0, 100).await;
        assert_eq!(entries, model.entries());
        // One application at a time is enough: over a run, each gets its turn.
        let turn = key(model.queue.as_ref().map_or(0, |queue| queue.seq % PEOPLE));
        let found = entries.map(|all| all.into_iter().find(|e| e.app_key == turn));
        let expected = found.and_then(|found| match found {
            None if !model.armed => Err(QueueError::NotArmed),
            found => Ok(found),
        });
        assert_eq!(queue.entry(event, turn).await, expected);
        assert_eq!(queue.head(event, 100).await, model.head(100));
        queue.inbox(event, 0, 100).await.unwrap_or_default()
    }
}

struct Steps;

impl ReferenceStateMachine for Steps {
    type State = Reference;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Reference> {
        let mut model = Model { now: OPENS, ..Model::default() };
        for step in opening() {
            step_model(&mut model, &step);
        }
        Just(Reference { model, reply: Reply::Nothing }).boxed()
    }

    fn transitions(reference: &Reference) -> BoxedStrategy<Step> {
        let (armed, queue) = (reference.model.armed, reference.model.queue.as_ref());
        let (epoch, fence, seq, rev) = queue.map_or((0, 1, 0, 1), |l| (l.epoch, l.fence, l.seq, l.rev));
        let fence = prop_oneof![12 => Just(fence), 1 => Just(fence - 1), 1 => Just(fence + 1)];
        let n = 0..5u32;
        let number_limit = prop_oneof![Just(0), 0..seq + 6, Just(seq + 4_200)];
        prop_oneof![
            if reference.model.listed && reference.model.published { 1 } else { 12 } => prop::bool::weighted(0.9).prop_map(|listed| Step::Publish { listed }),
            1 => Just(Step::Restart),
            3 => (1i64..1_500).prop_map(|ms| Step::Wait { ms }),
            14 => (0..PEOPLE, 0..3u8).prop_map(|(person, secret)| Step::Apply(Applicant {
                app_key: key(person), req_hash: ReqHash([secret; 8]), contact: contact(person),
            })),
            4 => cancels(&reference.model),
            4 => called_requests(&reference.model),
            if armed { 1 } else { 20 } => (fence.clone(), epoch..epoch + 3, number_limit, any::<bool>())
                .prop_map(|(fence, epoch, limit, unopened)| {
                    let continuity = if unopened { Continuity::Unopened } else { Continuity::Unknown };
                    Step::Arm { fence, arming: ArmRequest { continuity, ..arming(epoch, limit) } }
                }),
            6 => (fence.clone(), projections(seq, rev)).prop_map(|(fence, projection)| Step::Project { fence, projection }),
            5 => (fence.clone(), n.clone()).prop_map(|(fence, n)| Step::AdmitHead { fence, n }),
            1 => (fence.clone(), 0..seq + 3, prop::collection::vec(0..PEOPLE, 0..4))
                .prop_map(|(fence, through, persons)| Step::Admitted { fence, through, persons }),
            2 => (fence.clone(), 0..4usize).prop_map(|(fence, n)| Step::Acknowledge { fence, n }),
            1 => fence.clone().prop_map(|fence| Step::Settle { fence }),
            3 => (fence, prop::collection::vec(rows(seq), 0..4)).prop_map(|(fence, rows)| Step::Restore { fence, rows }),
        ]
        .boxed()
    }

    fn apply(mut reference: Reference, step: &Step) -> Reference {
        reference.reply = step_model(&mut reference.model, step);
        reference
    }
}

/// Cancel requests, most of them under the number that the person has.
fn cancels(model: &Model) -> impl Strategy<Value = Step> + use<> {
    let entries = model.entries().unwrap_or_default();
    let number_of = move |person| entries.iter().find(|e| e.app_key == key(person)).map(|e| e.number);
    (0..PEOPLE, prop::option::weighted(0.2, 1..20u32)).prop_map(move |(person, other)| {
        let number = other.map(number).or_else(|| number_of(person)).unwrap_or(number(1));
        Step::Cancel { person, number }
    })
}

/// Requests of called applicants, most of them under the number that the person has.
fn called_requests(model: &Model) -> impl Strategy<Value = Step> + use<> {
    (cancels(model), any::<bool>()).prop_map(|(cancel, confirms)| {
        let Step::Cancel { person, number } = cancel else { unreachable!("it is one") };
        let request = if confirms { CalledRequest::Confirm } else { CalledRequest::Extend };
        Step::RequestCalled { person, number, request }
    })
}

/// The windows of called applicants.
fn windows() -> impl Strategy<Value = Vec<(Number, CalledWindow)>> {
    let window = (0..20i64, any::<bool>(), prop::bool::weighted(0.2))
        .prop_map(|(until, extended, confirmed)| CalledWindow { until: until * 500, extended, confirmed });
    prop::collection::vec((1..10u32, window), 0..3)
        .prop_map(|all| all.into_iter().map(|(n, window)| (number(n), window)).collect())
}

fn projections(seq: u32, rev: i64) -> impl Strategy<Value = Projection> {
    let times = (0..4i64, 1..8i64).prop_map(|(opens, more)| (opens * 600, opens * 600 + more * 2_500));
    let controls = (prop::bool::weighted(0.8), prop_oneof![1 => Just(4), 2 => Just(100_000)]);
    let state = prop_oneof![30 => Just(EventState::Open), 1 => Just(EventState::Settling), 1 => Just(EventState::Settled)];
    let ended = (state, prop::option::of(0..seq + 2));
    let outcomes = prop::collection::vec((1..10u32, prop::sample::select(Outcome::ALL.to_vec())), 0..3);
    let outcomes = (outcomes, windows());
    let figures = (0..3i64, 0..3u32);
    (rev - 1..rev + 3, 0..8u32, times, controls, ended, (outcomes, figures)).prop_map(
        move |(
            rev,
            more,
            (opens_at, closes_at),
            (intake, applications_max),
            ended,
            ((outcomes, called), figures),
        )| {
            let mut p = projection();
            (p.rev, p.number_limit, p.state, p.settled_seq) = (rev, seq + more, ended.0, ended.1);
            (p.settings.opens_at, p.settings.closes_at) = (opens_at, closes_at);
            (p.settings.intake, p.settings.applications_max) = (intake, applications_max);
            (p.round, p.figures) = (figures.0, SeatFigures { sold: figures.1, ..SeatFigures::default() });
            p.called = called;
            p.outcomes = outcomes.into_iter().map(|(n, outcome)| (number(n), projected(outcome))).collect();
            p
        },
    )
}

fn rows(seq: u32) -> impl Strategy<Value = RestoredApplication> {
    let state = prop::sample::select(vec![QueueState::Waiting, QueueState::Admitted, QueueState::Withdrawn]);
    (1..seq + 4, 0..PEOPLE, state).prop_map(|(n, person, state)| restored(n, person, state))
}

impl RealQueue {
    fn start(store: impl Future<Output = Store>, reference: &Reference) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut harness = runtime.block_on(async { QueueHarness::empty(store.await).await });
        harness.set_clock(reference.model.now);
        for step in opening() {
            runtime.block_on(RealQueue::step(&mut harness, step, &reference.model, &[]));
        }
        RealQueue { runtime, harness, inbox: Vec::new(), positions: BTreeMap::new() }
    }

    fn compare_step(mut self, reference: &Reference, step: Step) -> Self {
        let RealQueue { runtime, harness, inbox, positions } = &mut self;
        let reply = runtime.block_on(RealQueue::step(harness, step, &reference.model, inbox));
        *inbox = runtime.block_on(RealQueue::compare(harness, &reference.model));
        let queue = reference.model.queue.as_ref().filter(|_| reference.model.armed);
        let expected = queue.map_or(&[][..], |queue| &queue.inbox);
        positions.extend(expected.iter().zip(&*inbox).map(|(model, real)| (model.id, real.id)));
        let counted = expected.iter().map(|entry| InboxEntry { id: positions[&entry.id], ..entry.clone() });
        assert_eq!(*inbox, counted.collect::<Vec<_>>());
        let expected_reply = match reference.reply.clone() {
            Reply::Closed(closing) => Reply::Closed(closing.map(|closing| self.real(closing))),
            other => other,
        };
        assert_eq!(reply, expected_reply);
        let snapshot = reference.model.snapshot().map(|snapshot| queue::QueueSnapshot {
            closed: snapshot.closed.map(|closing| self.real(closing)),
            ..snapshot
        });
        assert_eq!(self.runtime.block_on(self.harness.queue().snapshot(&event())), snapshot);
        self
    }
}

macro_rules! over {
    ($($name:ident $store:expr;)*) => {
        $(struct $name;

        impl StateMachineTest for $name {
            type SystemUnderTest = RealQueue;
            type Reference = Steps;

            fn init_test(reference: &Reference) -> RealQueue {
                RealQueue::start($store, reference)
            }
            fn apply(real: RealQueue, reference: &Reference, step: Step) -> RealQueue {
                real.compare_step(reference, step)
            }
        })*
    };
}

over! {
    OverSqlite std::future::ready(Store::sqlite());
    OverRedis Store::redis(RedisKind::Redis);
    OverValkey Store::redis(RedisKind::Valkey);
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_behaves_like_the_model(sequential 30..50 => OverSqlite);

    #[test]
    fn redis_behaves_like_the_model(sequential 30..50 => OverRedis);

    #[test]
    fn valkey_behaves_like_the_model(sequential 30..50 => OverValkey);
}
