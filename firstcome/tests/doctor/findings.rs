//! Services that break one rule each: doctor reports that rule and no other.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use testkit::OrderStub;
use testkit::order_stub::{Behavior, ReceivedCall};

use crate::harness::{DoctorRun, careful, examine, examine_stub, examine_stub_with, run};

const SAME: &str = "a repeated PUT returns the same order";
const TOGETHER: &str = "two concurrent PUTs create one order";
const NO_PERSON: &str = "a PUT without name and phone creates an order";
const TAKEN_BACK: &str = "a DELETE deletes the order";
const BACK_AGAIN: &str = "a repeated DELETE succeeds too";
const GONE: &str = "a PUT after the DELETE creates nothing";
const NEVER_CAME: &str = "a DELETE of an unknown key succeeds";
const BEFORE: &str = "a PUT that arrives after its DELETE creates nothing";
const NO_JSON: &str = "a body that is not JSON is refused";
const NO_MEMBERS: &str = "a body without the members is refused";
const QUICK: &str = "consecutive calls are fast enough";
const CLEAN: &str = "the test orders are deleted";

fn put(call: &ReceivedCall) -> bool {
    call.method == "PUT"
}

/// Another order number each time.
fn another() -> Behavior {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    Behavior::accept(format!("{{\"order_no\":\"N-{}\"}}", NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// What came first for a path, and how many calls of that method came for it.
struct Paths(Mutex<Vec<(String, String)>>);

impl Paths {
    fn new() -> Self {
        Self(Mutex::default())
    }

    /// The methods that came for the path before this one.
    fn before(&self, call: &ReceivedCall) -> Vec<String> {
        let mut all = self.0.lock().unwrap();
        let before =
            all.iter().filter(|(path, _)| *path == call.path).map(|(_, method)| method.clone()).collect();
        all.push((call.path.clone(), call.method.clone()));
        before
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_careful_service_passes() {
    let (run_result, stub) = examine_stub(careful).await;
    assert_eq!((run_result.code, run_result.wrong()), (Some(0), vec![]), "{:#}", run_result.report);
    assert!(stub.orders().values().all(|order| !order.is_live));
    let first = &stub.received()[0];
    assert_eq!(first.header("guid").len(), 32);
    assert!(first.header("traceparent").contains(first.header("guid")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_order_number_for_the_same_key_is_two_orders() {
    let (run_result, _) = examine_stub(|call| match call.nth {
        2 if put(call) && call.json()["number"] == 2_000_000_001 => another(),
        _ => careful(call),
    })
    .await;
    let (response, fix) = run_result.only_wrong(SAME);
    assert!(response.contains("two orders for one key") && fix.contains("unique index"), "{response} {fix}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_calls_that_race_into_two_orders_are_found() {
    let (run_result, _) = examine_stub(|call| match call.json()["number"].as_u64() {
        Some(2_000_000_002) => another(),
        _ => careful(call),
    })
    .await;
    assert!(run_result.only_wrong(TOGETHER).0.contains("two orders for one key"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejection_of_the_second_of_two_racing_calls_is_found() {
    let (run_result, _) = examine_stub(|call| match (call.json()["number"].as_u64(), call.nth) {
        (Some(2_000_000_002), 2) => Behavior::reject(409),
        _ => careful(call),
    })
    .await;
    let (response, fix) = run_result.only_wrong(TOGETHER);
    assert!(
        response.contains("409, a rejection, although the order exists") && fix.contains("the seat"),
        "{response} {fix}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_to_the_loser_of_a_race_is_no_mistake_if_the_next_call_finds_the_order() {
    let (run_result, _) = examine_stub(|call| match (call.json()["number"].as_u64(), call.nth) {
        (Some(2_000_000_002), 2) => Behavior::error_page(503),
        _ => careful(call),
    })
    .await;
    assert_eq!(run_result.wrong(), [""; 0]);
    assert!(run_result.finding(TOGETHER).0.contains("503"), "{:#}", run_result.report);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_without_a_name_must_get_an_order() {
    let has_no_name =
        |call: &ReceivedCall| put(call) && call.json()["guid"].is_string() && call.json()["name"].is_null();
    let (run_result, _) =
        examine_stub(move |call| if has_no_name(call) { Behavior::reject(422) } else { careful(call) }).await;
    let (response, fix) = run_result.only_wrong(NO_PERSON);
    assert!(
        response.contains("422, a rejection") && fix.contains("restored from a receipt"),
        "{response} {fix}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_that_is_not_there_breaks_what_rests_on_it() {
    let (run_result, stub) = examine_stub(|call| {
        let missing =
            Behavior::Respond { executes: false, status: 405, kind: "text/plain", body: String::new() };
        if put(call) { careful(call) } else { missing }
    })
    .await;
    assert_eq!(run_result.wrong(), [TAKEN_BACK, BACK_AGAIN, GONE, NEVER_CAME, BEFORE, CLEAN]);
    assert!(run_result.finding(TAKEN_BACK).1.contains("allow PUT and DELETE"));
    let live = stub.orders().values().filter(|order| order.is_live).count();
    assert_eq!(
        run_result.report["leftovers"]["live"].as_array().unwrap().len(),
        live,
        "live orders are listed"
    );
    assert_eq!(run_result.report["leftovers"]["tombstones"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_delete_must_say_the_same() {
    let paths = Paths::new();
    let (run_result, _) = examine_stub(move |call| {
        let again = paths.before(call).contains(&"DELETE".to_owned());
        if !put(call) && again { Behavior::error_page(500) } else { careful(call) }
    })
    .await;
    let (response, _) = run_result.only_wrong(BACK_AGAIN);
    assert!(response.contains("500"), "{response}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_of_an_unknown_key_that_answers_404_is_found() {
    let paths = Paths::new();
    let (run_result, _) = examine_stub(move |call| {
        let not_found =
            Behavior::Respond { executes: true, status: 404, kind: "application/json", body: "{}".into() };
        let never_came = paths.before(call).is_empty() && !put(call);
        if never_came { not_found } else { careful(call) }
    })
    .await;
    assert!(run_result.only_wrong(NEVER_CAME).1.contains("tombstone"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_made_behind_a_tombstone_is_found_and_taken_back() {
    let paths = Paths::new();
    let (run_result, _) = examine_stub(move |call| {
        let deleted = paths.before(call).contains(&"DELETE".to_owned());
        if put(call) && deleted { another() } else { careful(call) }
    })
    .await;
    assert_eq!(run_result.wrong(), [GONE, BEFORE]);
    assert!(run_result.finding(GONE).0.contains("a new order"));
    assert!(run_result.finding(BEFORE).1.contains("tombstone"));
    assert_eq!(run_result.report["leftovers"]["tombstones"], 9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejection_instead_of_410_is_found() {
    let paths = Paths::new();
    let (run_result, _) = examine_stub(move |call| {
        let deleted = paths.before(call).contains(&"DELETE".to_owned());
        if put(call) && deleted { Behavior::reject(409) } else { careful(call) }
    })
    .await;
    assert_eq!(run_result.wrong(), [GONE, BEFORE]);
    assert_eq!(run_result.finding(GONE).0, "409");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_garbage_must_be_refused_as_problem_json_and_make_nothing() {
    let garbage = |call: &ReceivedCall| put(call) && !call.json()["guid"].is_string();
    for (play, word) in [
        (Behavior::Normal, "200: the body was accepted"),
        (Behavior::error_page(500), "500"),
        (Behavior::error_page(400), "400 without Content-Type: application/problem+json"),
    ] {
        let (run_result, _) =
            examine_stub(move |call| if garbage(call) { play.clone() } else { careful(call) }).await;
        assert_eq!(run_result.wrong(), [NO_JSON, NO_MEMBERS]);
        for name in [NO_JSON, NO_MEMBERS] {
            assert_eq!(run_result.finding(name).0, word);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_body_must_not_burn_its_key() {
    let paths = Paths::new();
    let (run_result, _) = examine_stub(move |call| {
        let before = paths.before(call);
        let refused = call.json()["number"] == 2_000_000_005 && before.len() == 1;
        if refused { Behavior::reject(409) } else { careful(call) }
    })
    .await;
    assert!(
        run_result.only_wrong(NO_JSON).0.contains("400, but a valid PUT of the key then creates no order")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unusable_order_number_is_found() {
    for (body, word) in [
        ("{}", "without an order_no"),
        ("{\"order_no\":7}", "without an order_no"),
        ("{\"order_no\":\"\"}", "not printable"),
        ("{\"order_no\":\"a\\u0007\"}", "not printable"),
        ("made", "not JSON"),
    ] {
        let (run_result, _) =
            examine_stub(move |call| if put(call) { Behavior::accept(body) } else { Behavior::Normal }).await;
        assert!(run_result.only_wrong("a PUT creates an order").0.contains(word), "{:#}", run_result.report);
    }
    let accepted =
        Behavior::Respond { executes: false, status: 202, kind: "application/json", body: "{}".into() };
    let (run_result, _) = examine_stub(move |_| accepted.clone()).await;
    assert!(run_result.only_wrong("a PUT creates an order").1.contains("once the order exists, not before"));
    let (run_result, _) = examine_stub(|_| Behavior::Respond {
        executes: false,
        status: 409,
        kind: "application/json",
        body: "{}".into(),
    })
    .await;
    assert!(run_result.only_wrong("a PUT creates an order").1.contains("problem+json (rule 3)"));
    let (run_result, _) = examine_stub(|_| Behavior::reject(410)).await;
    assert!(run_result.only_wrong("a PUT creates an order").0.contains("410 for a new key"));
}

fn in_a_row(call: &ReceivedCall) -> bool {
    call.nth == 1 && call.json()["number"].as_u64() > Some(2_000_000_006)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_are_not_answered_in_a_row_of_them_are_found() {
    let (run_result, _) =
        examine_stub(|call| if in_a_row(call) { Behavior::error_page(503) } else { careful(call) }).await;
    let (response, _) = run_result.only_wrong(QUICK);
    assert!(response.contains("3 of 3 calls created no order; the last response was 503"), "{response}");
    assert!(run_result.report["speed"].is_null());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_take_more_than_half_of_their_time_are_found() {
    let late = Duration::from_millis(1100);
    let (run_result, _) = examine_stub_with(&["--timeout-ms", "2000"], move |call| {
        if in_a_row(call) { Behavior::Delay(late) } else { careful(call) }
    })
    .await;
    let (response, fix) = run_result.only_wrong(QUICK);
    assert!(
        response.contains("p99 1") && fix.contains("worker.call_timeout") && fix.contains("in_flight_max"),
        "{response} {fix}"
    );
    assert!(run_result.report["speed"]["p50_ms"].as_f64() >= Some(1100.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_dies_during_the_examination_is_not_asked_for_ever() {
    let calls = AtomicUsize::new(0);
    let (run_result, stub) = examine_stub(move |call| match calls.fetch_add(1, Ordering::SeqCst) {
        0..16 => careful(call),
        _ => Behavior::Close { executes: false },
    })
    .await;
    assert!(
        run_result.wrong().contains(&QUICK) && run_result.wrong().contains(&CLEAN),
        "{:#}",
        run_result.report
    );
    assert!(stub.call_count() <= 40, "{}", stub.call_count());
    assert!(!run_result.report["leftovers"]["live"].as_array().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_people_a_finding_says_fix_and_the_program_ends_with_1() {
    let stub = OrderStub::start().await;
    stub.behave(|call| match call.nth {
        2 if call.json()["number"] == 2_000_000_001 => another(),
        _ => careful(call),
    });
    let (code, out, error) = run(&["doctor", "order-service", &stub.base(), "--calls", "1"]).await;
    assert_eq!((code, error.as_str()), (Some(1), "firstcome: 1 check of the order service failed\n"));
    assert!(out.contains("WRONG  rule 1") && out.contains("  -> store the key with the order"), "{out}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_named_event_is_the_one_that_is_used() {
    let stub = OrderStub::start().await;
    stub.behave(careful);
    let run_result: DoctorRun = examine(&stub.base(), &["--event", "spring"]).await;
    assert!(run_result.code == Some(0) && run_result.report["event"] == "spring");
    assert!(stub.received().iter().all(|call| call.path.starts_with("/orders/spring:")));
}
