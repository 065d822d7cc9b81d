//! The OpenAPI description: it follows the URI rules and names exactly what the router serves.

use operator::document;
use serde_json::Value;
use service::openapi::url_violations;

use crate::harness::OperatorHarness;

#[test]
fn every_route_follows_the_uri_rules() {
    assert_eq!(url_violations(&document()), Vec::<String>::new());
}

#[tokio::test]
async fn the_description_is_served_at_openapi_json() {
    let harness = OperatorHarness::open().await;
    let served = harness.get("/openapi.json").await;
    let doc: Value = serde_json::to_value(document()).unwrap();
    assert_eq!(served.json(), doc);
    assert!(doc["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(doc["paths"].as_object().unwrap().len(), 42);
}

#[test]
fn every_error_is_described_as_a_problem() {
    let doc: Value = serde_json::to_value(document()).unwrap();
    for (path, item) in doc["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap();
            let wanted: &[&str] = match method.as_str() {
                "get" => &["401", "421", "429", "503"],
                "post" if path.contains("/find/") => &["401", "403", "415", "421", "422", "503"],
                // A webhook endpoint has no rev.
                "patch" | "delete" if path.starts_with("/hook/") => {
                    &["401", "403", "404", "409", "415", "421", "422", "503"]
                }
                "post" => &["401", "403", "409", "415", "421", "422", "503"],
                _ => &["401", "403", "409", "412", "415", "422", "428", "503"],
            };
            for status in wanted {
                assert!(responses.contains_key(*status), "{method} {path}: {status}");
            }
            for (status, response) in responses.iter().filter(|(status, _)| status.starts_with(['4', '5'])) {
                let content = response["content"].as_object().unwrap();
                assert!(content.contains_key("application/problem+json"), "{method} {path}: {status}");
            }
        }
    }
}
