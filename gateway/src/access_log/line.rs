//! The formats of a line of the access log.

use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use axum::http::{Method, Version};
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

/// What is written of a request.
#[derive(Debug)]
pub(super) struct AccessLine {
    /// Unix time of its headers in milliseconds.
    pub(super) time_ms: i64,
    pub(super) client: Option<IpAddr>,
    pub(super) method: Method,
    pub(super) host: Option<String>,
    /// Without its secrets.
    pub(super) address: String,
    pub(super) version: Option<Version>,
    pub(super) referer: Option<String>,
    pub(super) user_agent: Option<String>,
    pub(super) trace_id: Option<String>,
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
        write!(line, "{{\"time\":\"{}\"", UtcTime(self.time_ms))?;
        if let Some(client) = self.client {
            write!(line, ",\"client\":\"{client}\"")?;
        }
        let version = self.version.map(version_text);
        for (key, value) in [
            ("method", Some(self.method.as_str())),
            ("host", self.host.as_deref()),
            ("path", Some(self.address.as_str())),
            ("protocol", version),
            ("route", Some(self.route)),
            ("upstream", self.upstream),
            ("class", self.class),
            ("reason", self.reason),
            ("referer", self.referer.as_deref()),
            ("user_agent", self.user_agent.as_deref()),
            ("trace_id", self.trace_id.as_deref()),
        ] {
            if let Some(value) = value {
                write!(line, ",\"{key}\":\"{}\"", JsonText(value))?;
            }
        }
        write!(
            line,
            ",\"status\":{},\"bytes\":{},\"complete\":{},\"response_ms\":{},\"total_ms\":{},\"sample\":{}}}",
            sent.status.as_u16(),
            sent.bytes,
            sent.is_complete,
            Milliseconds(self.response_us),
            Milliseconds(self.total_us),
            self.sample,
        )
    }

    fn combined(&self, line: &mut String, sent: SentResponse) -> fmt::Result {
        match self.client {
            Some(client) => write!(line, "{client}")?,
            None => line.push('-'),
        }
        write!(
            line,
            " - - [{}] \"{} {} {}\" {} {}",
            CommonTime(self.time_ms),
            CombinedText(self.method.as_str()),
            CombinedText(&self.address),
            self.version.map_or("-", version_text),
            sent.status.as_u16(),
            sent.bytes,
        )?;
        for text in [&self.referer, &self.user_agent] {
            write!(line, " \"{}\"", CombinedText(text.as_deref().unwrap_or("-")))?;
        }
        Ok(())
    }
}

fn version_text(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

/// A time as in RFC 3339, in UTC.
struct UtcTime(i64);

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (time, ms) = (utc(self.0), self.0.rem_euclid(1000));
        let (year, month, day) = time.to_calendar_date();
        let (hour, minute, second) = time.to_hms();
        write!(f, "{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z", u8::from(month))
    }
}

/// A time as in the combined format, in UTC.
struct CommonTime(i64);

impl fmt::Display for CommonTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = utc(self.0);
        let (year, month, day) = time.to_calendar_date();
        let (hour, minute, second) = time.to_hms();
        let month = &month.to_string()[..3];
        write!(f, "{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000")
    }
}

fn utc(ms: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(ms.div_euclid(1000)).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Microseconds, written as milliseconds.
struct Milliseconds(u64);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

/// A text within quotes of JSON.
struct JsonText<'a>(&'a str);

impl fmt::Display for JsonText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            match char {
                '"' | '\\' => write!(f, "\\{char}")?,
                _ if char.is_control() => write!(f, "\\u{:04x}", u32::from(char))?,
                _ => f.write_char(char)?,
            }
        }
        Ok(())
    }
}

/// A text within quotes of the combined format, escaped as nginx does.
struct CombinedText<'a>(&'a str);

impl fmt::Display for CombinedText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            match byte {
                b'"' | b'\\' | 0..=0x1f | 0x7f..=0xff => write!(f, "\\x{byte:02X}")?,
                _ => f.write_char(char::from(byte))?,
            }
        }
        Ok(())
    }
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
            host: Some("shop.example".into()),
            address: "/products/1?id=-".into(),
            version: Some(Version::HTTP_11),
            referer: None,
            user_agent: Some("a \"quoted\" \\ agent\u{1}\u{7f}가".into()),
            trace_id: Some("0af7651916cd43dd8448eb211c80319c".into()),
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
        assert_eq!(json["user_agent"], "a \"quoted\" \\ agent\u{1}\u{7f}가");
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
             \"a \\x22quoted\\x22 \\x5C agent\\x01\\x7F\\xEA\\xB0\\x80\"\n"
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
