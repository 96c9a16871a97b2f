//! `audit prove`.

use super::{DIRECTORY, folder, number, read, tell};
use crate::commands::env::Env;

pub(super) fn run(env: &mut Env, arguments: &[String]) -> u8 {
    let (mut directory, mut record) = (String::new(), -1);
    let declared = read(env, arguments, |set| {
        set.text(&mut directory, &["directory"], DIRECTORY);
        set.integer(&mut record, &["record"], "Number of the record (metadata.sequence).");
    });
    if let Err(status) = declared {
        return status;
    }
    let proof = folder(&directory).and_then(|folder| {
        let proof = steeple_audit::verify::prove(folder, number("record", record)?);
        proof.map_err(|finding| format!("{finding}, or no checkpoint covers it yet"))
    });
    tell(env, proof.map(|proof| format!("{:#}\n", proof.to_json())))
}
