//! Randomness of the operating system.

use aws_lc_rs::rand;

const ALPHANUMERIC: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The system has no randomness to give; nothing can be issued then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no randomness from the operating system")]
pub struct NoRandomness;

/// Random bytes.
///
/// # Errors
/// [`NoRandomness`].
pub fn bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut out = [0; N];
    rand::fill(&mut out).map_err(|_| NoRandomness)?;
    Ok(out)
}

/// A text of `length` letters and digits, each equally likely.
///
/// # Errors
/// [`NoRandomness`].
pub fn alphanumeric(length: usize) -> Result<String, NoRandomness> {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        // Bytes from 248 on would make the first letters likelier.
        let usable = bytes::<64>()?.into_iter().filter(|byte| *byte < 248);
        text.extend(usable.filter_map(|byte| ALPHANUMERIC.get(usize::from(byte % 62)).copied().map(char::from)));
    }
    text.truncate(length);
    Ok(text)
}

/// A number even in 0..1, for jitter.
pub fn fraction() -> f64 {
    bytes::<4>().map_or(0.5, |bytes| f64::from(u32::from_be_bytes(bytes)) / (f64::from(u32::MAX) + 1.0))
}
