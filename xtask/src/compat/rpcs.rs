//! RPCs, as the tables of the server and the agent list them.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::{Known, Row, later, source};

/// The RPCs of a side.
///
/// # Errors
/// When its table is in another form than expected, or `docs/reference/not-yet.md` tells something else of what comes later.
pub(super) fn rows(root: &Path, side: &str) -> Result<Vec<Row>> {
    let path = format!("crates/{side}/src/api/table.rs");
    let code = source::read(root, &path)?;
    let mut later = later::under(root, &format!("RPCs of the {side}"))?;
    let mut rows = Vec::new();
    for (name, is_there) in methods(&code).context(path)? {
        let known = match later.remove(&name) {
            None if is_there => Known::Here,
            Some(feature) if !is_there => Known::Settled(format!("later: {feature}")),
            _ => bail!("{name}: table and docs/reference/not-yet.md don't agree whether it is there"),
        };
        rows.push(Row { name, known });
    }
    ensure!(later.is_empty(), "docs/reference/not-yet.md tells of RPCs that no table has: {later:?}");
    Ok(rows)
}

/// Each method of a table with whether it is there.
fn methods(code: &str) -> Result<Vec<(String, bool)>> {
    let table = source::between(code, "pub const TABLE: &[Row] = &[", "\n];")?;
    let lines = table.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    lines
        .map(|line| {
            let (maker, rest) = line.split_once("(\"").with_context(|| format!("not understood: {line}"))?;
            let method = rest.split('"').next().unwrap_or_default();
            ensure!(method.starts_with('/'), "not understood: {line}");
            match maker {
                "row" | "limited" => Ok((method.to_owned(), true)),
                "later" => Ok((method.to_owned(), false)),
                _ => bail!("not understood: {line}"),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_read_and_other_forms_refused() {
        let table = |line: &str| format!("pub const TABLE: &[Row] = &[\n    // A.\n\n    {line}\n];\n");
        assert_eq!(methods(&table("row(\"/a/B\", ANY),")).unwrap(), [("/a/B".to_owned(), true)]);
        assert_eq!(methods(&table("later(\"/a/C\", ANY),")).unwrap(), [("/a/C".to_owned(), false)]);
        assert!(methods(&table("row(METHOD, ANY),")).is_err() && methods(&table("rows(\"/a/B\"),")).is_err());
    }
}
