//! The Huffman code of header compression (RFC 7541, section 5.2 and appendix B).
//!
//! The code is canonical: within a length, codes ascend with their symbols, and the next length goes on where the last
//! one stopped. The lengths therefore say everything.

use super::hpack::MalformedBlock;

/// Bits of each byte's code; the last is the end-of-string symbol's.
#[rustfmt::skip]
const BITS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// The end-of-string symbol, which may not occur in a string.
const END: u16 = 256;

/// The codes of one length.
#[derive(Clone, Copy)]
struct Length {
    bits: u8,
    /// The first of them, at the high end of 64 bits.
    first: u64,
    /// The last 64 bits that begin with one of them.
    last: u64,
    /// The place of the first one's symbol in [`Code::symbols`].
    symbol: usize,
}

struct Code {
    lengths: [Length; LENGTHS],
    symbols: [u16; 257],
}

/// How many different lengths codes have.
const LENGTHS: usize = 21;

static CODE: Code = code();

#[expect(clippy::indexing_slicing, reason = "runs when this is compiled; a wrong index doesn't compile")]
#[expect(clippy::cast_possible_truncation, reason = "`symbol` is at most 256")]
const fn code() -> Code {
    let mut code = Code { lengths: [Length { bits: 0, first: 0, last: 0, symbol: 0 }; LENGTHS], symbols: [0; 257] };
    let (mut next, mut placed, mut length, mut bits) = (0_u64, 0, 0, 1_u8);
    while bits <= 30 {
        next <<= 1;
        let (first, start, mut symbol) = (next, placed, 0);
        while symbol < BITS.len() {
            if BITS[symbol] == bits {
                code.symbols[placed] = symbol as u16;
                placed += 1;
                next += 1;
            }
            symbol += 1;
        }
        if placed > start {
            let shift = 64 - bits as u32;
            let last = ((next - 1) << shift) | ((1 << shift) - 1);
            code.lengths[length] = Length { bits, first: first << shift, last, symbol: start };
            length += 1;
        }
        bits += 1;
    }
    assert!(length == LENGTHS && placed == BITS.len());
    code
}

/// Gives each byte that `coded` stands for to `each`.
pub(super) fn decode(coded: &[u8], mut each: impl FnMut(u8)) -> Result<(), MalformedBlock> {
    let mut coded = coded.iter();
    // The next bits stand at the high end; what follows the last of them is ones, as padding is.
    let (mut window, mut left) = (u64::MAX, 0_u32);
    loop {
        while left <= 56 {
            let Some(byte) = coded.next() else { break };
            let shift = 56 - left;
            window &= !(u64::from(!*byte) << shift);
            left += 8;
        }
        if left == 0 {
            return Ok(());
        }
        let length = CODE.lengths.iter().find(|length| window <= length.last).ok_or(MalformedBlock::Huffman)?;
        let bits = u32::from(length.bits);
        if bits > left {
            // Fewer than eight ones pad the last byte.
            return if left < 8 && window == u64::MAX { Ok(()) } else { Err(MalformedBlock::Huffman) };
        }
        let place = usize::try_from((window - length.first) >> (64 - bits)).unwrap_or(usize::MAX);
        let symbol = CODE.symbols.get(length.symbol.saturating_add(place)).copied().unwrap_or(END);
        each(u8::try_from(symbol).map_err(|_| MalformedBlock::Huffman)?);
        window = !(!window << bits);
        left -= bits;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(coded: &str) -> Result<Vec<u8>, MalformedBlock> {
        let mut bytes = Vec::new();
        decode(&hex::decode(coded).unwrap(), |byte| bytes.push(byte)).map(|()| bytes)
    }

    /// The code of a byte from [`BITS`] alone, counted the slow way.
    fn code_of(symbol: usize) -> (u64, u8) {
        let mut code = 0;
        for bits in 1..=30 {
            code <<= 1;
            for (other, length) in BITS.iter().enumerate() {
                if *length == bits {
                    if other == symbol {
                        return (code, bits);
                    }
                    code += 1;
                }
            }
        }
        unreachable!()
    }

    #[test]
    fn strings_of_the_standard_are_read() {
        // RFC 7541, appendices C.4 and C.6.
        for (coded, plain) in [
            ("f1e3c2e5f23a6ba0ab90f4ff", "www.example.com"),
            ("a8eb10649cbf", "no-cache"),
            ("25a849e95ba97d7f", "custom-key"),
            ("25a849e95bb8e8b4bf", "custom-value"),
            ("6402", "302"),
            ("aec3771a4b", "private"),
            ("d07abe941054d444a8200595040b8166e082a62d1bff", "Mon, 21 Oct 2013 20:13:21 GMT"),
            ("9d29ad171863c78f0b97c8e9ae82ae43d3", "https://www.example.com"),
            (
                "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
                "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
            ),
            ("", ""),
        ] {
            assert_eq!(text(coded).unwrap(), plain.as_bytes(), "{coded}");
        }
        assert_eq!(text("ffc7ffffddffffffe7ffffff7f").unwrap(), b"\x00\xff\n\xf9");
    }

    #[test]
    fn every_byte_is_read_from_its_code() {
        for symbol in 0..256 {
            let (code, bits) = code_of(symbol);
            // Twice in a row, then padding.
            let twice = ((u128::from(code) << bits) | u128::from(code)) << (128 - 2 * u32::from(bits));
            let padded = twice | (u128::MAX >> (2 * u32::from(bits)));
            let coded = &padded.to_be_bytes()[..usize::from(bits * 2).div_ceil(8)];
            let mut bytes = Vec::new();
            decode(coded, |byte| bytes.push(byte)).unwrap();
            assert_eq!(bytes, [u8::try_from(symbol).unwrap(); 2]);
        }
    }

    #[test]
    fn bad_padding_and_the_end_symbol_are_refused() {
        // A full byte of padding, zeros as padding, thirty ones.
        for coded in ["6402ff", "18", "1c", "ffffffff", "fffffffc", "ff"] {
            assert_eq!(text(coded), Err(MalformedBlock::Huffman), "{coded}");
        }
    }
}
