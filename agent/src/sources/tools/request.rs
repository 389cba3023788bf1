//! What a line of a tool or of PAM says, whichever tool wrote it. It must not look at other lines.

use epm_proto::v1;

use super::super::command::file_name;

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// The tool itself: somebody ran something.
    Ran(Line, Request),
    /// The tool itself: somebody was refused.
    Refused(Line, Request),
    /// PAM: a session was opened.
    Session(Request),
    /// PAM: a password was wrong, or a module did not know the user.
    WrongPassword(Request),
    /// PAM: the session of this account was closed.
    Closed { target: String },
    /// Nothing that ran or was refused, by reason.
    Nothing(&'static str),
    /// It should tell of a run and is damaged.
    Broken(&'static str),
}

/// Kinds of lines, each of which a run writes once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A sentence.
    Sentence,
    /// The short line with a sign in front that shadow's su writes beside it.
    Sign,
    /// PAM's session.
    Session,
}

/// Who asked for what; text that is absent is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) user: String,
    pub(crate) user_id: String,
    /// The account that it runs as; `None` where the message does not say, or says two things.
    pub(crate) target: Option<String>,
    pub(crate) command: String,
    pub(crate) directory: String,
    pub(crate) terminal: String,
    /// Why it was refused.
    pub(crate) reason: String,
    /// Process of the tool, zero where it is not known.
    pub(crate) tool_pid: u64,
    /// Process of the program, zero where it is not known.
    pub(crate) pid: u64,
}

impl Request {
    /// The elevation that this asked for, by the tool called `tool`.
    pub(super) fn elevation(self, tool: &str, host: &str) -> v1::Elevation {
        let (program, arguments) = match self.command.split_once(' ') {
            Some((program, arguments)) => (program, arguments.trim_start()),
            None => (self.command.as_str(), ""),
        };
        let is_root = self.target.as_deref() == Some("root");
        let run_as = match self.target {
            Some(_) if is_root => v1::RunAs::Root,
            Some(_) => v1::RunAs::Other,
            None => v1::RunAs::Unspecified,
        };
        v1::Elevation {
            run_as: run_as.into(),
            reason: self.reason,
            user: Some(v1::User {
                // Without a name, the number is what the source wrote.
                user_name_raw: match self.user.as_str() {
                    "" => self.user_id.clone(),
                    name => name.to_owned(),
                },
                user_id: self.user_id,
                target_user_id: if is_root { "0" } else { "" }.to_owned(),
                target_user_name: self.target.unwrap_or_default(),
                ..v1::User::default()
            }),
            device: Some(v1::Device {
                device_name: host.to_owned(),
                ..v1::Device::default()
            }),
            file: Some(v1::File {
                // su does not say which shell it starts: then the tool is the program that is known.
                file_name: file_name(if program.is_empty() { tool } else { program }),
                path: program.to_owned(),
                arguments: arguments.to_owned(),
                ..v1::File::default()
            }),
            process: Some(v1::Process {
                pid: self.pid,
                parent_pid: self.tool_pid,
                parent_path: tool.to_owned(),
                working_directory: self.directory,
                terminal: terminal(&self.terminal),
                ..v1::Process::default()
            }),
            ..v1::Elevation::default()
        }
    }
}

fn terminal(written: &str) -> String {
    match written {
        "none" | "unknown" | "???" | "?" => String::new(),
        terminal => terminal
            .strip_prefix("/dev/")
            .unwrap_or(terminal)
            .to_owned(),
    }
}
