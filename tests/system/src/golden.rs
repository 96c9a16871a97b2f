//! What the commands of SPIRE 1.15.3 say, recorded in `tests/golden/cli.json`.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::mask::{mask, mask_more};

/// One command line and how it ended.
#[derive(Debug, Clone, Deserialize)]
pub struct Case {
    /// `server` or `agent`.
    pub program: String,
    /// The arguments, with spaces between them.
    pub arguments: String,
    /// The exit status.
    pub exit: i32,
    /// Standard output, masked.
    pub stdout: String,
    /// Standard error, masked.
    pub stderr: String,
}

/// How a command ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The exit status.
    pub exit: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Where the programs listen.
#[derive(Debug, Clone)]
pub struct Sockets {
    /// The server's private socket.
    pub server: String,
    /// The agent's Workload API.
    pub workload: String,
    /// The agent's admin socket.
    pub admin: String,
}

/// All recorded cases.
///
/// # Errors
/// When the record can't be read.
pub fn cases() -> Result<Vec<Case>> {
    #[derive(Deserialize)]
    struct Record {
        cases: Vec<Case>,
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden/cli.json");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let record: Record = serde_json::from_str(&text)?;
    Ok(record.cases)
}

impl Case {
    /// The arguments, with the socket behind the command's words and `uid` as the caller's user ID.
    pub fn arguments(&self, sockets: &Sockets, uid: u32) -> Vec<String> {
        let caller = |word: &str| word.replace("unix:uid:0", &format!("unix:uid:{uid}"));
        let mut arguments: Vec<String> = self.arguments.split_whitespace().map(caller).collect();
        let words = arguments.iter().take_while(|word| !word.starts_with('-')).count();
        if let Some(socket) = self.socket(sockets, words) {
            arguments.splice(words..words, ["-socketPath".to_owned(), socket.to_owned()]);
        }
        arguments
    }

    /// What differs between the record and `outcome`; nothing when they agree.
    pub fn difference(&self, outcome: &Outcome, uid: u32) -> Option<String> {
        let root = |text: &str| text.replace(&format!("unix:uid:{uid}\n"), "unix:uid:0\n");
        let agree = self.exit == outcome.exit
            && same(&self.stdout, &root(&outcome.stdout))
            && same(&self.stderr, &root(&outcome.stderr));
        (!agree).then(|| {
            format!(
                "{} {}\n  recorded: {} {:?} {:?}\n  said:     {} {:?} {:?}\n",
                self.program,
                self.arguments,
                self.exit,
                mask_more(&self.stdout),
                mask_more(&self.stderr),
                outcome.exit,
                mask_more(&mask(&outcome.stdout)),
                mask_more(&mask(&outcome.stderr))
            )
        })
    }

    /// The socket that the record was made with; none where it used SPIRE's default or the command takes none.
    fn socket<'a>(&self, sockets: &'a Sockets, words: usize) -> Option<&'a str> {
        // In the record the stray argument ended the flags before the socket was read.
        if self.arguments == "bundle list -id bad id" || words == 0 {
            return None;
        }
        match (self.program.as_str(), self.arguments.split_whitespace().next()) {
            ("server", _) if words >= 2 || self.arguments.starts_with("healthcheck") => Some(&sockets.server),
            ("agent", Some("logger" | "debug")) => Some(&sockets.admin),
            ("agent", Some("healthcheck")) => Some(&sockets.workload),
            ("agent", Some("api")) if words >= 2 => Some(&sockets.workload),
            _ => None,
        }
    }
}

/// Whether a text is what was recorded. From `<usage>` on, where help stood, any text will do.
fn same(recorded: &str, said: &str) -> bool {
    let (recorded, said) = (mask_more(recorded), mask_more(&mask(said)));
    match recorded.split_once("<usage>") {
        Some((before, _)) => said.strip_prefix(before).is_some_and(|help| !help.is_empty()),
        None => recorded == said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sockets() -> Sockets {
        Sockets { server: "/s".into(), workload: "/w".into(), admin: "/a".into() }
    }

    #[test]
    fn the_record_has_all_its_cases() {
        let cases = cases().unwrap();
        assert_eq!(cases.len(), 92);
    }

    #[test]
    fn the_socket_stands_behind_the_words() {
        let arguments = |program: &str, arguments: &str| {
            let (program, arguments) = (program.to_owned(), arguments.to_owned());
            let case = Case { program, arguments, exit: 0, stdout: String::new(), stderr: String::new() };
            case.arguments(&sockets(), 7).join(" ")
        };
        assert_eq!(
            arguments("server", "entry create -selector unix:uid:0"),
            "entry create -socketPath /s -selector unix:uid:7"
        );
        assert_eq!(arguments("server", "entry"), "entry");
        assert_eq!(arguments("server", "healthcheck"), "healthcheck -socketPath /s");
        assert_eq!(arguments("agent", "api fetch x509"), "api fetch x509 -socketPath /w");
        assert_eq!(arguments("agent", "logger get"), "logger get -socketPath /a");
        assert_eq!(arguments("agent", "-version"), "-version");
    }

    #[test]
    fn a_difference_is_told() {
        let case = Case {
            program: "server".into(),
            arguments: "x".into(),
            exit: 1,
            stdout: "Token: <uuid>\n".into(),
            stderr: "flag provided but not defined: -x\n<usage>".into(),
        };
        let mut outcome = Outcome {
            exit: 1,
            stdout: "Token: c57f591b-5568-4555-8d5b-8f52ce7a7ed7\n".into(),
            stderr: "flag provided but not defined: -x\nany help".into(),
        };
        assert_eq!(case.difference(&outcome, 0), None);
        outcome.stdout.push('x');
        assert!(case.difference(&outcome, 0).unwrap().contains("<uuid>"));
        outcome.exit = 0;
        assert!(case.difference(&outcome, 0).is_some());
    }
}
