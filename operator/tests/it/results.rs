//! The result of an event as sums and as a file, its report, and finding one application.

use domain::keys::Root;
use domain::{
    AppKey, Epoch, EventSettings, EventState, Fence, Keyring, Kid, Number, Receipt, ReqHash, Right,
};
use ledger::{Candidate, InboxAction, InboxRequest, OrderResponse, QueueReading, QueueStatus};
use serde_json::{Value, json};

use crate::harness::{HOUR, NOW, OperatorHarness, VIEWER, settings, spring};

const FILE: &str = "/application/adm/v1/list/result/spring";
const FIND: &str = "/application/adm/v1/find/application/spring";
const ADMITTED: u32 = 1100;
/// An order number by which a spreadsheet would start a program.
const FORMULA: &str = "=cmd|' /C calc'!A0";

fn key(n: u32) -> AppKey {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    AppKey(bytes)
}

fn number(n: u32) -> Number {
    Number::new(n).unwrap()
}

fn receipt(n: u32) -> String {
    let kid = || Kid::new("k1").unwrap();
    let keys = Keyring::new(kid(), [(kid(), Root::new([7; 32]))]).unwrap();
    let receipt =
        Receipt { event: spring(), epoch: Epoch(1), number: number(n), app_key: key(n), right: Right::View };
    receipt.sign(&keys)
}

/// An event with 1,100 admitted applications, of which three have ended, and 89 that wait; ten numbers were skipped, and one waiting
/// application was withdrawn.
async fn running() -> OperatorHarness {
    let harness = OperatorHarness::empty().await;
    let event = EventSettings { capacity: 2000, in_flight_max: 5000, applications_max: 9000, ..settings() };
    harness.ledger.create_event(&event, "setup").await.unwrap();
    harness.clock.set(NOW + HOUR + 1000);
    let fence = harness.ledger.acquire_leadership(&spring()).await.unwrap().unwrap().fence;
    let candidates: Vec<Candidate> = (1..=ADMITTED)
        .map(|n| Candidate {
            number: number(n),
            app_key: key(n),
            req_hash: ReqHash::NONE,
            contact: String::new(),
        })
        .collect();
    for some in candidates.chunks(100) {
        let admitted = harness.ledger.admit(&spring(), fence, some, QueueReading::default()).await.unwrap();
        assert_eq!(admitted.seated, 100);
    }
    harness.ledger.make_due(&spring(), &[key(1), key(2), key(3)]).await.unwrap();
    for _ in 0..3 {
        harness.clock.advance(1000);
        for call in harness.ledger.lease_calls(&spring(), 1).await.unwrap().calls {
            let response = match call.number.get() {
                1 => OrderResponse::Created(FORMULA.into()),
                2 => OrderResponse::Created("A-2, \"second\"".into()),
                _ => OrderResponse::Rejected,
            };
            harness.ledger.record_response(&call, &response).await.unwrap();
        }
    }
    let withdrawn = InboxRequest {
        id: 1,
        at: NOW,
        action: InboxAction::Cancel,
        app_key: key(1150),
        number: number(1150),
    };
    harness.ledger.handle_inbox(&spring(), fence, &[withdrawn], 1, 0).await.unwrap();
    report(&harness, fence).await;
    harness
}

async fn report(harness: &OperatorHarness, fence: Fence) {
    let status = QueueStatus {
        at: 0,
        epoch: Epoch(1),
        state: EventState::Open,
        seq: 1200,
        highest_seq: 1200,
        admitted_through: ADMITTED,
        waiting: 90,
        closed_seq: None,
        skipped_numbers: 10,
        armed: true,
        sold_milli_per_s: 0,
        oldest_wait_ms: None,
    };
    harness.ledger.write_queue_status(&spring(), fence, &status).await.unwrap();
}

#[tokio::test]
async fn the_file_has_every_application_and_ends_with_the_sums() {
    let harness = running().await;
    let sums = harness.get("/event/adm/v1/get/result/spring").await.json();
    let expected = json!({"accepted": 1190, "ordered": 2, "rejected": 1, "cancelled": 1, "expired": 0,
        "under_way": 1097, "parked": 0, "waiting": 89, "sold_out": 0, "unaccounted": 0});
    for (name, count) in expected.as_object().unwrap() {
        assert_eq!(&sums[name], count, "{name}");
    }
    let file = harness.get(FILE).await;
    assert_eq!((file.status, file.header("content-type")), (200, "text/csv; charset=utf-8"));
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"spring-result.csv\"");
    let text = file.text();
    let lines: Vec<&str> = text.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 1 + 1101 + 1, "{} bytes", text.len());
    assert_eq!(lines[0], "number,guid,state,reason,order_no,seat,admitted_at,ended_at,order_calls");
    let guid = key(1).guid();
    assert!(lines[1].starts_with(&format!("1,{guid},ordered,,'{FORMULA},")), "{}", lines[1]);
    assert!(lines[1].ends_with(",2026-11-22T12:00:01.000Z,2026-11-22T12:00:02.000Z,1"), "{}", lines[1]);
    assert!(lines[2].contains("\"A-2, \"\"second\"\"\""), "{}", lines[2]);
    assert!(lines[3].contains(",rejected,order_service,,"), "{}", lines[3]);
    assert!(lines[1101].starts_with("1150,") && lines[1101].contains(",cancelled,applicant,"));
    assert_eq!(
        lines[1102],
        "\"# accepted 1190 = ordered 2 + waiting 89 + under way 1097 + parked 0 + ended 2 (sold_out 0, cancelled 1, rejected 1, expired 0) + unaccounted 0\""
    );
    let marked = harness.get(&format!("{FILE}?bom=true")).await.text();
    assert_eq!(marked.strip_prefix('\u{feff}'), Some(text.as_str()));
    assert_eq!(harness.get(&format!("{FILE}?bom=1")).await.problem(), (400, "malformed".into()));
    // The same sums on the page that is printed.
    let cookie = harness.log_in(VIEWER).await;
    let page = harness.page("GET", "/console/spring/report", &cookie, "").await.text();
    for part in ["1,190", "1,097", "figures can still change", "Create an event", "firstcome verify"] {
        assert!(page.contains(part), "{part}");
    }
}

#[tokio::test]
async fn an_application_is_found_by_number_guid_and_receipt() {
    let harness = running().await;
    let find = async |by: &str| harness.change("POST", FIND, "", &json!({"by": by})).await;
    let ordered = find("1").await.json();
    let whats: Vec<&str> =
        ordered["timeline"].as_array().unwrap().iter().map(|entry| entry["what"].as_str().unwrap()).collect();
    assert_eq!(
        (ordered["outcome"].as_str(), whats),
        (Some("ordered"), vec!["admitted", "application.ordered"])
    );
    assert_eq!(ordered["timeline"][1]["detail"], FORMULA);
    for by in
        [key(1).guid(), key(1).to_string(), receipt(1), format!("https://shop.example/a/{}", receipt(1))]
    {
        assert_eq!(find(&by).await.json(), ordered, "{by}");
    }
    let withdrawn = find("1150").await.json();
    assert_eq!((&withdrawn["outcome"], &withdrawn["reason"]), (&json!("cancelled"), &json!("applicant")));
    assert_eq!(withdrawn["timeline"].as_array().unwrap().len(), 1);
    for by in ["1120".to_owned(), receipt(1120)] {
        let waiting = find(&by).await.json();
        assert_eq!(
            (&waiting["state"], &waiting["ahead"], &waiting["guid"]),
            (&json!("waiting"), &json!(19), &Value::Null)
        );
    }
    for by in ["1201", "0", "kim", &key(1120).guid(), ""] {
        assert_eq!(find(by).await.problem(), (404, "no-application".into()), "{by}");
    }
    let body = json!({"by": "1"}).to_string();
    let json_type = ("content-type", "application/json");
    let anonymous = harness.request("POST", FIND, &[json_type], body.clone()).await;
    assert_eq!(anonymous.problem(), (401, "unauthenticated".into()));
    let viewer = format!("Bearer {VIEWER}");
    let read = harness.request("POST", FIND, &[json_type, ("authorization", &viewer)], body).await;
    assert_eq!(read.status, 200, "a search is a read");
    let unknown = harness.change("POST", &FIND.replace("spring", "autumn"), "", &json!({"by": "1"})).await;
    assert_eq!(unknown.problem(), (404, "unknown-event".into()));
    let cookie = harness.log_in(VIEWER).await;
    let page = harness.page("POST", "/console/spring/application", &cookie, "by=3").await.text();
    assert!(page.contains("Number 3") && page.contains("by the order service"), "{page}");
    let none = harness.page("POST", "/console/spring/application", &cookie, "by=1201").await;
    assert_eq!(none.status, 404);
}

#[tokio::test]
async fn a_timeline_shows_what_operators_decided() {
    let harness = OperatorHarness::open().await;
    let key = harness.park(1).await;
    let reject = format!("/application/adm/v1/reject/application/spring/{key}");
    harness.change("POST", &reject, "", &json!({"reason": "the applicant called"})).await;
    let found = harness.change("POST", FIND, "", &json!({"by": "1"})).await.json();
    let entries = found["timeline"].as_array().unwrap();
    assert_eq!(entries.last().unwrap()["detail"], "kim: the applicant called", "{found}");
    assert!(entries.iter().any(|entry| entry["what"] == "application.parked"), "{found}");
}
