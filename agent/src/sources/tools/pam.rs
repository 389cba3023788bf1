//! What PAM writes on behalf of a tool: sessions and wrong passwords, from `pam_unix` and modules that write alike.

use super::{Request, Said};

/// What `message` says, where PAM wrote it.
pub(super) fn parse(message: &str) -> Option<Said> {
    let message = message.trim();
    let (kind, text) = match message.strip_prefix("pam_") {
        // `pam_unix(su-l:session): `
        Some(rest) => {
            let (_module, rest) = rest.split_once('(')?;
            let (service, text) = rest.split_once("): ")?;
            let (_service, kind) = service.rsplit_once(':')?;
            (kind, text)
        }
        // Old ones name the module in the tag.
        None if message.starts_with("session ") => ("session", message),
        None if message.starts_with("authentication failure; ") => ("auth", message),
        None => return None,
    };
    let said = match kind {
        "session" => session(text),
        "auth" => wrong_password(text),
        _ => None,
    };
    Some(said.unwrap_or(Said::Nothing("session")))
}

// `session opened for user root(uid=0) by anna(uid=1000)`, where the caller's name, both ids, or the caller may be
// missing.
fn session(text: &str) -> Option<Said> {
    if let Some(target) = text.strip_prefix("session closed for user ") {
        let (target, _) = account(target);
        return Some(Said::Closed { target });
    }
    let rest = text.strip_prefix("session opened for user ")?;
    let (target, by) = rest.split_once(" by ").unwrap_or((rest, ""));
    let (target, _) = account(target);
    let (user, user_id) = account(by);
    Some(Said::Session(Request {
        user,
        user_id,
        target: Some(target),
        ..Request::default()
    }))
}

// `authentication failure; logname= uid=1000 euid=0 tty=/dev/pts/3 ruser=anna rhost=  user=root`
fn wrong_password(text: &str) -> Option<Said> {
    let fields = text.strip_prefix("authentication failure; ")?;
    let field = |name: &str| {
        let mut found = fields
            .split(' ')
            .filter_map(|field| field.split_once('='))
            .filter(|(key, _)| *key == name);
        found.next().map(|(_, value)| value.to_owned())
    };
    Some(Said::WrongPassword(Request {
        user: field("ruser").or(field("logname")).unwrap_or_default(),
        user_id: field("uid").unwrap_or_default(),
        target: field("user"),
        terminal: field("tty").unwrap_or_default(),
        reason: "authentication failure".to_owned(),
        ..Request::default()
    }))
}

// `root(uid=0)`, `root`, `(uid=1000)`.
fn account(text: &str) -> (String, String) {
    let text = text.trim();
    match text.split_once("(uid=") {
        Some((name, id)) => (name.to_owned(), id.trim_end_matches(')').to_owned()),
        None => (text.to_owned(), String::new()),
    }
}
