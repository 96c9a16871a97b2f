//! Commands: those of SPIRE, as they were recorded, and ours.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::{Known, Row, source};

const FOLDER: &str = "bin/steeple/src/commands";

/// The commands of a side.
///
/// # Errors
/// When the code is in another form than expected.
pub(super) fn rows(root: &Path, side: &str) -> Result<Vec<Row>> {
    let path = format!("{FOLDER}/{side}.rs");
    let mut ours = clients(&source::read(root, &path)?).context(path)?;
    ours.extend(daemons(&source::read(root, &format!("{FOLDER}.rs"))?, side).context(FOLDER)?);
    let begin = format!("{side}: ");
    let record = source::record(root, "tests/golden/commands.txt")?;
    let theirs: BTreeSet<String> =
        record.iter().filter_map(|line| line.strip_prefix(&begin)).map(str::to_owned).collect();
    let known = |name: &String| if ours.contains(name) { Known::Here } else { Known::Absent };
    Ok(theirs.union(&ours).map(|name| Row { name: name.clone(), known: known(name) }).collect())
}

/// The commands that talk to a socket, each of which is a call of `row`.
fn clients(code: &str) -> Result<BTreeSet<String>> {
    let code = source::untested(code);
    let calls = code.matches("row(").count() - code.matches("fn row(").count();
    let found: Vec<&str> = code.split("row(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    ensure!(calls > 0 && calls == found.len(), "{calls} calls of row, of which {} begin with a text", found.len());
    Ok(found.into_iter().map(str::to_owned).collect())
}

/// The commands that run or check the daemon.
fn daemons(code: &str, side: &str) -> Result<BTreeSet<String>> {
    let function = source::between(code, &format!("\nfn {side}("), "\n}\n")?;
    let found: BTreeSet<String> =
        function.split("path: \"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect();
    ensure!(found.contains("run"), "no command `run` of the {side}");
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_and_other_forms_refused() {
        let code = "row(\"a b\", x),\nrow(\"c\", y)\nfn row(path: &str) {}\n#[cfg(test)] row(\"t\")";
        assert_eq!(clients(code).unwrap(), ["a b", "c"].map(str::to_owned).into());
        assert!(clients("row(NAME, x)").is_err() && clients("").is_err());
        let code = "\nfn agent(a: A) {\n Row { path: \"run\" } Row { path: \"validate\" }\n}\n";
        assert_eq!(daemons(code, "agent").unwrap().len(), 2);
        assert!(daemons(code, "server").is_err());
    }
}
