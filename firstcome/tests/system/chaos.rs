//! Faults at random times on real processes, while people apply, cancel and press again. One seed is one schedule of faults.
//!
//! A plain test run plays one short seed. `cargo xtask chaos` plays many long ones and adds them up in `target/chaos/report.json`.

mod fault;
mod people;
mod report;
mod system;

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use fault::Fault;
use people::People;
use report::{Report, Run};
use system::ChaosSystem;

/// How long the system may take to acknowledge applications and to create orders again after a fault.
const RECOVERY_MAX: Duration = Duration::from_mins(1);
/// How long all applications may take to end after the last fault.
const DRAIN_MAX: Duration = Duration::from_mins(3);
/// Applications acknowledged and orders created before a fault. Without them it would hit an idle system, and prove nothing.
const BUSY: u32 = 5;

/// What to play.
struct Plan {
    seeds: Range<u64>,
    faults: u32,
    report: Option<PathBuf>,
    commit: String,
}

impl Plan {
    /// The plan of `cargo xtask chaos`, or the short one of a plain test run.
    #[expect(
        clippy::disallowed_methods,
        reason = "the command passes its arguments to this test by the environment"
    )]
    fn read() -> Self {
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let first = number("CHAOS_FIRST_SEED").unwrap_or(1);
        let seeds = number("CHAOS_SEEDS").unwrap_or(1);
        let faults = number("CHAOS_FAULTS").and_then(|faults| u32::try_from(faults).ok());
        let report = std::env::var_os("CHAOS_REPORT").map(PathBuf::from);
        let commit = std::env::var("CHAOS_COMMIT").unwrap_or_default();
        Self { seeds: first..first + seeds, faults: faults.unwrap_or(10), report, commit }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_of_every_kind_break_no_promise() {
    let plan = Plan::read();
    let mut report = Report::open(plan.report.as_deref());
    for seed in plan.seeds.clone() {
        let run = play(seed, plan.faults).await;
        println!("{}", run.line());
        report.add(run, &plan.commit);
        if let Some(file) = &plan.report {
            report.write(file);
        }
    }
    println!("{}", report.table());
    assert!(report.is_clean(), "a promise was broken: see above");
}

/// Plays one seed: faults one after the other, then the end of the event and the judgement.
async fn play(seed: u64, faults: u32) -> Run {
    let begun = Instant::now();
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut run = Run { seed, ..Run::default() };
    let mut system = ChaosSystem::open().await;
    let people = People::arrive(system.crowd(), dice.fork());
    for nth in 0..faults {
        let before = people.acknowledged();
        if !system.until_busy(&people, BUSY, RECOVERY_MAX).await {
            run.fail("I12", format!("no progress within {RECOVERY_MAX:?} before fault {nth}"));
            break;
        }
        let fault = Fault::choose(&mut dice);
        if !system.is_possible(&fault) {
            continue;
        }
        println!("seed {seed} {:>6.1} s  {fault:?}", begun.elapsed().as_secs_f64());
        let struck = Instant::now();
        system.strike(&fault, &mut dice).await;
        let recovered = system.until_busy(&people, 1, RECOVERY_MAX).await;
        if !recovered {
            run.fail("I12", format!("no progress within {RECOVERY_MAX:?} after {fault:?}"));
            break;
        }
        run.faults.push((fault.kind(), struck.elapsed()));
        run.progress += u64::from(people.acknowledged() > before);
        tokio::time::sleep(Duration::from_millis(dice.u64(50..500))).await;
    }
    let (acks, broken) = people.leave().await;
    for what in broken {
        run.fail("an answer", what);
    }
    system.judge(acks, &mut run, DRAIN_MAX).await;
    run.took = begun.elapsed();
    run
}
