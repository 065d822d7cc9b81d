//! The start of a request's body, which is read before the request takes a permit of its upstream: a client that sends slowly must
//! not occupy the upstream meanwhile.

use std::future::poll_fn;
use std::pin::Pin;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header;
use hyper::body::Body as _;

/// A body that is longer is forwarded while it arrives, after so many bytes.
const START_MAX: usize = 64 * 1024;

/// The start of a body.
#[derive(Debug, Default)]
pub(crate) struct BodyStart {
    pub(crate) bytes: Bytes,
    /// Whether this is the whole body.
    pub(crate) is_whole: bool,
}

impl BodyStart {
    /// Reads the start of a request's body.
    pub(crate) async fn read(request: &mut Request) -> Result<Self, axum::Error> {
        let start = Self::of_body(request.body_mut()).await?;
        if start.is_whole
            && start.bytes.is_empty()
            && request.headers().contains_key(header::TRANSFER_ENCODING)
        {
            // Some servers refuse a `POST` without a length, and the other header is not forwarded.
            request.headers_mut().insert(header::CONTENT_LENGTH, 0.into());
        }
        Ok(start)
    }

    /// Trailers are not forwarded, and end the body.
    async fn of_body(body: &mut Body) -> Result<Self, axum::Error> {
        let mut start = Start::default();
        while start.len() < START_MAX {
            if body.is_end_stream() {
                return Ok(Self { bytes: start.into(), is_whole: true });
            }
            let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await.transpose()?;
            match frame.map(hyper::body::Frame::into_data) {
                Some(Ok(data)) => start.push(data),
                Some(Err(_)) | None => return Ok(Self { bytes: start.into(), is_whole: true }),
            }
        }
        Ok(Self { bytes: start.into(), is_whole: body.is_end_stream() })
    }
}

/// The bytes that have been read. A single piece, as nearly always, is kept as it is. Several pieces are copied, because each keeps the
/// whole buffer that it was read into.
#[derive(Debug, Default)]
struct Start {
    first: Bytes,
    copied: Vec<u8>,
}

impl Start {
    fn len(&self) -> usize {
        if self.copied.is_empty() { self.first.len() } else { self.copied.len() }
    }

    fn push(&mut self, data: Bytes) {
        if self.len() == 0 {
            self.first = data;
            return;
        }
        if self.copied.is_empty() {
            self.copied.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.copied.extend_from_slice(&data);
    }
}

impl From<Start> for Bytes {
    fn from(start: Start) -> Self {
        if start.copied.is_empty() { start.first } else { start.copied.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use std::convert::Infallible;

    fn body(pieces: &[&'static [u8]]) -> Body {
        let pieces: Vec<_> =
            pieces.iter().map(|piece| Ok::<_, Infallible>(Bytes::from_static(piece))).collect();
        Body::from_stream(stream::iter(pieces))
    }

    #[tokio::test]
    async fn a_short_body_is_read_to_its_end() {
        for (pieces, whole) in [
            (&[][..], &b""[..]),
            (&[b"one".as_slice()][..], b"one"),
            (&[b"one", b"", b"two", b"three"], b"onetwothree"),
            (&[b"", b"one"], b"one"),
        ] {
            let start = BodyStart::of_body(&mut body(pieces)).await.unwrap();
            assert_eq!((&start.bytes[..], start.is_whole), (whole, true));
        }
    }

    #[tokio::test]
    async fn of_a_long_body_the_rest_stays() {
        const PIECE: &[u8] = &[7; 20 * 1024];
        let mut long = body(&[PIECE; 5]);
        let start = BodyStart::of_body(&mut long).await.unwrap();
        assert_eq!((start.bytes.len(), start.is_whole), (4 * PIECE.len(), false));
        let rest = axum::body::to_bytes(long, usize::MAX).await.unwrap();
        assert_eq!(rest.len(), PIECE.len());
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_an_error() {
        let pieces = [Ok(Bytes::from_static(b"half")), Err(std::io::Error::other("broken"))];
        let mut body = Body::from_stream(stream::iter(pieces));
        assert!(BodyStart::of_body(&mut body).await.is_err());
    }
}
