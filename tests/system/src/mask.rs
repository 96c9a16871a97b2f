//! Masks for what differs from run to run: IDs, times, keys, numbers.

use regex::Regex;

/// Values of these fields are masked as `<v>`.
const VALUES: &str = "x|y|kid|x5c|public_key|asn1|value|x509_svid|private_key|root_cas|token|svid|bundle|x509_svid_key";

/// Masks a text in the way in which `tests/golden/cli.json` was.
pub fn mask(text: &str) -> String {
    let steps = [
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<uuid>"),
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| [+-]\d{4}( [A-Z]+)?)", "<time>"),
        (r"(?m)^(\t?)eyJ[\w-]+\.[\w-]+\.[\w-]+$", "$1<jwt>"),
        (r"-----BEGIN [A-Z ]+-----[^-]+-----END [A-Z ]+-----", "<pem>"),
        (r#""(expires_at|created_at|revision_number)":"\d+""#, r#""$1":<n>"#),
        (r"(Serial number +: )\d+", "$1<n>"),
        (r"(Received \d+ svids? after )\S+", "$1<dur>"),
        (r"(?m)^(  Uptime):.*$", "$1"),
        (r"/tmp/spire-(server|agent)\b", "/tmp/BIN"),
        (r"\b[0-9a-f]{40}\b", "<skid>"),
    ];
    let masked = steps.iter().fold(text.to_owned(), |text, (pattern, mask)| replaced(&text, pattern, mask));
    let values = format!(r#""({VALUES})": ?("[^"]*"|\[[^\]]*\])"#);
    replaced(&masked, &values, r#""$1":<v>"#)
}

/// Masks further what the record left in, for both sides of a comparison.
pub fn mask_more(text: &str) -> String {
    [
        (r#""key_id":"[^"]+""#, r#""key_id":<v>"#),
        (r#""issued_at":"\d+""#, r#""issued_at":<n>"#),
        (r#"("bundles":\{"spiffe://rig\.example":)"[^"]*""#, "$1<v>"),
        (r"SERIALNUMBER=\d+", "SERIALNUMBER=<n>"),
        (r"(Agent version +: )\S+", "$1<version>"),
        // The server's figures are cached for five seconds.
        (r"(Registration Entries: +)\d+", "$1<n>"),
        (r"^\d+\.\d+\.\d+-[\w.-]+\n$", "<version>\n"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (pattern, mask)| replaced(&text, pattern, mask))
}

fn replaced(text: &str, pattern: &str, mask: &str) -> String {
    Regex::new(pattern).map_or_else(|_| text.to_owned(), |pattern| pattern.replace_all(text, mask).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volatile_values_are_masked_as_in_the_record() {
        for (text, masked) in [
            ("Token: c57f591b-5568-4555-8d5b-8f52ce7a7ed7\n", "Token: <uuid>\n"),
            ("Expiration time   : 2026-11-23 19:21:53 +0000 UTC\n", "Expiration time   : <time>\n"),
            ("expires \"2026-11-23T19:21:53Z\"", "expires \"<time>\""),
            ("as \"2006-01-02 15:04:05 -0700 -07\"", "as \"<time> -07\""),
            ("eyJhbGc.eyJh-_.abc\n", "<jwt>\n"),
            ("{\"x509_svid\":[\"MII\",\"MII\"],\"a\":\"b\"}", "{\"x509_svid\":<v>,\"a\":\"b\"}"),
            ("{\"svid\":{\"expires_at\":\"17\",\"token\":\"e\"}}", "{\"svid\":{\"expires_at\":<n>,\"token\":<v>}}"),
            ("\"x5c\": [\n  \"MII\"\n ]\n", "\"x5c\":<v>\n"),
            ("  Uptime:    5s\n  Registered", "  Uptime\n  Registered"),
            ("dial unix ///tmp/spire-server/private", "dial unix ///tmp/BIN/private"),
            ("{\"authority_id\":\"f2f95280f555c4ada8c7fb829df3f50d9c8e7640\"}", "{\"authority_id\":\"<skid>\"}"),
        ] {
            assert_eq!(mask(text), masked);
        }
    }
}
