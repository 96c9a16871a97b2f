//! Digests.

use std::io::{self, Read};

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::hmac;

/// SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    sized(digest(&SHA256, bytes).as_ref())
}

/// SHA-256 of what `parts` are together.
pub fn sha256_of(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    sized(context.finish().as_ref())
}

/// HMAC-SHA256 of `bytes` by a key (RFC 2104).
pub fn hmac_sha256(key: &[u8], bytes: &[u8]) -> [u8; 32] {
    sized(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), bytes).as_ref())
}

/// SHA-1 of `bytes`, for key identifiers and fingerprints, where it is a name and not a proof.
pub fn sha1(bytes: &[u8]) -> [u8; 20] {
    sized(digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref())
}

/// SHA-256 of all that `reader` yields, in lower-case hexadecimal digits.
///
/// # Errors
/// Those of the reader.
pub fn sha256_hex_of(mut reader: impl Read) -> io::Result<String> {
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let length = reader.read(&mut buffer)?;
        if length == 0 {
            return Ok(hex::encode(context.finish().as_ref()));
        }
        context.update(buffer.get(..length).unwrap_or_default());
    }
}

fn sized<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    for (to, from) in out.iter_mut().zip(bytes) {
        *to = *from;
    }
    out
}
