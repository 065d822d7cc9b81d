//! The screens of `top` and what its keys do, without a terminal.

use operator::response::LiveResponse;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use serde_json::json;

use super::as_text;
use super::feed::FeedMessage;
use super::review::WantedChange;
use super::view::{Intent, Prompt, View};

fn live(release: &str, pace: &str) -> LiveResponse {
    let event = json!({
        "id": "spring", "rev": 12, "state": "open", "title": { "ko": "봄", "en": "Spring" }, "kind": "order",
        "description": { "ko": "", "en": "" }, "color": "", "picture_url": "",
        "product_name": { "ko": "", "en": "" }, "product_price": 0, "product_url": "",
        "called_for_ms": 600_000, "extension_ms": 0, "capacity": 50_000, "opens_at": "2026-11-28T11:00:00.000Z",
        "closes_at": "2026-11-28T12:00:00.000Z", "intake": true, "release": release, "pace": pace,
        "auto_pace": { "min": "20", "max": "120", "target_p95_ms": 1500 }, "in_flight_max": 40,
        "applications_max": 1_000_000, "announcement": { "ko": "", "en": "" }, "settle_after_close": false,
        "diverts": [], "identity": "open", "seats": { "free": 41_240, "held": 37, "sold": 8723 },
        "under_way": { "called": 0, "ordering": 37, "parked": 2 },
        "queue": { "at": "2026-11-28T11:01:58.000Z", "epoch": 1, "state": "open", "seq": 49_963,
            "admitted_through": 8760, "waiting": 41_203, "closed_seq": null, "skipped_numbers": 0, "armed": true,
            "ordered_per_s": 79.4, "oldest_wait_ms": 118_000 },
        "frozen": null, "recover_until": null, "missing_journals": [],
    });
    let calls = json!({ "count": 794, "ordered": 790, "rejected": 3, "cancelled": 0, "unclear": 1,
        "p50_ms": 410, "p95_ms": 1210, "p99_ms": 1900 });
    let seconds: Vec<_> = (0..40)
        .map(|second| {
            json!({ "at": format!("2026-11-28T11:01:{second:02}.000Z"), "applied": second * second * 10,
                "waiting": second * 1000, "calls": calls })
        })
        .collect();
    let change = json!({ "event": "spring", "rev": 12, "at": "2026-11-28T11:01:40.000Z", "actor": "auto",
        "action": "pace", "reason": "order p95 1.9 s over 1.5 s", "before": { "pace": "120" },
        "after": { "pace": pace }, "changed": true });
    serde_json::from_value(json!({
        "at": "2026-11-28T11:01:58.000Z", "event": event, "remaining_s": 515, "seconds": seconds, "change": change,
        "recent": { "applied_per_s": 365.0, "calls_per_s": 79.4, "calls": calls },
    }))
    .unwrap()
}

fn view(release: &str, may_change: bool) -> View {
    let mut view = View::new(may_change);
    view.take(FeedMessage::Live(Box::new(live(release, "80"))));
    view
}

fn key(code: KeyCode) -> Event {
    Event::Key(KeyEvent::new(code, KeyModifiers::NONE))
}

#[test]
fn the_screen_shows_the_figures_the_alerts_and_the_last_change() {
    let screen = as_text(&view("running", false)).unwrap();
    for text in [
        "spring  open  release running  11:01:58 UTC  rev 12",
        "PARKED: 2 applications need a decision",
        "365/s",
        "last number 49,963",
        "41,203  time left 8m 35s",
        "the first waits 1m 58s",
        "79.4 of 80/s (auto 20 to 120/s, p95 within 1500 ms)",
        "in flight 37/40  rejected 3  unclear 1 in 10 s",
        "p95 1210 ms",
        "sold 8,723 of 50,000  held 37  free 41,240  called 0",
        "auto  pace: pace 120 -> 80 (order p95 1.9 s over 1.5 s)",
        "for reading only",
        "█",
    ] {
        assert!(screen.contains(text), "{text}\n{screen}");
    }
    let paused = as_text(&view("paused", false)).unwrap();
    assert!(paused.contains("RELEASE PAUSED: no new order calls"), "{paused}");
}

#[test]
fn figures_that_are_not_of_now_are_said_to_be_so() {
    let mut view = view("running", false);
    view.take(FeedMessage::Lost("the ledger does not respond (unavailable)".to_owned()));
    let screen = as_text(&view).unwrap();
    assert!(
        screen.starts_with("NOT LIVE: the ledger does not respond (unavailable); trying again"),
        "{screen}"
    );
    assert!(screen.contains("41,203"), "the last figures stay\n{screen}");
}

#[test]
fn a_key_asks_for_a_change_only_with_control() {
    let mut reading = view("running", false);
    for code in ['p', '+', '-'] {
        assert!(matches!(reading.press(&key(KeyCode::Char(code))), Intent::Nothing));
        assert!(matches!(&reading.prompt, Prompt::Said(text) if text.contains("--control")));
    }
    let mut running = view("running", true);
    let wanted = |view: &mut View, code| match view.press(&key(KeyCode::Char(code))) {
        Intent::Review(change) => change,
        other => panic!("{other:?}"),
    };
    assert_eq!(wanted(&mut running, 'p'), WantedChange::Pause);
    assert_eq!(wanted(&mut running, '+'), WantedChange::Pace("88".to_owned()));
    assert_eq!(wanted(&mut running, '-'), WantedChange::Pace("72".to_owned()));
    assert_eq!(wanted(&mut view("draining", true), 'p'), WantedChange::Resume);
    assert!(matches!(running.press(&key(KeyCode::Char('q'))), Intent::Quit));
    let interrupt = Event::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
    assert!(matches!(running.press(&interrupt), Intent::Quit));
}
