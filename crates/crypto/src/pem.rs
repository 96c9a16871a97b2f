//! PEM (RFC 7468).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// Largest text read, in bytes.
const MAX_LENGTH: usize = 4 << 20;

/// Why a text is not PEM.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// The text is larger than 4 MiB.
    #[error("PEM is too large")]
    TooLarge,
    /// A block has no end, or an end that does not fit its beginning.
    #[error("PEM block {0} is not closed")]
    Unclosed(String),
    /// A block's content is not base64.
    #[error("PEM block {0} is not base64")]
    NotBase64(String),
}

/// One block.
#[derive(Clone, PartialEq, Eq)]
pub struct Block {
    /// The label, such as `CERTIFICATE`.
    pub label: String,
    /// The content.
    pub der: zeroize::Zeroizing<Vec<u8>>,
}

/// Reads all blocks; text around them is passed over, headers within are refused.
///
/// # Errors
/// [`PemError`].
pub fn parse(text: &str) -> Result<Vec<Block>, PemError> {
    if text.len() > MAX_LENGTH {
        return Err(PemError::TooLarge);
    }
    let mut blocks = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----")) else {
            continue;
        };
        let end = format!("-----END {label}-----");
        let mut body = zeroize::Zeroizing::new(String::new());
        loop {
            match lines.next() {
                Some(line) if line == end => break,
                Some(line) if !line.starts_with("-----") => body.push_str(line),
                _ => return Err(PemError::Unclosed(label.to_owned())),
            }
        }
        let der = BASE64_STANDARD.decode(body.as_bytes()).map_err(|_| PemError::NotBase64(label.to_owned()))?;
        blocks.push(Block { label: label.to_owned(), der: der.into() });
    }
    Ok(blocks)
}

/// The contents of all `CERTIFICATE` blocks.
///
/// # Errors
/// [`PemError`].
pub fn certificates(text: &str) -> Result<Vec<Vec<u8>>, PemError> {
    let blocks = parse(text)?;
    Ok(blocks.into_iter().filter(|block| block.label == "CERTIFICATE").map(|block| block.der.to_vec()).collect())
}

/// Writes one block, lines of 64 characters, with a newline at the end.
pub fn encode(label: &str, der: &[u8]) -> String {
    let body = BASE64_STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text + "-----END " + label + "-----\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_survive() {
        let text = format!("noise\n{}{}", encode("CERTIFICATE", &[7; 100]), encode("PRIVATE KEY", b"k"));
        let blocks = parse(&text).unwrap();
        assert_eq!((blocks.len(), blocks[0].der.len(), blocks[1].label.as_str()), (2, 100, "PRIVATE KEY"));
        assert_eq!(certificates(&text).unwrap(), [vec![7; 100]]);
    }

    #[test]
    fn broken_blocks_are_refused() {
        assert_eq!(parse("-----BEGIN A-----\nAAAA\n").err(), Some(PemError::Unclosed("A".into())));
        assert_eq!(parse("-----BEGIN A-----\n-----END B-----\n").err(), Some(PemError::Unclosed("A".into())));
        assert_eq!(parse("-----BEGIN A-----\n*\n-----END A-----\n").err(), Some(PemError::NotBase64("A".into())));
    }
}
