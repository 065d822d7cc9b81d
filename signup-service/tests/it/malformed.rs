//! Malformed requests: each gets its error, and none takes a number.

use axum::body::Body;
use axum::http::Request;

use crate::harness::{CREATE, PHONE, SignupHarness};

async fn send(harness: &SignupHarness, content_type: &str, body: impl Into<Body>) -> (u16, String) {
    let request = Request::post(CREATE).header("content-type", content_type).body(body.into()).unwrap();
    harness.send(request).await.problem()
}

#[tokio::test]
async fn a_body_that_is_not_json_is_400() {
    let harness = SignupHarness::open().await;
    let deep = "[".repeat(4000);
    let bodies: [&[u8]; 8] = [
        b"",
        b"{",
        b"\xff\xfe",
        b"{\"name\":\"\xc3\x28\",\"phone\":\"01012345678\",\"consent\":true}",
        br#"{"name":"\ud800","phone":"01012345678","consent":true}"#,
        br#"{"name":"a","phone":"01012345678","consent":true} x"#,
        b"{\"name\":\"a\0\",\"phone\":\"01012345678\",\"consent\":true}",
        deep.as_bytes(),
    ];
    for body in bodies {
        let start = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let problem = send(&harness, "application/json", body.to_vec()).await;
        // An array is refused by its shape before its depth matters.
        assert!(
            problem == (400, "malformed".into()) || problem.0 == 422 && start.starts_with('['),
            "{start}: {problem:?}"
        );
    }
    let nested = format!("{{\"name\":{}", "[".repeat(4000));
    assert_eq!(send(&harness, "application/json", nested).await.0, 400);
    assert_eq!(harness.apply(PHONE, None).await.json()["number"], 1);
}

#[tokio::test]
async fn json_of_another_shape_is_422() {
    let harness = SignupHarness::open().await;
    for body in [
        "[]",
        "7",
        "null",
        r#"{"name":"a","phone":"01012345678","consent":true,"admin":true}"#,
        r#"{"name":"a","name":"b","phone":"01012345678","consent":true}"#,
        r#"{"name":"a\u0000b","phone":"01012345678","consent":true}"#,
        r#"{"name":"a\u202eb","phone":"01012345678","consent":true}"#,
        r#"{"name":["a"],"phone":{"a":1},"consent":1}"#,
        r#"{"name":"a","phone":1012345678,"consent":true}"#,
        r#"{"name":"a","phone":"01012345678","consent":"true"}"#,
        "{}",
    ] {
        assert_eq!(send(&harness, "application/json", body).await, (422, "validation".into()), "{body}");
    }
    assert_eq!(harness.apply(PHONE, None).await.json()["number"], 1);
}

#[tokio::test]
async fn a_large_body_is_413_and_an_unsupported_content_type_415() {
    let harness = SignupHarness::open().await;
    let large = "x".repeat(10 << 20);
    assert_eq!(send(&harness, "application/json", large.clone()).await, (413, "too-large".into()));
    assert_eq!(send(&harness, "text/plain", "hello").await, (415, "unsupported-media-type".into()));
    assert_eq!(send(&harness, "", "{}").await, (415, "unsupported-media-type".into()));
    let form = Request::post(CREATE).header("content-type", "application/x-www-form-urlencoded");
    let page = harness.send(form.body(Body::from(large)).unwrap()).await;
    assert!(page.status == 413 && page.text().contains("data-state=\"invalid\""));
}

#[tokio::test]
async fn a_malformed_form_gets_the_page_with_its_errors() {
    let harness = SignupHarness::open().await;
    for body in
        ["", "%", "%ff=%ff&name=%ff", "name=a&name=b", "=&=&=", "name=a%00b&phone=01012345678&consent=on"]
    {
        let form = Request::post(CREATE).header("content-type", "application/x-www-form-urlencoded");
        let page = harness.send(form.body(Body::from(body)).unwrap()).await;
        assert_eq!((page.status, page.header("content-type")), (422, "text/html; charset=utf-8"), "{body}");
    }
    let bad_key = [("name", "a"), ("phone", PHONE), ("consent", "on"), ("key", "a b")];
    assert_eq!(harness.post_form(CREATE, &bad_key).await.status, 400);
    assert_eq!(harness.apply(PHONE, None).await.json()["number"], 1);
}

#[tokio::test]
async fn an_invalid_idempotency_key_is_400() {
    let harness = SignupHarness::open().await;
    let long = "x".repeat(201);
    for key in ["", "\"\"", "a b", "키", &long] {
        let body = Body::from(crate::harness::application(PHONE).to_string());
        let request = Request::post(CREATE)
            .header("content-type", "application/json")
            .header("idempotency-key", key.as_bytes())
            .body(body)
            .unwrap();
        assert_eq!(harness.send(request).await.problem(), (400, "idempotency-key-invalid".into()), "{key}");
    }
    let two = [("idempotency-key", "a"), ("idempotency-key", "b")];
    let response = harness.post(CREATE, &crate::harness::application(PHONE), &two).await;
    assert_eq!(response.problem(), (400, "idempotency-key-invalid".into()));
}
