//! The browser, with a page that shows its properties.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use testkit::Browser;
use testkit::browser::{Options, screen_path};

const SOON: Duration = Duration::from_secs(10);

const PAGE: &str = r#"<!doctype html><html lang="ko"><meta charset="utf-8"><title>봄 행사</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{margin:0;font:16px system-ui,"Noto Sans CJK KR"} @media (prefers-color-scheme: dark){body{background:#000;color:#fff}}
.wide{box-sizing:border-box;width:100%;max-width:500px}</style>
<h1 id="title">선착순 접수</h1><p id="hidden" hidden>숨김</p><noscript><p id="plain">스크립트 없이</p></noscript>
<form method="post" action="/apply"><input class="wide" name="phone" value="옛 값"><button>신청하기</button></form>
<img id="far" src="http://example.com/x.png" alt="">
<script>setTimeout(() => { const p = document.createElement("p"); p.id = "late"; p.textContent = "예비 3번"; document.body.append(p) }, 200)</script>"#;

/// Serves the page at every path, and shows the body of a POST request.
fn site() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || answer(&stream.unwrap()));
        }
    });
    base
}

fn answer(stream: &TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head: Vec<String> = Vec::new();
    for line in reader.by_ref().lines() {
        match line.ok()? {
            empty if empty.is_empty() => break,
            line => head.push(line),
        }
    }
    let of = |name: &str| head.iter().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let mut posted = vec![0; of("Content-Length: ").parse().unwrap_or(0)];
    reader.read_exact(&mut posted).ok()?;
    let language = of("Accept-Language: ");
    let page = if head.first()?.starts_with("POST") {
        format!("<!doctype html><p id=posted>{}</p>", String::from_utf8_lossy(&posted))
    } else {
        format!("{PAGE}<p id=language>{language}</p>")
    };
    let type_and_length = format!("Content-Type: text/html\r\nContent-Length: {}", page.len());
    let mut out = stream;
    write!(out, "HTTP/1.1 200 OK\r\n{type_and_length}\r\nConnection: close\r\n\r\n{page}").ok()
}

#[tokio::test]
async fn a_korean_phone_reads_fills_and_sends_a_form() -> Result<()> {
    let site = site();
    let browser = Browser::start(Options::default()).await?;
    browser.open(&format!("{site}/e/spring")).await?;
    assert_eq!(browser.url().await?, format!("{site}/e/spring"));
    assert_eq!(browser.text("#title").await?, "선착순 접수");
    assert!(browser.text("#language").await?.starts_with("ko-KR"), "{}", browser.text("#language").await?);
    assert_eq!(browser.attribute("html", "lang").await?.as_deref(), Some("ko"));
    assert_eq!(browser.attribute("html", "dir").await?, None);
    assert!(!browser.exists("#plain").await?, "scripts are on");
    browser.wait_for("#late", SOON).await?;
    browser.wait_for_text("예비 3번", SOON).await?;
    assert!(browser.source().await?.contains("예비 3번"));
    assert!(browser.click("#hidden").await.is_err());
    browser.fill("input[name=phone]", "010-1234-5678 홍").await?;
    browser.click("button").await?;
    browser.wait_for("#posted", SOON).await?;
    assert_eq!(browser.text("#posted").await?, "phone=010-1234-5678+%ED%99%8D");
    Ok(())
}

#[tokio::test]
async fn the_default_screen_is_that_of_a_small_phone() -> Result<()> {
    let site = site();
    let browser = Browser::start(Options::default()).await?;
    browser.open(&site).await?;
    let measured = "const e = document.documentElement; return [innerWidth, innerHeight, e.scrollWidth, navigator.maxTouchPoints > 0]";
    assert_eq!(browser.script(measured).await?, json!([360, 740, 360, true]));
    browser.script("document.querySelector('input').style.minWidth = '400px'").await?;
    assert_eq!(browser.script("return document.documentElement.scrollWidth > 360").await?, json!(true));
    let far = "return document.querySelector('#far').naturalWidth";
    assert_eq!(browser.script(far).await?, json!(0), "nothing is loaded from other hosts");
    let png = screen_path("testkit-phone");
    browser.screenshot(&png).await?;
    assert!(std::fs::read(png)?.starts_with(b"\x89PNG"));
    Ok(())
}

#[tokio::test]
async fn a_page_works_without_scripts() -> Result<()> {
    let browser = Browser::start(Options { javascript: false, ..Options::default() }).await?;
    browser.open(&site()).await?;
    assert_eq!(browser.text("#plain").await?, "스크립트 없이");
    browser.fill("input[name=phone]", "010").await?;
    assert!(browser.wait_for("#late", Duration::from_millis(500)).await.is_err(), "no script ran");
    assert_eq!(browser.script("return document.title").await?, json!("봄 행사"), "scripts of the test run");
    assert!(browser.click("#hidden").await.is_err());
    browser.click("button").await?;
    browser.wait_for_text("phone=010", SOON).await
}

#[tokio::test]
async fn a_dark_english_desktop_is_possible() -> Result<()> {
    let options = Options {
        language: "en-US".into(),
        width: 1200,
        height: 800,
        mobile: false,
        dark: true,
        ..Options::default()
    };
    let site = site();
    let browser = Browser::start(options).await?;
    browser.open(&site).await?;
    browser.reload().await?;
    assert!(browser.text("#language").await?.starts_with("en-US"));
    let background = "return getComputedStyle(document.body).backgroundColor";
    assert_eq!(browser.script(background).await?, json!("rgb(0, 0, 0)"));
    assert_eq!(browser.script("return innerWidth").await?, json!(1200));
    Ok(())
}

#[tokio::test]
async fn a_missing_element_or_text_is_reported_with_the_page() -> Result<()> {
    let site = site();
    let browser = Browser::start(Options::default()).await?;
    browser.open(&site).await?;
    let error = browser.wait_for_text("매진", Duration::from_millis(200)).await.unwrap_err().to_string();
    assert!(error.contains("매진") && error.contains("선착순 접수"), "{error}");
    let error = format!("{:#}", browser.text("#nowhere").await.unwrap_err());
    assert!(error.contains("#nowhere") && error.contains("no such element"), "{error}");
    Ok(())
}

#[tokio::test]
async fn axe_finds_what_is_wrong_with_a_page() -> Result<()> {
    let browser = Browser::start(Options::default()).await?;
    browser.open(&site()).await?;
    let violations = testkit::axe::violations(&browser).await?;
    // The field of the page has no label.
    let found = violations.iter().any(|line| line.starts_with("label (critical)"));
    assert_eq!(found, testkit::axe::is_installed(), "{violations:?}");
    Ok(())
}

#[tokio::test]
async fn a_tab_in_the_back_is_hidden_and_its_network_can_be_cut() -> Result<()> {
    let site = site();
    let browser = Browser::start(Options::default()).await?;
    browser.open(&site).await?;
    let first = browser.tab().await?;
    browser.set_offline(true).await?;
    assert_eq!(browser.script("return navigator.onLine").await?, json!(false));
    browser.set_offline(false).await?;
    browser
        .script("window.hides = 0; document.addEventListener('visibilitychange', () => window.hides++)")
        .await?;
    let second = browser.open_tab().await?;
    browser.open(&site).await?;
    assert_eq!(browser.script("return document.hidden").await?, json!(false));
    browser.show_tab(&first).await?;
    assert_eq!(browser.script("return [document.hidden, window.hides]").await?, json!([false, 2]));
    browser.show_tab(&second).await?;
    browser.close_tab(&first).await?;
    browser.script("document.querySelector('input').focus()").await?;
    browser.press(testkit::browser::TAB).await?;
    assert_eq!(browser.script("return document.activeElement.tagName").await?, json!("BUTTON"));
    Ok(())
}
