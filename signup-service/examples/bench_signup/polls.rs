//! Polls of the progress document per second, compared with a bare axum GET, and what a poll costs Redis. The pollers send what a page
//! sends, with the tag of the last response, but do not wait between polls: otherwise they would not be the load of a million pages.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};
use testkit::bench::Measurement;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::servers::{Redis, Server, ServerKind, event_of};
use crate::{ROUND, ROUNDS, write_rows};

/// Pages with one connection each.
const PAGES: u32 = 500;
/// The lowest accepted ratio to the bare axum server.
const RATIO_MIN: f64 = 0.9;

/// A round with both servers, and the commands of Redis in each half: the signup service is not polled during the half of the bare server.
struct Round {
    bare: Measurement,
    signup: Measurement,
    polls: f64,
    idle_commands: u64,
    polled_commands: u64,
}

/// Runs the benchmark, and writes its results.
pub(crate) fn measure(out: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let rounds = runtime.block_on(async {
        let redis = Redis::start().await;
        let bare = Server::start(ServerKind::Bare, &redis).await;
        let signup = Server::start(ServerKind::Polled, &redis).await;
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            rounds.push(measure_round(&redis, &bare, &signup).await);
        }
        rounds
    });
    let of =
        |part: fn(&Round) -> Measurement| Measurement::median(&rounds.iter().map(part).collect::<Vec<_>>());
    let (bare, signup) = (of(|round| round.bare), of(|round| round.signup));
    println!("bare     {bare}\nsignup   {signup}");
    let names = [
        ("polls of the progress document per second", Some(RATIO_MIN)),
        ("CPU of the server per poll", None),
    ];
    let mut rows = signup.compared_with("bare axum GET", bare, names).to_vec();
    rows.push(commands_row(&rounds));
    write_rows(out, &rows);
}

async fn measure_round(redis: &Redis, bare: &Server, signup: &Server) -> Round {
    let before = redis.commands();
    let (bare, _) = measure_server(bare).await;
    let between = redis.commands();
    let (signup, polls) = measure_server(signup).await;
    let after = redis.commands();
    Round { bare, signup, polls, idle_commands: between - before, polled_commands: after - between }
}

async fn measure_server(server: &Server) -> (Measurement, f64) {
    let before = server.cpu();
    let begin = Instant::now();
    let mut pages = tokio::task::JoinSet::new();
    for _ in 0..PAGES {
        pages.spawn(run_page(server.address, begin + ROUND));
    }
    let polls: u64 = pages.join_all().await.into_iter().sum();
    let (elapsed, cpu) = (begin.elapsed(), server.cpu().saturating_sub(before));
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let polls = polls as f64;
    (Measurement::of(polls, elapsed, cpu), polls)
}

/// What the signup service sends to Redis because of polls. It reads the queue periodically in any case.
fn commands_row(rounds: &[Round]) -> Value {
    let sum = |part: fn(&Round) -> u64| rounds.iter().map(part).sum::<u64>();
    let (idle, polled) = (sum(|round| round.idle_commands), sum(|round| round.polled_commands));
    let polls: f64 = rounds.iter().map(|round| round.polls).sum();
    println!("Redis    {idle} commands without polls, {polled} with {polls} polls");
    let more = u32::try_from(polled.saturating_sub(idle)).unwrap_or(u32::MAX);
    let per_poll = (f64::from(more) / polls * 1e6).round() / 1e6;
    // The two halves differ by a periodic read or two.
    let holds = f64::from(more) < polls / 10_000.0;
    json!({
        "name": "Redis commands per poll, beyond those without polls", "value": per_poll, "unit": "1", "peer": "no polls",
        "peer_value": 0, "ratio": null, "bar": "< 0.0001", "holds": holds, "valid": polls > 0.0,
    })
}

/// Polls until the time is over, and returns how often. A response other than 200 or 304 stops the benchmark.
async fn run_page(address: SocketAddr, until: Instant) -> u64 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut polls, mut tag) = (0, String::new());
    let mut buffer = Vec::with_capacity(4096);
    while Instant::now() < until {
        stream.write_all(request(&tag).as_bytes()).await.unwrap();
        tag = read_tag(&mut stream, &mut buffer).await;
        polls += 1;
    }
    polls
}

/// A poll as Chromium sends it.
fn request(tag: &str) -> String {
    let known = if tag.is_empty() { String::new() } else { format!("If-None-Match: {tag}\r\n") };
    format!(
        "GET /event/com/v1/get/progress/{} HTTP/1.1\r\nHost: event.example.com\r\nConnection: keep-alive\r\n\
         Cache-Control: max-age=0\r\nsec-ch-ua-platform: \"Android\"\r\nAccept-Language: ko\r\n\
         User-Agent: Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile Safari/537.36\r\n\
         Accept: */*\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n\
         Accept-Encoding: gzip, deflate, br, zstd\r\nCookie: lang=ko\r\n{known}\r\n",
        event_of(0)
    )
}

/// Reads one response with its body, and returns its tag.
async fn read_tag(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> String {
    buffer.clear();
    loop {
        let read = stream.read_buf(buffer).await.unwrap();
        assert!(read > 0, "the server closed the connection");
        let Some(head) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&buffer[..head]).unwrap();
        let header = |name: &str| text.split(name).nth(1).and_then(|rest| rest.split("\r\n").next());
        let body: usize = match text.get(9..12) {
            Some("200") => header("\r\ncontent-length: ").unwrap().parse().unwrap(),
            Some("304") => 0,
            _ => panic!("{text}"),
        };
        if buffer.len() >= head + 4 + body {
            return header("\r\netag: ").unwrap().to_owned();
        }
    }
}
