//! The shop's responses conform to docs/order-service.openapi.json. The validator knows the keywords that the document uses and
//! fails on any other.

use hyper::Method;
use serde_json::{Value, json};
use shop::Config;
use testkit::HttpResponse;

use crate::harness::{ShopHarness, body, key, quick};

const DOCUMENT: &str = include_str!("../../../docs/order-service.openapi.json");

fn document() -> Value {
    serde_json::from_str(DOCUMENT).unwrap()
}

/// The target of a reference, or the value itself.
fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(path) => {
            document.pointer(path.strip_prefix('#').unwrap()).unwrap_or_else(|| panic!("{path} is missing"))
        }
        None => value,
    }
}

/// Why the value violates the schema; empty if it conforms.
fn violations(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let schema = resolve(document, schema);
    let mut wrong = Vec::new();
    for (word, wanted) in schema.as_object().unwrap() {
        let conforms = match word.as_str() {
            "description" => true,
            "type" => wanted.as_str().map_or_else(
                || wanted.as_array().unwrap().iter().any(|kind| is(kind.as_str().unwrap(), value)),
                |kind| is(kind, value),
            ),
            "required" => {
                wanted.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some())
            }
            "minLength" => {
                value.as_str().is_none_or(|text| text.chars().count() as u64 >= wanted.as_u64().unwrap())
            }
            "maxLength" => {
                value.as_str().is_none_or(|text| text.chars().count() as u64 <= wanted.as_u64().unwrap())
            }
            "minimum" => value.as_i64().is_none_or(|number| number >= wanted.as_i64().unwrap()),
            "maximum" => value.as_i64().is_none_or(|number| number <= wanted.as_i64().unwrap()),
            "pattern" => value.as_str().is_none_or(|text| matches(wanted.as_str().unwrap(), text)),
            "properties" => {
                for (name, schema) in wanted.as_object().unwrap() {
                    let member = value.get(name).map(|member| violations(document, schema, member));
                    wrong.extend(member.into_iter().flatten().map(|why| format!("{name}: {why}")));
                }
                true
            }
            other => panic!("unknown keyword '{other}'"),
        };
        if !conforms {
            wrong.push(format!("{value} violates {word} {wanted}"));
        }
    }
    wrong
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        other => panic!("this check does not know the type '{other}'"),
    }
}

/// The document's three patterns, written by hand: they do not justify a regex engine.
fn matches(pattern: &str, text: &str) -> bool {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    match pattern {
        "^[0-9a-f]{32}$" => text.len() == 32 && text.bytes().all(hex),
        "^[a-z0-9][a-z0-9-]{0,39}$" => {
            text.len() <= 40
                && text.bytes().next().is_some_and(plain)
                && text.bytes().all(|b| plain(b) || b == b'-')
        }
        r"^[^\u0000-\u001f\u007f-\u009f]*$" => !text.chars().any(char::is_control),
        other => panic!("this check does not know the pattern '{other}'"),
    }
}

/// Why a response is not one that the document lists for the method.
fn wrong(document: &Value, method: &Method, answer: &HttpResponse) -> Vec<String> {
    let operation = &document["paths"]["/orders/{event}:{key}"][method.as_str().to_lowercase()];
    let Some(response) = operation["responses"].get(answer.status.to_string()) else {
        return vec![format!("{method} does not list {}", answer.status)];
    };
    match resolve(document, response).get("content") {
        None if answer.body.is_empty() => vec![],
        None => vec!["there is a body, and none is listed".into()],
        Some(content) => match content.get(answer.header("content-type").unwrap_or_default()) {
            Some(media) => violations(document, &media["schema"], &answer.json()),
            None => vec![format!("the content type {:?} is not listed", answer.header("content-type"))],
        },
    }
}

#[tokio::test]
async fn every_response_of_the_shop_is_listed_in_the_document() {
    let harness = ShopHarness::open_with(Config { event_orders_max: 1, ..quick() }).await;
    let document = document();
    let path = |nth| format!("/order/int/v1/orders/spring:{}", key(nth));
    let mut seen = Vec::new();
    for (method, nth, text) in [
        (Method::PUT, 1, body("spring").to_string()),
        (Method::PUT, 1, body("spring").to_string()),
        (Method::PUT, 2, body("spring").to_string()),
        (Method::PUT, 3, "{".into()),
        (Method::PUT, 3, "{}".into()),
        (Method::DELETE, 1, String::new()),
        (Method::DELETE, 9, String::new()),
        (Method::PUT, 1, body("spring").to_string()),
    ] {
        let answer = harness.call(method.clone(), &path(nth), text).await;
        assert_eq!(wrong(&document, &method, &answer), [""; 0], "{method} {}", answer.text());
        seen.push((method.to_string(), answer.status));
    }
    seen.sort();
    seen.dedup();
    let puts = [200, 201, 400, 409, 410, 422].map(|status| ("PUT".to_owned(), status));
    let expected: Vec<_> = std::iter::once(("DELETE".to_owned(), 204)).chain(puts).collect();
    assert_eq!(seen, expected, "each answer that the document lists was given");
}

#[test]
fn the_request_of_the_worker_conforms_to_the_document() {
    let document = document();
    let schema = &document["components"]["schemas"]["Application"];
    let without_contact =
        json!({ "event": "spring", "number": 1, "guid": key(1), "name": null, "phone": null });
    for sent in [body("spring"), without_contact] {
        assert_eq!(violations(&document, schema, &sent), [""; 0]);
    }
}

#[test]
fn every_reference_of_the_document_resolves() {
    fn walk(document: &Value, value: &Value, found: &mut usize) {
        if value.get("$ref").is_some() {
            *found += 1;
            resolve(document, value);
        }
        let members = value.as_object().into_iter().flat_map(|members| members.values());
        for member in members.chain(value.as_array().into_iter().flatten()) {
            walk(document, member, found);
        }
    }
    let (document, mut found) = (document(), 0);
    walk(&document, &document, &mut found);
    assert!(document["openapi"] == "3.1.0" && found > 10, "{found}");
}

#[test]
fn the_validator_rejects_a_response_that_violates_the_schema() {
    let document = document();
    let answer = |status, kind: &str, body: &str| HttpResponse {
        status,
        headers: [(hyper::header::CONTENT_TYPE, kind.parse().unwrap())].into_iter().collect(),
        body: bytes::Bytes::from(body.to_owned()),
    };
    let (json, problem) = ("application/json", "application/problem+json");
    assert!(wrong(&document, &Method::PUT, &answer(200, json, r#"{"order_no":"E-1"}"#)).is_empty());
    for bad in [
        answer(200, json, "{}"),
        answer(200, json, "[]"),
        answer(200, json, r#"{"order_no":7}"#),
        answer(200, json, r#"{"order_no":""}"#),
        answer(200, json, r#"{"order_no":"a\u0007"}"#),
        answer(200, json, &json!({ "order_no": "x".repeat(101) }).to_string()),
        answer(200, "text/html", "<h1>"),
        answer(202, json, r#"{"order_no":"E-1"}"#),
        answer(409, json, "{}"),
        answer(422, problem, r#"{"status":200}"#),
    ] {
        assert!(!wrong(&document, &Method::PUT, &bad).is_empty(), "{bad:?}");
    }
    assert!(!wrong(&document, &Method::DELETE, &answer(204, json, "{}")).is_empty());
}
