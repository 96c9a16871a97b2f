//! Makes the `:authority` that gRPC's C core sends on Unix sockets acceptable.
//!
//! Python, C++, Ruby and others send the path of the socket, percent-encoded, as `:authority`, which the HTTP/2 library
//! under us refuses as malformed. On a Unix socket the authority says nothing, so one that can't be parsed becomes
//! `localhost`. All else passes byte for byte.
//!
//! The peer's header compression remembers what it sent, and refers to it by its place in a table that is bounded in
//! bytes. A replacement that the table keeps therefore has the length of what it replaces: `localhost` is cut, or
//! lengthened by dashes. So both ends' tables go on agreeing, and later header blocks of the connection, which refer to
//! what was replaced, pass untouched.

mod frames;
mod hpack;
mod huffman;
mod reader;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use frames::Frames;
pub use frames::RefusedFrame;
pub use hpack::MalformedBlock;

/// A stream whose incoming HTTP/2 headers have an authority that can be parsed.
///
/// Reading fails with [`io::ErrorKind::InvalidData`] and a [`RefusedFrame`] for what is not HTTP/2.
#[derive(Debug)]
pub struct AuthorityFilter<S> {
    inner: S,
    frames: Frames,
    /// What was held back or rewritten and may go on now, from `taken` on.
    ready: Vec<u8>,
    taken: usize,
}

impl<S> AuthorityFilter<S> {
    /// Filters what comes from `inner`, which stands at the start of a client's connection.
    pub fn new(inner: S) -> Self {
        Self { inner, frames: Frames::default(), ready: Vec::new(), taken: 0 }
    }

    fn hand_over(&mut self, buf: &mut ReadBuf<'_>) {
        let waiting = self.ready.get(self.taken..).unwrap_or_default();
        let now = waiting.get(..buf.remaining()).unwrap_or(waiting);
        buf.put_slice(now);
        self.taken += now.len();
        if self.taken == self.ready.len() {
            self.ready.clear();
            self.taken = 0;
            // A long block is rare; its memory isn't kept for the life of a connection.
            self.ready.shrink_to(frames::KEPT);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for AuthorityFilter<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if !this.ready.is_empty() {
                this.hand_over(buf);
                return Poll::Ready(Ok(()));
            }
            let start = buf.filled().len();
            ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
            let fresh = buf.filled().get(start..).unwrap_or_default();
            if fresh.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let passed = this
                .frames
                .feed(fresh, &mut this.ready)
                .map_err(|refused| io::Error::new(io::ErrorKind::InvalidData, refused));
            buf.set_filled(start + passed.as_ref().copied().unwrap_or_default());
            if passed? > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for AuthorityFilter<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
