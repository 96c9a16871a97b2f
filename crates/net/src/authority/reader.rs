//! Reads the integers and strings of header compression (RFC 7541, section 5).

use super::hpack::MalformedBlock;

/// What is left of a header block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    pub(super) rest: &'a [u8],
}

/// A string as it was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'a> {
    pub(super) huffman: bool,
    pub(super) bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The first byte, which says what comes; `None` at the end.
    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// An integer that begins with the low `prefix` bits of the next byte. Anything above 2^28 is refused, as in the
    /// library under us.
    pub(super) fn integer(&mut self, prefix: u32) -> Result<usize, MalformedBlock> {
        let mask = (1_usize << prefix) - 1;
        let mut value = usize::from(self.byte()?) & mask;
        if value < mask {
            return Ok(value);
        }
        for shift in [0_u32, 7, 14, 21] {
            let byte = usize::from(self.byte()?);
            value += (byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(MalformedBlock::Integer)
    }

    /// A string, still encoded.
    pub(super) fn text(&mut self) -> Result<Text<'a>, MalformedBlock> {
        let huffman = self.peek().ok_or(MalformedBlock::Ends)? & 0x80 != 0;
        let length = self.integer(7)?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(MalformedBlock::Ends)?;
        self.rest = rest;
        Ok(Text { huffman, bytes })
    }

    fn byte(&mut self) -> Result<u8, MalformedBlock> {
        let (byte, rest) = self.rest.split_first().ok_or(MalformedBlock::Ends)?;
        self.rest = rest;
        Ok(*byte)
    }
}

/// Appends `value` as an integer whose first byte has `pattern` above its `prefix` bits.
pub(super) fn write_integer(out: &mut Vec<u8>, pattern: u8, prefix: u32, value: usize) {
    let mask = (1_usize << prefix) - 1;
    let byte = |value: usize| u8::try_from(value & 0xff).unwrap_or_default();
    if value < mask {
        out.push(pattern | byte(value));
        return;
    }
    out.push(pattern | byte(mask));
    let mut left = value - mask;
    while left >= 0x80 {
        out.push(byte(left & 0x7f) | 0x80);
        left >>= 7;
    }
    out.push(byte(left));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_the_standard_are_read_and_written() {
        // RFC 7541, appendix C.1.
        for (bytes, prefix, value) in [(&[0x0a][..], 5, 10), (&[0x1f, 0x9a, 0x0a], 5, 1337), (&[0x2a], 8, 42)] {
            assert_eq!(Reader { rest: bytes }.integer(prefix), Ok(value));
            let mut written = Vec::new();
            write_integer(&mut written, 0, prefix, value);
            assert_eq!(written, bytes);
        }
    }

    #[test]
    fn integers_come_back_as_written() {
        for value in (0..400).chain([16_383, 16_384, 65_535, 65_536, (1 << 28) - 1]) {
            for prefix in 4..=7 {
                let mut written = Vec::new();
                write_integer(&mut written, 0, prefix, value);
                let mut reader = Reader { rest: &written };
                assert_eq!(reader.integer(prefix), Ok(value));
                assert!(reader.rest.is_empty());
            }
        }
    }

    #[test]
    fn endless_and_cut_integers_are_refused() {
        assert_eq!(Reader { rest: &[0x7f, 0xff, 0xff, 0xff, 0xff, 0x01] }.integer(7), Err(MalformedBlock::Integer));
        assert_eq!(Reader { rest: &[0x7f, 0xff] }.integer(7), Err(MalformedBlock::Ends));
        assert_eq!(Reader { rest: &[] }.integer(7), Err(MalformedBlock::Ends));
    }

    #[test]
    fn text_longer_than_the_block_is_refused() {
        assert!(matches!(Reader { rest: &[0x03, b'a', b'b'] }.text(), Err(MalformedBlock::Ends)));
        assert!(matches!(Reader { rest: &[] }.text(), Err(MalformedBlock::Ends)));
    }
}
