//! Lines of a body that has no end.

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes};

/// Takes a body apart into its lines.
pub(super) struct Lines<B> {
    body: B,
    held: Vec<u8>,
    /// Where in `held` nobody has looked for the end of a line yet.
    looked: usize,
    limit: usize,
}

impl<B> Lines<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    /// Lines of `body` of at most `limit` bytes.
    pub(super) fn new(body: B, limit: usize) -> Self {
        Self { body, held: Vec::new(), looked: 0, limit }
    }

    /// The next line that isn't empty; `None` when the body has ended. What stands behind the last end of a line is
    /// half a line, and lost. Nothing is lost when the wait is given up.
    ///
    /// # Errors
    /// A text when the body breaks off or a line is too long.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        loop {
            while let Some(length) = self.held.iter().skip(self.looked).position(|byte| *byte == b'\n') {
                let end = self.looked + length;
                let rest = self.held.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.held, rest);
                self.looked = 0;
                line.truncate(end);
                if !line.is_empty() {
                    return Ok(Some(line));
                }
            }
            self.looked = self.held.len();
            if self.held.len() > self.limit {
                return Err(format!("an event of more than {} bytes", self.limit));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(error.to_string()),
                Some(Ok(frame)) => self.held.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{Full, combinators::UnsyncBoxBody};

    use super::*;

    #[tokio::test]
    async fn lines_are_told_apart_and_bounded() {
        let mut lines = Lines::new(Full::new(Bytes::from_static(b"one\n\ntwo\nhalf")), 16);
        assert_eq!(lines.next().await.unwrap().as_deref(), Some(&b"one"[..]));
        assert_eq!(lines.next().await.unwrap().as_deref(), Some(&b"two"[..]));
        assert_eq!(lines.next().await.unwrap(), None);
        let body: UnsyncBoxBody<Bytes, std::convert::Infallible> =
            Full::new(Bytes::from(vec![b'x'; 17])).boxed_unsync();
        assert_eq!(Lines::new(body, 16).next().await.unwrap_err(), "an event of more than 16 bytes");
    }
}
