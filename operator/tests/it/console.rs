//! The pages of the console without a browser: the review of a change, its confirmation, conflicts, and how much is sent.

use serde_json::json;

use crate::harness::{GET, HOUR, NOW, OPERATOR, OperatorHarness, PACE, TestResponse};

async fn apply(harness: &OperatorHarness, cookie: &str, form: &str) -> TestResponse {
    harness.page("POST", "/console/spring/review", cookie, form).await
}

#[tokio::test]
async fn a_change_is_reviewed_then_applied_with_its_reason() {
    let harness = OperatorHarness::open().await;
    let cookie = harness.log_in(OPERATOR).await;
    let sheet = harness.page("GET", "/console/spring/review?rev=1&action=pace&pace=80", &cookie, "").await;
    assert_eq!(sheet.status, 200);
    let text = sheet.text();
    for part in
        ["1000/s", "<b>80/s</b>", "Reason (required)", "It can be undone for 5 minutes.", "Expected time"]
    {
        assert!(text.contains(part), "{part}");
    }
    assert!(!text.contains("name=\"confirm\""));
    let without = apply(&harness, &cookie, "rev=1&action=pace&pace=80").await;
    assert_eq!(without.status, 422);
    assert!(without.text().contains("Please give a reason."));
    let applied = apply(&harness, &cookie, "rev=1&action=pace&pace=80&reason=p95+stable").await;
    assert_eq!((applied.status, applied.header("location")), (303, "/console/spring?done=2"));
    let shown = harness.page("GET", "/console/spring?done=2", &cookie, "").await.text();
    assert!(
        shown.contains("Pace 1000/s → 80/s") && shown.contains("p95 stable") && shown.contains("5:00 left")
    );
    let undone = harness.page("POST", "/console/spring/undo", &cookie, "rev=2").await;
    assert_eq!(undone.header("location"), "/console/spring?done=3");
    assert_eq!(harness.get(GET).await.json()["pace"], "1000");
}

#[tokio::test]
async fn a_severe_change_needs_the_id_of_the_event() {
    let harness = OperatorHarness::open().await;
    let cookie = harness.log_in(OPERATOR).await;
    let sheet =
        harness.page("GET", "/console/spring/review?rev=1&action=capacity&capacity=5", &cookie, "").await;
    assert!(sheet.text().contains("name=\"confirm\""));
    for confirm in ["", "&confirm=autumn"] {
        let form = format!("rev=1&action=capacity&capacity=5&reason=less{confirm}");
        let refused = apply(&harness, &cookie, &form).await;
        assert_eq!(refused.status, 422);
        assert!(refused.text().contains("Nothing was changed."));
    }
    let form = "rev=1&action=capacity&capacity=5&reason=less&confirm=spring";
    assert_eq!(apply(&harness, &cookie, form).await.status, 303);
    assert_eq!(harness.get(GET).await.json()["capacity"], 5);
}

#[tokio::test]
async fn a_change_at_an_old_rev_shows_what_the_other_operator_changed() {
    let harness = OperatorHarness::open().await;
    let cookie = harness.log_in(OPERATOR).await;
    harness.change("PUT", PACE, "*", &json!({"pace": "90", "reason": "lee was faster"})).await;
    let conflict = apply(&harness, &cookie, "rev=1&action=pace&pace=80&reason=slower").await;
    assert_eq!(conflict.status, 412);
    let text = conflict.text();
    for part in [
        "Another operator changed the event meanwhile",
        "Pace 1000/s → 90/s",
        "lee was faster",
        "value=\"slower\"",
    ] {
        assert!(text.contains(part), "{part}");
    }
    assert_eq!(harness.get(GET).await.json()["pace"], "90");
    assert!(text.contains("name=\"rev\" value=\"2\""), "the sheet can be applied again, at the rev it shows");
    assert_eq!(apply(&harness, &cookie, "rev=2&action=pace&pace=80&reason=slower").await.status, 303);
}

#[tokio::test]
async fn every_control_changes_the_event() {
    let harness = OperatorHarness::open().await;
    let cookie = harness.log_in(OPERATOR).await;
    let mut rev = 1;
    let mut run = async |fields: &str| {
        let form = format!("rev={rev}&reason=as+planned&confirm=spring&{fields}");
        let response = apply(&harness, &cookie, &form).await;
        assert_eq!(response.status, 303, "{fields}: {}", response.text());
        rev += 1;
    };
    run("action=pause").await;
    run("action=resume").await;
    run("action=drain").await;
    run("action=in_flight_max&in_flight_max=1,000").await;
    run("action=capacity&capacity=12").await;
    run("action=announcement&ko=%EB%8A%A6%EC%96%B4%EC%9A%94&en=Slower").await;
    run("action=update&intake=false").await;
    run("action=update&description_ko=%EC%B2%AB+%EC%A4%84%0D%0A%EB%91%98%EC%A7%B8&description_en=&color=%23ffe600\
        &picture_url=&product_name_ko=%EA%B7%A4&product_name_en=Mandarins&product_price=19,900&product_url=").await;
    run("action=update&opens_at=2026-11-22T21:30&closes_at=2026-11-22T22:00:05").await;
    let event = harness.get(GET).await.json();
    assert_eq!((&event["release"], &event["in_flight_max"]), (&json!("draining"), &json!(1000)));
    assert_eq!((&event["capacity"], &event["intake"]), (&json!(12), &json!(false)));
    assert_eq!(event["announcement"], json!({"ko": "늦어요", "en": "Slower"}));
    assert_eq!(event["opens_at"], "2026-11-22T12:30:00.000Z");
    assert_eq!((&event["description"]["ko"], &event["color"]), (&json!("첫 줄\n둘째"), &json!("#ffe600")));
    assert_eq!(event["product_price"], 19900, "the next form without a look keeps it");
    run("action=open").await;
    harness.clock.advance(10_000);
    run("action=close").await;
    run("action=settle").await;
    assert_eq!(harness.get(GET).await.json()["state"], "settling");
}

#[tokio::test]
async fn a_parked_application_is_decided_on_the_page() {
    let harness = OperatorHarness::open().await;
    let key = harness.park(1).await;
    let cookie = harness.log_in(OPERATOR).await;
    let page = harness.page("GET", "/console/spring", &cookie, "").await.text();
    assert!(page.contains("Parked applications: 1") && page.contains(&key.guid()));
    let path = format!("/console/spring/review?action=reject&app_key={key}");
    let sheet = harness.page("GET", &path, &cookie, "").await;
    assert!(sheet.text().contains("Deletes an order that may exist first"));
    let form = format!("action=reject&app_key={key}");
    assert_eq!(apply(&harness, &cookie, &form).await.status, 422, "a reason is needed");
    assert_eq!(apply(&harness, &cookie, &format!("{form}&reason=gone")).await.status, 303);
    assert_eq!(apply(&harness, &cookie, &format!("{form}&reason=gone")).await.status, 404, "only once");
}

#[tokio::test]
async fn an_event_is_created_and_cloned_on_the_page() {
    let harness = OperatorHarness::empty().await;
    let cookie = harness.log_in(OPERATOR).await;
    assert!(harness.page("GET", "/", &cookie, "").await.text().contains("There are no events yet."));
    assert_eq!(harness.page("GET", "/console/new", &cookie, "").await.status, 200);
    let form = "id=autumn&title_ko=%EA%B0%80%EC%9D%84&title_en=Autumn&capacity=1,000&pace=2.5&in_flight_max=20\
        &opens_at=2026-11-22T21:00&closes_at=2026-11-22T22:00&diverts=/products/a%0A/products/b&settle_after_close=true&color=%231d4ed8&product_name_ko=%EA%B7%A4&product_name_en=Mandarins";
    let wrong = harness.page("POST", "/console/new", &cookie, &form.replace("pace=2.5", "pace=x")).await;
    assert_eq!(wrong.status, 422);
    assert!(
        wrong.text().contains("Please check the values: Pace") && wrong.text().contains("value=\"1,000\"")
    );
    let created = harness.page("POST", "/console/new", &cookie, form).await;
    assert_eq!((created.status, created.header("location")), (303, "/console/autumn?done=1"));
    let event = harness.get("/event/adm/v1/get/event/autumn").await.json();
    assert_eq!((&event["capacity"], &event["pace"]), (&json!(1000), &json!("2.5")));
    assert_eq!((&event["color"], &event["product_name"]["en"]), (&json!("#1d4ed8"), &json!("Mandarins")));
    assert_eq!(
        (&event["opens_at"], &event["diverts"][1]),
        (&json!("2026-11-22T12:00:00.000Z"), &json!("/products/b"))
    );
    assert_eq!(harness.page("POST", "/console/new", &cookie, form).await.status, 409);
    let with_pass = form.replace("id=autumn", "id=spring&kind=pass");
    let wrong = harness.page("POST", "/console/new", &cookie, &with_pass).await;
    assert!(wrong.text().contains("Please check the values: Page of the shop"), "{}", wrong.text());
    let with_pass = format!("{with_pass}&pass_target=https://shop.example.com/order");
    assert_eq!(harness.page("POST", "/console/new", &cookie, &with_pass).await.status, 303);
    assert_eq!(harness.get("/event/adm/v1/get/event/spring").await.json()["kind"], "pass");
    let copy = "id=winter&opens_at=2026-12-22T21:00&closes_at=2026-12-22T22:00";
    assert_eq!(harness.page("POST", "/console/autumn/clone", &cookie, copy).await.status, 303);
    assert_eq!(harness.get("/event/adm/v1/get/event/winter").await.json()["pace"], "2.5");
}

#[tokio::test]
async fn a_refusal_is_said_in_the_language_of_the_page() {
    let harness = OperatorHarness::open().await;
    let cookie = harness.log_in(OPERATOR).await;
    let korean = harness.page("GET", "/console/spring?lang=ko", &cookie, "").await;
    assert!(korean.header("set-cookie").starts_with("lang=ko;"));
    assert!(korean.text().contains("<html lang=\"ko\">") && korean.text().contains("운영 콘솔"));
    let cookie = format!("{cookie}; lang=ko");
    harness.clock.set(NOW + HOUR + 3000);
    let refused = harness.page("GET", "/console/spring/review?rev=1&action=settle", &cookie, "").await;
    assert_eq!(refused.status, 409);
    assert!(refused.text().contains("마감한 뒤에 정산할 수 있습니다."), "{}", refused.text());
    let unknown = harness.page("GET", "/console/nothing", &cookie, "").await;
    assert_eq!((unknown.status, unknown.text().contains("찾을 수 없습니다")), (404, true));
}

#[tokio::test]
async fn the_first_load_takes_at_most_60_kilobytes() {
    let harness = OperatorHarness::open().await;
    let cookie = harness.log_in(OPERATOR).await;
    for n in 0..900_u32 {
        harness.clock.advance(1000);
        let mut calls = ledger::CallActivity { ordered: n % 7, ..ledger::CallActivity::default() };
        for call in 0..n % 9 {
            calls.count_call(i64::from(call * n % 3000));
        }
        harness.ledger.record_calls(&crate::harness::spring(), &calls).await.unwrap();
    }
    let mut total = 0;
    for path in [
        "/console/spring",
        "/console.css",
        "/console.js",
        "/uplot.js",
        "/gate/adm/v1/list/metric/spring?window_s=900",
        "/audit/adm/v1/list/change?event=spring&limit=100",
    ] {
        let headers = [("cookie", cookie.as_str()), ("accept-encoding", "gzip, deflate, br")];
        let response = harness.request("GET", path, &headers, "").await;
        assert_eq!(response.status, 200, "{path}");
        let is_small = response.body.len() < 1000;
        assert!(response.header("content-encoding") == "gzip" || is_small, "{path}");
        total += response.body.len();
    }
    assert!(total <= 60_000, "{total} bytes");
    assert_eq!(harness.request("GET", "/console.js", &[], "").await.header("content-encoding"), "");
}
