//! What pkexec writes: `anna: Executing command [USER=root] [TTY=unknown] [CWD=/] [COMMAND=/usr/bin/id]`, and the same
//! with a reason where it refused.

use epm_proto::v1;

use super::{Line, Request, Said, Tool};

/// pkexec.
pub(crate) const TOOL: Tool = Tool {
    name: "pkexec",
    sensor: v1::SensorKind::Pkexec,
    trigger: v1::Trigger::Pkexec,
    parse,
    is_one_process: true,
    becomes_program: true,
};

const RAN: &str = "Executing command";

fn parse(text: &str) -> Said {
    let Some((head, rest)) = text.split_once(" [USER=") else {
        return match text.contains(RAN) {
            true => Said::Broken("a record of pkexec that is cut"),
            false => Said::Nothing("no_command"),
        };
    };
    match fields(head, rest) {
        Some(request) if request.reason == RAN => Said::Ran(
            Line::Sentence,
            Request {
                reason: String::new(),
                ..request
            },
        ),
        Some(request) => Said::Refused(Line::Sentence, request),
        None => Said::Broken("a record of pkexec that is cut"),
    }
}

// A folder may hold what looks like the next field. The target and the terminal stand in front of it, and the command
// behind the first sign of one, so that nothing in a command can pose as a target.
fn fields(head: &str, rest: &str) -> Option<Request> {
    let (user, reason) = head.split_once(": ")?;
    let (target, rest) = rest.split_once("] [TTY=")?;
    let (terminal, rest) = rest.split_once("] [CWD=")?;
    let (directory, rest) = rest.split_once("] [COMMAND=")?;
    let command = rest.strip_suffix(']')?;
    Some(Request {
        user: user.to_owned(),
        target: Some(target.to_owned()),
        terminal: terminal.to_owned(),
        directory: directory.to_owned(),
        command: command.to_owned(),
        reason: reason.to_owned(),
        ..Request::default()
    })
}
