//! Errors: authentication, malformed requests, unknown events. No request that fails changes anything.

use operator::document;
use serde_json::{Value, json};

use crate::harness::{GET, OPERATOR, OperatorHarness, PACE, VIEWER};

/// Every documented route, with its method.
fn operations() -> Vec<(String, String)> {
    let doc: Value = serde_json::to_value(document()).unwrap();
    let paths = doc["paths"].as_object().unwrap();
    // A stream does not end, and a search is a read although it is posted.
    let listed = |path: &str| !path.contains("/stream/") && !path.contains("/find/");
    let all = paths.iter().filter(|(path, _)| listed(path)).flat_map(|(path, item)| {
        let key = "0".repeat(32);
        let path = path
            .replace("{event}", "spring")
            .replace("{app_key}", &key)
            .replace("{target}", "log")
            .replace("{endpoint}", "crm")
            .replace("{rev}", "1");
        item.as_object()
            .unwrap()
            .keys()
            .map(move |method| (method.to_uppercase(), path.clone()))
            .collect::<Vec<_>>()
    });
    all.collect()
}

fn is_change(method: &str) -> bool {
    method != "GET"
}

async fn assert_unchanged(harness: &OperatorHarness) {
    assert_eq!(harness.audit_rows().await, 1);
    assert_eq!(harness.ledger.event(&crate::harness::spring()).await.unwrap().rev, 1);
}

#[tokio::test]
async fn every_route_requires_a_known_token() {
    let harness = OperatorHarness::open().await;
    let (wrong, other_scheme) = (format!("Bearer {OPERATOR}x"), format!("Basic {OPERATOR}"));
    let mut requests = 0;
    for (method, path) in operations() {
        for headers in
            [vec![], vec![("authorization", wrong.as_str())], vec![("authorization", other_scheme.as_str())]]
        {
            // A minute passes between wrong tokens, or the limiter would answer 429.
            harness.clock.advance(61_000);
            let answer = harness.request(&method, &path, &headers, "{}").await;
            assert_eq!(answer.problem(), (401, "unauthenticated".into()), "{method} {path}");
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
            requests += 1;
        }
    }
    assert!(requests >= 63, "{requests}");
    assert_unchanged(&harness).await;
}

#[tokio::test]
async fn wrong_tokens_are_limited_per_address_and_right_ones_are_not() {
    let harness = OperatorHarness::open().await;
    for _ in 0..20 {
        assert_eq!(harness.request("GET", GET, &[("authorization", "Bearer guess")], "").await.status, 401);
    }
    let response = harness.request("GET", GET, &[("authorization", "Bearer guess")], "").await;
    assert_eq!((response.problem(), response.header("retry-after")), ((429, "too-many-tries".into()), "60"));
    assert_eq!(harness.get(GET).await.status, 200);
}

#[tokio::test]
async fn a_viewer_reads_everything_and_changes_nothing() {
    let harness = OperatorHarness::open().await;
    let token = format!("Bearer {VIEWER}");
    for (method, path) in operations() {
        let answer = harness.request(&method, &path, &[("authorization", &token)], "{}").await;
        if is_change(&method) {
            assert_eq!(answer.problem(), (403, "not-allowed".into()), "{method} {path}");
            assert_eq!(answer.json()["required_role"], "operator");
        } else if path.ends_with("/crm") {
            assert_eq!(answer.problem(), (404, "unknown-endpoint".into()), "{path}");
        } else {
            assert_eq!(answer.status, 200, "{path}");
        }
    }
    assert_unchanged(&harness).await;
}

#[tokio::test]
async fn a_foreign_host_or_origin_reaches_no_route() {
    let harness = OperatorHarness::open().await;
    let token = format!("Bearer {OPERATOR}");
    for (method, path) in operations() {
        let headers = [("authorization", token.as_str()), ("host", "evil.example:8090")];
        let mut request = axum::http::Request::builder().method(method.as_str()).uri(&path);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = harness.send(request.body("{}".into()).unwrap()).await;
        assert_eq!(answer.problem(), (421, "wrong-host".into()), "{method} {path}");
        for origin in ["http://evil.example", "null", "https://localhost.evil.example"] {
            let headers = [
                ("authorization", token.as_str()),
                ("content-type", "application/json"),
                ("origin", origin),
                ("if-match", "*"),
            ];
            let answer = harness.request(&method, &path, &headers, "{\"reason\":\"x\"}").await;
            if is_change(&method) {
                assert_eq!(answer.problem(), (403, "cross-site".into()), "{method} {path} {origin}");
            }
        }
    }
    assert_unchanged(&harness).await;
    let page = axum::http::Request::builder().uri("/").header("host", "evil.example");
    assert_eq!(harness.send(page.body("".into()).unwrap()).await.status, 421);
    let headers = [
        ("authorization", token.as_str()),
        ("content-type", "application/json"),
        ("origin", "http://localhost:8090"),
    ];
    let own = harness.request("POST", "/gate/adm/v1/pause/release/spring", &headers, "{}").await;
    assert_eq!(own.status, 200);
}

#[tokio::test]
async fn a_body_that_is_not_a_valid_json_object_changes_nothing() {
    let harness = OperatorHarness::open().await;
    let token = format!("Bearer {OPERATOR}");
    for (method, path) in operations().into_iter().filter(|(method, _)| is_change(method)) {
        let headers = |kind: &'static str| {
            [("authorization", token.as_str()), ("content-type", kind), ("if-match", "*")]
        };
        let form =
            harness.request(&method, &path, &headers("application/x-www-form-urlencoded"), "reason=x").await;
        assert_eq!(form.problem(), (415, "unsupported-media-type".into()), "{method} {path}");
        let none =
            harness.request(&method, &path, &[("authorization", &token), ("if-match", "*")], "{}").await;
        assert_eq!(none.status, 415, "{method} {path}");
        for (body, status) in [
            ("", 400),
            ("{", 400),
            ("{\"reason\": nope}", 400),
            ("[]", 422),
            ("\"x\"", 422),
            ("{\"nope\":1}", 422),
        ] {
            let answer =
                harness.request(&method, &path, &headers("application/json; charset=utf-8"), body).await;
            assert_eq!(answer.status, status, "{method} {path} {body}");
            if status == 422 {
                assert!(answer.json()["errors"][0]["pointer"].is_string(), "{}", answer.json());
            }
        }
        let large = harness.request(&method, &path, &headers("application/json"), " ".repeat(70_000)).await;
        assert_eq!(large.problem(), (413, "body-too-large".into()), "{method} {path}");
    }
    assert_unchanged(&harness).await;
}

#[tokio::test]
async fn settings_require_if_match_at_the_current_rev() {
    let harness = OperatorHarness::open().await;
    let mut settings = 0;
    // A webhook endpoint has no rev.
    let is_setting =
        |method: &str, path: &str| ["PUT", "PATCH"].contains(&method) && !path.starts_with("/hook/");
    for (method, path) in operations().into_iter().filter(|(method, path)| is_setting(method, path)) {
        assert_eq!(
            harness.change(&method, &path, "", &json!({})).await.problem(),
            (428, "if-match-required".into()),
            "{path}"
        );
        assert_eq!(
            harness.change(&method, &path, "7", &json!({})).await.problem(),
            (400, "malformed".into()),
            "{path}"
        );
        settings += 1;
    }
    assert_eq!(settings, 6);
    let bodies = [
        ("PUT", PACE, json!({"pace": 5})),
        ("PUT", "/gate/adm/v1/set/auto-pace/spring", json!({"auto_pace": null})),
        ("PUT", "/gate/adm/v1/set/capacity/spring", json!({"capacity": 5, "reason": "x"})),
        ("PUT", "/gate/adm/v1/set/in-flight-max/spring", json!({"in_flight_max": 5})),
        ("PUT", "/gate/adm/v1/set/announcement/spring", json!({"announcement": {"ko": "a", "en": "b"}})),
        ("PATCH", "/event/adm/v1/update/event/spring", json!({"intake": false})),
    ];
    for (method, path, body) in bodies {
        assert_eq!(
            harness.change(method, path, "\"7\"", &body).await.problem(),
            (412, "changed-meanwhile".into()),
            "{path}"
        );
    }
    assert_unchanged(&harness).await;
}

#[tokio::test]
async fn an_irreversible_change_requires_a_reason_that_is_not_blank() {
    let harness = OperatorHarness::open().await;
    for path in [
        "/event/adm/v1/close/event/spring",
        "/event/adm/v1/settle/event/spring",
        "/gate/adm/v1/drain/release/spring",
        "/gate/adm/v1/accept/recovery/spring",
        "/gate/adm/v1/unfreeze/event/spring",
        "/application/adm/v1/reject/application/spring/00000000000000000000000000000000",
    ] {
        for (body, code) in [
            (json!({}), "required"),
            (json!({"reason": "  "}), "invalid"),
            (json!({"reason": "가".repeat(501)}), "invalid"),
        ] {
            let response = harness.change("POST", path, "", &body).await;
            let mistake = response.json()["errors"][0].clone();
            assert_eq!(
                (response.status, &mistake["pointer"], &mistake["code"]),
                (422, &json!("/reason"), &json!(code)),
                "{path}"
            );
        }
    }
    assert_unchanged(&harness).await;
}

#[tokio::test]
async fn all_invalid_fields_are_reported_at_once_by_pointer() {
    let harness = OperatorHarness::open().await;
    let wrong = json!({
        "id": "autumn", "title": {"ko": "가을", "en": "Autumn"}, "capacity": 0, "in_flight_max": 0,
        "opens_at": "2026-11-23T00:00:00Z", "closes_at": "2026-11-23T00:00:00Z", "pace": "5", "diverts": ["nope"],
    });
    let response = harness.change("POST", "/event/adm/v1/create/event", "", &wrong).await;
    assert_eq!(response.problem(), (422, "validation".into()));
    let pointers: Vec<Value> =
        response.json()["errors"].as_array().unwrap().iter().map(|e| e["pointer"].clone()).collect();
    assert_eq!(pointers, ["/capacity", "/in_flight_max", "/closes_at", "/diverts"]);
    let over = harness
        .change("PUT", "/gate/adm/v1/set/in-flight-max/spring", "*", &json!({"in_flight_max": 10_001}))
        .await;
    assert_eq!((over.status, over.json()["errors"][0]["pointer"].clone()), (422, json!("/in_flight_max")));
    assert_unchanged(&harness).await;
}

#[tokio::test]
async fn an_unknown_event_gets_404_on_every_route() {
    let harness = OperatorHarness::open().await;
    for (method, path) in operations().into_iter().filter(|(_, path)| path.contains("spring")) {
        for name in ["unknown", "Unknown", "%FF", "a%2Fb"] {
            let path = path.replace("spring", name);
            let body = valid_body(&path);
            let answer = if is_change(&method) {
                harness.change(&method, &path, "*", &body).await
            } else {
                harness.get(&path).await
            };
            assert_eq!(answer.status, 404, "{method} {path}: {}", answer.json());
        }
    }
    assert_eq!(
        harness.get("/audit/adm/v1/list/change?event=unknown").await.problem(),
        (404, "unknown-event".into())
    );
    assert_eq!(
        harness.post_with_reason("/application/adm/v1/reject/application/spring/nope").await.problem(),
        (404, "not-parked".into())
    );
    assert_unchanged(&harness).await;
}

/// A body that the route accepts.
fn valid_body(path: &str) -> Value {
    let verb = path.split('/').nth(4).unwrap();
    match (verb, path.split('/').nth(5).unwrap()) {
        ("preview", _) => json!({"action": "pause"}),
        ("clone", _) => {
            json!({"id": "x", "opens_at": "2026-12-01T00:00:00Z", "closes_at": "2026-12-02T00:00:00Z"})
        }
        ("create", "endpoint") => json!({"id": "x", "url": "https://crm.example/"}),
        ("update", "endpoint") => json!({"url": "https://crm.example/"}),
        ("replay", "delivery") => json!({"event": "spring", "from_seq": 1}),
        ("create", _) => {
            json!({"id": "x", "title": {"ko": "a", "en": "b"}, "capacity": 1, "pace": 1, "opens_at": "2026-12-01T00:00:00Z", "closes_at": "2026-12-02T00:00:00Z"})
        }
        ("replay", _) => json!({"from_seq": 1}),
        ("update", _) => json!({"intake": false}),
        (_, "pace") => json!({"pace": 5}),
        (_, "capacity") => json!({"capacity": 5, "reason": "x"}),
        (_, "in-flight-max") => json!({"in_flight_max": 5}),
        (_, "auto-pace") => json!({"auto_pace": null}),
        (_, "announcement") => json!({"announcement": {"ko": "a", "en": "b"}}),
        _ => json!({"reason": "x"}),
    }
}

#[tokio::test]
async fn a_ledger_that_does_not_respond_gets_503_on_every_route() {
    let harness = OperatorHarness::open().await;
    harness.ledger.close().await;
    for (method, path) in operations() {
        let body = valid_body(&path);
        let answer = if is_change(&method) {
            harness.change(&method, &path, "*", &body).await
        } else {
            harness.get(&path).await
        };
        assert_eq!(answer.problem(), (503, "temporarily-unavailable".into()), "{method} {path}");
        assert!(answer.header("retry-after").parse::<u32>().unwrap() >= 1);
    }
}

#[tokio::test]
async fn another_method_gets_405_with_allow() {
    let harness = OperatorHarness::open().await;
    for (method, path) in operations() {
        let other = if method == "DELETE" { "PUT" } else { "DELETE" };
        let answer = harness.change(other, &path, "", &json!({})).await;
        let allowed = answer.header("allow");
        assert!(
            answer.status == 405 && allowed.contains(&method),
            "{method} {path}: {} {allowed}",
            answer.status
        );
    }
    assert_unchanged(&harness).await;
}
