//! The names under which calls of RPCs are counted.

/// The key of a method's counter: `rpc_svid_v1_svid_new_jwtsvid` for `NewJWTSVID` of the service that SPIRE calls
/// `svid.v1.SVID`.
pub fn rpc_key(first: &str, service: &str, method: &str) -> String {
    service.split('.').chain([method]).fold(first.to_owned(), |key, word| format!("{key}_{}", snake(word)))
}

/// Snake case as SPIRE's metrics have it: a capital begins a word when a small letter is beside it and another letter follows.
fn snake(word: &str) -> String {
    let letters: Vec<char> = word.chars().collect();
    let small = |at: Option<usize>| at.and_then(|at| letters.get(at)).is_some_and(char::is_ascii_lowercase);
    let mut out = String::new();
    for (at, letter) in letters.iter().enumerate() {
        let begins = letter.is_ascii_uppercase() && at > 0 && at + 1 < letters.len();
        if begins && (small(Some(at + 1)) || small(at.checked_sub(1))) && !out.ends_with('_') {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_spire() {
        for (service, method, key) in [
            ("svid.v1.SVID", "NewJWTSVID", "rpc_svid_v1_svid_new_jwtsvid"),
            ("svid.v1.SVID", "BatchNewX509SVID", "rpc_svid_v1_svid_batch_new_x509svid"),
            ("entry.v1.Entry", "BatchCreateEntry", "rpc_entry_v1_entry_batch_create_entry"),
            ("WorkloadAPI", "FetchX509Bundles", "rpc_workload_api_fetch_x509_bundles"),
            ("SDS.v3", "StreamSecrets", "rpc_sds_v3_stream_secrets"),
        ] {
            assert_eq!(rpc_key("rpc", service, method), key);
        }
    }
}
