//! Events of identity `member`: the applicant is who the shop's token says.

use axum::body::Body;
use axum::http::Request;
use data_encoding::BASE64URL_NOPAD;
use domain::Identity;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use service::Settings;
use sha2::Sha256;
use signup_service::Config;
use testkit::TempFolder;

use crate::harness::{CREATE, OPENS, PHONE, SignupHarness, application};

const KEY: &str = "the shop and the signup service share this";

/// A token of the shop for this subject.
fn token(subject: &str) -> String {
    signed(KEY, &json!({"sub": subject, "iss": "https://shop.example", "exp": OPENS / 1000 + 60}))
}

fn signed(key: &str, claims: &Value) -> String {
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let text = format!("{}.{}", part(&json!({"alg": "HS256", "typ": "JWT"})), part(claims));
    let mut mac: Hmac<Sha256> = Hmac::new_from_slice(key.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    format!("{text}.{}", BASE64URL_NOPAD.encode(&mac.finalize().into_bytes()))
}

/// The settings, with the shared key in a file.
fn config(folder: &TempFolder) -> Config {
    let file = folder.path().join("shop.key");
    std::fs::write(&file, format!("{KEY}\n")).unwrap();
    let flags = [
        ("shared_key_file", file.to_str().unwrap()),
        ("issuer", "https://shop.example"),
        ("cookie", "shop_token"),
        ("sign_in_url", "https://shop.example/login?next=a&b"),
    ]
    .map(|(key, text)| (format!("signup.member.{key}"), text.to_owned()));
    let mut settings = Settings::load(None, std::iter::empty(), &flags).unwrap();
    let config = Config::read(&mut settings.part("signup"));
    settings.finish().unwrap();
    config
}

/// An open event for members.
async fn open(config: Config) -> SignupHarness {
    let mut harness = SignupHarness::open_with(config).await;
    harness.project(|p| p.settings.identity = Identity::Member).await;
    harness
}

#[tokio::test]
async fn a_member_has_one_application_whatever_the_phone_and_always_a_full_receipt() {
    let folder = TempFolder::new("members");
    let harness = open(config(&folder)).await;
    let apply = async |subject: &str, phone: &str| {
        let bearer = format!("Bearer {}", token(subject));
        harness.post(CREATE, &application(phone), &[("authorization", &bearer)]).await
    };
    let first = apply("kim", PHONE).await;
    assert_eq!((first.status, &first.json()["number"]), (201, &json!(1)));
    for phone in [PHONE, "010-9999-0000"] {
        let again = apply("kim", phone).await;
        let json = again.json();
        assert_eq!((again.status, &json["number"], &json["right"]), (200, &json!(1), &json!("full")));
        assert!(json["recovery_code"].is_string(), "{json}");
    }
    // The phone number of another member takes no place away.
    let other = apply("lee", PHONE).await;
    assert_eq!((other.status, &other.json()["number"]), (201, &json!(2)));
    // Repeats of a member are no attempts to find out something.
    for _ in 0..30 {
        assert_eq!(apply("kim", PHONE).await.status, 200);
    }
}

#[tokio::test]
async fn without_a_valid_token_of_the_shop_an_application_takes_no_number() {
    let folder = TempFolder::new("members");
    let harness = open(config(&folder)).await;
    let claims = |exp: i64, iss: &str| json!({"sub": "kim", "iss": iss, "exp": exp});
    let valid = OPENS / 1000 + 60;
    for (headers, reason) in [
        (vec![], "missing"),
        (vec![("cookie", "other=x".to_owned())], "missing"),
        (vec![("authorization", "Basic eDp5".to_owned())], "missing"),
        (vec![("authorization", "Bearer x".to_owned())], "invalid"),
        (vec![("authorization", format!("Bearer {}", signed(KEY, &claims(valid, "x"))))], "invalid"),
        (
            vec![(
                "authorization",
                format!(
                    "Bearer {}",
                    signed(
                        "another key of the same length, at least",
                        &claims(valid, "https://shop.example")
                    )
                ),
            )],
            "invalid",
        ),
        (
            vec![(
                "cookie",
                format!("shop_token={}", signed(KEY, &claims(OPENS / 1000, "https://shop.example"))),
            )],
            "expired",
        ),
    ] {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let response = harness.post(CREATE, &application(PHONE), &headers).await;
        assert_eq!(response.problem(), (401, "sign-in-required".into()));
        assert_eq!(response.json()["reason"], reason, "{headers:?}");
        assert_eq!(response.header("www-authenticate"), "Bearer");
    }
    let bearer = format!("Bearer {}", token("kim"));
    let first = harness.post(CREATE, &application(PHONE), &[("authorization", &bearer)]).await;
    assert_eq!(first.json()["number"], 1);
}

#[tokio::test]
async fn the_page_says_to_sign_in_first_and_its_form_sends_the_cookie() {
    let folder = TempFolder::new("members");
    let harness = open(config(&folder)).await;
    let page = harness.get("/e/spring").await.text();
    assert!(page.contains("먼저 쇼핑몰에 로그인해 주세요"), "{page}");
    assert!(page.contains("href=\"https://shop.example/login?next=a&#38;b\""), "{page}");
    assert!(harness.get_in("/e/spring", "en").await.text().contains("sign in at the shop first"));
    let form = async |cookie: &str| {
        let body = "name=Kim&phone=01012345678&consent=on&key=k";
        let request = Request::post(CREATE)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("cookie", cookie)
            .body(Body::from(body));
        harness.send(request.unwrap()).await
    };
    let refused = form("shop_token=x").await;
    assert_eq!(refused.status, 401);
    assert!(refused.text().contains("쇼핑몰에 먼저 로그인해 주세요"), "{}", refused.text());
    // A cookie of the same name from another subdomain may come first.
    let applied = form(&format!("a=b; shop_token=x; shop_token={}", token("kim"))).await;
    assert_eq!(applied.status, 303, "{}", applied.text());
}

#[tokio::test]
async fn an_open_event_needs_no_token_and_a_member_event_without_settings_accepts_nothing() {
    let folder = TempFolder::new("members");
    let harness = SignupHarness::open_with(config(&folder)).await;
    assert_eq!(harness.apply(PHONE, None).await.status, 201);
    assert!(!harness.get("/e/spring").await.text().contains("로그인"));
    let harness = open(Config::default()).await;
    let bearer = format!("Bearer {}", token("kim"));
    let response = harness.post(CREATE, &application(PHONE), &[("authorization", &bearer)]).await;
    assert_eq!(response.problem(), (503, "temporarily-unavailable".into()));
}

#[test]
fn every_mistake_in_the_settings_of_members_is_reported() {
    let folder = TempFolder::new("members");
    let short = folder.path().join("short.key");
    std::fs::write(&short, "short").unwrap();
    let file = short.to_str().unwrap();
    for (flags, key) in [
        (vec![("issuer", "x")], "signup.member.jwks"),
        (vec![("jwks", file), ("shared_key_file", file)], "signup.member.shared_key_file"),
        (vec![("jwks", file)], "signup.member.jwks"),
        (vec![("jwks", "/nowhere/jwks.json")], "signup.member.jwks"),
        (vec![("shared_key_file", file)], "signup.member.shared_key_file"),
        (vec![("shared_key_file", file), ("sign_in_url", "javascript:x")], "signup.member.sign_in_url"),
    ] {
        let flags: Vec<_> =
            flags.iter().map(|(key, text)| (format!("signup.member.{key}"), (*text).to_owned())).collect();
        let mut settings = Settings::load(None, std::iter::empty(), &flags).unwrap();
        Config::read(&mut settings.part("signup"));
        let mistakes = settings.finish().unwrap_err().lines().to_vec();
        assert!(mistakes.iter().any(|line| line.starts_with(key)), "{key}: {mistakes:?}");
    }
}
