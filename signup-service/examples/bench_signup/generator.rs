//! The load: clients with one persistent connection each, which send the next request as soon as they have a response.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// The number of 201 responses, and the time they took. Any other response stops the benchmark, which must not measure errors.
pub(crate) async fn count_responses(
    address: SocketAddr,
    clients: u32,
    time: Duration,
    event: Arc<str>,
) -> (u64, Duration) {
    let begin = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for client in 0..clients {
        running.spawn(run_client(address, begin + time, Arc::clone(&event), u64::from(client)));
    }
    (running.join_all().await.into_iter().sum(), begin.elapsed())
}

/// Each request has another phone number.
async fn run_client(address: SocketAddr, until: Instant, event: Arc<str>, client: u64) -> u64 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut responses = 0;
    let mut buffer = Vec::with_capacity(4096);
    while Instant::now() < until {
        stream.write_all(request(&event, client * 100_000 + responses).as_bytes()).await.unwrap();
        read_response(&mut stream, &mut buffer).await;
        responses += 1;
    }
    responses
}

fn request(event: &str, person: u64) -> String {
    let body = format!("{{\"name\":\"홍길동\",\"phone\":\"+8299{person:010}\",\"consent\":true}}");
    format!(
        "POST /application/com/v1/create/application/{event} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n\
         Idempotency-Key: k{person}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Reads one response with its body.
async fn read_response(stream: &mut TcpStream, buffer: &mut Vec<u8>) {
    buffer.clear();
    loop {
        let read = stream.read_buf(buffer).await.unwrap();
        assert!(read > 0, "the server closed the connection");
        let Some(head) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&buffer[..head]).unwrap();
        assert!(text.starts_with("HTTP/1.1 201"), "{}", String::from_utf8_lossy(buffer));
        let length = text.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
        if buffer.len() >= head + 4 + length.parse::<usize>().unwrap() {
            return;
        }
    }
}
