//! Tasks and the shutdown.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use service::Tasks;
use service::tasks::Shutdown;
use tokio::sync::{Mutex, Notify};
use tokio::time::Instant;

const LONG: Duration = Duration::from_mins(1);

/// Held by a test that sends signals: every test of the process gets them.
static SIGNALS: Mutex<()> = Mutex::const_new(());

#[tokio::test]
async fn a_panicking_task_stops_all_tasks() {
    let tasks = Tasks::default();
    let other = tasks.clone();
    tasks.spawn("other", async move { other.stopping().await });
    assert_eq!(tasks.failed(), None);
    tasks.spawn("projector", async { panic!("expected by the test") });
    tasks.stopping().await;
    assert_eq!(tasks.failed(), Some("projector"));
    assert_eq!(tasks.shut_down(LONG).await, Shutdown::Clean);
}

#[tokio::test]
async fn a_panicking_isolated_task_stops_no_other_task() {
    let tasks = Tasks::default();
    tasks.spawn_isolated("client", async { panic!("expected by the test") });
    let waiter = tasks.clone();
    tasks.spawn("other", async move { waiter.stopping().await });
    assert!(!tasks.is_stopping());
    assert_eq!(tasks.shut_down(LONG).await, Shutdown::Clean);
    assert_eq!(tasks.failed(), None);
}

#[tokio::test]
async fn a_shutdown_waits_for_tasks_that_finish() {
    let tasks = Tasks::default();
    let own = tasks.clone();
    let done = Arc::new(Notify::new());
    let notify = Arc::clone(&done);
    tasks.spawn("worker", async move {
        own.stopping().await;
        tokio::task::yield_now().await;
        notify.notify_one();
    });
    assert_eq!(tasks.shut_down(LONG).await, Shutdown::Clean);
    done.notified().await;
}

#[tokio::test]
async fn a_shutdown_cancels_tasks_that_do_not_finish() {
    struct NotifyOnDrop(Arc<Notify>);
    impl Drop for NotifyOnDrop {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let tasks = Tasks::default();
    let dropped = Arc::new(Notify::new());
    let on_drop = NotifyOnDrop(Arc::clone(&dropped));
    tasks.spawn("stuck", async move {
        let _on_drop = on_drop;
        pending::<()>().await;
    });
    tasks.spawn("stuck too", pending());
    assert_eq!(tasks.shut_down(Duration::from_millis(50)).await, Shutdown::Forced { unfinished: 2 });
    dropped.notified().await;
}

#[tokio::test]
async fn a_periodic_task_runs_at_once_and_every_period_until_the_stop() {
    let tasks = Tasks::default();
    let runs = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&runs);
    tasks.every("counter", Duration::from_millis(10), move || {
        let counter = Arc::clone(&counter);
        async move {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    testkit::until("three runs", async || runs.load(Ordering::Relaxed) >= 3).await;
    assert_eq!(tasks.shut_down(LONG).await, Shutdown::Clean);
    assert!(!tasks.sleep(LONG).await);
}

#[tokio::test]
async fn waiting_for_a_signal_also_ends_at_a_stop() {
    let tasks = Tasks::default();
    let signal = tasks.until_signal();
    tasks.stop();
    signal.await;
    assert!(tasks.is_stopping());
}

#[tokio::test]
async fn the_first_signal_stops_and_the_second_cancels() {
    let _alone = SIGNALS.lock().await;
    let tasks = Tasks::default();
    let signal = tasks.until_signal();
    tasks.spawn("stuck", pending());
    send("-TERM").await;
    signal.await;
    assert!(tasks.is_stopping());
    let (ended, ()) = tokio::join!(tasks.shut_down(LONG), send("-INT"));
    assert_eq!(ended, Shutdown::Forced { unfinished: 1 });
}

#[tokio::test]
async fn a_signal_is_followed_by_the_longest_drain_delay_unless_another_comes() {
    let _alone = SIGNALS.lock().await;
    for is_hurried in [false, true] {
        let tasks = Tasks::default();
        tasks.set_drain_delay(Duration::from_millis(400));
        tasks.set_drain_delay(Duration::from_millis(100));
        let signal = tasks.until_signal();
        let begun = Instant::now();
        send("-TERM").await;
        let hurry = async {
            tasks.draining().await;
            assert!(tasks.is_draining() && !tasks.is_stopping());
            if is_hurried {
                send("-INT").await;
            }
        };
        tokio::join!(signal, hurry);
        assert!(tasks.is_stopping());
        assert_eq!(begun.elapsed() < Duration::from_millis(400), is_hurried, "{:?}", begun.elapsed());
    }
}

async fn send(signal: &str) {
    let own = std::process::id().to_string();
    let sent = tokio::process::Command::new("kill").args([signal, &own]).status().await.unwrap();
    assert!(sent.success());
}
