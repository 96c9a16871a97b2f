//! Header blocks (RFC 7541): what the peer's table holds, and authorities in the way.

use std::collections::VecDeque;

use http::uri::Authority;

use super::huffman;
use super::reader::{Reader, Text, write_integer};

/// Why a header block can't be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MalformedBlock {
    /// A field is cut.
    #[error("it ends within a field")]
    Ends,
    /// A number is out of every bound.
    #[error("an integer is too large")]
    Integer,
    /// A reference to nothing.
    #[error("index {0} is not in the table")]
    Index(usize),
    /// A string isn't in the Huffman code.
    #[error("a string is not in the Huffman code")]
    Huffman,
    /// A table size above the announced one.
    #[error("table size {0} is over the limit of {TABLE}")]
    Table(usize),
    /// A table size after a field.
    #[error("the table size changes after a field")]
    LateTable,
}

/// The table size that our SETTINGS announce, by not naming one.
const TABLE: usize = 4096;

/// What each entry of the table counts besides its name and value.
const ENTRY: usize = 32;

/// The name that is looked for; the first of the static table.
const AUTHORITY: &[u8] = b":authority";

/// The same in the Huffman code, in which a name has one form.
const CODED_AUTHORITY: &[u8] = &[0xb8, 0x3b, 0x53, 0x39, 0xec, 0x32, 0x7d, 0x7f];

/// What stands for an authority that can't be parsed.
const LOCALHOST: &[u8] = b"localhost";

/// Lengths of the names in the static table (RFC 7541, appendix A).
#[rustfmt::skip]
const STATIC: [u8; 61] = [
    10, 7, 7, 5, 5, 7, 7, 7, 7, 7, 7, 7, 7, 7, 14, 15, 15, 13, 6, 27, 3, 5, 13, 13, 19, 16, 16, 14, 16, 13, 12,
    6, 4, 4, 6, 7, 4, 4, 8, 17, 13, 8, 19, 13, 4, 8, 12, 18, 19, 5, 7, 7, 11, 6, 10, 25, 17, 10, 4, 3, 16,
];

/// The header blocks of a connection, in order.
#[derive(Debug)]
pub(super) struct Blocks {
    /// Newest first.
    table: VecDeque<Entry>,
    size: usize,
    limit: usize,
}

/// What matters of a field in the table. At most 128 fit.
#[derive(Clone, Copy, Debug)]
struct Entry {
    name: Name,
    size: usize,
}

#[derive(Clone, Copy, Debug)]
struct Name {
    authority: bool,
    length: usize,
}

impl Default for Blocks {
    fn default() -> Self {
        Self { table: VecDeque::new(), size: 0, limit: TABLE }
    }
}

impl Blocks {
    /// Reads the next block; what it becomes if it has an authority that can't be parsed, else `None`.
    pub(super) fn read(&mut self, block: &[u8]) -> Result<Option<Vec<u8>>, MalformedBlock> {
        let mut reader = Reader { rest: block };
        let mut rewritten: Option<Vec<u8>> = None;
        let mut fields = 0_usize;
        while let Some(first) = reader.peek() {
            let before = reader.rest;
            let replacement = self.field(first, &mut reader, &mut fields)?;
            let at = block.len() - before.len();
            if let Some(replacement) = replacement {
                let out = rewritten.get_or_insert_with(|| block.get(..at).unwrap_or_default().to_vec());
                out.extend_from_slice(&replacement);
            } else if let Some(out) = &mut rewritten {
                out.extend_from_slice(before.get(..before.len() - reader.rest.len()).unwrap_or_default());
            }
        }
        Ok(rewritten)
    }

    fn field(
        &mut self,
        first: u8,
        reader: &mut Reader<'_>,
        fields: &mut usize,
    ) -> Result<Option<Vec<u8>>, MalformedBlock> {
        if first & 0xe0 == 0x20 {
            let limit = reader.integer(5)?;
            match (*fields, limit) {
                (0, ..=TABLE) => self.resize(limit),
                (0, _) => return Err(MalformedBlock::Table(limit)),
                _ => return Err(MalformedBlock::LateTable),
            }
            return Ok(None);
        }
        *fields += 1;
        if first & 0x80 != 0 {
            let index = reader.integer(7)?;
            return self.name(index).map(|_| None);
        }
        self.literal(first, reader)
    }

    fn literal(&mut self, first: u8, reader: &mut Reader<'_>) -> Result<Option<Vec<u8>>, MalformedBlock> {
        let kept = first & 0x40 != 0;
        let (pattern, prefix) = if kept { (0x40, 6) } else { (first & 0x10, 4) };
        let name = match reader.integer(prefix)? {
            0 => Name::of(&reader.text()?)?,
            index => self.name(index)?,
        };
        let value = reader.text()?;
        let replacement = if name.authority { replacement(&value, kept)? } else { None };
        if kept {
            self.insert(name, decoded_length(&value)?);
        }
        Ok(replacement.map(|value| {
            let mut field = Vec::with_capacity(value.len() + 8);
            write_integer(&mut field, pattern, prefix, 1);
            write_integer(&mut field, 0, 7, value.len());
            field.extend_from_slice(&value);
            field
        }))
    }

    fn name(&self, index: usize) -> Result<Name, MalformedBlock> {
        let place = index.checked_sub(1).ok_or(MalformedBlock::Index(index))?;
        if let Some(length) = STATIC.get(place) {
            return Ok(Name { authority: place == 0, length: usize::from(*length) });
        }
        self.table.get(place - STATIC.len()).map(|entry| entry.name).ok_or(MalformedBlock::Index(index))
    }

    fn insert(&mut self, name: Name, value: usize) {
        let size = name.length + value + ENTRY;
        self.evict(self.limit.saturating_sub(size));
        if size <= self.limit {
            self.table.push_front(Entry { name, size });
            self.size += size;
        }
    }

    fn resize(&mut self, limit: usize) {
        self.limit = limit;
        self.evict(limit);
    }

    /// Drops the oldest until at most `size` is left.
    fn evict(&mut self, size: usize) {
        while self.size > size {
            let Some(oldest) = self.table.pop_back() else { break };
            self.size -= oldest.size;
        }
    }
}

impl Name {
    fn of(text: &Text<'_>) -> Result<Self, MalformedBlock> {
        let authority = text.bytes == if text.huffman { CODED_AUTHORITY } else { AUTHORITY };
        Ok(Self { authority, length: decoded_length(text)? })
    }
}

fn decoded_length(text: &Text<'_>) -> Result<usize, MalformedBlock> {
    let mut length = 0;
    if text.huffman {
        huffman::decode(text.bytes, |_| length += 1)?;
    } else {
        length = text.bytes.len();
    }
    Ok(length)
}

/// What stands for the authority `value` if it can't be parsed; of its length if the table keeps it.
fn replacement(value: &Text<'_>, kept: bool) -> Result<Option<Vec<u8>>, MalformedBlock> {
    let mut plain = Vec::new();
    if value.huffman {
        huffman::decode(value.bytes, |byte| plain.push(byte))?;
    } else {
        plain.extend_from_slice(value.bytes);
    }
    if Authority::try_from(plain.as_slice()).is_ok() {
        return Ok(None);
    }
    let length = if kept { plain.len() } else { LOCALHOST.len() };
    Ok(Some(LOCALHOST.iter().copied().chain(std::iter::repeat(b'-')).take(length).collect()))
}

#[cfg(test)]
mod tests;
