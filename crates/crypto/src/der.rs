//! A small reader and writer of DER (X.690), strict and without recursion of its own.

/// Why bytes are not the DER that was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DerError {
    /// The bytes end too early, or a length is not in its shortest form.
    #[error("malformed DER")]
    Malformed,
    /// Another tag stands where this one was looked for.
    #[error("unexpected DER tag {found:#04x}, expected {expected:#04x}")]
    Tag {
        /// Tag looked for.
        expected: u8,
        /// Tag found.
        found: u8,
    },
    /// Bytes are left where the value should end.
    #[error("trailing data")]
    Trailing,
    /// A value is not in the range of its type.
    #[error("invalid DER value")]
    Value,
}

/// Tags of the universal class as this product meets them.
pub mod tag {
    #![expect(missing_docs, reason = "the names say it")]
    pub const BOOLEAN: u8 = 0x01;
    pub const INTEGER: u8 = 0x02;
    pub const BIT_STRING: u8 = 0x03;
    pub const OCTET_STRING: u8 = 0x04;
    pub const NULL: u8 = 0x05;
    pub const OID: u8 = 0x06;
    pub const UTF8_STRING: u8 = 0x0c;
    pub const PRINTABLE_STRING: u8 = 0x13;
    pub const IA5_STRING: u8 = 0x16;
    pub const UTC_TIME: u8 = 0x17;
    pub const GENERALIZED_TIME: u8 = 0x18;
    pub const SEQUENCE: u8 = 0x30;
    pub const SET: u8 = 0x31;
    /// Context-specific, constructed, number `n`.
    pub const fn context(n: u8) -> u8 {
        0xa0 | n
    }
    /// Context-specific, primitive, number `n`.
    pub const fn implicit(n: u8) -> u8 {
        0x80 | n
    }
}

/// Reads values one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

/// One value: its tag, its content, and the whole encoding.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    /// The tag.
    pub tag: u8,
    /// The content.
    pub content: &'a [u8],
    /// Tag, length and content.
    pub whole: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Reads `bytes` as one value of `expected` and returns a reader of its content.
    ///
    /// # Errors
    /// [`DerError`] also when bytes follow the value.
    pub fn single(bytes: &'a [u8], expected: u8) -> Result<Self, DerError> {
        let mut reader = Self::new(bytes);
        let inner = reader.constructed(expected)?;
        reader.end()?;
        Ok(inner)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The tag of the next value.
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Reads the next value, whatever it is.
    ///
    /// # Errors
    /// [`DerError::Malformed`] for multi-byte tags, indefinite or overlong lengths, and values cut short.
    pub fn value(&mut self) -> Result<Value<'a>, DerError> {
        let [tag, first, after @ ..] = self.rest else { return Err(DerError::Malformed) };
        if tag & 0x1f == 0x1f {
            return Err(DerError::Malformed);
        }
        let (length, header) = match *first {
            short @ 0..=0x7f => (usize::from(short), 2),
            long @ 0x81..=0x84 => {
                let count = usize::from(long & 0x7f);
                let bytes = after.get(..count).ok_or(DerError::Malformed)?;
                let length = bytes.iter().fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
                if length < 0x80 || bytes.first() == Some(&0) {
                    return Err(DerError::Malformed);
                }
                (length, 2 + count)
            }
            _ => return Err(DerError::Malformed),
        };
        let end = header.checked_add(length).ok_or(DerError::Malformed)?;
        let whole = self.rest.get(..end).ok_or(DerError::Malformed)?;
        let content = whole.get(header..).ok_or(DerError::Malformed)?;
        self.rest = self.rest.get(end..).ok_or(DerError::Malformed)?;
        Ok(Value { tag: *tag, content, whole })
    }

    /// Reads the next value, which must have the tag `expected`.
    ///
    /// # Errors
    /// [`DerError::Tag`] and those of [`Reader::value`].
    pub fn expect(&mut self, expected: u8) -> Result<Value<'a>, DerError> {
        let value = self.value()?;
        if value.tag == expected { Ok(value) } else { Err(DerError::Tag { expected, found: value.tag }) }
    }

    /// Reads the next value if it has the tag `wanted`.
    ///
    /// # Errors
    /// Those of [`Reader::value`].
    pub fn optional(&mut self, wanted: u8) -> Result<Option<Value<'a>>, DerError> {
        if self.peek() == Some(wanted) { self.value().map(Some) } else { Ok(None) }
    }

    /// A reader of the content of the next value, which must have the tag `expected`.
    ///
    /// # Errors
    /// Those of [`Reader::expect`].
    pub fn constructed(&mut self, expected: u8) -> Result<Self, DerError> {
        Ok(Self::new(self.expect(expected)?.content))
    }

    /// Reads a positive INTEGER and returns its magnitude without leading zeros.
    ///
    /// # Errors
    /// [`DerError::Value`] for a negative number or one not in its shortest form.
    pub fn unsigned(&mut self) -> Result<&'a [u8], DerError> {
        match self.expect(tag::INTEGER)?.content {
            [] | [0x80..=0xff, ..] | [0, 0..=0x7f, ..] => Err(DerError::Value),
            [0, rest @ ..] if !rest.is_empty() => Ok(rest),
            content => Ok(content),
        }
    }

    /// Reads a BOOLEAN.
    ///
    /// # Errors
    /// [`DerError::Value`] for anything but 00 and FF.
    pub fn boolean(&mut self) -> Result<bool, DerError> {
        match self.expect(tag::BOOLEAN)?.content {
            [0x00] => Ok(false),
            [0xff] => Ok(true),
            _ => Err(DerError::Value),
        }
    }

    /// Reads a BIT STRING of whole bytes.
    ///
    /// # Errors
    /// [`DerError::Value`] when bits are unused.
    pub fn bit_string(&mut self) -> Result<&'a [u8], DerError> {
        match self.expect(tag::BIT_STRING)?.content {
            [0, bits @ ..] => Ok(bits),
            _ => Err(DerError::Value),
        }
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    /// [`DerError::Trailing`].
    pub fn end(&self) -> Result<(), DerError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DerError::Trailing) }
    }
}

/// Writes values into one buffer.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// A writer whose buffer has room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { bytes: Vec::with_capacity(capacity) }
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Writes encoded values as they are.
    pub fn raw(&mut self, encoded: &[u8]) {
        self.bytes.extend_from_slice(encoded);
    }

    /// Writes a value with the given content.
    pub fn value(&mut self, tag: u8, content: &[u8]) {
        self.constructed(tag, |writer| writer.raw(content));
    }

    /// Writes a value whose content `fill` writes.
    pub fn constructed(&mut self, tag: u8, fill: impl FnOnce(&mut Self)) {
        self.bytes.push(tag);
        self.bytes.push(0);
        let start = self.bytes.len();
        fill(self);
        let length = self.bytes.len() - start;
        if length < 0x80 {
            if let (Some(slot), Ok(short)) = (self.bytes.get_mut(start - 1), u8::try_from(length)) {
                *slot = short;
            }
            return;
        }
        let encoded = length.to_be_bytes();
        let zeros = encoded.iter().take_while(|byte| **byte == 0).count();
        let significant = encoded.get(zeros..).unwrap_or_default();
        if let (Some(slot), Ok(count)) = (self.bytes.get_mut(start - 1), u8::try_from(significant.len())) {
            *slot = 0x80 | count;
        }
        self.bytes.splice(start..start, significant.iter().copied());
    }

    /// Writes a SEQUENCE.
    pub fn sequence(&mut self, fill: impl FnOnce(&mut Self)) {
        self.constructed(tag::SEQUENCE, fill);
    }

    /// Writes a positive INTEGER from its magnitude.
    pub fn unsigned(&mut self, magnitude: &[u8]) {
        let zeros = magnitude.iter().take_while(|byte| **byte == 0).count();
        let significant = magnitude.get(zeros..).unwrap_or_default();
        self.constructed(tag::INTEGER, |writer| {
            if significant.first().is_none_or(|byte| *byte >= 0x80) {
                writer.bytes.push(0);
            }
            writer.raw(significant);
        });
    }

    /// Writes a BIT STRING of whole bytes.
    pub fn bit_string(&mut self, bits: &[u8]) {
        self.constructed(tag::BIT_STRING, |writer| {
            writer.bytes.push(0);
            writer.raw(bits);
        });
    }

    /// Writes an OBJECT IDENTIFIER from its encoded arcs.
    pub fn oid(&mut self, encoded: &[u8]) {
        self.value(tag::OID, encoded);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut writer = Writer::default();
        writer.sequence(|w| {
            w.unsigned(&[0, 0x80]);
            w.value(tag::OCTET_STRING, &[7; 300]);
            w.bit_string(&[1, 2]);
        });
        let bytes = writer.into_bytes();
        let mut reader = Reader::single(&bytes, tag::SEQUENCE).unwrap();
        assert_eq!(reader.unsigned().unwrap(), [0x80]);
        assert_eq!(reader.expect(tag::OCTET_STRING).unwrap().content.len(), 300);
        assert_eq!(reader.bit_string().unwrap(), [1, 2]);
        reader.end().unwrap();
    }

    #[test]
    fn loose_encodings_are_refused() {
        for bytes in [
            &[0x30_u8, 0x80][..],
            &[0x30, 0x81, 0x01, 0x00],
            &[0x30, 0x82, 0x00, 0x80],
            &[0x30, 0x05, 0x00],
            &[0x1f, 0x81, 0x00],
        ] {
            assert!(Reader::new(bytes).value().is_err(), "{bytes:02x?}");
        }
        for bytes in [&[2_u8, 0][..], &[2, 1, 0x80], &[2, 2, 0, 1], &[2, 3, 0, 0, 0x80]] {
            assert!(Reader::new(bytes).unsigned().is_err(), "{bytes:02x?}");
        }
        assert_eq!(Reader::new(&[2, 1, 0]).unsigned().unwrap(), [0]);
    }
}
