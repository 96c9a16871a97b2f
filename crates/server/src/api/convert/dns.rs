//! DNS names of certificates; the texts are SPIRE's.

/// Checks a name: ASCII, letters, digits and hyphens, one wildcard at most and only as the whole first label.
pub(crate) fn check_dns_name(name: &str) -> Result<(), String> {
    if !name.is_ascii() {
        return Err("name must be ascii".to_owned());
    }
    let wildcards = name.matches('*').count();
    if wildcards > 1 {
        return Err("too many wildcards".to_owned());
    }
    let checked = match name.strip_prefix("*.") {
        Some(rest) => rest,
        None if wildcards == 1 => return Err("wildcard must be first label".to_owned()),
        None => name,
    };
    if checked.trim().is_empty() {
        return Err("empty or only whitespace".to_owned());
    }
    if checked.ends_with('.') {
        return Err("domain ends with dot".to_owned());
    }
    if checked.len() > 253 || !checked.split('.').all(is_label) {
        return Err(format!("idna error\nidna: invalid label \"{checked}\""));
    }
    let lower = checked.to_ascii_lowercase();
    if lower != checked {
        return Err(format!(
            "input domain name \"{checked}\" does not match idna output \"{lower}\": label mismatch after idna"
        ));
    }
    Ok(())
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

fn is_label(label: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=63).contains(&label.len()) && label.bytes().all(is_letter) && !label.starts_with('-') && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_wildcards_are_checked() {
        for good in ["a", "a.b-c.example", "*.example.org", "x1"] {
            assert_eq!(check_dns_name(good), Ok(()), "{good}");
        }
        for bad in ["", "bad..name", "a.*.b", "**", "*a.b", "ü.b", "a.", "-a", "a b", "A.b"] {
            assert!(check_dns_name(bad).is_err(), "{bad}");
        }
        let names = ["*.b.c".to_owned(), "a.b.c".to_owned()];
        assert!(check_wildcard_overlap(&names).is_err());
        assert!(check_wildcard_overlap(&names[..1]).is_ok());
    }
}
