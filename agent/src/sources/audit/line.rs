//! One record of the audit log taken apart: node, type, the event that it belongs to, and its fields. It must not know
//! what a record means.

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// The host that `node=` names; empty where the line has none.
    pub(super) node: &'a str,
    /// The type, such as `SYSCALL`.
    pub(super) kind: &'a str,
    pub(super) event: EventId<'a>,
    /// Fields of the record.
    pub(super) body: &'a str,
    /// What auditd looked up and put behind a group separator: names of ids and numbers.
    pub(super) enriched: &'a str,
}

/// The event of a record: `seconds.milliseconds:serial`. Records of one event share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EventId<'a> {
    /// As written.
    pub(super) text: &'a str,
    pub(super) time_us: i64,
    pub(super) serial: u64,
}

/// Takes `line` apart.
///
/// # Errors
///
/// What is wrong with it: `None` where it is whole and names no event, as `type=UNKNOWN[1329] msg=?` does.
pub(super) fn parse(line: &str) -> Result<Record<'_>, Option<&'static str>> {
    let (node, rest) = match line.strip_prefix("node=") {
        Some(rest) => rest
            .split_once(' ')
            .ok_or(Some("an audit record that is cut"))?,
        None => ("", line),
    };
    let rest = rest
        .strip_prefix("type=")
        .ok_or(Some("a line that is no audit record"))?;
    let (kind, rest) = rest
        .split_once(' ')
        .ok_or(Some("an audit record that is cut"))?;
    let rest = rest.strip_prefix("msg=").unwrap_or(rest);
    let Some(rest) = rest.strip_prefix("audit(") else {
        return Err(None);
    };
    let (id, body) = rest
        .split_once(')')
        .ok_or(Some("an audit record that is cut"))?;
    let event = event_id(id).ok_or(Some("an audit record whose time cannot be read"))?;
    let body = body.strip_prefix(':').unwrap_or(body);
    let (body, enriched) = body.split_once('\x1d').unwrap_or((body, ""));
    Ok(Record {
        node,
        kind: name_of(kind),
        event,
        body: body.trim(),
        enriched,
    })
}

/// The event that `seconds.milliseconds:serial` names.
pub(super) fn event_id(text: &str) -> Option<EventId<'_>> {
    let (time, serial) = text.split_once(':')?;
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(fraction) || fraction.len() > 6 {
        return None;
    }
    let micros = format!("{fraction:0<6}").parse::<i64>().ok()?;
    // Twelve digits reach beyond the year 30000.
    let seconds = Some(seconds).filter(|text| is_number(text) && text.len() <= 12)?;
    let seconds = seconds.parse::<i64>().ok()?;
    Some(EventId {
        text,
        time_us: seconds.checked_mul(1_000_000)?.checked_add(micros)?,
        serial: serial.parse().ok()?,
    })
}

// The kernel writes types as numbers where no auditd listens.
fn name_of(kind: &str) -> &str {
    match kind {
        "1105" => "USER_START",
        "1110" => "CRED_REFR",
        "1103" => "CRED_ACQ",
        "1123" => "USER_CMD",
        "1300" => "SYSCALL",
        "1302" => "PATH",
        "1307" => "CWD",
        "1309" => "EXECVE",
        "1320" => "EOE",
        "1327" => "PROCTITLE",
        kind => kind,
    }
}

/// The fields of a body in order, values as written with their quotes.
pub(super) fn fields(body: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = body;
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_start_matches([' ', ',']);
            let end = rest.find(['=', ' '])?;
            let name = &rest[..end];
            if rest.as_bytes()[end] == b' ' {
                // A word such as `config changed` between fields.
                rest = &rest[end..];
                continue;
            }
            let value = &rest[end + 1..];
            let length = match value.as_bytes().first() {
                Some(quote @ (b'"' | b'\'')) => value[1..]
                    .find(char::from(*quote))
                    .map_or(value.len(), |at| at + 2),
                _ => value.find(' ').unwrap_or(value.len()),
            };
            rest = &value[length..];
            return Some((name, &value[..length]));
        }
    })
}

/// The first field called `name`, as written.
pub(super) fn field<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    fields(body).find_map(|(key, value)| (key == name).then_some(value))
}

/// The text of a value: without its quotes, or what its hexadecimal digits stand for. The kernel writes digits where a
/// text holds blanks, quotes or control characters.
pub(super) fn text(value: &str) -> String {
    String::from_utf8_lossy(&bytes(value)).into_owned()
}

/// As [`text`], as bytes.
pub(super) fn bytes(value: &str) -> Vec<u8> {
    if let Some(quoted) = value.strip_prefix('"') {
        return quoted.strip_suffix('"').unwrap_or(quoted).into();
    }
    match value {
        "(null)" | "(none)" | "?" => Vec::new(),
        _ => unhex(value).unwrap_or_else(|| value.into()),
    }
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    };
    let pairs = digits.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| Some(digit(&pair[0])? << 4 | digit(&pair[1])?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_taken_apart_with_and_without_node_and_names() {
        let plain = parse("type=CWD msg=audit(1795509850.233:937): cwd=\"/tmp\"").expect("whole");
        assert_eq!((plain.node, plain.kind), ("", "CWD"));
        assert_eq!(plain.event.time_us, 1_795_509_850_233_000);
        assert_eq!(plain.event.serial, 937);
        assert_eq!(plain.body, "cwd=\"/tmp\"");
        let enriched = parse("node=web1 type=SYSCALL msg=audit(1.5:2): auid=7\x1dAUID=\"anna\"");
        let enriched = enriched.expect("whole");
        assert_eq!((enriched.node, enriched.body), ("web1", "auid=7"));
        assert_eq!(field(enriched.enriched, "AUID"), Some("\"anna\""));
        // The kernel's own form in a system log.
        let kernel = parse("type=1309 audit(1795509850.233:937): argc=1 a0=\"id\"").expect("whole");
        assert_eq!(kernel.kind, "EXECVE");
    }

    #[test]
    fn damage_is_told_from_a_record_without_an_event() {
        assert_eq!(parse("type=UNKNOWN[1329] msg=?"), Err(None));
        for line in [
            "",
            "type=SYSCALL",
            "node=web1",
            "noise",
            "type=CWD msg=audit(1795509850.233",
            "type=CWD msg=audit(x.233:1): a=b",
            "type=CWD msg=audit(1.2): a=b",
            "type=CWD msg=audit(9999999999999.1:1): a=b",
        ] {
            assert!(matches!(parse(line), Err(Some(_))), "{line}");
        }
    }

    #[test]
    fn values_may_be_quoted_nested_hexadecimal_or_absent() {
        let body = "pid=1 msg='cwd=\"/a b\" cmd=6964 exe=\"/usr/bin/sudo\" res=success' config changed, a=";
        let found: Vec<_> = fields(body).collect();
        assert_eq!(found[0], ("pid", "1"));
        assert_eq!(found[1].0, "msg");
        assert_eq!(found[2], ("a", ""));
        let inner = found[1].1.trim_matches('\'');
        assert_eq!(field(inner, "cwd").map(text), Some("/a b".to_owned()));
        assert_eq!(field(inner, "cmd").map(text), Some("id".to_owned()));
        assert_eq!(text("(null)"), "");
        assert_eq!(text("?"), "");
        // No digits of the kernel's: odd, or small letters.
        assert_eq!(text("abc"), "abc");
        assert_eq!(text("ABC"), "ABC");
        assert_eq!(bytes("FF41"), [0xff, 0x41]);
    }
}
