//! One sudo message: `user : reason ; TTY=… ; PWD=… ; USER=… ; COMMAND=…`.
//!
//! Everything behind the first `COMMAND=` is the command: it may hold anything, also ` ; USER=`. Only the exit that
//! log_exit_status appends is taken off its end.

const COMMAND: &str = "COMMAND=";
const SEPARATOR: &str = " ; ";

/// Complaints that sudo logs in the form of a denial although it goes on and logs the run by itself.
const NOTICES: [&str; 5] = [
    "unable to ",
    "parse error",
    "syntax error",
    "problem with defaults",
    "timestamp ",
];

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Exit {
    pub(super) code: Option<i64>,
    pub(super) signal: String,
}

/// A message taken apart; text that is absent is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) user: String,
    pub(super) reason: String,
    pub(super) host: String,
    pub(super) tty: String,
    pub(super) cwd: String,
    pub(super) target: Target,
    pub(super) tsid: String,
    /// The command as written.
    pub(super) command: String,
    pub(super) exit: Option<Exit>,
}

/// As whom a command runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Target {
    /// The message does not say, or says two things.
    #[default]
    Unknown,
    Account(String),
}

/// What a message of sudo is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    Run(Box<Message>),
    /// Nothing that ran or was refused, by reason.
    Other(&'static str),
    /// It should be a run and is damaged.
    Broken(&'static str),
}

/// Splits `user : rest` and gives both without blanks around them.
pub(super) fn user_of(text: &str) -> Option<(&str, &str)> {
    let (user, rest) = text.split_once(" : ")?;
    let user = user.trim();
    (!user.is_empty()).then(|| (user, rest.trim_start()))
}

/// Takes `text` (the message behind `sudo:`) apart.
pub(super) fn parse(text: &str) -> Parsed {
    let text = text.trim();
    if text.starts_with("pam_") {
        return Parsed::Other("session");
    }
    let Some((user, rest)) = user_of(text) else {
        return match text.contains(COMMAND) {
            true => Parsed::Broken("a sudo command without a user"),
            false => Parsed::Other("no_command"),
        };
    };
    let (head, command) = match rest.strip_prefix(COMMAND) {
        Some(command) => ("", command),
        None => match rest.split_once(" ; COMMAND=") {
            Some(parts) => parts,
            None if rest.contains("USER=") || rest.contains("PWD=") || rest.contains("TTY=") => {
                return Parsed::Broken("a sudo record that ends before its command");
            }
            None => return Parsed::Other("no_command"),
        },
    };
    let mut message = Message {
        user: unescape(user),
        ..Message::default()
    };
    fields(head, &mut message);
    if NOTICES
        .iter()
        .any(|notice| message.reason.starts_with(notice))
    {
        return Parsed::Other("notice");
    }
    let (command, exit) = split_exit(command);
    message.command = command.trim_end_matches([' ', '\r']).to_owned();
    message.exit = exit;
    if message.command.is_empty() {
        return Parsed::Broken("a sudo record with an empty command");
    }
    let word = first_word(&message.command);
    if message.reason.is_empty() && (word == "list" || word == "validate") {
        return Parsed::Other("no_command");
    }
    Parsed::Run(Box::new(message))
}

// `TTY=… ; PWD=… ; USER=…` with a reason in front of it. A value may hold the separator, so that a part that begins
// with no known name belongs to the part before it.
fn fields(head: &str, message: &mut Message) {
    let mut current: Option<(&str, String)> = None;
    let mut targets: Vec<String> = Vec::new();
    for part in head.split(SEPARATOR) {
        let named = part.split_once('=').filter(|(name, _)| is_field(name));
        match (named, &mut current) {
            (Some((name, value)), _) => {
                keep(current.take(), message, &mut targets);
                current = Some((name, value.to_owned()));
            }
            (None, Some((_, value))) => {
                value.push_str(SEPARATOR);
                value.push_str(part);
            }
            (None, None) if message.reason.is_empty() => {
                part.trim().clone_into(&mut message.reason)
            }
            (None, None) => {
                message.reason.push_str(SEPARATOR);
                message.reason.push_str(part.trim());
            }
        }
    }
    keep(current, message, &mut targets);
    targets.dedup();
    // Two different names cannot both be sudo's: a folder or a variable holds one of them. Neither is believed.
    if targets.len() == 1 {
        message.target = Target::Account(targets.remove(0));
    }
}

fn is_field(name: &str) -> bool {
    matches!(
        name,
        "HOST" | "TTY" | "CHROOT" | "PWD" | "CWD" | "USER" | "GROUP" | "TSID" | "ENV"
    )
}

fn keep(field: Option<(&str, String)>, message: &mut Message, targets: &mut Vec<String>) {
    let Some((name, value)) = field else { return };
    let value = unescape(value.trim());
    match name {
        "HOST" => message.host = value,
        // "unknown" and "none" say that there was no terminal.
        "TTY" if value != "unknown" && value != "none" => message.tty = value,
        "PWD" | "CWD" => message.cwd = value,
        "USER" => targets.push(value),
        "TSID" => message.tsid = value,
        _ => {}
    }
}

// ` ; EXIT=0` or ` ; SIGNAL=KILL ; EXIT=137` at the end of a command.
fn split_exit(command: &str) -> (&str, Option<Exit>) {
    let whole = (command, None);
    let trimmed = command.trim_end();
    let Some((before, last)) = trimmed.rsplit_once(SEPARATOR) else {
        return whole;
    };
    if let Some(signal) = last
        .strip_prefix("SIGNAL=")
        .filter(|signal| is_signal(signal))
    {
        let exit = Exit {
            code: None,
            signal: signal.to_owned(),
        };
        return (before, Some(exit));
    }
    let Some(code) = last
        .strip_prefix("EXIT=")
        .and_then(|code| code.parse().ok())
    else {
        return whole;
    };
    let mut exit = Exit {
        code: Some(code),
        signal: String::new(),
    };
    if let Some((start, signal)) = before.rsplit_once(SEPARATOR)
        && let Some(signal) = signal
            .strip_prefix("SIGNAL=")
            .filter(|signal| is_signal(signal))
    {
        signal.clone_into(&mut exit.signal);
        return (start, Some(exit));
    }
    (before, Some(exit))
}

fn is_signal(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'+')
}

/// The message without the exit at its end: what the start of the same run said.
pub(super) fn start_of(text: &str) -> &str {
    let text = text.trim();
    match text.find(COMMAND) {
        Some(at) => {
            let (command, _) = split_exit(&text[at..]);
            text[..at + command.len()].trim_end()
        }
        None => text,
    }
}

/// The program of a command.
pub(super) fn first_word(command: &str) -> &str {
    command.split(' ').next().unwrap_or(command)
}

/// `text` with the octal escapes of rsyslog and sudo (`#012`, `#011`) made the control characters that they stand for.
pub(super) fn unescape(text: &str) -> String {
    decode(text, |code| code < 0x20 || code == 0x7f)
}

/// A path of a command: there sudo escapes the blank too (`#040`).
pub(super) fn unescape_path(text: &str) -> String {
    decode(text, |code| code <= 0x20 || code == 0x7f)
}

fn decode(text: &str, is_escaped: impl Fn(u32) -> bool) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('#') {
        plain.push_str(&rest[..at]);
        let digits = rest
            .get(at + 1..at + 4)
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 8).ok());
        match code
            .filter(|code| is_escaped(*code))
            .and_then(char::from_u32)
        {
            Some(character) => {
                plain.push(character);
                rest = &rest[at + 4..];
            }
            None => {
                plain.push('#');
                rest = &rest[at + 1..];
            }
        }
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests;
