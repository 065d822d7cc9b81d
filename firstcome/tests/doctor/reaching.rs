//! Addresses without a working order service, and the explanation of each.

use testkit::order_stub::Behavior;

use crate::harness::{DoctorRun, examine, examine_stub, examine_stub_with, run};

const FIRST: &str = "a PUT creates an order";

fn assert_explained(result: &DoctorRun, words: &[&str], expected_fix: &str) {
    let (response, fix) = result.only_wrong(FIRST);
    for word in words {
        assert!(response.contains(word), "'{word}' is not in '{response}'");
    }
    assert!(fix.contains(expected_fix), "'{expected_fix}' is not in '{fix}'");
    assert_eq!(result.report["checks"].as_array().unwrap().len(), 1, "the other checks are skipped");
}

#[tokio::test]
async fn a_closed_port_is_explained() {
    let run_result = examine(&format!("http://127.0.0.1:{}", testkit::free_port()), &[]).await;
    assert_explained(&run_result, &["connection refused at http://127.0.0.1"], "is the service running");
    assert_eq!(run_result.report["leftovers"], serde_json::json!({ "tombstones": 0, "live": [] }));
}

#[tokio::test]
async fn an_unknown_host_name_is_explained() {
    assert_explained(
        &examine("http://orders.invalid:8080", &[]).await,
        &["the host name", "cannot be resolved here"],
        "spelled correctly",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timeout_is_explained() {
    let (run_result, stub) =
        examine_stub_with(&["--timeout-ms", "400"], |_| Behavior::NoResponse { executes: true }).await;
    assert_explained(&run_result, &["no response within 400 ms"], "overloaded");
    assert_eq!(stub.call_count(), 2, "an order that may exist is deleted");
    assert_eq!(
        run_result.report["leftovers"]["live"].as_array().unwrap().len(),
        1,
        "an order that may be live is listed"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_or_cut_connection_is_explained() {
    let (closed, _) = examine_stub(|_| Behavior::Close { executes: false }).await;
    assert_explained(&closed, &["no complete response"], "HTTP/1.1");
    let (cut, _) = examine_stub(|_| Behavior::Truncate).await;
    assert_explained(&cut, &["cut off"], "an incomplete one counts as none");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_response_of_another_service_is_explained() {
    let say =
        |status, kind| Behavior::Respond { executes: false, status, kind, body: "<h1>Hello</h1>".into() };
    for (play, words, fix) in [
        (say(404, "text/plain"), vec!["404"], "is the address correct? calls go to http://127.0.0.1"),
        (say(401, "text/plain"), vec!["401"], "requires credentials"),
        (say(403, "text/html"), vec!["403 with an HTML page"], "requires credentials"),
        (say(405, "text/plain"), vec!["405"], "allow PUT and DELETE"),
        (say(429, "application/json"), vec!["429"], "exempt Firstcome"),
        (say(500, "application/json"), vec!["500"], "look for the GUID"),
        (say(502, "text/html"), vec!["502 with an HTML page"], "a proxy in front of the service"),
        (say(200, "text/html"), vec!["not JSON"], "an HTML page comes from a web server"),
        (say(418, "text/html"), vec!["418 with an HTML page"], "an HTML page comes from a web server"),
        (
            Behavior::Redirect("https://shop.example/login".into()),
            vec!["302", "https://shop.example/login"],
            "not followed",
        ),
    ] {
        let (run_result, stub) = examine_stub(move |_| play.clone()).await;
        assert_explained(&run_result, &words, fix);
        assert_eq!(stub.call_count(), 1, "nothing was made, so nothing is deleted");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_does_not_take_the_test_event_asks_for_one() {
    let (run_result, _) = examine_stub(|call| {
        if call.path.starts_with("/orders/doctor-") { Behavior::reject(422) } else { Behavior::Normal }
    })
    .await;
    assert_explained(&run_result, &["422, a rejection, for the event doctor-"], "--event EVENT");
}

#[tokio::test]
async fn an_invalid_address_is_wrong_usage() {
    for url in ["https://orders.internal", "orders.internal:8080", "http://"] {
        let (code, out, error) = run(&["doctor", "order-service", url]).await;
        assert_eq!((code, out.as_str()), (Some(2), ""));
        assert!(error.contains("write it as http://host:port"), "{error}");
    }
    let (code, _, error) = run(&["doctor", "order-service", "http://127.0.0.1:1", "--event", "Spring"]).await;
    assert!(code == Some(2) && error.contains("event ID"), "{error}");
}
