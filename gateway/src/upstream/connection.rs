//! One connection to a service, worked by the very task that waits for its answer: handing a request to another task and back
//! would cost more than the request. It knows nothing of the other connections.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use axum::http::{Request, Response};
use futures_util::task::AtomicWaker;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::coop::unconstrained;
use tokio::time::Instant;

use super::response_body::RequestBody;
use super::timeout::{LazyTimer, Patience};
use crate::meter::Counted;

/// Most bytes of an answer's headers, and of what is read of it at once.
const BUFFER_MAX: usize = 64 * 1024;

/// Wakes the task that works the link now, or nobody while the link is idle: it would go on waking the task that had it last.
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
    alarm: LazyTimer,
    bell: Arc<ConnectionWaker>,
    waker: Waker,
    _open: Counted,
}

/// How a link stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// An exchange is under way.
    Busy,
    /// It may carry another request.
    Free,
    /// It is of no more use.
    Closed,
}

/// The headers of an answer; the body comes over the link as long as that is busy.
pub(super) struct Answered {
    pub(super) answer: Response<Incoming>,
    /// None if it is of no more use.
    pub(super) connection: Option<Box<UpstreamConnection>>,
    pub(super) state: State,
}

/// Why a request has no answer.
pub(super) enum Failed {
    /// Nothing of it was sent: the connection had been closed before.
    Unsent(Box<Request<RequestBody>>),
    /// The service did not answer in time.
    Slow,
    /// The service broke off, or the request's own body did.
    Broken(hyper::Error),
}

impl From<TrySendError<Request<RequestBody>>> for Failed {
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
        let bell = Arc::new(ConnectionWaker::default());
        let waker = Waker::from(Arc::clone(&bell));
        let alarm = LazyTimer::new(Instant::now());
        Ok(Box::new(Self { sender, connection, alarm, bell, waker, _open: open }))
    }

    /// Sends a request, and waits for the headers of its answer. Dropped before, it closes the connection.
    pub(super) async fn ask(
        mut self: Box<Self>,
        request: Box<Request<RequestBody>>,
        patience: &mut Patience,
    ) -> Result<Answered, Failed> {
        // The answer is put there by our own work alone, so that nobody has to be woken for it.
        let mut asked = std::pin::pin!(unconstrained(self.sender.try_send_request(*request)));
        let mut connection = Some(self);
        std::future::poll_fn(|cx| {
            let state = connection.as_mut().map_or(State::Closed, |connection| connection.work(cx));
            if state == State::Closed {
                // Whatever is still waited for ends with it.
                connection = None;
            }
            if let Poll::Ready(answer) = asked.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return Poll::Ready(match answer {
                    Ok(answer) => Ok(Answered { answer, connection: connection.take(), state }),
                    Err(error) => Err(Failed::from(error)),
                });
            }
            let connection =
                connection.as_mut().unwrap_or_else(|| unreachable!("a dropped connection answers"));
            connection.wait(patience.ends()).map(|()| Err(Failed::Slow))
        })
        .await
    }

    /// Does what there is to do on the connection, and lets the task be woken for more.
    pub(super) fn work(&mut self, cx: &Context<'_>) -> State {
        self.bell.0.register(cx.waker());
        match Pin::new(&mut self.connection).poll(&mut Context::from_waker(&self.waker)) {
            // What went wrong is told to whoever waits for the answer or its body.
            Poll::Ready(_) => State::Closed,
            Poll::Pending if self.sender.is_ready() => State::Free,
            Poll::Pending => State::Busy,
        }
    }

    /// Waits no longer than until then. To be called after the work.
    pub(super) fn wait(&mut self, until: Instant) -> Poll<()> {
        self.alarm.set(until);
        self.alarm.poll(&mut Context::from_waker(&self.waker))
    }

    /// Wakes nobody until it is worked again.
    pub(super) fn rest(&self) {
        self.bell.0.take();
    }
}
