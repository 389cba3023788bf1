//! What doas writes, of OpenBSD and of its port: `anna ran command id as root from /home/anna`, `command not permitted
//! for anna: id`, `failed auth for anna`.

use epm_proto::v1;

use super::{Line, Request, Said, Tool};

/// doas.
pub(crate) const TOOL: Tool = Tool {
    name: "doas",
    sensor: v1::SensorKind::Doas,
    trigger: v1::Trigger::Doas,
    parse,
    // With PAM, the line is written by the child that becomes the program.
    is_one_process: false,
    becomes_program: true,
};

fn parse(text: &str) -> Said {
    if let Some((user, rest)) = text.split_once(" ran command ")
        && !user.contains(' ')
    {
        return match ran(user, rest) {
            Some(request) => Said::Ran(Line::Sentence, request),
            None => Said::Broken("a record of doas that is cut"),
        };
    }
    let refused = |user: &str, command: &str, reason: &str| {
        Said::Refused(
            Line::Sentence,
            Request {
                user: user.to_owned(),
                command: command.to_owned(),
                reason: reason.to_owned(),
                ..Request::default()
            },
        )
    };
    if let Some(rest) = text.strip_prefix("command not permitted for ") {
        return match rest.split_once(": ") {
            Some((user, command)) => refused(user, command, "command not permitted"),
            None => Said::Broken("a record of doas that is cut"),
        };
    }
    let auth = ["failed auth for ", "failed password for "];
    match auth.iter().find_map(|begin| text.strip_prefix(begin)) {
        Some(user) => refused(user, "", "authentication failure"),
        None => Said::Nothing("no_command"),
    }
}

// The command and the folder are the user's: either may hold ` as root from /`. Where the line can be read in two ways
// that name different accounts, none is believed.
fn ran(user: &str, rest: &str) -> Option<Request> {
    let mut readings: Vec<(&str, &str, &str)> = Vec::new();
    for (at, _) in rest.match_indices(" as ") {
        let behind = &rest[at + 4..];
        if let Some((target, directory)) = behind.split_once(" from ")
            && !target.is_empty()
            && !target.contains(' ')
        {
            readings.push((&rest[..at], target, directory));
        }
    }
    let (command, target, directory) = *readings.last()?;
    let is_certain = readings.iter().all(|(_, other, _)| *other == target);
    Some(Request {
        user: user.to_owned(),
        target: is_certain.then(|| target.to_owned()),
        command: command.to_owned(),
        directory: directory.to_owned(),
        ..Request::default()
    })
}
