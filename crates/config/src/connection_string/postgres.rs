//! PostgreSQL: keywords with values as libpq has them, or a URL.

use std::collections::BTreeMap;

use super::unescape;

/// Reads `host=… user=…` or `postgres://user:password@host:port/database?sslmode=…`. Of a repeated keyword the last counts; the
/// names in a URL become the keywords `user`, `password`, `host`, `port` and `dbname`.
///
/// # Errors
/// What is wrong, in the words of SPIRE's driver, but with nothing of the text: where it is wrong, what looks like a keyword or a
/// port may be part of a password.
pub fn parse_postgres(text: &str) -> Result<BTreeMap<String, String>, String> {
    match text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://")) {
        Some(rest) => from_url(rest),
        None => from_keywords(text),
    }
}

fn from_url(rest: &str) -> Result<BTreeMap<String, String>, String> {
    let mut settings = BTreeMap::new();
    let mut set = |keyword: &str, value: String| {
        if !value.is_empty() {
            settings.insert(keyword.to_owned(), value);
        }
    };
    let rest = rest.split_once('#').map_or(rest, |(rest, _fragment)| rest);
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (account, address) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = account.split_once(':').unwrap_or((account, ""));
    set("user", unescape(user, false)?);
    set("password", unescape(password, false)?);
    let (host, port) = host_and_port(address)?;
    set("host", unescape(host, false)?);
    set("port", port.to_owned());
    set("dbname", unescape(database, false)?);
    for pair in query.split('&') {
        let (keyword, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (keyword, value) = (unescape(keyword, true)?, unescape(value, true)?);
        if !keyword.is_empty() {
            set(&keyword, value);
        }
    }
    Ok(settings)
}

/// Splits `host:port`, where a host with colons stands in brackets.
fn host_and_port(address: &str) -> Result<(&str, &str), String> {
    let (host, port) = match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':').unwrap_or(port)),
        None => address.rsplit_once(':').unwrap_or((address, "")),
    };
    if port.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok((host, port))
    } else {
        Err("invalid port after host; characters of a password other than letters and digits are written as %xx"
            .to_owned())
    }
}

fn from_keywords(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut settings = BTreeMap::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let (keyword, after) = rest.split_at(end);
        let Some(after) = after.trim_start().strip_prefix('=') else {
            let reason =
                "missing \"=\" after a keyword in connection info string; a value with spaces stands in single quotes";
            return Err(reason.to_owned());
        };
        let (value, after) = value(after.trim_start())?;
        settings.insert(keyword.to_owned(), value);
        rest = after.trim_start();
    }
    Ok(settings)
}

/// Reads a value, in quotes or up to the next space, and returns what follows it.
fn value(text: &str) -> Result<(String, &str), String> {
    let quoted = text.strip_prefix('\'');
    let mut characters = quoted.unwrap_or(text).char_indices();
    let text = quoted.unwrap_or(text);
    let mut value = String::new();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some((_, escaped)) => value.push(escaped),
                None if quoted.is_some() => break,
                None => return Err("missing character after backslash".to_owned()),
            },
            '\'' if quoted.is_some() => return Ok((value, text.get(at + 1..).unwrap_or_default())),
            space if quoted.is_none() && space.is_whitespace() => {
                return Ok((value, text.get(at..).unwrap_or_default()));
            }
            other => value.push(other),
        }
    }
    if quoted.is_some() {
        return Err("unterminated quoted string literal in connection string".to_owned());
    }
    Ok((value, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse_postgres(text).unwrap().into_iter().collect()
    }

    fn expected(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(keyword, value)| ((*keyword).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn both_forms_say_the_same() {
        let all = [("dbname", "spire"), ("host", "db.example"), ("password", "a'b c"), ("port", "5433"), ("user", "u")];
        let all = expected(&all);
        assert_eq!(pairs(r"host=db.example port = 5433 user=u dbname='spire' password='a\'b c'"), all);
        assert_eq!(pairs("postgres://u:a'b%20c@db.example:5433/spire"), all);
        assert_eq!(pairs("postgresql://u:a'b%20c@db.example/spire?port=5433"), all);
    }

    #[test]
    fn parameters_sockets_and_odd_spellings_are_read() {
        assert_eq!(
            pairs("postgres:///spire?host=/run/pg&sslmode=verify-full&options=-c%20geqo%3Doff+x"),
            expected(&[
                ("dbname", "spire"),
                ("host", "/run/pg"),
                ("options", "-c geqo=off x"),
                ("sslmode", "verify-full")
            ])
        );
        assert_eq!(pairs("postgres://[::1]:1/"), expected(&[("host", "::1"), ("port", "1")]));
        assert_eq!(
            pairs("postgres://u:p@ss@h/d#f"),
            expected(&[("dbname", "d"), ("host", "h"), ("password", "p@ss"), ("user", "u")])
        );
        assert_eq!(pairs("  a=1   b=  c\\ d=e a=2 "), expected(&[("a", "2"), ("b", "c d=e")]));
        assert_eq!(pairs("password="), expected(&[("password", "")]));
        assert!(pairs("").is_empty() && pairs("postgres://").is_empty());
    }

    #[test]
    fn errors_are_those_of_spires_driver_and_show_no_value() {
        for (text, error) in [
            ("host", "missing \"=\" after a keyword in connection info string"),
            ("password=a secret", "missing \"=\" after a keyword in connection info string"),
            ("password='secret", "unterminated quoted string literal in connection string"),
            ("password=secret\\", "missing character after backslash"),
            ("postgres://u:secret%zz@h/", "invalid URL escape"),
            ("postgres://u:secret/more@h/d", "invalid port after host"),
            ("postgres://u:secret#more@h/d", "invalid port after host"),
        ] {
            let said = parse_postgres(text).unwrap_err();
            assert!(said.starts_with(error) && !said.contains("secret") && !said.contains("zz"), "{text}: {said}");
        }
    }
}
