//! The access log: a line for each request, or for one of so many, when its response has been sent. No line has a receipt or a value of a
//! query in it. Lines are written away from the requests.

mod line;
mod redact;
mod writer;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;
use axum::extract::Request;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderValue, Method, StatusCode, header};
use domain::Now;
use metrics::Counter;
use service::Context;
use service::http::{ResponseRecord, SentResponse};
use service::trace::TRACEPARENT;
use tokio::time::Instant;

use line::{AccessLine, AccessLogFormat, ClientDetail};
use writer::{LineBuffer, LineTarget};

/// Which requests have a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessLogSampling {
    /// None.
    Off,
    /// One of so many.
    OneOf(NonZeroU32),
}

impl FromStr for AccessLogSampling {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            "all" => Ok(Self::OneOf(NonZeroU32::MIN)),
            _ => {
                let number = text.strip_prefix("1/").and_then(|number| number.parse().ok());
                number.map(Self::OneOf).ok_or("it is 'off', 'all', or a share such as '1/100'")
            }
        }
    }
}

/// The settings of the access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLogConfig {
    /// Which requests have a line.
    pub lines: AccessLogSampling,
    /// Their format.
    pub format: AccessLogFormat,
    /// How much of a client's address they have.
    pub client: ClientDetail,
    /// The file that they are appended to; the standard output without one.
    pub file: Option<PathBuf>,
}

/// The access log of a gateway.
pub(crate) struct AccessLog {
    /// One of so many requests has a line.
    sample: u32,
    format: AccessLogFormat,
    client: ClientDetail,
    now: Now,
    /// Counts requests, for the sample.
    requests: AtomicU32,
    buffer: Arc<LineBuffer>,
}

impl AccessLog {
    /// Opens the log and starts its writer; `None` if it is off.
    pub(crate) fn start(
        config: &AccessLogConfig,
        dropped: Counter,
        ctx: &Context,
    ) -> anyhow::Result<Option<Arc<Self>>> {
        let AccessLogSampling::OneOf(sample) = config.lines else { return Ok(None) };
        let target = LineTarget::open(config.file.as_deref());
        let file = || config.file.clone().unwrap_or_default();
        let target = target.with_context(|| format!("cannot open the access log {}", file().display()))?;
        let buffer = Arc::new(LineBuffer::new(dropped));
        ctx.tasks.spawn("access log", writer::run(Arc::clone(&buffer), target));
        Ok(Some(Arc::new(Self {
            sample: sample.get(),
            format: config.format,
            client: config.client,
            now: Arc::clone(&ctx.now),
            requests: AtomicU32::new(0),
            buffer,
        })))
    }

    /// An entry for a request, if it is one of the sample. `path` is its normalised path if that differs, and `is_clear` says whether the
    /// path can be read in one way only; otherwise it might have a receipt in it that is not recognised. The request has a well-formed
    /// `traceparent`.
    pub(crate) fn entry(
        self: &Arc<Self>,
        request: &Request,
        path: Option<&PathAndQuery>,
        is_clear: bool,
        client: IpAddr,
    ) -> Option<AccessEntry> {
        let mut entry = self.empty_entry(request.method(), client)?;
        let line = &mut entry.0.as_mut()?.line;
        if let Some(target) = path.or(request.uri().path_and_query()).filter(|_| is_clear) {
            line.address = redact::address(target.path(), target.query());
        }
        let headers = request.headers();
        let authority = || HeaderValue::from_str(request.uri().authority()?.as_str()).ok();
        // Any other text may have a password in it.
        let host = headers.get(header::HOST).cloned().or_else(authority);
        line.host = host.filter(|host| crate::headers::is_host(host.as_bytes()));
        line.version = Some(request.version());
        let referer = headers.get(header::REFERER).map(|value| String::from_utf8_lossy(value.as_bytes()));
        line.referer = referer.map(|referer| redact::referer(&referer));
        line.user_agent = headers.get(header::USER_AGENT).cloned();
        line.traceparent = headers.get(TRACEPARENT).cloned();
        Some(entry)
    }

    /// An entry for a request of which no more is known, if it is one of the sample.
    pub(crate) fn empty_entry(self: &Arc<Self>, method: &Method, client: IpAddr) -> Option<AccessEntry> {
        if !self.requests.fetch_add(1, Ordering::Relaxed).is_multiple_of(self.sample) {
            return None;
        }
        let line = AccessLine {
            time_ms: (self.now)(),
            client: self.client.of(client),
            method: method.clone(),
            host: None,
            address: "-".to_owned(),
            version: None,
            referer: None,
            user_agent: None,
            traceparent: None,
            route: "none",
            upstream: None,
            class: None,
            reason: None,
            response_us: 0,
            total_us: 0,
            sample: self.sample,
        };
        Some(AccessEntry(Some(Box::new(OpenLine { log: Arc::clone(self), begun: Instant::now(), line }))))
    }
}

/// The status of a request whose client left before there was a response, as nginx logs it.
const CLIENT_LEFT: u16 = 499;

/// The entry of one request, written when its response has been sent, or its client has left.
#[derive(Debug)]
pub(crate) struct AccessEntry(Option<Box<OpenLine>>);

/// A line to be written.
struct OpenLine {
    log: Arc<AccessLog>,
    begun: Instant,
    line: AccessLine,
}

/// What the gateway did with a request.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RequestResult {
    /// The route's name.
    pub(crate) route: &'static str,
    pub(crate) upstream: Option<&'static str>,
    pub(crate) class: Option<&'static str>,
    /// Why it was not forwarded, or its response not returned.
    pub(crate) reason: Option<&'static str>,
}

impl AccessEntry {
    /// The gateway has a response.
    pub(crate) fn responded(&mut self, result: RequestResult) {
        let Some(open) = &mut self.0 else { return };
        open.line.response_us = micros_since(open.begun);
        open.line.route = result.route;
        open.line.upstream = result.upstream;
        open.line.class = result.class;
        open.line.reason = result.reason;
    }
}

impl OpenLine {
    fn write(mut self: Box<Self>, sent: SentResponse) {
        self.line.total_us = micros_since(self.begun);
        self.log.buffer.push(&self.line.format(self.log.format, sent));
    }
}

impl ResponseRecord for AccessEntry {
    fn sent(mut self: Box<Self>, sent: SentResponse) {
        if let Some(open) = self.0.take() {
            open.write(sent);
        }
    }
}

impl Drop for AccessEntry {
    fn drop(&mut self) {
        let Some(mut open) = self.0.take() else { return };
        // After a panic the listener responds, and has an entry of its own.
        if std::thread::panicking() {
            return;
        }
        open.line.reason = Some("client-left");
        let status = StatusCode::from_u16(CLIENT_LEFT).unwrap_or(StatusCode::REQUEST_TIMEOUT);
        open.write(SentResponse { status, bytes: 0, is_complete: false });
    }
}

impl std::fmt::Debug for OpenLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenLine").field("line", &self.line).finish_non_exhaustive()
    }
}

fn micros_since(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_off_all_or_one_of_so_many() {
        assert_eq!("off".parse(), Ok(AccessLogSampling::Off));
        for (text, sample) in [("all", 1), ("1/1", 1), ("1/100", 100)] {
            assert_eq!(text.parse(), Ok(AccessLogSampling::OneOf(sample.try_into().unwrap())));
        }
        for text in ["", "on", "1/0", "1/x", "0.5", "2/3"] {
            assert!(text.parse::<AccessLogSampling>().is_err(), "{text}");
        }
    }
}
