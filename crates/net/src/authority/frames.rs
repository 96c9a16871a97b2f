//! HTTP/2 frames from a client (RFC 9113, sections 3.4, 4 and 6).

use super::hpack::{Blocks, MalformedBlock};

/// Why the bytes of a connection were refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RefusedFrame {
    /// The connection doesn't begin as HTTP/2's do.
    #[error("not HTTP/2: the connection does not begin with its preface")]
    Preface,
    /// A frame longer than what our SETTINGS allow.
    #[error("HTTP/2 {frame} frame on stream {stream} has {length} bytes, the limit is {FRAME}")]
    FrameLength {
        /// Its name.
        frame: &'static str,
        /// Its stream.
        stream: u32,
        /// The length of its payload.
        length: usize,
    },
    /// A frame of a stream that belongs to the connection.
    #[error("HTTP/2 HEADERS frame on stream 0")]
    NoStream,
    /// Another frame before the end of a header block.
    #[error("HTTP/2 frame of type {kind} on stream {stream} within the header block of stream {block}")]
    Interleaved {
        /// The frame's type.
        kind: u8,
        /// The frame's stream.
        stream: u32,
        /// The stream whose header block is not at its end.
        block: u32,
    },
    /// The continuation of nothing.
    #[error("HTTP/2 CONTINUATION frame on stream {0} without a header block before it")]
    LooseContinuation(u32),
    /// Only servers may push.
    #[error("HTTP/2 PUSH_PROMISE frame from a client")]
    Push,
    /// More padding than payload, or no room for the priority.
    #[error("HTTP/2 HEADERS frame on stream {0} is shorter than its padding and priority")]
    Padding(u32),
    /// A header block over the bound.
    #[error("HTTP/2 header block on stream {0} is over the limit of {BLOCK} bytes")]
    BlockLength(u32),
    /// A header block that can't be decoded.
    #[error("HTTP/2 header block on stream {stream} is malformed: {reason}")]
    Block {
        /// Its stream.
        stream: u32,
        /// Why.
        reason: MalformedBlock,
    },
}

/// What a client sends first.
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The longest frame that our SETTINGS allow, by not naming another.
const FRAME: usize = 16 << 10;

/// The longest header block, with the frames around it.
const BLOCK: usize = 64 << 10;

/// How much memory a connection keeps for the next unit that comes in pieces.
pub(super) const KEPT: usize = 1 << 10;

const HEAD: usize = 9;
const HEADERS: u8 = 1;
const PUSH_PROMISE: u8 = 5;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// The frames of a connection, which pass but for header blocks that are rewritten.
#[derive(Debug, Default)]
pub(super) struct Frames {
    begun: bool,
    /// How much of a frame's payload is still to pass.
    passing: usize,
    /// The start of a unit that has not come whole: the preface, a frame's head, or a frame of a header block.
    held: Vec<u8>,
    /// A header block before its last frame.
    open: Option<Open>,
    blocks: Blocks,
    refused: Option<RefusedFrame>,
}

#[derive(Debug)]
struct Open {
    stream: u32,
    flags: u8,
    priority: Option<[u8; 5]>,
    block: Vec<u8>,
    /// Its frames as they came.
    raw: Vec<u8>,
}

/// Where bytes go: from the front of what came they stay where they are; after something was held back or rewritten,
/// the rest goes to `ready`.
struct Output<'a> {
    ready: &'a mut Vec<u8>,
    passed: usize,
    in_place: bool,
}

impl Output<'_> {
    fn pass(&mut self, bytes: &[u8]) {
        if self.in_place {
            self.passed += bytes.len();
        } else {
            self.ready.extend_from_slice(bytes);
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        self.in_place = false;
        self.ready.extend_from_slice(bytes);
    }
}

#[derive(Clone, Copy)]
struct Head {
    length: usize,
    kind: u8,
    flags: u8,
    stream: u32,
}

impl Head {
    fn of(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, kind, flags, stream @ ..] = *bytes.first_chunk::<HEAD>()?;
        Some(Self {
            length: usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c),
            kind,
            flags,
            stream: u32::from_be_bytes(stream) & 0x7fff_ffff,
        })
    }

    fn write(self, out: &mut Vec<u8>) {
        let [.., a, b, c] = self.length.to_be_bytes();
        out.extend_from_slice(&[a, b, c, self.kind, self.flags]);
        out.extend_from_slice(&self.stream.to_be_bytes());
    }
}

impl Frames {
    /// Takes what came. So many bytes of it, from its front, may go on as they are; what goes on after them is added to
    /// `ready`. After a refusal everything is refused.
    pub(super) fn feed(&mut self, fresh: &[u8], ready: &mut Vec<u8>) -> Result<usize, RefusedFrame> {
        if let Some(refused) = self.refused {
            return Err(refused);
        }
        let in_place = self.held.is_empty() && self.open.is_none();
        let mut output = Output { ready, passed: 0, in_place };
        let fed = self.units(fresh, &mut output);
        self.refused = fed.err();
        fed.map(|()| output.passed)
    }

    fn units(&mut self, mut rest: &[u8], output: &mut Output<'_>) -> Result<(), RefusedFrame> {
        while !rest.is_empty() {
            if self.passing > 0 {
                let (now, later) = rest.split_at(self.passing.min(rest.len()));
                output.pass(now);
                self.passing -= now.len();
                rest = later;
                continue;
            }
            if self.held.is_empty() {
                let length = self.unit_length(rest)?;
                let Some((unit, later)) = length.and_then(|length| rest.split_at_checked(length)) else {
                    self.held.extend_from_slice(rest);
                    return Ok(());
                };
                self.unit(unit, output)?;
                rest = later;
                continue;
            }
            output.in_place = false;
            let wanted = self.unit_length(&self.held)?.unwrap_or(HEAD);
            let (now, later) = rest.split_at(wanted.saturating_sub(self.held.len()).min(rest.len()));
            self.held.extend_from_slice(now);
            rest = later;
            if self.unit_length(&self.held)? == Some(self.held.len()) {
                let mut held = std::mem::take(&mut self.held);
                self.unit(&held, output)?;
                held.clear();
                // A long frame is rare; its memory isn't kept for the life of a connection.
                held.shrink_to(KEPT);
                self.held = held;
            }
        }
        Ok(())
    }

    /// The length of the unit that begins here; `None` if that can't be said yet.
    fn unit_length(&self, bytes: &[u8]) -> Result<Option<usize>, RefusedFrame> {
        if !self.begun {
            let begins = bytes.iter().zip(PREFACE).all(|(byte, expected)| byte == expected);
            return if begins { Ok(Some(PREFACE.len())) } else { Err(RefusedFrame::Preface) };
        }
        let Some(head) = Head::of(bytes) else { return Ok(None) };
        let stream = head.stream;
        if let Some(open) = self.open.as_ref().filter(|open| head.kind != CONTINUATION || open.stream != stream) {
            return Err(RefusedFrame::Interleaved { kind: head.kind, stream, block: open.stream });
        }
        let frame = match head.kind {
            HEADERS if stream == 0 => return Err(RefusedFrame::NoStream),
            HEADERS => "HEADERS",
            CONTINUATION if self.open.is_none() => return Err(RefusedFrame::LooseContinuation(stream)),
            CONTINUATION => "CONTINUATION",
            PUSH_PROMISE => return Err(RefusedFrame::Push),
            _ => return Ok(Some(HEAD)),
        };
        if head.length > FRAME {
            return Err(RefusedFrame::FrameLength { frame, stream, length: head.length });
        }
        Ok(Some(HEAD + head.length))
    }

    fn unit(&mut self, unit: &[u8], output: &mut Output<'_>) -> Result<(), RefusedFrame> {
        let head = match Head::of(unit) {
            Some(head) if self.begun => head,
            _ => {
                self.begun = true;
                output.pass(unit);
                return Ok(());
            }
        };
        let payload = unit.get(HEAD..).unwrap_or_default();
        match (head.kind, self.open.take()) {
            (HEADERS, _) => self.headers(head, payload, unit, output),
            (CONTINUATION, Some(open)) => self.continuation(open, head, payload, unit, output),
            _ => {
                output.pass(unit);
                self.passing = head.length;
                Ok(())
            }
        }
    }

    fn headers(
        &mut self,
        head: Head,
        payload: &[u8],
        unit: &[u8],
        output: &mut Output<'_>,
    ) -> Result<(), RefusedFrame> {
        let (priority, fragment) = unwrap_padding(head, payload).ok_or(RefusedFrame::Padding(head.stream))?;
        if head.flags & END_HEADERS == 0 {
            let (block, raw) = (fragment.to_vec(), unit.to_vec());
            output.in_place = false;
            self.open = Some(Open { stream: head.stream, flags: head.flags, priority, block, raw });
            return Ok(());
        }
        match self.read(head.stream, fragment)? {
            None => output.pass(unit),
            Some(block) => output.write(&framed(head.stream, head.flags, priority, &block)),
        }
        Ok(())
    }

    fn continuation(
        &mut self,
        mut open: Open,
        head: Head,
        payload: &[u8],
        unit: &[u8],
        output: &mut Output<'_>,
    ) -> Result<(), RefusedFrame> {
        open.block.extend_from_slice(payload);
        open.raw.extend_from_slice(unit);
        if open.raw.len() > BLOCK {
            return Err(RefusedFrame::BlockLength(head.stream));
        }
        if head.flags & END_HEADERS == 0 {
            self.open = Some(open);
            return Ok(());
        }
        match self.read(head.stream, &open.block)? {
            None => output.write(&open.raw),
            Some(block) => output.write(&framed(open.stream, open.flags, open.priority, &block)),
        }
        Ok(())
    }

    fn read(&mut self, stream: u32, block: &[u8]) -> Result<Option<Vec<u8>>, RefusedFrame> {
        self.blocks.read(block).map_err(|reason| RefusedFrame::Block { stream, reason })
    }
}

/// The priority and the fragment of a HEADERS frame, without the padding; `None` if they don't fit.
fn unwrap_padding(head: Head, mut payload: &[u8]) -> Option<(Option<[u8; 5]>, &[u8])> {
    let mut padding = 0;
    if head.flags & PADDED != 0 {
        let (length, rest) = payload.split_first()?;
        (padding, payload) = (usize::from(*length), rest);
    }
    let mut priority = None;
    if head.flags & PRIORITY != 0 {
        let (bytes, rest) = payload.split_first_chunk()?;
        (priority, payload) = (Some(*bytes), rest);
    }
    let fragment = payload.get(..payload.len().checked_sub(padding)?)?;
    Some((priority, fragment))
}

/// A header block in frames, without padding.
fn framed(stream: u32, flags: u8, priority: Option<[u8; 5]>, block: &[u8]) -> Vec<u8> {
    let priority = priority.as_ref().map_or(&[][..], |bytes| bytes);
    let mut out = Vec::with_capacity(block.len() + priority.len() + 2 * HEAD);
    let (first, mut rest) = block.split_at(block.len().min(FRAME - priority.len()));
    let end = |rest: &[u8]| if rest.is_empty() { END_HEADERS } else { 0 };
    let flags = flags & (END_STREAM | PRIORITY) | end(rest);
    Head { length: priority.len() + first.len(), kind: HEADERS, flags, stream }.write(&mut out);
    out.extend_from_slice(priority);
    out.extend_from_slice(first);
    while !rest.is_empty() {
        let (next, later) = rest.split_at(rest.len().min(FRAME));
        rest = later;
        Head { length: next.len(), kind: CONTINUATION, flags: end(rest), stream }.write(&mut out);
        out.extend_from_slice(next);
    }
    out
}

#[cfg(test)]
mod tests;
