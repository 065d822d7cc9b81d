//! Requests without a matching route: a page for a person, a problem document on a path of the API.

use axum::body::Body;
use axum::http::{Method, Request};
use testkit::HttpClient;

use crate::harness::{ReceivedResponse, SignupHarness};

async fn post(harness: &SignupHarness, path: &str) -> ReceivedResponse {
    harness.send(Request::post(path).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn an_address_without_a_page_gets_a_page_in_the_language_of_the_client() {
    let harness = SignupHarness::open().await;
    for path in ["/nothing", "/e/", "/e/spring/x", "/a/", "/favicon.ico", "/index.php?a=%ff"] {
        for (language, tag, heading) in
            [("fr", "ko", "찾는 페이지가 없어요"), ("en-GB,ko;q=0.5", "en", "There is no page here")]
        {
            let page = harness.get_in(path, language).await;
            assert_eq!(
                (page.status, page.header("content-type")),
                (404, "text/html; charset=utf-8"),
                "{path}"
            );
            let text = page.text();
            for part in [
                &format!("<html lang=\"{tag}\">"),
                &format!("<title>{heading}</title>"),
                "<header>",
                "data-state=\"unknown-page\"",
                "href=\"/\"",
            ] {
                assert!(text.contains(part), "{part} in {text}");
            }
            assert!(!text.contains("http-equiv"), "reloading does not help");
            assert!(page.header("content-security-policy").contains("style-src 'sha256-"));
        }
    }
    let chosen = harness.get("/nothing?lang=en").await;
    assert!(chosen.text().contains("There is no page here") && !chosen.header("set-cookie").is_empty());
}

#[tokio::test]
async fn a_page_that_does_not_allow_the_method_responds_with_a_page() {
    let harness = SignupHarness::open().await;
    for path in ["/", "/e/spring", "/a/x"] {
        let page = post(&harness, path).await;
        assert_eq!((page.status, page.header("allow")), (405, "GET,HEAD"), "{path}");
        assert!(
            page.text().contains("<html lang=\"ko\">") && page.text().contains("요청을 처리하지 못했어요")
        );
    }
}

#[tokio::test]
async fn an_address_of_the_api_without_a_route_gets_a_problem_document() {
    let harness = SignupHarness::open().await;
    // The listener writes the document.
    let http = HttpClient::new(format!("http://{}", crate::browser::serve(&harness)));
    let accept = [("accept", "text/html")];
    for (path, status, code) in [
        ("/application/com/v1/get/nothing", 404, "not-found"),
        ("/event/com/v2/list/event", 404, "not-found"),
        ("/event/adm/v1/list/event", 404, "not-found"),
        ("/order/int/v1/create/order", 404, "not-found"),
        ("/application/com/v1/find/application", 405, "method-not-allowed"),
    ] {
        let response = http.send(Method::GET, path, &accept, Vec::new().into()).await.unwrap();
        assert_eq!((response.status, response.json()["code"].as_str()), (status, Some(code)), "{path}");
    }
}
