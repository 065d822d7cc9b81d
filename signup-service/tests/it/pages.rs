//! The pages: their size, policy and languages. Each state is written to `target/tmp/screens` for review.

use std::path::Path;

use axum::body::Body;
use axum::http::Request;
use domain::event::Text;
use domain::{Gaps, Outcome, Release};
use sha2::Digest as _;

use crate::harness::{
    CLOSES, CREATE, FIND, OPENS, PHONE, ReceivedResponse, SignupHarness, cancel_path, earlier_phone, spring,
};

async fn event_page(harness: &SignupHarness, language: &str) -> ReceivedResponse {
    harness.get_in("/e/spring", language).await
}

/// Checks a page in both languages and writes it to a file.
async fn check_page(harness: &SignupHarness, name: &str, path: &str) {
    for language in ["ko", "en"] {
        let page = harness
            .get(&format!("{path}{}lang={language}", if path.contains('?') { '&' } else { '?' }))
            .await;
        check_and_write(&format!("{name}-{language}"), language, &page);
    }
}

async fn check_form(harness: &SignupHarness, name: &str, path: &str, fields: &[(&str, &str)]) {
    for language in ["ko", "en"] {
        let mut fields = fields.to_vec();
        fields.push(("lang", language));
        check_and_write(&format!("{name}-{language}"), language, &harness.post_form(path, &fields).await);
    }
}

fn check_and_write(name: &str, language: &str, page: &ReceivedResponse) {
    let text = page.text();
    assert!(text.contains(&format!("<html lang=\"{language}\">")), "{name}");
    assert_eq!(page.header("content-language"), language);
    assert_eq!(page.header("cache-control"), "no-store");
    for outside in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!text.contains(outside), "{name} refers to another host or file: {outside}");
    }
    let korean = text.split("<script").next().unwrap().replace("한국어", "").replace("봄", "");
    let has_hangul = korean.chars().any(|c| ('가'..='힣').contains(&c));
    assert_eq!(has_hangul, language == "ko", "{name} has text in the other language");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screens");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.html")), text).unwrap();
}

#[tokio::test]
async fn every_state_of_an_event_page_is_complete_in_both_languages() {
    let mut harness = SignupHarness::open().await;
    harness.project(|p| p.settings.capacity = 50_000).await;
    harness.clock.set(OPENS - 100_000);
    harness.signup.refresh().await;
    check_page(&harness, "a-before", "/e/spring").await;
    harness.clock.set(OPENS + 1000);
    harness.signup.refresh().await;
    check_page(&harness, "b-open", "/e/spring").await;
    check_form(&harness, "b-invalid", CREATE, &[("name", ""), ("phone", "010"), ("key", "k")]).await;
    harness.project(|p| p.figures.free = 0).await;
    check_page(&harness, "h-open-sold-out", "/e/spring").await;
    harness
        .project(|p| {
            p.settings.intake = false;
            p.settings.announcement = Text {
                ko: "잠시 점검하고 있어요. 곧 다시 열게요.".into(),
                en: "A short check, back soon.".into(),
            };
        })
        .await;
    check_page(&harness, "b-hold", "/e/spring").await;
    harness.clock.set(CLOSES);
    harness.signup.refresh().await;
    check_page(&harness, "i-closed", "/e/spring").await;
    let wrong = [("event", "spring"), ("phone", PHONE), ("code", "AAAAAAAA")];
    check_form(&harness, "i-no-match", FIND, &wrong).await;
    let config = signup_service::Config { apply_calls_max: 0, ..Default::default() };
    let busy = SignupHarness::open_with(config).await;
    check_form(
        &busy,
        "j-shed",
        CREATE,
        &[("name", "Kim"), ("phone", "01099998888"), ("consent", "on"), ("key", "k")],
    )
    .await;
    let in_doubt =
        [("name", "Kim"), ("phone", "01099998888"), ("consent", "on"), ("key", "k"), ("unsure", "1")];
    check_form(&busy, "l-unknown", CREATE, &in_doubt).await;
}

#[tokio::test]
async fn every_state_of_a_receipt_page_is_complete_in_both_languages() {
    let mut harness = SignupHarness::open().await;
    harness
        .project(|p| {
            (p.settings.capacity, p.settings.pace, p.number_limit) = (200, "1".parse().unwrap(), 2000);
        })
        .await;
    let applied = harness.apply_many(150).await.json();
    let page = format!("/a/{}", applied["receipt"].as_str().unwrap());
    harness.admit_through(30).await;
    check_page(&harness, "d-waiting", &page).await;
    let view = harness.apply(PHONE, None).await.json();
    check_page(&harness, "d-view", &format!("/a/{}", view["receipt"].as_str().unwrap())).await;
    harness.project(|p| p.settings.release = Release::Paused).await;
    check_page(&harness, "e-paused", &page).await;
    harness.project(|p| (p.settings.release, p.settings.capacity) = (Release::Running, 100)).await;
    check_page(&harness, "d-waitlisted", &page).await;
    harness.project(|p| p.figures.free = 0).await;
    check_page(&harness, "h-claimed", &page).await;
    harness.admit_through(150).await;
    check_page(&harness, "f-ordering", &page).await;
    harness.post(&cancel_path(&applied), &serde_json::json!({}), &[]).await;
    check_page(&harness, "f-cancelling", &format!("{page}?asked=cancel")).await;
    harness.project_outcome(150, Outcome::Ordered, Some("20261122-041207")).await;
    check_page(&harness, "g-ordered", &page).await;
    harness.project_outcome(150, Outcome::Cancelled, None).await;
    check_page(&harness, "g-cancelled", &page).await;
    for (number, outcome, name) in [(1, Outcome::Rejected, "g-rejected"), (2, Outcome::SoldOut, "g-sold-out")]
    {
        let phone = earlier_phone(number);
        let applied = harness.apply(&phone, Some(&phone)).await.json();
        let page = format!("/a/{}", applied["receipt"].as_str().unwrap());
        harness.project_outcome(number, outcome, None).await;
        check_page(&harness, name, &page).await;
        let state = format!("data-state=\"{}\"", outcome.as_str());
        assert!(harness.get(&page).await.text().contains(&state), "{name}");
    }
}

#[tokio::test]
async fn the_other_pages_are_complete_in_both_languages() {
    let harness = SignupHarness::open().await;
    let applied = harness.apply(PHONE, None).await.json();
    check_page(&harness, "z-unknown-event", "/e/none").await;
    check_page(&harness, "z-not-found", "/a/k1.AAAA").await;
    check_page(&harness, "z-unknown-page", "/nothing").await;
    let after = SignupHarness::open().await;
    check_page(&after, "z-safe", &format!("/a/{}", applied["receipt"].as_str().unwrap())).await;
    harness.arm("autumn").await;
    harness.queue.publish(&[spring(), "autumn".parse().unwrap()]).await.unwrap();
    harness.signup.refresh().await;
    check_page(&harness, "z-list", "/").await;
}

/// A text of the greatest length, with letters that do not repeat: no text takes more bytes once it is compressed.
pub(crate) fn longest(first: char, step: u32) -> String {
    (0..200).filter_map(|i| char::from_u32(u32::from(first) + i * step)).collect()
}

/// An event with the longest announcement.
async fn with_long_announcement() -> SignupHarness {
    let config =
        signup_service::Config { public_url: "https://event.example.com".into(), ..Default::default() };
    let mut harness = SignupHarness::open_with(config).await;
    let announcement = Text { ko: longest('가', 37), en: longest('Ā', 1) };
    harness.project(|p| p.settings.announcement = announcement).await;
    harness
}

/// Checks the compressed size of the event's page, and of a receipt's.
async fn check_sizes(harness: &SignupHarness, bytes_max: usize) {
    let applied = harness.apply_many(3).await.json();
    let receipt = format!("/a/{}", applied["receipt"].as_str().unwrap());
    for path in ["/e/spring", receipt.as_str()] {
        for language in ["ko", "en"] {
            let request =
                Request::get(path).header("accept-encoding", "gzip, br").header("accept-language", language);
            let page = harness.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(page.header("content-encoding"), "gzip");
            assert!(page.body.len() <= bytes_max, "{path} in {language}: {} bytes", page.body.len());
        }
    }
}

#[tokio::test]
async fn a_page_is_one_response_of_at_most_eight_kilobytes() {
    check_sizes(&with_long_announcement().await, 8 * 1024).await;
}

#[tokio::test]
async fn the_page_of_an_event_that_calls_adds_less_than_a_kilobyte() {
    for kind in [domain::Kind::Confirm, domain::Kind::Pass] {
        let mut harness = with_long_announcement().await;
        harness.project(|p| p.settings.kind = kind).await;
        check_sizes(&harness, 9 * 1024).await;
    }
}

#[tokio::test]
async fn the_longest_title_and_the_most_gaps_add_less_than_three_kilobytes() {
    let mut harness = with_long_announcement().await;
    let title = Text { ko: longest('각', 53), en: longest('Ѐ', 1) };
    harness.project(|p| p.settings.title = title).await;
    // As many gaps as a recount leaves, each a few numbers long, in a queue of a million. The page needs all that lie before its number,
    // also those that admission has passed: its rank depends on them.
    let (mut gaps, mut random, mut number) = (Gaps::default(), 1_u32, 4);
    let mut below = |n: u32| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 8) % n
    };
    for _ in 0..200 {
        let from = number + 1000 + below(8000);
        number = from + below(50);
        gaps.push(from, number);
    }
    harness.queue.replace_gaps(&spring(), 1, &gaps).await.unwrap();
    harness.signup.refresh().await;
    // That still fits into the ten segments that a server sends at first (RFC 6928).
    check_sizes(&harness, 11 * 1024).await;
}

#[tokio::test]
async fn a_page_allows_only_its_own_style_and_script() {
    let harness = SignupHarness::open().await;
    let page = event_page(&harness, "ko").await;
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
async fn a_chosen_language_is_kept_in_a_cookie() {
    let harness = SignupHarness::open().await;
    let page = harness.get("/e/spring?lang=en").await;
    assert!(page.text().contains("You can apply now"));
    assert_eq!(page.header("set-cookie"), "lang=en; Path=/; Max-Age=31536000; SameSite=Lax");
    let request = Request::get("/e/spring").header("cookie", "lang=en").header("accept-language", "ko");
    let again = harness.send(request.body(Body::empty()).unwrap()).await;
    assert!(again.text().contains("You can apply now") && again.header("set-cookie").is_empty());
    assert!(event_page(&harness, "fr").await.text().contains("지금 신청할 수 있어요"));
}

#[tokio::test]
async fn each_rendering_of_a_form_has_its_own_key() {
    let harness = SignupHarness::open().await;
    let key = |page: &ReceivedResponse| {
        let text = page.text();
        text.split("name=\"key\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    let (first, second) = (key(&event_page(&harness, "ko").await), key(&event_page(&harness, "ko").await));
    assert!(first.len() == 32 && first != second);
}

#[tokio::test]
async fn the_front_page_redirects_to_the_only_event() {
    let harness = SignupHarness::open().await;
    let response = harness.get("/").await;
    assert_eq!((response.status, response.header("location")), (303, "/e/spring"));
}

#[tokio::test]
async fn a_page_without_javascript_reloads_only_while_it_may_change() {
    let mut harness = SignupHarness::open().await;
    let applied = harness.apply(PHONE, None).await.json();
    let page = format!("/a/{}", applied["receipt"].as_str().unwrap());
    let refresh = "<noscript><meta http-equiv=\"refresh\" content=\"20\"></noscript>";
    assert!(harness.get(&page).await.text().contains(refresh));
    harness.admit_through(1).await;
    harness.project_outcome(1, Outcome::Rejected, None).await;
    assert!(!harness.get(&page).await.text().contains("http-equiv"));
    assert!(!event_page(&harness, "ko").await.text().contains("http-equiv"));
}

#[tokio::test]
async fn an_announcement_cannot_add_a_script() {
    let mut harness = SignupHarness::open().await;
    let script = "</script><script>alert(1)</script>";
    harness.project(|p| p.settings.announcement = Text { ko: script.into(), en: script.into() }).await;
    let applied = harness.apply(PHONE, None).await.json();
    for path in ["/e/spring".to_owned(), format!("/a/{}", applied["receipt"].as_str().unwrap())] {
        assert!(!harness.get(&path).await.text().contains("<script>alert"), "{path}");
    }
}
