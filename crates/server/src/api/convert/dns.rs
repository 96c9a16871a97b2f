//! DNS names of certificates; the rules are those of Go's IDNA as SPIRE asks it, and the texts are SPIRE's.

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

/// Longest name, in bytes.
const MAX_NAME: usize = 253;
/// Longest label, in bytes.
const MAX_LABEL: usize = 63;

/// What Go's strict profile refuses beside all that is no IDNA: they hold a `=`, `<` or `>`.
const NOT_STRICT: [char; 3] = ['\u{2260}', '\u{226e}', '\u{226f}'];

/// Checks a name: ASCII, one wildcard at most and only as the whole first label; within labels Go looks at hyphens and at
/// what is encoded in Punycode, and at no other character.
pub(crate) fn check_dns_name(name: &str) -> Result<(), String> {
    if !name.is_ascii() {
        return Err("name must be ascii".to_owned());
    }
    let wildcards = name.matches('*').count();
    if wildcards > 1 {
        return Err("too many wildcards".to_owned());
    }
    let checked = match name.strip_prefix("*.") {
        Some(rest) => rest.trim(),
        None if wildcards == 1 => return Err("wildcard must be first label".to_owned()),
        None => name.trim(),
    };
    if checked.is_empty() {
        return Err("empty or only whitespace".to_owned());
    }
    if checked.ends_with('.') {
        return Err("domain ends with dot".to_owned());
    }
    check_labels(checked)
}

fn check_labels(name: &str) -> Result<(), String> {
    for label in name.split('.') {
        match label.strip_prefix("xn--") {
            Some(encoded) => check_encoded(label, encoded)?,
            None if label.starts_with('-') || label.ends_with('-') || label.get(2..4) == Some("--") => {
                return Err(invalid(label));
            }
            None => {}
        }
    }
    if name.len() > MAX_NAME || name.split('.').any(str::is_empty) {
        return Err(invalid(name));
    }
    if let Some(label) = name.split('.').find(|label| label.len() > MAX_LABEL) {
        return Err(invalid(label));
    }
    // Whether the directions of scripts fit is a matter of the whole name.
    if !is_idn(name) {
        return Err(invalid(name));
    }
    let output: Vec<String> = name.split('.').map(as_encoded).collect();
    match output.join(".") {
        output if output == name => Ok(()),
        output => {
            Err(format!("input domain name {name:?} does not match idna output {output:?}: label mismatch after idna"))
        }
    }
}

/// Checks a label in Punycode. Go maps nothing before it looks, so capitals are characters that IDNA does not have.
fn check_encoded(label: &str, encoded: &str) -> Result<(), String> {
    let decoded = idna::punycode::decode_to_string(encoded).filter(|decoded| !decoded.is_ascii());
    let Some(decoded) = decoded else { return Err(invalid(encoded)) };
    let is_none = |letter: char| letter.is_ascii_uppercase() || NOT_STRICT.contains(&letter);
    if decoded.contains(is_none) || !is_idn(label) {
        return Err(invalid(&decoded));
    }
    Ok(())
}

fn is_idn(name: &str) -> bool {
    Uts46::new().to_ascii(name.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Check, DnsLength::Ignore).is_ok()
}

/// A label as Go writes it after the check: the digits of Punycode in lower case, all else as it was.
fn as_encoded(label: &str) -> String {
    if label.starts_with("xn--") { label.to_ascii_lowercase() } else { label.to_owned() }
}

fn invalid(label: &str) -> String {
    let escaped = label.chars().map(|letter| match letter {
        '"' | '\\' => format!("\\{letter}"),
        letter if letter.is_control() => format!("\\u{:04x}", u32::from(letter)),
        letter => letter.to_string(),
    });
    format!("idna error\nidna: invalid label \"{}\"", escaped.collect::<String>())
}

/// Checks that no name is covered by a wildcard of the same list.
pub(crate) fn check_wildcard_overlap(names: &[String]) -> Result<(), String> {
    for name in names.iter().filter(|name| !name.starts_with("*.")) {
        let Some((_, parent)) = name.split_once('.') else { continue };
        if names.iter().any(|other| other.strip_prefix("*.") == Some(parent)) {
            return Err(format!(
                "name \"{name}\" overlaps with an existing wildcard name in the list: wildcard overlap"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Valid in SPIRE, whose check was asked with the IDNA of its release.
    const VALID: &[&str] = &[
        "a",
        "a.b-c.example",
        "*.example.org",
        "x1",
        "1.2.3.4",
        "A.B",
        "Web.Example.ORG",
        "bad name",
        "a/b",
        "a@b",
        "a:80",
        " a",
        "a ",
        "\x0ba",
        "a'b",
        "a!b",
        "a\"b",
        "a\\b",
        "a_b",
        "_a",
        "[::1]",
        "a--b",
        "ab-c--d",
        "*.A",
        "*. a",
        "xn--maana-pta",
        "a.xn--maana-pta",
        "xn--strae-oqa",
        "xn--fa-hia",
        "xn--ls8h",
        "xn--nxasmq6b",
        "xn--mgba3a4f16a",
        "xn--fsqu00a",
        "xn--e1afmkfd.xn--p1ai",
        "xn--9n2bp8q.xn--9t4b11yi5a",
    ];

    /// Names and the label that is refused, as Go quotes it.
    const INVALID_LABELS: &[(&str, &str)] = &[
        ("ab--c", "\"ab--c\""),
        ("AB--c", "\"AB--c\""),
        ("1b--c", "\"1b--c\""),
        ("__--a", "\"__--a\""),
        ("ab--", "\"ab--\""),
        ("a-b--", "\"a-b--\""),
        ("-a", "\"-a\""),
        ("a-", "\"a-\""),
        ("-", "\"-\""),
        ("--", "\"--\""),
        ("a.-b", "\"-b\""),
        ("a-.b", "\"a-\""),
        ("*.ab--c", "\"ab--c\""),
        ("*.-a", "\"-a\""),
        ("XN--a", "\"XN--a\""),
        ("Xn--a", "\"Xn--a\""),
        ("xN--maana-pta", "\"xN--maana-pta\""),
        ("xn--", "\"\""),
        ("xn--a", "\"\\u0080\""),
        ("*.xn--a", "\"\\u0080\""),
        ("xn--a.b", "\"\\u0080\""),
        ("xn--abc", "\"\\u0082\\u0081\\u0080\""),
        ("xn--a-", "\"a-\""),
        ("xn--a-b", "\"a-b\""),
        ("xn--1ch", "\"≠\""),
        ("xn--0", "\"0\""),
        ("xn--xn--a", "\"\\u0080xn-\""),
        ("xn--Maana-pta", "\"Mañana\""),
        ("xn--a-ecp.ru", "\"a⒈\""),
        ("xn--bcher-kva8", "\"bcher-kva8\""),
        ("xn--99-zzzz", "\"99-zzzz\""),
        ("a..b", "\"a..b\""),
        (".a", "\".a\""),
    ];

    const INVALID: &[(&str, &str)] = &[
        (
            "xn--maana-PTA",
            "input domain name \"xn--maana-PTA\" does not match idna output \"xn--maana-pta\": label mismatch after idna",
        ),
        ("a.", "domain ends with dot"),
        ("..", "domain ends with dot"),
        (".", "domain ends with dot"),
        ("", "empty or only whitespace"),
        (" ", "empty or only whitespace"),
        ("*.", "empty or only whitespace"),
        ("*", "wildcard must be first label"),
        ("**", "too many wildcards"),
        ("*a", "wildcard must be first label"),
        ("a*", "wildcard must be first label"),
        ("a.*.b", "wildcard must be first label"),
        ("*.*.a", "too many wildcards"),
        ("ü.b", "name must be ascii"),
    ];

    #[test]
    fn names_are_judged_as_by_spire() {
        for name in VALID {
            assert_eq!(check_dns_name(name), Ok(()), "{name:?}");
        }
        for (name, label) in INVALID_LABELS {
            assert_eq!(check_dns_name(name), Err(format!("idna error\nidna: invalid label {label}")), "{name:?}");
        }
        for (name, reason) in INVALID {
            assert_eq!(check_dns_name(name), Err((*reason).to_owned()), "{name:?}");
        }
    }

    #[test]
    fn labels_and_names_have_a_length() {
        let label = "a".repeat(63);
        let names = [format!("{label}.{label}.{label}.{}", "a".repeat(61)), format!("*.{label}.b")];
        for name in names {
            assert_eq!(check_dns_name(&name), Ok(()), "{name}");
        }
        for name in [format!("{label}a"), format!("{label}.{label}.{label}.{}", "a".repeat(62))] {
            assert_eq!(check_dns_name(&name), Err(format!("idna error\nidna: invalid label \"{name}\"")));
        }
    }

    #[test]
    fn no_name_is_covered_by_a_wildcard() {
        let names = ["*.b.c".to_owned(), "a.b.c".to_owned()];
        assert!(check_wildcard_overlap(&names).is_err());
        assert!(check_wildcard_overlap(&names[..1]).is_ok());
    }
}
