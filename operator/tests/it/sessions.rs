//! Sessions of browsers: the cookie, and who may change something by it.

use crate::harness::{GET, OPERATOR, OperatorHarness, VIEWER};

const PAUSE: &str = "/gate/adm/v1/pause/release/spring";

#[tokio::test]
async fn a_login_opens_a_session_that_no_script_can_read() {
    let harness = OperatorHarness::open().await;
    assert_eq!(harness.page("GET", "/", "", "").await.header("location"), "/login");
    let response = harness.page("POST", "/login", "", "token=the+operator%27s+token").await;
    let set = response.header("set-cookie").to_owned();
    for part in ["firstcome-session=", "; Path=/", "; HttpOnly", "; SameSite=Strict", "; Max-Age=43200"] {
        assert!(set.contains(part), "{set}");
    }
    let cookie = harness.log_in(OPERATOR).await;
    assert!(harness.page("GET", "/", &cookie, "").await.text().contains("Spring"));
    assert_eq!(harness.page("GET", GET, &cookie, "").await.status, 200, "the API knows the session too");
    assert_eq!(harness.page("GET", "/login", &cookie, "").await.header("location"), "/");
    // It ends with its time, or when its operator logs out.
    let late = harness.log_in(OPERATOR).await;
    assert_eq!(harness.page("POST", "/logout", &late, "").await.header("location"), "/login");
    assert_eq!(harness.page("GET", GET, &late, "").await.problem(), (401, "unauthenticated".into()));
    harness.clock.advance(12 * 3_600_000);
    assert_eq!(harness.page("GET", "/", &cookie, "").await.header("location"), "/login");
}

#[tokio::test]
async fn a_wrong_token_opens_nothing_and_guessing_is_limited() {
    let harness = OperatorHarness::open().await;
    for _ in 0..20 {
        let response = harness.page("POST", "/login", "", "token=guess").await;
        assert_eq!((response.status, response.header("set-cookie")), (401, ""));
        assert!(response.text().contains("This token is not valid."));
    }
    let response = harness.page("POST", "/login", "", "token=guess").await;
    assert_eq!(response.status, 429);
    assert!(response.text().contains("Too many wrong tokens"));
}

#[tokio::test]
async fn a_page_of_another_address_changes_nothing_by_the_cookie() {
    let harness = OperatorHarness::open().await;
    let cookie = harness.log_in(OPERATOR).await;
    for (origin, site) in [
        ("https://evil.example", "cross-site"),
        ("http://localhost:8000", "same-site"),
        ("null", "cross-site"),
        ("", "none"),
        ("", ""),
    ] {
        let mut headers = vec![("cookie", cookie.as_str()), ("content-type", "application/json")];
        headers.extend((!origin.is_empty()).then_some(("origin", origin)));
        headers.extend((!site.is_empty()).then_some(("sec-fetch-site", site)));
        let response = harness.request("POST", PAUSE, &headers, "{}").await;
        assert_eq!(response.problem(), (403, "cross-site".into()), "{origin} {site}");
        headers[1].1 = "application/x-www-form-urlencoded";
        for path in ["/console/spring/review", "/console/spring/undo", "/console/new", "/logout", "/login"] {
            let response = harness.request("POST", path, &headers, "action=pause&rev=1").await;
            let is_program = path == "/login" && origin.is_empty() && site.is_empty();
            assert!(response.status == 403 || is_program, "{path} {origin} {site}: {}", response.status);
        }
    }
    assert_eq!((harness.audit_rows().await, harness.page("GET", "/", &cookie, "").await.status), (1, 200));
    let headers = [
        ("cookie", cookie.as_str()),
        ("content-type", "application/json"),
        ("origin", "http://localhost:8090"),
    ];
    let own = harness.request("POST", PAUSE, &headers, "{}").await;
    assert_eq!(own.status, 200);
}

#[tokio::test]
async fn a_viewer_sees_the_figures_and_is_told_why_nothing_can_be_changed() {
    let harness = OperatorHarness::open().await;
    let cookie = harness.log_in(VIEWER).await;
    let page = harness.page("GET", "/console/spring", &cookie, "").await.text();
    assert!(page.contains("Log in with an operator") && !page.contains("action=\"/console/spring/review\""));
    for (method, path) in [
        ("GET", "/console/spring/review?action=pause"),
        ("POST", "/console/spring/review"),
        ("POST", "/console/spring/undo"),
        ("GET", "/console/new"),
        ("POST", "/console/new"),
        ("POST", "/console/spring/clone"),
    ] {
        let response = harness.page(method, path, &cookie, "action=pause&rev=1").await;
        assert_eq!(response.status, 403, "{method} {path}");
        assert!(response.text().contains("This token may not make changes"), "{method} {path}");
    }
    assert_eq!(harness.audit_rows().await, 1);
}

#[tokio::test]
async fn a_session_needs_an_encrypted_address_except_on_the_machine_itself() {
    let harness = OperatorHarness::open_for("console.example").await;
    let login = async |origin: &str| {
        let headers = [
            ("origin", origin),
            ("content-type", "application/x-www-form-urlencoded"),
            ("accept-language", "en"),
        ];
        harness
            .request_to("console.example", "POST", "/login", &headers, "token=the+operator%27s+token")
            .await
    };
    let plain = login("http://console.example").await;
    assert_eq!((plain.status, plain.header("set-cookie")), (403, ""));
    assert!(plain.text().contains("Use HTTPS"));
    let encrypted = login("https://console.example").await;
    assert_eq!(encrypted.status, 303);
    let set = encrypted.header("set-cookie");
    assert!(set.starts_with("__Host-firstcome-session=") && set.ends_with("; Secure"), "{set}");
}
