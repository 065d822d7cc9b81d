//! The listener in plain HTTP beside one in TLS: it leads browsers to https, and forwards nothing.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::Request;
use axum::http::uri::{Authority, PathAndQuery};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use service::http::{Handler, HandlerResponse, Route};
use service::problem::Problem;

/// Redirects each request to the same address in https, on the port of https.
pub(crate) struct ToHttps;

impl Handler for ToHttps {
    type Connection = ();

    fn connect(&self, _: SocketAddr) {}

    async fn handle(&self, request: Request, (): &()) -> HandlerResponse {
        let response = redirect(&request).unwrap_or_else(|| {
            Problem::new(StatusCode::BAD_REQUEST, "bad-host", "The Host header is missing or malformed")
                .into_response()
        });
        HandlerResponse { response, route: Route::Named("https redirect"), as_is: false, record: None }
    }
}

/// 308 keeps the method, so a form is sent again and not lost.
fn redirect(request: &Request) -> Option<Response> {
    let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()?.parse().ok());
    let authority: Authority = named.or_else(|| request.uri().authority().cloned())?;
    if authority.as_str().contains('@') {
        return None;
    }
    let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    let location = HeaderValue::try_from(format!("https://{}{path}", authority.host())).ok()?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(header::LOCATION, location);
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_stays_except_for_scheme_and_port() {
        let location = |host: &str, path: &str| {
            let request = Request::get(path).header(header::HOST, host).body(Body::empty()).unwrap();
            let response = redirect(&request)?;
            assert_eq!(response.status(), 308);
            Some(response.headers()[header::LOCATION].to_str().unwrap().to_owned())
        };
        for (host, path, to) in [
            ("shop.example", "/", Some("https://shop.example/")),
            ("shop.example:80", "/e/spring?a=%2F&b", Some("https://shop.example/e/spring?a=%2F&b")),
            ("[2001:db8::7]:80", "/x", Some("https://[2001:db8::7]/x")),
            ("shop.example", "//evil.example/", Some("https://shop.example//evil.example/")),
            ("me@evil.example", "/", None),
            ("", "/", None),
        ] {
            assert_eq!(location(host, path).as_deref(), to, "{host} {path}");
        }
    }
}
