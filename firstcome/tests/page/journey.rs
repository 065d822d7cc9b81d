//! What an applicant sees, from before the opening to the order, with and without scripts.

use std::time::Duration;

use testkit::order_stub::Behavior;
use testkit::{Browser, OrderStub};

use crate::stage::{Play, SOON, Stage, fill_in, fits, phone, picture, wait};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_applicant_sees_the_people_ahead_fall_and_then_the_order_without_a_reload() {
    let stage = Stage::open(Play { capacity: 50, pace: "4", ..Play::default() }).await;
    stage.others_apply(30).await;
    let browser = phone("ko", true).await;
    browser.open(&stage.event_page()).await.unwrap();
    picture(&browser, "journey-open-ko").await;
    fill_in(&browser, "홍길동", "010-1234-5678").await;
    browser.click("#apply").await.unwrap();
    wait(&browser, "[data-state=waiting]").await;
    assert_eq!(browser.text("#number").await.unwrap(), "31");
    browser.script("window.neverReloaded = true").await.unwrap();
    let first: u32 = ahead(&browser.text("#ahead").await.unwrap());
    picture(&browser, "journey-receipt-ko").await;
    fits(&browser).await;
    wait(&browser, "#copy:not([hidden])").await;
    assert_eq!(browser.text("#copy").await.unwrap(), "복사");
    let receipt = browser.url().await.unwrap();

    wait(&browser, "[data-state=ordered]").await;
    assert!(first > 0, "other applications were ahead at first");
    assert_eq!(browser.text("#order-no").await.unwrap(), "SPRING-000031");
    assert_eq!(browser.script("return window.neverReloaded === true").await.unwrap(), true);
    picture(&browser, "journey-ordered-ko").await;

    // The page was closed meanwhile, and the link is opened on another phone, in another language.
    let other = phone("en", true).await;
    other.open(&receipt).await.unwrap();
    wait(&other, "[data-state=ordered]").await;
    assert_eq!(other.text("#number").await.unwrap(), "31");
    assert_eq!(other.attribute("html", "lang").await.unwrap().as_deref(), Some("en"));
    wait(&other, "#copy:not([hidden])").await;
    assert_eq!(other.text("#copy").await.unwrap(), "Copy");
    picture(&other, "journey-ordered-en").await;
}

/// The number within "12명" or "12 people".
fn ahead(text: &str) -> u32 {
    text.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_form_is_filled_before_the_opening_and_one_press_at_the_opening_is_enough() {
    let stage = Stage::open(Play { opens_in_ms: 8000, ..Play::default() }).await;
    let browser = phone("ko", true).await;
    browser.open(&stage.event_page()).await.unwrap();
    browser.script("window.neverReloaded = true").await.unwrap();
    assert!(browser.exists("[data-state=before]").await.unwrap());
    fill_in(&browser, "홍길동", "010-1234-5678").await;
    picture(&browser, "journey-before-ko").await;
    fits(&browser).await;
    wait(&browser, "[data-state=open]").await;
    assert_eq!(browser.script("return window.neverReloaded === true").await.unwrap(), true);
    browser.click("#apply").await.unwrap();
    wait(&browser, "[data-state=ordered]").await;
    assert_eq!(browser.text("#number").await.unwrap(), "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_scripts_an_early_press_keeps_the_fields_and_a_later_one_leads_to_the_order() {
    let stage = Stage::open(Play { opens_in_ms: 10_000, ..Play::default() }).await;
    let browser = phone("ko", false).await;
    browser.open(&stage.event_page()).await.unwrap();
    fill_in(&browser, "홍길동", "010-1234-5678").await;
    browser.click("#apply").await.unwrap();
    wait(&browser, "[data-state=before]").await;
    assert_eq!(
        browser.attribute("#name", "value").await.unwrap().as_deref(),
        Some("홍길동"),
        "nothing is typed twice"
    );
    picture(&browser, "journey-early-no-script-ko").await;

    // Pressed again until it is open: no number was burnt by the early ones.
    for _ in 0..40 {
        if browser.exists("#number").await.unwrap() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        if browser.exists("#apply").await.unwrap() {
            assert!(browser.exists("#consent:checked").await.unwrap(), "the consent is kept too");
            browser.click("#apply").await.unwrap();
        }
    }
    wait(&browser, "#number").await;
    assert_eq!(browser.text("#number").await.unwrap(), "1");
    for _ in 0..40 {
        if browser.exists("[data-state=ordered]").await.unwrap() {
            break;
        }
        browser.reload().await.unwrap();
    }
    assert_eq!(browser.text("#order-no").await.unwrap(), "SPRING-000001");
    picture(&browser, "journey-ordered-no-script-ko").await;
    fits(&browser).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_returned_seat_goes_to_the_waitlist_and_then_to_new_applicants() {
    let orders = OrderStub::start().await;
    // Long enough for the pages to be seen meanwhile.
    orders.behave(|_| Behavior::Delay(Duration::from_secs(3)));
    let order_service = Some(orders.base());
    let stage = Stage::open(Play { capacity: 1, order_service, ..Play::default() }).await;
    let lucky = phone("ko", true).await;
    lucky.open(&stage.event_page()).await.unwrap();
    fill_in(&lucky, "김행운", "010-1111-1111").await;
    lucky.click("#apply").await.unwrap();
    wait(&lucky, "[data-state=ordering]").await;
    wait(&lucky, "[data-state=ordered]").await;

    let late = phone("ko", true).await;
    late.open(&stage.event_page()).await.unwrap();
    assert_eq!(late.text("#head").await.unwrap(), "준비한 수량이 모두 소진됐어요");
    assert_eq!(late.text("#apply").await.unwrap(), "예비 신청하기");
    fill_in(&late, "홍길동", "010-1234-5678").await;
    late.click("#apply").await.unwrap();
    wait(&late, "[data-state=claimed]").await;
    picture(&late, "journey-sold-out-ko").await;
    fits(&late).await;

    cancel(&lucky).await;
    wait(&lucky, "[data-state=cancelling]").await;
    wait(&lucky, "[data-state=cancelled]").await;
    picture(&lucky, "journey-cancelled-ko").await;
    wait(&late, "[data-state=ordered]").await;

    // No application waits for this seat, so the event has one again.
    orders.behave(|call| if call.method == "PUT" { Behavior::reject(409) } else { Behavior::Normal });
    cancel(&late).await;
    wait(&late, "[data-state=cancelled]").await;
    let visitor = phone("ko", true).await;
    visitor.open(&stage.event_page()).await.unwrap();
    for _ in 0..60 {
        if visitor.text("#head").await.unwrap() == "지금 신청할 수 있어요" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
        visitor.reload().await.unwrap();
    }
    assert_eq!(visitor.text("#apply").await.unwrap(), "신청하기");
    fill_in(&visitor, "이손님", "010-2222-2222").await;
    visitor.click("#apply").await.unwrap();
    wait(&visitor, "[data-state=rejected]").await;
    assert!(visitor.text("#lede").await.unwrap().contains("이 신청의 주문을 받지 않았어요"));
    picture(&visitor, "journey-rejected-ko").await;
}

async fn cancel(browser: &Browser) {
    browser.click("#cancel-box summary").await.unwrap();
    browser.click("#cancel").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_applicant_sees_that_the_event_is_settled() {
    let stage = Stage::open(Play { capacity: 1, open_for_ms: 12_000, ..Play::default() }).await;
    stage.others_apply(1).await;
    let browser = phone("en", true).await;
    browser.open(&stage.event_page()).await.unwrap();
    fill_in(&browser, "Hong", "010-1234-5678").await;
    browser.click("#apply").await.unwrap();
    wait(&browser, "#number").await;
    browser.wait_for("[data-state=sold_out]", SOON * 2).await.unwrap();
    picture(&browser, "journey-settled-en").await;
    fits(&browser).await;

    browser.open(&stage.event_page()).await.unwrap();
    wait(&browser, "[data-state=closed]").await;
    let shown =
        browser.script("return document.querySelector('#form')?.checkVisibility() ?? false").await.unwrap();
    assert_eq!(shown, false, "the form is hidden");
    picture(&browser, "journey-closed-en").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_is_left_open_brings_its_place_back_after_the_queue_was_lost() {
    let stage = Stage::open(Play { capacity: 50, pace: "0.001", in_flight_max: 1, ..Play::default() }).await;
    stage.others_apply(3).await;
    let browser = phone("ko", true).await;
    browser.open(&stage.event_page()).await.unwrap();
    fill_in(&browser, "홍길동", "010-1234-5678").await;
    browser.click("#apply").await.unwrap();
    wait(&browser, "[data-state=waiting]").await;
    assert_eq!(browser.text("#number").await.unwrap(), "4");
    browser.script("window.neverReloaded = true").await.unwrap();

    // Number 4 is lost, and only this page can show its receipt.
    let stage = stage.lose_the_queue().await;
    stage.until_known(4).await;
    assert_eq!(browser.text("#number").await.unwrap(), "4");
    assert_eq!(browser.script("return window.neverReloaded === true").await.unwrap(), true);
}
