//! UIDs of Kubernetes pods.

use std::fmt;

/// The UID of a pod, in one of the forms that they have: a UUID in small letters, or the 32 digits of a static pod. It is safe
/// as the name of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodUid(String);

/// A text is not the UID of a pod.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the UID of a pod")]
pub struct PodUidError(String);

impl PodUid {
    /// Reads a UID.
    ///
    /// # Errors
    /// [`PodUidError`] when it has another form.
    pub fn parse(text: &str) -> Result<Self, PodUidError> {
        if has_form(text) { Ok(Self(text.to_owned())) } else { Err(PodUidError(text.chars().take(64).collect())) }
    }

    /// The UID as a text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PodUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn has_form(text: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let dash = |index: usize| matches!(index, 8 | 13 | 18 | 23);
    match text.len() {
        32 => text.bytes().all(digit),
        36 => text.bytes().enumerate().all(|(index, byte)| if dash(index) { byte == b'-' } else { digit(byte) }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "72f7f152-440c-66ac-9084-e0fc1d8a910c";

    #[test]
    fn uids_are_uuids_or_the_digits_of_static_pods() {
        assert_eq!(PodUid::parse(UID).unwrap().as_str(), UID);
        assert!(PodUid::parse(&UID.replace('-', "")).is_ok());
    }

    #[test]
    fn whatever_else_could_be_a_path_is_refused() {
        let slash = UID.replace("-440c-", "/../.");
        for forged in ["", "..", ".", "driver.sock", &slash, &UID.to_uppercase(), &format!("{UID}0"), &UID[1..]] {
            assert!(PodUid::parse(forged).is_err(), "{forged}");
        }
        for (from, to) in [("7", "/"), ("7", "."), ("-", "a"), ("7", "\0"), ("7", "é")] {
            assert!(PodUid::parse(&UID.replace(from, to)).is_err(), "{to:?} for {from}");
        }
        let long = "x".repeat(1_000);
        assert!(PodUid::parse(&long).unwrap_err().to_string().len() < 100);
    }
}
