//! Two runs of one command compared: what differs from run to run is masked.

use regex::Regex;

/// Patterns and what stands for what they find, in the order in which they are used.
const MASKS: &[(&str, &str)] = &[
    (r"-----BEGIN [A-Z ]+-----[^-]+-----END [A-Z ]+-----\n?", "<pem>\n"),
    (r"(<pem>\n)+", "<pem>\n"),
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<uuid>"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| [+-]\d{4}( [A-Z]+)?)", "<time>"),
    (r"eyJ[\w-]+\.[\w-]+\.[\w-]+", "<jwt>"),
    (r#""[A-Za-z0-9+/_=-]{32,}""#, "<key>"),
    (r#""(expires_at|created_at|issued_at|x509svid_expires_at)": ?"\d+""#, r#""$1":<time>"#),
    (r#"("sequence_number": ?|"spiffe_sequence": ?)"?\d+"?"#, "$1<n>"),
    (r"(?m)^(Serial number +: ).+$", "$1<n>"),
    (r"(?m)^(  Authority ID: ).+$", "$1<id>"),
    // 1.13 doesn't know these of 1.15.
    (r#""wit_authorities":\[\],"#, ""),
    (r"(?m)^Agent version +: .+\n", ""),
    (r"(Received \d+ svids? after )\S+", "$1<duration>"),
    (r"(?m)^(  Uptime:).*$", "$1"),
    (r"SERIALNUMBER=\d+", "SERIALNUMBER=<n>"),
    // 1.13 logs while it checks a configuration; the record has the verdict alone.
    (r#"(?m)^time="<time>" level=.*\n"#, ""),
    // 1.13 pads the labels of entry blocks to another width than 1.15.
    (r"(?m)^([A-Z][A-Za-z0-9 -]+?) +: ", "$1 : "),
    // Help is in everyone's own words.
    (r"(?s)(Usage of|Usage:|usage:|Flags of|spire-\w+ takes one of|This command is accessed by).*", "<usage>"),
];

/// Masks `text`; `folder` is the run's own folder, whose path differs too.
pub fn mask(text: &str, folder: &str) -> String {
    let text = text.replace(folder, "<folder>");
    MASKS.iter().fold(text, |text, (pattern, mask)| match Regex::new(pattern) {
        Ok(pattern) => pattern.replace_all(&text, *mask).into_owned(),
        Err(_) => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_patterns_compile() {
        assert!(MASKS.iter().all(|(pattern, _)| Regex::new(pattern).is_ok()));
    }

    #[test]
    fn volatile_values_are_masked_and_others_kept() {
        let text =
            "Entry ID                : 0b3a5a3e-9a51-4c9b-8a7e-0123456789ab\nHint : h\nSerial number     : 123\n";
        assert_eq!(mask(text, "/tmp/x"), "Entry ID : <uuid>\nHint : h\nSerial number : <n>\n");
        assert_eq!(mask("{\"count\":5} in /tmp/x/y", "/tmp/x"), "{\"count\":5} in <folder>/y");
    }
}
