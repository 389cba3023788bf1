//! What su writes: util-linux (Debian, RHEL, SUSE), shadow, busybox (Alpine), the BSDs and System V.

use epm_proto::v1;

use super::{Line, Request, Said, Tool};

/// su.
pub(crate) const TOOL: Tool = Tool {
    name: "su",
    sensor: v1::SensorKind::Su,
    trigger: v1::Trigger::Su,
    parse,
    is_one_process: true,
    becomes_program: false,
};

fn parse(text: &str) -> Said {
    if text.is_empty() {
        return Said::Nothing("no_command");
    }
    let util_linux = text.strip_prefix("FAILED SU ").unwrap_or(text);
    if let Some(rest) = util_linux.strip_prefix("(to ") {
        return match to_by_on(rest) {
            Some(request) => said(text.starts_with("FAILED"), Line::Sentence, request),
            None => Said::Broken("a record of su that is cut"),
        };
    }
    if let Some(said) = shadow(text) {
        return said;
    }
    system_v(text)
        .or_else(|| bsd(text))
        .unwrap_or(Said::Nothing("no_command"))
}

fn said(is_refusal: bool, line: Line, mut request: Request) -> Said {
    if is_refusal {
        "authentication failure".clone_into(&mut request.reason);
        return Said::Refused(line, request);
    }
    Said::Ran(line, request)
}

// `root) anna on pts/0`, behind `(to `.
fn to_by_on(rest: &str) -> Option<Request> {
    let (target, rest) = rest.split_once(") ")?;
    let (user, terminal) = rest.rsplit_once(" on ")?;
    request(user, target, terminal)
}

// `Successful su for root by anna`, `FAILED su for root by anna`, and `+ /dev/pts/0 anna:root` or `- …` beside it.
fn shadow(text: &str) -> Option<Said> {
    for (begin, is_refusal) in [("Successful su for ", false), ("FAILED su for ", true)] {
        if let Some(rest) = text.strip_prefix(begin) {
            let (target, user) = rest.split_once(" by ")?;
            return Some(said(is_refusal, Line::Sentence, request(user, target, "")?));
        }
    }
    let is_refusal = match text.get(..2)? {
        "+ " => false,
        "- " => true,
        _ => return None,
    };
    let (terminal, names) = text[2..].trim().split_once(' ')?;
    let (user, target) = names.split_once(':').or_else(|| names.split_once('-'))?;
    let request = request(user, target, terminal)?;
    Some(said(is_refusal, Line::Sign, request))
}

// `'su root' succeeded for anna on /dev/pts/0`
fn system_v(text: &str) -> Option<Said> {
    let (target, rest) = text.strip_prefix("'su ")?.split_once("' ")?;
    let (word, rest) = rest.split_once(" for ")?;
    let (user, terminal) = rest.rsplit_once(" on ").unwrap_or((rest, ""));
    let is_refusal = match word {
        "succeeded" => false,
        "failed" => true,
        _ => return None,
    };
    Some(said(
        is_refusal,
        Line::Sentence,
        request(user, target, terminal)?,
    ))
}

// `anna to root on /dev/ttyp0`, `BAD SU anna to root on /dev/ttyp0`
fn bsd(text: &str) -> Option<Said> {
    let rest = text.strip_prefix("BAD SU ");
    let (user, names) = rest.unwrap_or(text).split_once(" to ")?;
    let (target, terminal) = names.split_once(" on ")?;
    let request = request(user, target, terminal)?;
    Some(said(rest.is_some(), Line::Sentence, request))
}

// Names hold no blanks: anything else is some other sentence.
fn request(user: &str, target: &str, terminal: &str) -> Option<Request> {
    let is_name = |name: &str| !name.is_empty() && !name.contains(' ');
    if !is_name(user) || !is_name(target) {
        return None;
    }
    Some(Request {
        user: user.to_owned(),
        target: Some(target.to_owned()),
        terminal: terminal.to_owned(),
        ..Request::default()
    })
}
