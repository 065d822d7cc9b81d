//! The formats of a line of the access log.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use axum::http::{HeaderValue, Method, Version};
use service::http::SentResponse;
use time::OffsetDateTime;

/// The format of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessLogFormat {
    /// One JSON object.
    Json,
    /// As of Apache and nginx.
    Combined,
}

impl FromStr for AccessLogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "json" => Ok(Self::Json),
            "combined" => Ok(Self::Combined),
            _ => Err("the format is 'json' or 'combined'"),
        }
    }
}

/// How much of a client's address is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientDetail {
    /// Nothing.
    None,
    /// The first three bytes of an IPv4 address, the first six of an IPv6 address.
    Network,
    /// All of it.
    Full,
}

impl FromStr for ClientDetail {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self::None),
            "network" => Ok(Self::Network),
            "full" => Ok(Self::Full),
            _ => Err("the client is 'none', 'network' or 'full'"),
        }
    }
}

impl ClientDetail {
    pub(super) fn of(self, address: IpAddr) -> Option<IpAddr> {
        match (self, address) {
            (Self::None, _) => None,
            (Self::Full, address) => Some(address),
            (Self::Network, IpAddr::V4(v4)) => Some(Ipv4Addr::from_bits(v4.to_bits() & !0xff).into()),
            (Self::Network, IpAddr::V6(v6)) => {
                Some(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 80)).into())
            }
        }
    }
}

/// The most bytes of a header that are written.
const HEADER_MAX: usize = 256;

/// What is written of a request. Headers are kept as they are until then: a copy of each would cost more.
#[derive(Debug)]
pub(super) struct AccessLine {
    /// Unix time of its headers in milliseconds.
    pub(super) time_ms: i64,
    pub(super) client: Option<IpAddr>,
    pub(super) method: Method,
    pub(super) host: Option<HeaderValue>,
    /// Without its secrets.
    pub(super) address: String,
    pub(super) version: Option<Version>,
    /// Without its secrets.
    pub(super) referer: Option<String>,
    pub(super) user_agent: Option<HeaderValue>,
    /// Well formed.
    pub(super) traceparent: Option<HeaderValue>,
    pub(super) route: &'static str,
    pub(super) upstream: Option<&'static str>,
    pub(super) class: Option<&'static str>,
    /// Why the gateway did not forward it, or the service's response was not returned.
    pub(super) reason: Option<&'static str>,
    /// Until the headers of the response, in microseconds.
    pub(super) response_us: u64,
    /// Until its last byte.
    pub(super) total_us: u64,
    /// It stands for so many requests.
    pub(super) sample: u32,
}

impl AccessLine {
    /// One line, with its end.
    pub(super) fn format(&self, format: AccessLogFormat, sent: SentResponse) -> String {
        let mut line = String::with_capacity(512);
        // Writing to a string never fails.
        let _ = match format {
            AccessLogFormat::Json => self.json(&mut line, sent),
            AccessLogFormat::Combined => self.combined(&mut line, sent),
        };
        line.push('\n');
        line
    }

    fn json(&self, line: &mut String, sent: SentResponse) -> fmt::Result {
        line.push_str("{\"time\":\"");
        push_rfc3339(line, self.time_ms);
        line.push('"');
        if let Some(client) = self.client {
            write!(line, ",\"client\":\"{client}\"")?;
        }
        let trace_id = self.traceparent.as_ref().and_then(|value| value.to_str().ok()?.get(3..35));
        for (key, value) in [
            (",\"method\":\"", Some(self.method.as_str())),
            (",\"host\":\"", self.host.as_ref().map(text).as_deref()),
            (",\"path\":\"", Some(self.address.as_str())),
            (",\"protocol\":\"", self.version.map(version_text)),
            (",\"route\":\"", Some(self.route)),
            (",\"upstream\":\"", self.upstream),
            (",\"class\":\"", self.class),
            (",\"reason\":\"", self.reason),
            (",\"referer\":\"", self.referer.as_deref()),
            (",\"user_agent\":\"", self.user_agent.as_ref().map(text).as_deref()),
            (",\"trace_id\":\"", trace_id),
        ] {
            if let Some(value) = value {
                line.push_str(key);
                push_json(line, value)?;
                line.push('"');
            }
        }
        let is_complete = if sent.is_complete { "true" } else { "false" };
        write!(line, ",\"status\":{},\"bytes\":{}", sent.status.as_u16(), sent.bytes)?;
        line.push_str(",\"complete\":");
        line.push_str(is_complete);
        line.push_str(",\"response_ms\":");
        push_milliseconds(line, self.response_us)?;
        line.push_str(",\"total_ms\":");
        push_milliseconds(line, self.total_us)?;
        write!(line, ",\"sample\":{}}}", self.sample)
    }

    fn combined(&self, line: &mut String, sent: SentResponse) -> fmt::Result {
        match self.client {
            Some(client) => write!(line, "{client}")?,
            None => line.push('-'),
        }
        line.push_str(" - - [");
        push_common_time(line, self.time_ms);
        line.push_str("] \"");
        push_combined(line, self.method.as_str())?;
        line.push(' ');
        push_combined(line, &self.address)?;
        line.push(' ');
        line.push_str(self.version.map_or("-", version_text));
        write!(line, "\" {} {}", sent.status.as_u16(), sent.bytes)?;
        for value in [self.referer.as_deref(), self.user_agent.as_ref().map(text).as_deref()] {
            line.push_str(" \"");
            push_combined(line, value.unwrap_or("-"))?;
            line.push('"');
        }
        Ok(())
    }
}

/// A header as text, cut to a bound.
fn text(value: &HeaderValue) -> Cow<'_, str> {
    let bytes = value.as_bytes();
    String::from_utf8_lossy(&bytes[..bytes.len().min(HEADER_MAX)])
}

fn version_text(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

/// A time as in RFC 3339, in UTC.
fn push_rfc3339(line: &mut String, ms: i64) {
    let time = utc(ms);
    push_digits(line, time.year().unsigned_abs(), 4);
    for (before, number) in [
        ('-', u8::from(time.month())),
        ('-', time.day()),
        ('T', time.hour()),
        (':', time.minute()),
        (':', time.second()),
    ] {
        line.push(before);
        push_digits(line, number.into(), 2);
    }
    line.push('.');
    push_digits(line, u32::try_from(ms.rem_euclid(1000)).unwrap_or(0), 3);
    line.push('Z');
}

/// A time as in the combined format, in UTC.
fn push_common_time(line: &mut String, ms: i64) {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let time = utc(ms);
    push_digits(line, time.day().into(), 2);
    line.push('/');
    line.push_str(MONTHS[usize::from(u8::from(time.month())) - 1]);
    line.push('/');
    push_digits(line, time.year().unsigned_abs(), 4);
    for number in [time.hour(), time.minute(), time.second()] {
        line.push(':');
        push_digits(line, number.into(), 2);
    }
    line.push_str(" +0000");
}

fn utc(ms: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(ms.div_euclid(1000)).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// The last digits of a number, with leading zeros. The formatter of the standard library takes several times as long.
fn push_digits(line: &mut String, number: u32, digits: u32) {
    for place in (0..digits).rev() {
        let digit = number / 10_u32.pow(place) % 10;
        line.push(char::from(b'0' + u8::try_from(digit).unwrap_or(0)));
    }
}

/// Microseconds, as milliseconds.
fn push_milliseconds(line: &mut String, us: u64) -> fmt::Result {
    write!(line, "{}.", us / 1000)?;
    push_digits(line, u32::try_from(us % 1000).unwrap_or(0), 3);
    Ok(())
}

/// A text within quotes of JSON.
fn push_json(line: &mut String, text: &str) -> fmt::Result {
    let mut rest = text;
    // Nearly always there is none, and the whole text is copied at once.
    while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f | 0x7f)) {
        line.push_str(&rest[..at]);
        write!(line, "\\u{:04x}", rest.as_bytes()[at])?;
        rest = &rest[at + 1..];
    }
    line.push_str(rest);
    Ok(())
}

/// A text within quotes of the combined format, escaped as nginx does.
fn push_combined(line: &mut String, text: &str) -> fmt::Result {
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' | 0..=0x1f | 0x7f..=0xff => write!(line, "\\x{byte:02X}")?,
            _ => line.push(char::from(byte)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;

    const SENT: SentResponse = SentResponse { status: StatusCode::OK, bytes: 2048, is_complete: true };

    fn line() -> AccessLine {
        AccessLine {
            time_ms: 1_795_874_645_123,
            client: Some([192, 0, 2, 0].into()),
            method: Method::GET,
            host: Some(HeaderValue::from_static("shop.example")),
            address: "/products/1?id=-".into(),
            version: Some(Version::HTTP_11),
            referer: None,
            user_agent: HeaderValue::from_bytes("a \"quoted\" \\ agent\t가".as_bytes()).ok(),
            traceparent: Some(HeaderValue::from_static(
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            )),
            route: "/",
            upstream: Some("shop"),
            class: Some("browse"),
            reason: None,
            response_us: 12_345,
            total_us: 13_007,
            sample: 1,
        }
    }

    #[test]
    fn a_json_line_is_one_object() {
        let text = line().format(AccessLogFormat::Json, SENT);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["time"], "2026-11-28T14:04:05.123Z");
        assert_eq!((&json["client"], &json["path"]), (&"192.0.2.0".into(), &"/products/1?id=-".into()));
        assert_eq!(json["user_agent"], "a \"quoted\" \\ agent\t가");
        assert_eq!(json["trace_id"], "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(
            (&json["status"], &json["bytes"], &json["complete"]),
            (&200.into(), &2048.into(), &true.into())
        );
        assert_eq!((&json["response_ms"], &json["total_ms"]), (&12.345.into(), &13.007.into()));
        assert!(json.get("reason").is_none() && text.ends_with("}\n") && text.lines().count() == 1);
    }

    #[test]
    fn a_combined_line_is_that_of_nginx() {
        assert_eq!(
            line().format(AccessLogFormat::Combined, SENT),
            "192.0.2.0 - - [28/Nov/2026:14:04:05 +0000] \"GET /products/1?id=- HTTP/1.1\" 200 2048 \"-\" \
             \"a \\x22quoted\\x22 \\x5C agent\\x09\\xEA\\xB0\\x80\"\n"
        );
    }

    #[test]
    fn by_default_a_client_is_known_by_its_network_only() {
        for (detail, v4, v6) in [
            ("network", Some("192.0.2.0"), Some("2001:db8:1::")),
            ("full", Some("192.0.2.7"), Some("2001:db8:1:2::7")),
            ("none", None, None),
        ] {
            let of = |address: &str| {
                detail.parse::<ClientDetail>().unwrap().of(address.parse().unwrap()).map(|ip| ip.to_string())
            };
            assert_eq!((of("192.0.2.7").as_deref(), of("2001:db8:1:2::7").as_deref()), (v4, v6), "{detail}");
        }
    }
}
