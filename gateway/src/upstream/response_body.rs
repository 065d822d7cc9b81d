//! The body of a response on its way to the client. Reading it drives the connection to the service; dropping it before its end
//! closes the connection. It is read ahead of the client, so that a client that reads slowly occupies neither a connection nor a permit
//! of the service, unless the body is long.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use axum::body::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::concurrency::ConcurrencyPermit;
use super::connection::{ConnectionState, UpstreamConnection};
use super::pool::AddressUse;
use super::request_body::size_hint_after;
use crate::limit::InFlightGuard;

/// How much is read ahead of the client; the last piece may exceed it.
const READ_AHEAD_MAX: u64 = 64 * 1024;
/// The most pieces that are read ahead, because each keeps the whole buffer that it was read into.
const PIECES_MAX: usize = 16;

/// How long the body of a response may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyTimeouts {
    pub(super) deadline: Instant,
    pub(super) pause: Duration,
}

/// The connection of a response, and what it returns when the response is complete.
pub(super) struct BusyConnection {
    pub(super) connection: Box<UpstreamConnection>,
    /// Dropped before the permit, which depends on it.
    pub(super) address: AddressUse,
    pub(super) permit: ConcurrencyPermit,
}

/// Reads the body of a response whose connection is busy.
pub(super) struct BodyReader {
    body: Incoming,
    /// `None` when the body is complete, or has failed.
    busy: Option<BusyConnection>,
    timeouts: BodyTimeouts,
    /// The deadline of the next piece, while one is awaited.
    next_piece: Option<Instant>,
    /// The pieces that the client has not taken yet.
    pieces: VecDeque<Frame<Bytes>>,
    bytes_ahead: u64,
    is_complete: bool,
    /// The error that ended the body early.
    error: Option<axum::BoxError>,
    /// Whether the error may be returned: it closes the client's connection at once, and pieces in the same poll would be lost.
    is_error_due: bool,
    /// Whether the client has to take a piece before it polls again. Otherwise its task waits for the connection.
    awaits_client: bool,
}

impl BodyReader {
    pub(super) fn new(body: Incoming, busy: BusyConnection, timeouts: BodyTimeouts) -> Self {
        Self {
            body,
            busy: Some(busy),
            timeouts,
            next_piece: None,
            pieces: VecDeque::new(),
            bytes_ahead: 0,
            is_complete: false,
            error: None,
            is_error_due: false,
            awaits_client: true,
        }
    }

    /// Reads what has arrived for a client that does not take it. Its task is not to be woken: it polls when the client takes more.
    fn read_for_stalled_client(&mut self) {
        if !self.awaits_client {
            return;
        }
        self.read_ahead(&Context::from_waker(Waker::noop()));
        if self.busy.is_some() && Instant::now() >= self.timeouts.deadline {
            self.fail(std::io::Error::from(ErrorKind::TimedOut).into());
        }
    }

    /// Reads what has arrived, up to the limit.
    fn read_ahead(&mut self, cx: &Context<'_>) {
        while self.bytes_ahead < READ_AHEAD_MAX && self.pieces.len() < PIECES_MAX && !self.has_ended() {
            self.drive_connection(cx);
            // Only driving the connection brings a piece, so that the body needs no waker.
            let mut no_waker = Context::from_waker(Waker::noop());
            match Pin::new(&mut self.body).poll_frame(&mut no_waker) {
                Poll::Ready(Some(Ok(piece))) => {
                    self.next_piece = None;
                    self.bytes_ahead += size(&piece);
                    self.pieces.push_back(piece);
                }
                Poll::Ready(Some(Err(error))) => self.fail(error.into()),
                Poll::Ready(None) => self.is_complete = true,
                Poll::Pending => return,
            }
        }
    }

    fn has_ended(&self) -> bool {
        self.is_complete || self.error.is_some()
    }

    fn drive_connection(&mut self, cx: &Context<'_>) {
        let Some(mut busy) = self.busy.take() else { return };
        match busy.connection.drive(cx) {
            ConnectionState::Busy => self.busy = Some(busy),
            // The rest of the body is in memory. The next request with a permit shall find the connection.
            ConnectionState::Free => {
                busy.address.put(busy.connection, Instant::now());
                drop(busy.address);
                drop(busy.permit);
            }
            ConnectionState::Closed => {}
        }
    }

    fn fail(&mut self, error: axum::BoxError) {
        self.error = Some(error);
        self.busy = None;
    }

    fn poll_timeout(&mut self) -> Poll<()> {
        let BodyTimeouts { deadline, pause } = self.timeouts;
        match &mut self.busy {
            Some(busy) => {
                let next_piece = self.next_piece.get_or_insert_with(|| deadline.min(Instant::now() + pause));
                busy.connection.poll_deadline(*next_piece)
            }
            None => unreachable!("hyper ends the body of a connection that is free or closed"),
        }
    }

    fn poll_piece(&mut self, cx: &Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        self.read_ahead(cx);
        if let Some(piece) = self.pieces.pop_front() {
            self.bytes_ahead -= size(&piece);
            self.awaits_client = true;
            return Poll::Ready(Some(Ok(piece)));
        }
        if self.is_complete {
            return Poll::Ready(None);
        }
        if self.is_error_due {
            return Poll::Ready(self.error.take().map(Err));
        }
        self.awaits_client = false;
        if self.error.is_none() {
            ready!(self.poll_timeout());
            self.fail(std::io::Error::from(ErrorKind::TimedOut).into());
        }
        self.is_error_due = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && self.error.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        size_hint_after(self.bytes_ahead, &self.body.size_hint())
    }
}

fn size(piece: &Frame<Bytes>) -> u64 {
    piece.data_ref().map_or(0, |data| data.len() as u64)
}

/// The readers of a service's responses, for those whose clients do not read.
#[derive(Default)]
pub(super) struct BodyReaders(Mutex<Vec<Weak<Mutex<BodyReader>>>>);

impl BodyReaders {
    /// Adds a reader until its body is dropped.
    pub(super) fn add(&self, reader: BodyReader) -> Arc<Mutex<BodyReader>> {
        let reader = Arc::new(Mutex::new(reader));
        self.0.lock().push(Arc::downgrade(&reader));
        reader
    }

    /// Reads what has arrived for clients that do not take it, and forgets the bodies that were dropped.
    pub(super) fn read_for_stalled_clients(&self) {
        let mut readers = Vec::new();
        self.0.lock().retain(|reader| {
            let reader = reader.upgrade();
            let exists = reader.is_some();
            readers.extend(reader);
            exists
        });
        for reader in readers {
            // A reader that is locked is being polled.
            if let Some(mut reader) = reader.try_lock() {
                reader.read_for_stalled_client();
            }
        }
    }
}

/// The body of a response.
pub(super) struct UpstreamBody {
    content: BodyContent,
    _in_flight: InFlightGuard,
}

enum BodyContent {
    /// It is in memory, and its connection is free.
    Received(Incoming),
    Arriving(Arc<Mutex<BodyReader>>),
}

impl UpstreamBody {
    /// A body that was complete with the head of its response, as that of a small response is.
    pub(super) fn received(body: Incoming, in_flight: InFlightGuard) -> Self {
        Self { content: BodyContent::Received(body), _in_flight: in_flight }
    }

    /// A body whose connection is busy, and returns to the pool when it is free.
    pub(super) fn arriving(reader: Arc<Mutex<BodyReader>>, in_flight: InFlightGuard) -> Self {
        Self { content: BodyContent::Arriving(reader), _in_flight: in_flight }
    }
}

impl HttpBody for UpstreamBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        match &mut self.content {
            BodyContent::Received(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            BodyContent::Arriving(reader) => reader.lock().poll_piece(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            BodyContent::Received(body) => body.is_end_stream(),
            BodyContent::Arriving(reader) => reader.lock().is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            BodyContent::Received(body) => body.size_hint(),
            BodyContent::Arriving(reader) => reader.lock().size_hint(),
        }
    }
}
