//! Finds the command that a command line names.
//!
//! Commands are words in a row (`entry create`). A word that only begins commands lists them; `-version` before a command
//! prints the version; `-h` anywhere prints help. Exit statuses: 127 for a command that does not exist, 1 for failures.

use std::fmt::Write as _;

use super::call::{self, Command};
use super::env::Env;
use super::target::Target;

/// A command that the rest of the program provides: it takes the arguments after its name and returns an exit status.
/// `-h` alone makes it tell its flags.
pub(crate) type Hook = fn(&mut Env, &[String]) -> u8;

/// The flag for help, in the form that hooks are given.
pub(crate) const HELP: &str = "-h";

/// What stands behind a command's name.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// It talks to a socket.
    Client(Target, fn() -> Box<dyn Command>),
    /// The rest of the program.
    Hook(Hook),
    /// SPIRE has it; this product does not yet.
    Later,
}

/// One command.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    /// Its words.
    pub(crate) path: &'static str,
    /// What it does, for help.
    pub(crate) synopsis: &'static str,
    /// How.
    pub(crate) kind: Kind,
}

/// The commands of one name that the binary answers to.
pub(crate) struct Program {
    /// That name.
    pub(crate) name: &'static str,
    /// What `-version` prints.
    pub(crate) version: &'static str,
    /// Its commands.
    pub(crate) rows: Vec<Row>,
}

impl Program {
    /// Runs the command that `arguments` name and returns the exit status.
    pub(crate) fn run(&self, arguments: &[String], env: &mut Env) -> u8 {
        let line = Line::read(self, arguments);
        if line.version {
            env.complain(&format!("{}\n", self.version));
            return 0;
        }
        if line.help && line.path.is_empty() {
            env.complain(&self.help());
            return 0;
        }
        let row = self.rows.iter().find(|row| row.path == line.path);
        let parent = self.begins(&line.path);
        if row.is_none() && !parent {
            env.complain(&self.help());
            return 127;
        }
        if line.help {
            env.complain(&self.help_of(&line.path, row));
            if let Some(Row { kind: Kind::Hook(hook), .. }) = row {
                env.complain("\n");
                hook(env, &[HELP.to_owned()]);
            }
            return 0;
        }
        if line.flag_before_command {
            env.complain("Flags belong after the command that they are for.\n\n");
            env.complain(&self.help_of(&line.path, row));
            return 1;
        }
        let Some(row) = row else {
            env.complain(&self.help_of(&line.path, None));
            return 1;
        };
        match row.kind {
            Kind::Client(target, make) => call::run(&mut *make(), row.path, target, line.rest, env),
            Kind::Hook(hook) => hook(env, line.rest),
            Kind::Later => {
                env.complain(&format!("Error: not available yet: {}\n", row.path));
                1
            }
        }
    }

    /// Whether there are commands that begin with the words of `path`.
    fn begins(&self, path: &str) -> bool {
        self.rows.iter().any(|row| row.path.strip_prefix(path).is_some_and(|rest| rest.starts_with(' ')))
    }

    fn help(&self) -> String {
        format!("{} takes one of these commands, and -h for help on it:\n{}", self.name, listed(&self.below("")))
    }

    fn help_of(&self, path: &str, row: Option<&Row>) -> String {
        let own = match row.map(|row| (row, row.kind)) {
            Some((row, Kind::Client(target, make))) => {
                format!("{}\n\n{}", row.synopsis, call::usage(&mut *make(), row.path, target))
            }
            Some((row, Kind::Hook(_) | Kind::Later)) => format!("{}\n", row.synopsis),
            None => "This command is accessed by using one of the subcommands below.\n".to_owned(),
        };
        let below = self.below(path);
        if below.is_empty() { own } else { format!("{own}\nSubcommands:\n{}", listed(&below)) }
    }

    /// The words that may follow `path`, with what they do.
    fn below(&self, path: &str) -> Vec<(&'static str, &'static str)> {
        let mut words: Vec<(&str, &str)> = Vec::new();
        for row in &self.rows {
            let rest = if path.is_empty() {
                Some(row.path)
            } else {
                row.path.strip_prefix(path).and_then(|rest| rest.strip_prefix(' '))
            };
            let Some(rest) = rest else { continue };
            match rest.split_once(' ') {
                None => words.push((rest, row.synopsis)),
                Some((word, _)) if words.iter().all(|(known, _)| *known != word) => words.push((word, "")),
                Some(_) => {}
            }
        }
        words.sort_unstable();
        words.dedup_by_key(|(word, _)| *word);
        words
    }
}

fn listed(words: &[(&str, &str)]) -> String {
    let width = words.iter().map(|(word, _)| word.len()).max().unwrap_or_default();
    words.iter().fold(String::new(), |mut text, (word, synopsis)| {
        let _ = writeln!(text, "    {word:width$}    {synopsis}");
        text
    })
}

/// A command line taken apart.
struct Line<'a> {
    help: bool,
    version: bool,
    flag_before_command: bool,
    path: String,
    rest: &'a [String],
}

impl<'a> Line<'a> {
    fn read(program: &Program, arguments: &'a [String]) -> Self {
        let mut line = Self { help: false, version: false, flag_before_command: false, path: String::new(), rest: &[] };
        for (position, argument) in arguments.iter().enumerate() {
            match argument.as_str() {
                "--" => break,
                "-h" | "-help" | "--help" => line.help = true,
                _ if !line.path.is_empty() => {}
                "-v" | "-version" | "--version" => line.version = true,
                flag if flag.starts_with('-') => line.flag_before_command = true,
                "" => {}
                word if word.contains(' ') => break,
                word => {
                    let from_here = arguments.get(position..).unwrap_or_default();
                    let known = (1..=from_here.len())
                        .map_while(|count| {
                            let words = from_here.get(..count)?;
                            let path = words.join(" ");
                            let found = program.begins(&path) || program.rows.iter().any(|row| row.path == path);
                            found.then_some((path, count))
                        })
                        .last();
                    let (path, count) = known.unwrap_or_else(|| (word.to_owned(), 1));
                    line.path = path;
                    line.rest = from_here.get(count..).unwrap_or_default();
                }
            }
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::env;

    fn program() -> Program {
        let hook: Hook = |env, arguments| {
            env.complain(&arguments.join("|"));
            7
        };
        let row = |path| Row { path, synopsis: "Does it", kind: Kind::Hook(hook) };
        Program {
            name: "spire-server",
            version: "1.16.0-x",
            rows: vec![
                row("run"),
                row("api fetch"),
                row("api fetch x509"),
                Row { path: "localauthority jwt show", synopsis: "", kind: Kind::Later },
                row("localauthority x509 show"),
            ],
        }
    }

    fn run(line: &str) -> (u8, String) {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let (mut env, streams) = env();
        let status = program().run(&arguments, &mut env);
        assert_eq!(streams.out(), "");
        (status, streams.err())
    }

    #[test]
    fn commands_are_found_by_their_words() {
        assert_eq!(run("run -a b"), (7, "-a|b".into()));
        assert_eq!(run("api fetch x509 -v"), (7, "-v".into()));
        assert_eq!(run("api fetch jwt"), (7, "jwt".into()));
    }

    #[test]
    fn a_beginning_lists_what_follows() {
        let (status, text) = run("localauthority");
        assert_eq!(status, 1);
        assert_eq!(
            text,
            "This command is accessed by using one of the subcommands below.\n\n\
             Subcommands:\n    jwt     \n    x509    \n"
        );
    }

    #[test]
    fn exit_statuses_are_spires() {
        assert_eq!(run("").0, 127);
        assert_eq!(run("nosuchcommand").0, 127);
        assert_eq!(run("-h").0, 0);
        assert_eq!(run("run -h"), (0, "Does it\n\n-h".into()), "a hook tells its flags itself");
        assert_eq!(run("-x run").0, 1);
        assert_eq!(run("-version"), (0, "1.16.0-x\n".into()));
        assert_eq!(run("localauthority jwt show"), (1, "Error: not available yet: localauthority jwt show\n".into()));
    }
}
