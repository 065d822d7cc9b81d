//! One connection to a service, driven by the task that awaits its response: handing a request to another task and back would cost
//! more than the request itself. It knows nothing of other connections.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use axum::http::{Request, Response};
use futures_util::task::AtomicWaker;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use service::LazyTimer;
use tokio::net::TcpStream;
use tokio::task::coop::unconstrained;
use tokio::time::Instant;

use super::request_body::RequestBody;
use super::timeout::ResponseDeadline;
use crate::meter::Counted;

/// The most bytes of a response's headers, and of one read.
const BUFFER_MAX: usize = 64 * 1024;

/// Wakes the task that drives the connection, and none while the connection is idle: it would go on waking the task that had it
/// last.
#[derive(Debug, Default)]
struct ConnectionWaker(AtomicWaker);

impl Wake for ConnectionWaker {
    fn wake(self: Arc<Self>) {
        self.0.wake();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.wake();
    }
}

/// An open connection.
pub(super) struct UpstreamConnection {
    sender: SendRequest<RequestBody>,
    connection: Connection<TokioIo<TcpStream>, RequestBody>,
    timer: LazyTimer,
    task: Arc<ConnectionWaker>,
    waker: Waker,
    _open: Counted,
}

/// The state of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectionState {
    /// An exchange is under way.
    Busy,
    /// It can carry another request.
    Free,
    /// It cannot be used any more.
    Closed,
}

/// The head of a response. Its body comes over the connection while that is busy.
pub(super) struct ResponseHead {
    pub(super) response: Response<Incoming>,
    /// `None` if it cannot be used any more.
    pub(super) connection: Option<Box<UpstreamConnection>>,
    pub(super) state: ConnectionState,
}

/// Why a request has no response.
pub(super) enum SendError {
    /// Nothing of the request was sent: the connection was closed before.
    Unsent(Box<Request<RequestBody>>),
    /// The service did not respond in time.
    TimedOut,
    /// The service closed the connection, or the request's own body failed.
    Broken(hyper::Error),
}

impl From<TrySendError<Request<RequestBody>>> for SendError {
    fn from(mut error: TrySendError<Request<RequestBody>>) -> Self {
        match error.take_message() {
            Some(request) => Self::Unsent(Box::new(request)),
            None => Self::Broken(error.into_error()),
        }
    }
}

impl UpstreamConnection {
    /// Speaks HTTP/1.1 over an open socket.
    pub(super) async fn over(stream: TcpStream, open: Counted) -> hyper::Result<Box<Self>> {
        let mut http = Builder::new();
        // Requests are small: written in one piece they are cheaper.
        http.max_buf_size(BUFFER_MAX).writev(false);
        let (sender, connection) = http.handshake(TokioIo::new(stream)).await?;
        let task = Arc::new(ConnectionWaker::default());
        let waker = Waker::from(Arc::clone(&task));
        let timer = LazyTimer::new(Instant::now());
        Ok(Box::new(Self { sender, connection, timer, task, waker, _open: open }))
    }

    /// Sends a request and awaits the head of its response. Dropping the future closes the connection.
    pub(super) async fn send(
        mut self: Box<Self>,
        request: Box<Request<RequestBody>>,
        deadline: &mut ResponseDeadline,
    ) -> Result<ResponseHead, SendError> {
        // Only driving the connection completes the response, so that this future needs no waker.
        let mut response = std::pin::pin!(unconstrained(self.sender.try_send_request(*request)));
        let mut connection = Some(self);
        std::future::poll_fn(|cx| {
            let state =
                connection.as_mut().map_or(ConnectionState::Closed, |connection| connection.drive(cx));
            if state == ConnectionState::Closed {
                // The response resolves to an error then.
                connection = None;
            }
            if let Poll::Ready(result) = response.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return Poll::Ready(match result {
                    Ok(response) => Ok(ResponseHead { response, connection: connection.take(), state }),
                    Err(error) => Err(SendError::from(error)),
                });
            }
            let connection = connection
                .as_mut()
                .unwrap_or_else(|| unreachable!("a dropped connection resolves the response"));
            connection.poll_deadline(deadline.current()).map(|()| Err(SendError::TimedOut))
        })
        .await
    }

    /// Drives the connection and registers the task for its next event.
    pub(super) fn drive(&mut self, cx: &Context<'_>) -> ConnectionState {
        self.task.0.register(cx.waker());
        match Pin::new(&mut self.connection).poll(&mut Context::from_waker(&self.waker)) {
            // The response or its body carries the error.
            Poll::Ready(_) => ConnectionState::Closed,
            Poll::Pending if self.sender.is_ready() => ConnectionState::Free,
            Poll::Pending => ConnectionState::Busy,
        }
    }

    /// Ready at the deadline. Must be called after `drive`.
    pub(super) fn poll_deadline(&mut self, deadline: Instant) -> Poll<()> {
        self.timer.set(deadline);
        self.timer.poll(&mut Context::from_waker(&self.waker))
    }

    /// Wakes no task until the connection is driven again.
    pub(super) fn idle(&self) {
        self.task.0.take();
    }
}
