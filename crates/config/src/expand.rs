//! Variables of the environment in a configuration's text.

/// Replaces `$NAME` and `${NAME}` by what `look_up` yields, nothing if it yields nothing; `$$` is a dollar sign.
pub fn expand_env(text: &str, look_up: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            out.push_str(&look_up(name).unwrap_or_default());
            rest = after;
        } else {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            if name.is_empty() {
                out.push('$');
            } else {
                out.push_str(&look_up(name).unwrap_or_default());
            }
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced() {
        let look_up = |name: &str| (name == "TD").then(|| "example.org".to_owned());
        assert_eq!(expand_env("a=$TD b=${TD}x c=$NONE d=$$TD $", look_up), "a=example.org b=example.orgx c= d=$TD $");
    }
}
