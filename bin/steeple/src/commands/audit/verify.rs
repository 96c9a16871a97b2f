//! `audit verify`.

use serde_json::Value;
use steeple_audit::verify::{Proof, Question, Verified, verify};

use super::{DIRECTORY, Outcome, folder, key, number, read, tell};
use crate::commands::env::Env;

const WARNING: &str = "The key is the folder's own: whoever can rewrite the records can replace it; give one that was kept elsewhere \
                       with -key.";

#[derive(Default)]
struct Flags {
    directory: String,
    key: String,
    checkpoint: String,
    proof: String,
    from: i64,
    to: i64,
    is_excerpt: bool,
}

pub(super) fn run(env: &mut Env, arguments: &[String]) -> u8 {
    let mut flags = Flags { to: -1, ..Flags::default() };
    let declared = read(env, arguments, |set| {
        set.text(&mut flags.directory, &["directory"], DIRECTORY);
        let kept =
            "File with the trail's public key, kept where the server can't reach; the folder's key.pub without it.";
        set.text(&mut flags.key, &["key"], kept);
        set.text(&mut flags.checkpoint, &["checkpoint"], "File with a checkpoint that was kept.");
        set.text(&mut flags.proof, &["proof"], "File with a proof of one record; needs -key, and no trail.");
        set.integer(&mut flags.from, &["from"], "First record to verify.");
        set.integer(&mut flags.to, &["to"], "Last record to verify; the last there is if it is negative.");
        set.boolean(&mut flags.is_excerpt, &["excerpt"], "Whether it was exported: earlier records are not in it.");
    });
    match declared {
        Ok(()) => {
            let outcome = if flags.proof.is_empty() { trail(&flags) } else { proof(&flags) };
            tell(env, outcome)
        }
        Err(status) => status,
    }
}

fn trail(flags: &Flags) -> Outcome {
    let folder = folder(&flags.directory)?;
    let verifier = key(&flags.key)?;
    let is_own_key = verifier.is_none();
    let checkpoint = Some(&flags.checkpoint).filter(|path| !path.is_empty());
    let checkpoint = checkpoint.map(|path| std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}")));
    let to = if flags.to < 0 { None } else { Some(number("to", flags.to)?) };
    let question = Question {
        verifier,
        checkpoint: checkpoint.transpose()?,
        from: number("from", flags.from)?,
        to,
        is_excerpt: flags.is_excerpt,
    };
    let found = verify(folder, &question).map_err(|finding| format!("the trail is not in order: {finding}"))?;
    Ok(told(&found, is_own_key))
}

fn told(found: &Verified, is_own_key: bool) -> String {
    let Verified { chain, first, records, pruned, checkpoints, uncovered, torn } = found;
    let pruned = match pruned {
        0 => String::new(),
        _ => format!("Gone before it        : {pruned}\n"),
    };
    let torn = match torn {
        0 => String::new(),
        _ => format!("Bytes without a record: {torn} (a write that is under way, or was cut short)\n"),
    };
    let warning = if is_own_key { format!("\n{WARNING}\n") } else { String::new() };
    format!(
        "The trail is in order.\nChain                 : {chain}\nFirst record          : {first}\n\
         {pruned}Records               : {records}\nCheckpoints           : {checkpoints}\nWithout a checkpoint  : {uncovered}\n\
         {torn}{warning}"
    )
}

fn proof(flags: &Flags) -> Outcome {
    let path = &flags.proof;
    let verifier = key(&flags.key)?.ok_or("a proof is verified by a key: name its file with -key")?;
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let value: Value = serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))?;
    let proof = Proof::from_json(&value).map_err(|error| format!("{path}: {error}"))?;
    let record = proof.verify(&verifier).map_err(|error| format!("{path}: {error}"))?;
    Ok(format!("Record {} is in the trail.\n{}\n", record.sequence, proof.record))
}
