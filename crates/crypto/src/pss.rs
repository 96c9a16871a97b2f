//! RSASSA-PSS verification with a salt of any length (RFC 8017, 8.1.2 and 9.1.2), which the crypto library does not offer.
//!
//! It handles public values only, so it need not run in constant time.

use num_bigint::BigUint;

use crate::digest::sha256;

const HASH: usize = 32;

/// Whether `signature` fits `message` under SHA-256 and MGF1 with SHA-256.
pub(crate) fn verify(modulus: &[u8], exponent: &[u8], message: &[u8], signature: &[u8]) -> bool {
    if signature.len() != modulus.len() || modulus.len() < 128 {
        return false;
    }
    let n = BigUint::from_bytes_be(modulus);
    let s = BigUint::from_bytes_be(signature);
    if s >= n {
        return false;
    }
    let Ok(bits) = usize::try_from(n.bits() - 1) else { return false };
    let encoded = s.modpow(&BigUint::from_bytes_be(exponent), &n).to_bytes_be();
    let length = bits.div_ceil(8);
    if encoded.len() > length {
        return false;
    }
    let mut padded = vec![0; length - encoded.len()];
    padded.extend_from_slice(&encoded);
    unpad(&padded, bits, message).unwrap_or(false)
}

/// EMSA-PSS-VERIFY; `None` when the encoding is too short for its parts.
fn unpad(encoded: &[u8], bits: usize, message: &[u8]) -> Option<bool> {
    let (body, trailer) = encoded.split_at_checked(encoded.len().checked_sub(1)?)?;
    let (masked, hash) = body.split_at_checked(body.len().checked_sub(HASH)?)?;
    let unused = encoded.len() * 8 - bits;
    let top = *masked.first()?;
    if trailer != [0xbc] || unused > 7 || u32::from(top) >> (8 - unused) != 0 {
        return Some(false);
    }
    let mut block: Vec<u8> = masked.iter().zip(mask(hash, masked.len())).map(|(a, b)| a ^ b).collect();
    *block.first_mut()? &= 0xff_u8.checked_shr(u32::try_from(unused).ok()?)?;
    let zeros = block.iter().take_while(|byte| **byte == 0).count();
    if block.get(zeros) != Some(&1) {
        return Some(false);
    }
    let mut hashed = vec![0; 8];
    hashed.extend_from_slice(&sha256(message));
    hashed.extend_from_slice(block.get(zeros + 1..)?);
    Some(sha256(&hashed) == hash)
}

/// MGF1 with SHA-256 (RFC 8017, B.2.1).
fn mask(seed: &[u8], length: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(length + HASH);
    let mut counter = 0_u32;
    while out.len() < length {
        out.extend_from_slice(&sha256(&[seed, &counter.to_be_bytes()].concat()));
        counter += 1;
    }
    out.truncate(length);
    out
}
