//! Which format a file is, by its first bytes. A file's name says nothing here.

use std::fmt;

use crate::sources::{evtx, sudo};

/// A format that this version reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A Windows event log (.evtx).
    WindowsEventLog,
    /// sudo's lines in auth.log, secure or syslog.
    SudoSyslog,
    /// sudo's own text log.
    SudoLogfile,
    /// sudo's JSON event log.
    SudoEventJson,
    /// The log.json of a sudo I/O log.
    SudoIoLog,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WindowsEventLog => "Windows event log",
            Self::SudoSyslog => "syslog with sudo's lines",
            Self::SudoLogfile => "sudo log file",
            Self::SudoEventJson => "sudo JSON event log",
            Self::SudoIoLog => "sudo I/O log",
        })
    }
}

/// Why a file is none of the formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing is in it.
    #[error("it is empty")]
    Empty,
    /// gzip, xz, zstd, bzip2 or zip.
    #[error("it is compressed ({0}); unpack it first")]
    Compressed(&'static str),
    /// It begins with zeros, as a sparse or preallocated file does.
    #[error("it begins with {0} zero bytes and holds no records there")]
    Zeros(usize),
    /// JSON of some other program.
    #[error(
        "it is JSON, but neither sudo's event log (keys accept, reject, exit) nor the log.json of an I/O log"
    )]
    OtherJson,
    /// Anything else.
    #[error(
        "not a format that this version reads: a Windows event log (.evtx), auth.log or another syslog file with sudo's \
         lines, sudo's own log file, sudo's JSON event log, or the log.json of a sudo I/O log"
    )]
    Unknown,
}

// Lines of text that may come before the first one that shows the format, such as the rest of a cut line.
const LINES_LOOKED_AT: usize = 64;

const COMPRESSED: [(&[u8], &str); 5] = [
    (b"\x1f\x8b", "gzip"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"PK\x03\x04", "zip"),
];

/// The format of a file that begins with `head`.
pub(super) fn detect(head: &[u8]) -> Result<Format, Refusal> {
    if head.is_empty() {
        return Err(Refusal::Empty);
    }
    if evtx::looks_like(head) {
        return Ok(Format::WindowsEventLog);
    }
    if let Some((_, name)) = COMPRESSED.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Err(Refusal::Compressed(name));
    }
    if head.iter().all(|byte| *byte == 0) {
        return Err(Refusal::Zeros(head.len()));
    }
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    match head.trim_ascii_start().first() {
        Some(b'{') => json(head),
        _ => text(head),
    }
}

fn json(head: &[u8]) -> Result<Format, Refusal> {
    let keys = sudo::top_level_keys(head);
    let has = |names: &[&str]| keys.iter().any(|key| names.contains(&key.as_str()));
    if has(&["accept", "reject", "exit"]) {
        return Ok(Format::SudoEventJson);
    }
    let is_run = has(&["command", "runargv", "submituser"]);
    if is_run && has(&["timestamp", "server_time", "submit_time"]) {
        return Ok(Format::SudoIoLog);
    }
    Err(Refusal::OtherJson)
}

fn text(head: &[u8]) -> Result<Format, Refusal> {
    for line in head.split(|byte| *byte == b'\n').take(LINES_LOOKED_AT) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if sudo::is_logfile_line(line) {
            return Ok(Format::SudoLogfile);
        }
        if sudo::is_syslog_line(line) {
            return Ok(Format::SudoSyslog);
        }
    }
    Err(Refusal::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_is_known_by_its_content() {
        let cases: [(&[u8], Format); 9] = [
            (b"ElfFile\0\0\0", Format::WindowsEventLog),
            (b"Nov 23 05:29:20 h sshd[1]: x\n", Format::SudoSyslog),
            (
                b"rest of a line\n2026-11-23T05:29:20Z h sudo: x\n",
                Format::SudoSyslog,
            ),
            (b"Nov 23 05:29:20 : a : USER=root ;\n", Format::SudoLogfile),
            (
                b"Nov 23 05:29:20 2026 : a : USER=root ;",
                Format::SudoLogfile,
            ),
            (b"{\n \"accept\": {\"uuid", Format::SudoEventJson),
            (b"{\"exit\":{}}\n{\"accept\":{}}", Format::SudoEventJson),
            (
                b"{\"timestamp\": {\"seconds\": 1}, \"command\": \"x\"}",
                Format::SudoIoLog,
            ),
            (
                b"\xef\xbb\xbf{\"server_time\": {}, \"runargv\": [\"x",
                Format::SudoIoLog,
            ),
        ];
        for (head, format) in cases {
            assert_eq!(
                detect(head),
                Ok(format),
                "{}",
                String::from_utf8_lossy(head)
            );
        }
    }

    #[test]
    fn everything_else_is_refused_with_what_it_is() {
        let cases: [(&[u8], Refusal); 9] = [
            (b"", Refusal::Empty),
            (b"\x1f\x8b\x08\0", Refusal::Compressed("gzip")),
            (&[0; 100], Refusal::Zeros(100)),
            (b"{\"Event\": {}}", Refusal::OtherJson),
            (b"{}", Refusal::OtherJson),
            (b"{", Refusal::OtherJson),
            (b"type=SYSCALL msg=audit(1:2): a", Refusal::Unknown),
            (b"\xff\xfe\x00\x01random", Refusal::Unknown),
            (b"\n\n\n", Refusal::Unknown),
        ];
        for (head, refusal) in cases {
            assert_eq!(
                detect(head),
                Err(refusal),
                "{}",
                String::from_utf8_lossy(head)
            );
        }
    }
}
