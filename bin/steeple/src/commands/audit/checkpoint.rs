//! `audit checkpoint`.

use super::{DIRECTORY, folder, read, tell};
use crate::commands::env::Env;

pub(super) fn run(env: &mut Env, arguments: &[String]) -> u8 {
    let mut directory = String::new();
    let declared = read(env, arguments, |set| set.text(&mut directory, &["directory"], DIRECTORY));
    if let Err(status) = declared {
        return status;
    }
    let note = folder(&directory).and_then(|folder| {
        let note = steeple_audit::verify::last_checkpoint(folder).map_err(|finding| finding.to_string())?;
        note.ok_or_else(|| format!("{directory} has no checkpoint yet"))
    });
    tell(env, note)
}
