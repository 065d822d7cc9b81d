//! The limits of a listener: time, bytes and connections. The defaults suit small forms and JSON.

use std::time::Duration;

use super::network::Network;
use crate::config::Part;

/// The smallest buffer that hyper accepts.
pub(super) const HEADER_BYTES_MIN: usize = 8 * 1024;

/// The longest timeout that may be set: one hour hardly limits anything, but a proxy may have to carry large files.
const TIMEOUT_MS_MAX: i64 = 3_600_000;

/// The highest count that may be set: in effect no limit, and within the range of a semaphore.
const COUNT_MAX: i64 = i64::MAX >> 4;

/// The limits of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// From the first byte of a request to the end of its headers.
    pub header_read_timeout: Duration,
    /// How long a connection may be idle, before its first request and between two.
    pub idle_timeout: Duration,
    /// Request line and headers together; more is 431. hyper allows no less than 8 KiB.
    pub header_bytes_max: usize,
    /// Header lines; more is 431.
    pub headers_max: usize,
    /// Path and query; more is 414.
    pub uri_max: usize,
    /// Request body; more is 413.
    pub body_max: u64,
    /// From the end of the headers to the end of the body; more is 408.
    pub body_read_timeout: Duration,
    /// The lowest rate of a request body in bytes per second; one that falls 5 s behind it is 408. Zero for no limit.
    pub body_rate_min: u32,
    /// Whether a body with a `Content-Encoding` is accepted, as a proxy must; otherwise the response is 415.
    pub encoded_bodies: bool,
    /// How long a client may read nothing of its response, and how far it may fall behind `response_rate_min`. After that its connection
    /// is closed, or its stream reset over HTTP/2.
    pub write_stall_timeout: Duration,
    /// The lowest rate in bytes per second at which a client reads what waits for it on a connection; the streams of HTTP/2 share it. Zero
    /// if any progress is enough.
    pub response_rate_min: u32,
    /// Open connections; at the limit no more are accepted until one closes.
    pub connections_max: usize,
    /// Open connections of one client, an IPv4 address or an IPv6 /64; one more is closed at once. A /56 may have 4 times as many, a
    /// /48 16 times, but at most half of `connections_max` if that is more than one client may have. Ignored if it is not lower than
    /// `connections_max`.
    pub connections_per_client_max: usize,
    /// Trusted proxies; their connections carry many clients and are not limited.
    pub proxies: Vec<Network>,
    /// Whether a client may speak HTTP/2 with prior knowledge.
    pub http2: bool,
    /// From the headers of an HTTP/2 request to the last byte of its response.
    pub stream_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_read_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(15),
            header_bytes_max: 16 * 1024,
            headers_max: 64,
            uri_max: 4 * 1024,
            body_max: 8 * 1024,
            body_read_timeout: Duration::from_secs(10),
            body_rate_min: 0,
            encoded_bodies: false,
            write_stall_timeout: Duration::from_secs(20),
            response_rate_min: 0,
            connections_max: 10_000,
            connections_per_client_max: usize::try_from(COUNT_MAX).unwrap_or(usize::MAX),
            proxies: Vec::new(),
            http2: false,
            stream_timeout: Duration::from_mins(5),
        }
    }
}

impl Limits {
    /// The limits that are set in a part, with those of `self` as defaults. `proxies` is not read here: each service reads its
    /// `trusted_proxies` itself.
    pub fn read(self, part: &mut Part<'_>) -> Self {
        Self {
            header_read_timeout: timeout(part, "header_read_timeout", self.header_read_timeout),
            idle_timeout: timeout(part, "idle_timeout", self.idle_timeout),
            header_bytes_max: count(part, "header_bytes_max", HEADER_BYTES_MIN, self.header_bytes_max),
            headers_max: count(part, "headers_max", 1, self.headers_max),
            uri_max: count(part, "uri_max", 1, self.uri_max),
            body_max: count(part, "body_max", 0, self.body_max),
            body_read_timeout: timeout(part, "body_read_timeout", self.body_read_timeout),
            body_rate_min: count(part, "body_rate_min", 0, self.body_rate_min),
            encoded_bodies: part.flag("encoded_bodies", self.encoded_bodies),
            write_stall_timeout: timeout(part, "write_stall_timeout", self.write_stall_timeout),
            response_rate_min: count(part, "response_rate_min", 0, self.response_rate_min),
            connections_max: count(part, "connections_max", 1, self.connections_max),
            connections_per_client_max: count(
                part,
                "connections_per_client_max",
                1,
                self.connections_per_client_max,
            ),
            proxies: self.proxies,
            http2: part.flag("http2", self.http2),
            stream_timeout: timeout(part, "stream_timeout", self.stream_timeout),
        }
    }
}

fn timeout(part: &mut Part<'_>, key: &str, default: Duration) -> Duration {
    let default_ms = i64::try_from(default.as_millis()).unwrap_or(TIMEOUT_MS_MAX).clamp(1, TIMEOUT_MS_MAX);
    let ms = part.duration_ms(key, default_ms, 1..=TIMEOUT_MS_MAX);
    Duration::from_millis(ms.unsigned_abs())
}

fn count<T>(part: &mut Part<'_>, key: &str, min: T, default: T) -> T
where
    T: Copy + TryInto<i64> + TryFrom<i64>,
{
    let whole = |number: T| number.try_into().unwrap_or(i64::MAX);
    let default_or_max = whole(default).min(COUNT_MAX);
    T::try_from(part.integer(key, whole(min)..=COUNT_MAX, default_or_max)).unwrap_or(default)
}
