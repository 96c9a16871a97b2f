//! The filter of HTTP/2 headers: how bytes are cut does not matter, what it lets pass passes again as it is, and what holds
//! no headers stays as it was.
#![no_main]

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::executor::block_on;
use libfuzzer_sys::fuzz_target;
use steeple_net::AuthorityFilter;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;

/// Bytes that come some at a time.
struct Cut<'a> {
    rest: &'a [u8],
    most: usize,
}

impl AsyncRead for Cut<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let now = self.most.min(buf.remaining()).min(self.rest.len());
        let (now, rest) = self.rest.split_at(now);
        buf.put_slice(now);
        self.rest = rest;
        Poll::Ready(Ok(()))
    }
}

/// What passes, and whether all did.
fn filtered(bytes: &[u8], most: usize) -> (Vec<u8>, bool) {
    let mut filter = AuthorityFilter::new(Cut { rest: bytes, most });
    let (mut out, mut piece) = (Vec::new(), [0; 512]);
    loop {
        match block_on(filter.read(&mut piece)) {
            Ok(0) => return (out, true),
            Ok(length) => out.extend_from_slice(&piece[..length]),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::InvalidData);
                return (out, false);
            }
        }
    }
}

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
}

fuzz_target!(|bytes: &[u8]| {
    if bytes.len() > 8 << 10 {
        return;
    }
    check(bytes);
    check(&[PREFACE, bytes].concat());
    // The bytes as one header block, whole and in two frames, and once more, when the tables know of the first.
    let whole = frame(HEADERS, 0b101, bytes);
    let (first, second) = bytes.split_at(bytes.len() / 3);
    let parts = [frame(HEADERS, 1, first), frame(CONTINUATION, 0b100, second)].concat();
    check(&[PREFACE, &whole, &parts, &whole].concat());
    // Data is nobody's business.
    let data = [PREFACE, &frame(0, 0, bytes)].concat();
    assert_eq!(filtered(&data, usize::MAX), (data, true));
});

fn check(bytes: &[u8]) {
    let (out, all) = filtered(bytes, usize::MAX);
    for most in [1, 7] {
        let (cut, cut_all) = filtered(bytes, most);
        assert_eq!(cut_all, all);
        // Before what is refused more or less may have passed.
        assert!(if all { cut == out } else { cut.starts_with(&out) || out.starts_with(&cut) });
    }
    if all {
        assert_eq!(filtered(&out, usize::MAX), (out, true));
    }
}
