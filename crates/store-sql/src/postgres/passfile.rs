//! Passwords in a file (`~/.pgpass`): lines of `host:port:database:user:password`, where `*` is anything.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::target::Target;

/// Longest file that is read, in bytes.
const MAX_LENGTH: u64 = 1 << 20;

/// The password for `target`. A file that others may read is not believed.
pub(super) fn look_up(file: &Path, target: &Target) -> Option<String> {
    let about = std::fs::metadata(file).ok()?;
    if about.mode() & 0o077 != 0 || about.len() > MAX_LENGTH {
        return None;
    }
    let host = if target.is_socket() { "localhost" } else { &target.host };
    let database = target.database.as_deref().unwrap_or(&target.user);
    find(&std::fs::read_to_string(file).ok()?, [host, &target.port.to_string(), database, &target.user])
}

fn find(lines: &str, wanted: [&str; 4]) -> Option<String> {
    lines.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = fields(line);
        let (password, named) = fields.split_last()?;
        let fits =
            named.len() == wanted.len() && named.iter().zip(wanted).all(|(name, want)| name == "*" || name == want);
        fits.then(|| password.clone())
    })
}

/// The parts between colons; a backslash takes the next character as it is.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match (character, fields.last_mut()) {
            (':', _) => fields.push(String::new()),
            ('\\', Some(field)) => field.extend(characters.next()),
            (other, Some(field)) => field.push(other),
            (_, None) => {}
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_line_that_fits_counts() {
        let lines = "# h:1:d:u:no\nother:1:d:u:no\nh:*:d:u:a\\:b\nh:1:d:u:no\nshort:line";
        assert_eq!(find(lines, ["h", "1", "d", "u"]).as_deref(), Some("a:b"));
        assert_eq!(find(lines, ["h", "1", "other", "u"]), None);
        assert_eq!(find("", ["h", "1", "d", "u"]), None);
    }
}
