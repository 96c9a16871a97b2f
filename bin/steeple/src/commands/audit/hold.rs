//! `audit hold set`, `release` and `list`.

use serde_json::json;
use steeple_audit::holds::Holds;

use super::{DIRECTORY, folder, read, tell};
use crate::commands::env::Env;

const NAME: &str = "Name of the hold: up to 64 of a-z, 0-9 and -.";
const REASON: &str = "Why; it stands in the trail.";

pub(super) fn set(env: &mut Env, arguments: &[String]) -> u8 {
    change(env, arguments, |holds, name, reason| {
        holds.set(name, reason).map_err(|error| error.to_string())?;
        Ok(format!(
            "Nothing of the trail is taken away from now on: hold {name}.\nThe server records it when it runs.\n"
        ))
    })
}

pub(super) fn release(env: &mut Env, arguments: &[String]) -> u8 {
    change(env, arguments, |holds, name, reason| {
        holds.release(name, reason).map_err(|error| error.to_string())?;
        Ok(format!("Hold {name} ends as soon as the server has recorded its release.\n"))
    })
}

fn change(env: &mut Env, arguments: &[String], act: impl Fn(&Holds, &str, &str) -> Result<String, String>) -> u8 {
    let (mut directory, mut name, mut reason) = (String::new(), String::new(), String::new());
    let declared = read(env, arguments, |set| {
        set.text(&mut directory, &["directory"], DIRECTORY);
        set.text(&mut name, &["name"], NAME);
        set.text(&mut reason, &["reason"], REASON);
    });
    if let Err(status) = declared {
        return status;
    }
    let outcome = folder(&directory).and_then(|folder| act(&Holds::of(folder), &name, &reason));
    tell(env, outcome)
}

pub(super) fn list(env: &mut Env, arguments: &[String]) -> u8 {
    let mut directory = String::new();
    let declared = read(env, arguments, |set| set.text(&mut directory, &["directory"], DIRECTORY));
    if let Err(status) = declared {
        return status;
    }
    let outcome = folder(&directory).and_then(|folder| {
        let holds = Holds::of(folder).list().map_err(|error| error.to_string())?;
        let line = |hold: steeple_audit::holds::Hold| {
            json!({ "name": hold.name, "reason": hold.reason, "uid": hold.uid, "recorded": hold.is_recorded })
        };
        Ok(holds.into_iter().map(|hold| line(hold).to_string() + "\n").collect::<Vec<_>>().concat())
    });
    tell(env, outcome)
}
