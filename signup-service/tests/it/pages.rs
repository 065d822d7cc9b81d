//! The pages: their bars, their languages, and each of their states drawn to `target/tmp/screens` to be looked at.

use std::path::Path;

use axum::body::Body;
use axum::http::Request;
use domain::event::Text;
use domain::{Outcome, Release};
use sha2::Digest as _;

use crate::house::{Answer, CLOSES, CREATE, FIND, House, OPENS, PHONE, cancel_path, spring};

async fn event_page(house: &House, language: &str) -> Answer {
    house.get_in("/e/spring", language).await
}

/// Checks what holds for every page, and keeps it to be looked at.
async fn draw(house: &House, name: &str, path: &str) {
    for language in ["ko", "en"] {
        let page =
            house.get(&format!("{path}{}lang={language}", if path.contains('?') { '&' } else { '?' })).await;
        keep(&format!("{name}-{language}"), language, &page);
    }
}

async fn draw_form(house: &House, name: &str, path: &str, fields: &[(&str, &str)]) {
    for language in ["ko", "en"] {
        let mut fields = fields.to_vec();
        fields.push(("lang", language));
        keep(&format!("{name}-{language}"), language, &house.post_form(path, &fields).await);
    }
}

fn keep(name: &str, language: &str, page: &Answer) {
    let text = page.text();
    assert!(text.contains(&format!("<html lang=\"{language}\">")), "{name}");
    assert_eq!(page.header("content-language"), language);
    assert_eq!(page.header("cache-control"), "no-store");
    for outside in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!text.contains(outside), "{name} asks for something outside: {outside}");
    }
    let korean = text.split("<script").next().unwrap().replace("한국어", "").replace("봄", "");
    let has_hangul = korean.chars().any(|c| ('가'..='힣').contains(&c));
    assert_eq!(has_hangul, language == "ko", "{name} is in two languages");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screens");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.html")), text).unwrap();
}

#[tokio::test]
async fn every_state_of_an_event_s_page_is_whole_in_both_languages() {
    let mut house = House::open().await;
    house.project(|p| p.settings.capacity = 50_000).await;
    house.clock.set(OPENS - 100_000);
    house.desk.refresh().await;
    draw(&house, "a-before", "/e/spring").await;
    house.clock.set(OPENS + 1000);
    house.desk.refresh().await;
    draw(&house, "b-open", "/e/spring").await;
    draw_form(&house, "b-invalid", CREATE, &[("name", ""), ("phone", "010"), ("key", "k")]).await;
    house.project(|p| p.figures.free = 0).await;
    draw(&house, "h-open-sold-out", "/e/spring").await;
    house
        .project(|p| {
            p.settings.intake = false;
            p.settings.notice = Text {
                ko: "잠시 점검하고 있어요. 곧 다시 열게요.".into(),
                en: "A short check, back soon.".into(),
            };
        })
        .await;
    draw(&house, "b-hold", "/e/spring").await;
    house.clock.set(CLOSES);
    house.desk.refresh().await;
    draw(&house, "i-closed", "/e/spring").await;
    let wrong = [("event", "spring"), ("phone", PHONE), ("code", "AAAAAAAA")];
    draw_form(&house, "i-no-match", FIND, &wrong).await;
    let config = signup_service::Config { max_waiting_applies: 0, ..Default::default() };
    let busy = House::open_with(config).await;
    draw_form(
        &busy,
        "j-shed",
        CREATE,
        &[("name", "Kim"), ("phone", "01099998888"), ("consent", "on"), ("key", "k")],
    )
    .await;
}

#[tokio::test]
async fn every_state_of_a_receipt_s_page_is_whole_in_both_languages() {
    let mut house = House::open().await;
    house
        .project(|p| (p.settings.capacity, p.settings.pace, p.line_limit) = (200, "1".parse().unwrap(), 2000))
        .await;
    let applied = house.crowd(150).await.json();
    let page = format!("/a/{}", applied["receipt"].as_str().unwrap());
    house.moved(30).await;
    draw(&house, "d-waiting", &page).await;
    let view = house.apply(PHONE, None).await.json();
    draw(&house, "d-view", &format!("/a/{}", view["receipt"].as_str().unwrap())).await;
    house.project(|p| p.settings.release = Release::Paused).await;
    draw(&house, "e-paused", &page).await;
    house.project(|p| (p.settings.release, p.settings.capacity) = (Release::Running, 100)).await;
    draw(&house, "d-waitlisted", &page).await;
    house.project(|p| p.figures.free = 0).await;
    draw(&house, "h-claimed", &page).await;
    house.moved(150).await;
    draw(&house, "f-ordering", &page).await;
    house.post(&cancel_path(&applied), &serde_json::json!({}), &[]).await;
    draw(&house, "f-cancelling", &format!("{page}?asked=cancel")).await;
    house.shown(150, Outcome::Ordered, Some("20261122-041207")).await;
    draw(&house, "g-ordered", &page).await;
    house.shown(150, Outcome::Cancelled, None).await;
    draw(&house, "g-cancelled", &page).await;
    for (number, outcome, name) in [(1, Outcome::Rejected, "g-rejected"), (2, Outcome::SoldOut, "g-sold-out")]
    {
        let own = house.apply(&format!("010-9000-{number:04}"), None).await.json();
        house.shown(number, outcome, None).await;
        draw(&house, name, &format!("/a/{}", own["receipt"].as_str().unwrap())).await;
    }
}

#[tokio::test]
async fn the_other_pages_are_whole_in_both_languages() {
    let house = House::open().await;
    let applied = house.apply(PHONE, None).await.json();
    draw(&house, "z-unknown-event", "/e/none").await;
    draw(&house, "z-not-found", "/a/k1.AAAA").await;
    let after = House::open().await;
    draw(&after, "z-safe", &format!("/a/{}", applied["receipt"].as_str().unwrap())).await;
    house.arm("autumn").await;
    house.line.publish(&[spring(), "autumn".parse().unwrap()]).await.unwrap();
    house.desk.refresh().await;
    draw(&house, "z-list", "/").await;
}

#[tokio::test]
async fn a_first_view_is_one_request_of_at_most_eight_kilobytes() {
    let mut house = House::open().await;
    // The longest notice, of letters that do not repeat: the bar holds for what an operator may write.
    let long = |first: u32, step: u32| (0..200).filter_map(|i| char::from_u32(first + i * step)).collect();
    house.project(|p| p.settings.notice = Text { ko: long(0xac00, 37), en: long(0x100, 1) }).await;
    let applied = house.crowd(3).await.json();
    let receipt = format!("/a/{}", applied["receipt"].as_str().unwrap());
    for path in ["/e/spring", receipt.as_str()] {
        for language in ["ko", "en"] {
            let request =
                Request::get(path).header("accept-encoding", "gzip, br").header("accept-language", language);
            let page = house.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(page.header("content-encoding"), "gzip");
            assert!(page.body.len() <= 8 * 1024, "{path} in {language}: {} bytes", page.body.len());
        }
    }
}

#[tokio::test]
async fn a_page_allows_its_own_style_and_script_and_nothing_else() {
    let house = House::open().await;
    let page = event_page(&house, "ko").await;
    let policy = page.header("content-security-policy");
    for part in ["default-src 'none'", "script-src 'sha256-", "style-src 'sha256-", "frame-ancestors 'none'"]
    {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"));
    let text = page.text();
    assert!(!text.contains(" style=") && !text.contains(" onclick="));
    let script = text.rsplit("<script>").next().unwrap().split("</script>").next().unwrap();
    let hash = data_encoding::BASE64.encode(&sha2::Sha256::digest(script.as_bytes()));
    assert!(policy.contains(&format!("script-src 'sha256-{hash}'")));
}

#[tokio::test]
async fn a_language_that_was_chosen_is_remembered() {
    let house = House::open().await;
    let page = house.get("/e/spring?lang=en").await;
    assert!(page.text().contains("You can apply now"));
    assert_eq!(page.header("set-cookie"), "lang=en; Path=/; Max-Age=31536000; SameSite=Lax");
    let request = Request::get("/e/spring").header("cookie", "lang=en").header("accept-language", "ko");
    let again = house.send(request.body(Body::empty()).unwrap()).await;
    assert!(again.text().contains("You can apply now") && again.header("set-cookie").is_empty());
    assert!(event_page(&house, "fr").await.text().contains("지금 신청할 수 있어요"));
}

#[tokio::test]
async fn each_view_of_a_form_has_its_own_key() {
    let house = House::open().await;
    let key = |page: &Answer| {
        let text = page.text();
        text.split("name=\"key\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    let (first, second) = (key(&event_page(&house, "ko").await), key(&event_page(&house, "ko").await));
    assert!(first.len() == 32 && first != second);
}

#[tokio::test]
async fn the_only_event_is_the_front_page() {
    let house = House::open().await;
    let answer = house.get("/").await;
    assert_eq!((answer.status, answer.header("location")), (303, "/e/spring"));
}

#[tokio::test]
async fn a_page_without_javascript_looks_again_by_itself_only_while_something_may_change() {
    let mut house = House::open().await;
    let applied = house.apply(PHONE, None).await.json();
    let page = format!("/a/{}", applied["receipt"].as_str().unwrap());
    let refresh = "<noscript><meta http-equiv=\"refresh\" content=\"20\"></noscript>";
    assert!(house.get(&page).await.text().contains(refresh));
    house.moved(1).await;
    house.shown(1, Outcome::Rejected, None).await;
    assert!(!house.get(&page).await.text().contains("http-equiv"));
    assert!(!event_page(&house, "ko").await.text().contains("http-equiv"));
}

#[tokio::test]
async fn what_an_operator_writes_cannot_leave_its_place() {
    let mut house = House::open().await;
    let evil = "</script><script>alert(1)</script>";
    house.project(|p| p.settings.notice = Text { ko: evil.into(), en: evil.into() }).await;
    let applied = house.apply(PHONE, None).await.json();
    for path in ["/e/spring".to_owned(), format!("/a/{}", applied["receipt"].as_str().unwrap())] {
        assert!(!house.get(&path).await.text().contains("<script>alert"), "{path}");
    }
}
