//! The load: so many clients, each with one kept-alive connection and one request at a time, as fast as they are answered.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Answers of 201 per second. Any other answer ends the bench: what is measured must be the work itself.
pub(crate) async fn rate(address: SocketAddr, clients: u32, time: Duration, round: usize) -> f64 {
    let begin = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for client in 0..clients {
        running.spawn(run_client(address, begin + time, u64::from(client) + 10_000 * round as u64));
    }
    let answers: u64 = running.join_all().await.into_iter().sum();
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let rate = answers as f64 / begin.elapsed().as_secs_f64();
    rate
}

/// Each request is another person: `client` tells the clients and rounds apart.
async fn run_client(address: SocketAddr, until: Instant, client: u64) -> u64 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut answers, mut buffer) = (0, Vec::with_capacity(4096));
    while Instant::now() < until {
        stream.write_all(request(client * 100_000 + answers).as_bytes()).await.unwrap();
        read_answer(&mut stream, &mut buffer).await;
        answers += 1;
    }
    answers
}

fn request(person: u64) -> String {
    let body = format!("{{\"name\":\"홍길동\",\"phone\":\"+8299{person:010}\",\"consent\":true}}");
    format!(
        "POST /application/com/v1/create/application/bench HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n\
         Idempotency-Key: k{person}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Reads one answer to its end.
async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) {
    buffer.clear();
    loop {
        let read = stream.read_buf(buffer).await.unwrap();
        assert!(read > 0, "the server closed the connection");
        let Some(head) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&buffer[..head]).unwrap().to_ascii_lowercase();
        assert!(text.starts_with("http/1.1 201"), "{}", String::from_utf8_lossy(buffer));
        let length = text.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
        if buffer.len() >= head + 4 + length.parse::<usize>().unwrap() {
            return;
        }
    }
}
