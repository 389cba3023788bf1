//! System logs as text: one message a line, as RFC 3164 or RFC 5424 writes it and with the stamps that logging programs
//! put in front. It takes a line apart; what its message means is for the reader of the program that wrote it.

use std::borrow::Cow;
use std::ops::ControlFlow;

use crate::source::Readings;

use super::format::{self, Flow, Format};
use super::lines::{LineReader, Lines};
use super::programs::{Entry, Log, Program, Programs, pid_of};
use super::stamp::{self, Stamp, TextTime};

/// A system log as text.
pub static FORMAT: Format = Format {
    name: "auth.log or another syslog file",
    recognises: |head| head.lines().any(|line| split(line).is_some()),
    reading: format::Reading::Pieces(|| {
        Box::new(Lines::new(Syslog {
            programs: Programs::new(Log::Syslog),
        }))
    }),
};

/// Priority in front of a line: at most three digits between angle brackets.
const PRIORITY_BYTES: usize = 5;

#[derive(Debug)]
struct Syslog {
    programs: Programs,
}

impl LineReader for Syslog {
    fn line(&mut self, line: &[u8], time: &TextTime, into: &mut dyn Readings) -> Flow {
        if line.is_empty() {
            return ControlFlow::Continue(());
        }
        let Some(header) = split(line) else {
            return match line.starts_with(b"-- ") {
                // `-- Boot …` and `-- Journal begins at …`, which journalctl puts between lines.
                true => into.skipped("heading"),
                false => into.unreadable("a line without stamp and host"),
            };
        };
        let Some(program) = Program::of(header.tag.program()) else {
            return into.skipped("other_program");
        };
        let (message, repeat_count) = repeated(header.message);
        let tag = header.tag.written();
        let entry = Entry {
            host: &String::from_utf8_lossy(header.host),
            stamp: header.stamp.text,
            observed_at_us: header.stamp.resolve(time),
            tag: &tag,
            pid: pid_of(&tag),
            message,
            repeat_count,
        };
        self.programs.entry(program, entry, into)
    }

    fn settle(&mut self, into: &mut dyn Readings) -> Flow {
        self.programs.settle(into)
    }
}

/// One line taken apart.
#[derive(Debug)]
struct Header<'a> {
    stamp: Stamp<'a>,
    host: &'a [u8],
    tag: Tag<'a>,
    message: &'a [u8],
}

/// Which process wrote a line.
#[derive(Debug)]
enum Tag<'a> {
    /// Program and process id without the colon; empty where the line has none.
    Written(&'a [u8]),
    /// The two fields of RFC 5424.
    Fields {
        program: &'a [u8],
        process: &'a [u8],
    },
}

impl<'a> Tag<'a> {
    fn program(&self) -> &'a [u8] {
        match self {
            Tag::Written(tag) => tag,
            Tag::Fields { program, .. } => program,
        }
    }

    /// As RFC 3164 writes it, so that both forms give one source key.
    fn written(&self) -> Cow<'a, [u8]> {
        match self {
            Tag::Written(tag) => Cow::Borrowed(tag),
            Tag::Fields {
                program,
                process: b"-",
            } => Cow::Borrowed(program),
            Tag::Fields { program, process } => {
                Cow::Owned([program, &b"["[..], process, b"]"].concat())
            }
        }
    }
}

/// Takes a line apart; `None` where it is no syslog line.
fn split(line: &[u8]) -> Option<Header<'_>> {
    let line = without_priority(line);
    match line.strip_prefix(b"1 ") {
        Some(rest) => split_5424(rest),
        None => split_3164(line),
    }
}

// `STAMP HOST TAG: MESSAGE`; busybox writes facility and level before the tag.
fn split_3164(line: &[u8]) -> Option<Header<'_>> {
    let (stamp, rest) = stamp::split(line)?;
    let (host, rest) = word(rest);
    if host.is_empty() || host == b":" {
        return None;
    }
    let rest = without_level(rest);
    let (first, behind) = word(rest);
    let (tag, message) = match first.strip_suffix(b":") {
        Some(tag) => (tag, behind),
        None => (&b""[..], rest),
    };
    Some(Header {
        stamp,
        host,
        tag: Tag::Written(tag),
        message,
    })
}

// `STAMP HOST APP PROCID MSGID DATA MESSAGE`, from the stamp on.
fn split_5424(line: &[u8]) -> Option<Header<'_>> {
    let (stamp, rest) = stamp::split(line)?;
    let (host, rest) = word(rest);
    let (program, rest) = word(rest);
    let (process, rest) = word(rest);
    let (_message_id, rest) = word(rest);
    let message = behind_structured_data(rest)?;
    let message = message.strip_prefix(b"\xef\xbb\xbf").unwrap_or(message);
    Some(Header {
        stamp,
        host,
        tag: Tag::Fields { program, process },
        message,
    })
}

// `-`, or elements in square brackets whose quoted values may hold brackets and escaped quotes.
fn behind_structured_data(text: &[u8]) -> Option<&[u8]> {
    if let Some(rest) = text.strip_prefix(b"-") {
        return Some(rest.trim_ascii_start());
    }
    let mut is_quoted = false;
    let mut is_escaped = false;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if std::mem::take(&mut is_escaped) => {}
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b']' if !is_quoted && text.get(at + 1) != Some(&b'[') => {
                return Some(text[at + 1..].trim_ascii_start());
            }
            _ if at == 0 && *byte != b'[' => return None,
            _ => {}
        }
    }
    None
}

fn without_priority(line: &[u8]) -> &[u8] {
    let head = &line[..line.len().min(PRIORITY_BYTES)];
    let end = head.iter().position(|byte| *byte == b'>');
    match end {
        Some(end) if end > 1 && head[0] == b'<' && head[1..end].iter().all(u8::is_ascii_digit) => {
            &line[end + 1..]
        }
        _ => line,
    }
}

// `authpriv.notice ` in front of a tag.
fn without_level(rest: &[u8]) -> &[u8] {
    let (first, behind) = word(rest);
    let mut parts = first.splitn(2, |byte| *byte == b'.');
    let (facility, level) = (parts.next(), parts.next());
    let levels: [&[u8]; 8] = [
        b"emerg", b"alert", b"crit", b"err", b"warn", b"notice", b"info", b"debug",
    ];
    let is_level = level.is_some_and(|level| levels.contains(&level))
        && facility.is_some_and(|name| name.iter().all(u8::is_ascii_alphanumeric));
    if is_level { behind } else { rest }
}

fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(|byte| *byte == b' ')
        .unwrap_or(text.len());
    let rest = text[end..].trim_ascii_start();
    (&text[..end], rest)
}

// rsyslog's `message repeated 2 times: [ … ]`: the message and how often it came.
fn repeated(message: &[u8]) -> (&[u8], u32) {
    let parts = || {
        let rest = message.strip_prefix(b"message repeated ")?;
        let (count, _) = word(rest);
        let count: u32 = std::str::from_utf8(count).ok()?.parse().ok()?;
        let at = rest.iter().position(|byte| *byte == b'[')?;
        let inner = rest[at + 1..].trim_ascii().strip_suffix(b"]")?;
        Some((inner.trim_ascii(), count.max(1)))
    };
    parts().unwrap_or((message, 1))
}

#[cfg(test)]
mod tests;
