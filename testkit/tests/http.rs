//! The HTTP client against working and failing servers.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use testkit::{HttpClient, HttpError};

/// A server that reads one request and passes the connection to `answer`. Joining the thread returns the request.
fn serve_once(answer: fn(TcpStream)) -> (HttpClient, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}/", listener.local_addr().unwrap());
    let request = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let request = read_request(&mut stream);
        answer(stream);
        request
    });
    (HttpClient::new(base), request)
}

fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let n = stream.read(&mut piece).unwrap();
        request.extend_from_slice(&piece[..n]);
        let text = String::from_utf8_lossy(&request).into_owned();
        if n == 0 || is_whole(&text) {
            return text;
        }
    }
}

fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |n| n.parse().unwrap())
}

fn send(mut stream: TcpStream, response: &str) {
    stream.write_all(response.as_bytes()).unwrap();
}

#[tokio::test]
async fn json_is_sent_and_received() -> Result<()> {
    let (http, received) = serve_once(|stream| {
        send(stream, "HTTP/1.1 201 Created\r\nX-Epoch: 3\r\nContent-Length: 12\r\n\r\n{\"number\":7}");
    });
    let response = http.post_json("/apply", &json!({"이름": "홍"}), &[("idempotency-key", "k1")]).await?;
    assert_eq!(
        (response.status, response.header("x-epoch"), response.json()),
        (201, Some("3"), json!({"number": 7}))
    );
    let request = received.join().unwrap();
    assert!(request.starts_with("POST /apply HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("idempotency-key: k1\r\n"), "{request}");
    assert!(request.contains("content-type: application/json\r\n"), "{request}");
    assert!(request.ends_with("{\"이름\":\"홍\"}"), "{request}");
    Ok(())
}

#[tokio::test]
async fn a_form_is_encoded_and_a_redirect_is_not_followed() -> Result<()> {
    let (http, received) = serve_once(|stream| {
        send(stream, "HTTP/1.1 303 See Other\r\nLocation: /a/x\r\nContent-Length: 0\r\n\r\n");
    });
    let response = http.post_form("/e/spring", &[("phone", "010 1234")]).await?;
    assert_eq!((response.status, response.header("location")), (303, Some("/a/x")));
    let request = received.join().unwrap();
    assert!(request.contains("content-type: application/x-www-form-urlencoded\r\n"), "{request}");
    assert!(request.ends_with("phone=010%201234"), "{request}");
    Ok(())
}

#[tokio::test]
async fn an_error_says_whether_the_request_may_have_arrived() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = HttpClient::new(format!("http://{closed}")).get("/").await;
    assert!(matches!(refused, Err(HttpError::NotConnected(_))), "{refused:?}");

    let (http, _received) =
        serve_once(|stream| send(stream, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"));
    let cut_short = http.get("/").await;
    assert!(matches!(cut_short, Err(HttpError::Broken(_))), "{cut_short:?}");

    let (http, _received) = serve_once(drop);
    let closed = http.get("/").await;
    assert!(matches!(closed, Err(HttpError::Broken(_))), "{closed:?}");
}

#[tokio::test]
async fn an_incomplete_response_ends_at_the_timeout() {
    let (http, _received) = serve_once(|mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").unwrap();
        // Ends when the client closes.
        let _ = stream.read(&mut [0; 1]);
    });
    let timeout = Duration::from_millis(100);
    let response = http.with_timeout(timeout).get("/").await;
    assert_eq!(response.unwrap_err(), HttpError::TimedOut(timeout));
}
