//! A world for tests: streams in memory and a clock that stands.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Cursor, Write};
use std::rc::Rc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use steeple_clock::Clock;

use super::env::Env;

/// A stream that can be read back.
#[derive(Clone, Default)]
struct Kept(Rc<RefCell<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What was written.
pub(crate) struct Streams {
    out: Kept,
    err: Kept,
}

impl Streams {
    /// Standard output.
    pub(crate) fn out(&self) -> String {
        String::from_utf8(self.out.0.borrow().clone()).unwrap()
    }

    /// Standard error.
    pub(crate) fn err(&self) -> String {
        String::from_utf8(self.err.0.borrow().clone()).unwrap()
    }
}

/// The world, with nothing on standard input.
pub(crate) fn env() -> (Env, Streams) {
    let streams = Streams { out: Kept::default(), err: Kept::default() };
    let env = Env {
        vars: BTreeMap::new(),
        stdin: Box::new(Cursor::new(Vec::new())),
        stdout: Box::new(streams.out.clone()),
        stderr: Box::new(streams.err.clone()),
        clock: Clock::manual(Timestamp::from_second(1_795_461_713).unwrap()).0,
        zone: TimeZone::UTC,
    };
    (env, streams)
}
