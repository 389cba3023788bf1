//! The command line of `elevate`. It ends where the program begins: what follows belongs to the program.

use std::ffi::OsString;

const HELP: &str = "\
Runs a program as administrator, where the policies of this device allow it.

Usage: elevate [--reason TEXT] [--] PROGRAM [ARG]...

Options:
      --reason TEXT  Why, for rules that ask for a reason (at most 256 characters); also answers \"are you sure\"
  -h, --help         Print this
  -V, --version      Print the version

Exit status: that of PROGRAM; 1 where it was not run, 2 where the command line is wrong. A program that a signal ends
ends elevate by the same signal.
";

/// What was asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Run something.
    Run(Arguments),
    /// Text to print.
    Help(String),
    /// The command line is wrong.
    Wrong(String),
}

/// What to run, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Arguments {
    /// The reason.
    pub(super) reason: Option<String>,
    /// Program and arguments; never empty.
    pub(super) command: Vec<OsString>,
}

impl Arguments {
    /// Reads a command line without its first word.
    pub(super) fn parse(words: impl Iterator<Item = OsString>) -> Asked {
        let mut words = words.peekable();
        let mut reason = None;
        while let Some(word) = words.next_if(|word| word.as_encoded_bytes().starts_with(b"-")) {
            let text = word.to_string_lossy().into_owned();
            match (text.as_str(), text.strip_prefix("--reason=")) {
                ("--", _) => break,
                ("-h" | "--help", _) => return Asked::Help(HELP.to_owned()),
                ("-V" | "--version", _) => {
                    return Asked::Help(format!("elevate {}\n", env!("CARGO_PKG_VERSION")));
                }
                (_, Some(given)) => reason = Some(given.to_owned()),
                ("--reason", None) => match words.next().map(OsString::into_string) {
                    Some(Ok(given)) => reason = Some(given),
                    _ => return Asked::Wrong("--reason needs a text".to_owned()),
                },
                (other, None) => {
                    return Asked::Wrong(format!("there is no option {other}; see elevate --help"));
                }
            }
        }
        let command: Vec<_> = words.collect();
        match command.first() {
            Some(program) if !program.is_empty() => Asked::Run(Self { reason, command }),
            _ => Asked::Wrong("name a program: elevate PROGRAM [ARG]...".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Asked {
        Arguments::parse(words.iter().map(OsString::from))
    }

    fn run(reason: Option<&str>, command: &[&str]) -> Asked {
        Asked::Run(Arguments {
            reason: reason.map(str::to_owned),
            command: command.iter().map(OsString::from).collect(),
        })
    }

    #[test]
    fn options_end_where_the_program_begins() {
        assert_eq!(parse(&["id", "-u"]), run(None, &["id", "-u"]));
        assert_eq!(
            parse(&["--reason", "to see", "id", "--reason", "x"]),
            run(Some("to see"), &["id", "--reason", "x"])
        );
        assert_eq!(
            parse(&["--reason=x", "--", "-odd"]),
            run(Some("x"), &["-odd"])
        );
    }

    #[test]
    fn a_wrong_command_line_is_told() {
        for wrong in [
            &[][..],
            &[""],
            &["--"],
            &["--reason"],
            &["-u", "root", "id"],
        ] {
            assert!(matches!(parse(wrong), Asked::Wrong(_)), "{wrong:?}");
        }
    }
}
