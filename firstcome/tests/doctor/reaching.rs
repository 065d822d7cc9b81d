//! An address where no order service answers: what is said about it.

use std::net::TcpListener;

use testkit::order_stub::Behavior;

use crate::harness::{Told, examine, examine_stub, examine_stub_with, run};

const FIRST: &str = "a PUT makes an order";

fn told(told: &Told, words: &[&str], todo: &str) {
    let (said, what_to_do) = told.only_wrong(FIRST);
    for word in words {
        assert!(said.contains(word), "'{word}' is not in '{said}'");
    }
    assert!(what_to_do.contains(todo), "'{todo}' is not in '{what_to_do}'");
    assert_eq!(told.report["findings"].as_array().unwrap().len(), 1, "the rest would only say so again");
}

#[tokio::test]
async fn a_port_where_nobody_listens() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let seen = examine(&format!("http://{free}"), &[]).await;
    told(&seen, &["connection refused at http://127.0.0.1"], "is the service started");
    assert_eq!(seen.report["left"], serde_json::json!({ "tombstones": 0, "live": [] }));
}

#[tokio::test]
async fn a_name_that_nobody_knows() {
    told(&examine("http://orders.invalid:8080", &[]).await, &["the name", "not known here"], "spelled right");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_does_not_answer_in_time() {
    let (seen, stub) =
        examine_stub_with(&["--timeout-ms", "400"], |_| Behavior::NoResponse { executes: true }).await;
    told(&seen, &["no answer within 400 ms"], "overloaded");
    assert_eq!(stub.calls(), 2, "what may have been made is tried to be taken back");
    assert_eq!(seen.report["left"]["live"].as_array().unwrap().len(), 1, "and told if it could not be");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_closed_or_speaks_something_else() {
    let (closed, _) = examine_stub(|_| Behavior::Close { executes: false }).await;
    told(&closed, &["no whole answer"], "HTTP/1.1");
    let (cut, _) = examine_stub(|_| Behavior::Truncate).await;
    told(&cut, &["breaks off"], "half an answer is none");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_answer_of_another_service_is_told_as_what_it_means() {
    let say =
        |status, kind| Behavior::Respond { executes: false, status, kind, body: "<h1>Hello</h1>".into() };
    for (play, words, todo) in [
        (say(404, "text/plain"), vec!["404"], "is the address right? calls go to http://127.0.0.1"),
        (say(401, "text/plain"), vec!["401"], "wants a login"),
        (say(403, "text/html"), vec!["403 with an HTML page"], "wants a login"),
        (say(405, "text/plain"), vec!["405"], "take PUT and DELETE"),
        (say(429, "application/json"), vec!["429"], "exempt Firstcome"),
        (say(500, "application/json"), vec!["500"], "look for the GUID"),
        (say(502, "text/html"), vec!["502 with an HTML page"], "a proxy before the service"),
        (say(200, "text/html"), vec!["no JSON"], "an HTML page comes from a web server"),
        (say(418, "text/html"), vec!["418 with an HTML page"], "an HTML page comes from a web server"),
        (
            Behavior::Redirect("https://shop.example/login".into()),
            vec!["302", "https://shop.example/login"],
            "not followed",
        ),
    ] {
        let (seen, stub) = examine_stub(move |_| play.clone()).await;
        told(&seen, &words, todo);
        assert_eq!(stub.calls(), 1, "what was answered need not be taken back");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_does_not_take_the_test_event_asks_for_one() {
    let (seen, _) = examine_stub(|asked| {
        if asked.path.starts_with("/orders/doctor-") { Behavior::reject(422) } else { Behavior::Normal }
    })
    .await;
    told(&seen, &["422, a no, to the event doctor-"], "--event EVENT");
}

#[tokio::test]
async fn an_address_that_is_none_is_wrong_usage() {
    for url in ["https://orders.internal", "orders.internal:8080", "http://"] {
        let (code, out, error) = run(&["doctor", "order-service", url]).await;
        assert_eq!((code, out.as_str()), (Some(2), ""));
        assert!(error.contains("write it as http://host:port"), "{error}");
    }
    let (code, _, error) = run(&["doctor", "order-service", "http://127.0.0.1:1", "--event", "Spring"]).await;
    assert!(code == Some(2) && error.contains("event ID"), "{error}");
}
