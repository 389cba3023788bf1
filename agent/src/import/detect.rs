//! Which format a file is, by its first bytes. A file's name says nothing here.

use std::fmt;

use crate::sources::FORMATS;
use crate::sources::format::{Format, Head};
use crate::sources::intune;

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
    /// An Intune export without what it needs, or one that only counts.
    #[error("{0}")]
    Incomplete(#[from] intune::NoReport),
    /// JSON of some other program.
    #[error("it is JSON, but of no format that this version reads: {}", Names)]
    OtherJson,
    /// Anything else.
    #[error("not a format that this version reads: {}", Names)]
    Unknown,
}

/// The names of all formats.
struct Names;

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, format) in FORMATS.iter().enumerate() {
            let between = if at == 0 { "" } else { ", " };
            write!(f, "{between}{format}")?;
        }
        Ok(())
    }
}

const COMPRESSED: [(&[u8], &str); 5] = [
    (b"\x1f\x8b", "gzip"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"PK\x03\x04", "zip"),
];

/// The format of a file that begins with `head`.
pub(crate) fn detect(head: &[u8]) -> Result<&'static Format, Refusal> {
    if head.is_empty() {
        return Err(Refusal::Empty);
    }
    let packed = COMPRESSED.iter().find(|(magic, _)| head.starts_with(magic));
    if head.iter().all(|byte| *byte == 0) {
        return Err(Refusal::Zeros(head.len()));
    }
    let head = Head::new(head);
    let format = FORMATS.iter().find(|format| (format.recognises)(&head));
    match (format, packed, intune::check(&head)) {
        (Some(format), ..) => Ok(format),
        (None, Some((_, name)), _) => Err(Refusal::Compressed(name)),
        (None, None, Err(why)) if why != intune::NoReport::Other => Err(why.into()),
        _ if head.is_json() => Err(Refusal::OtherJson),
        _ => Err(Refusal::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::{audit, evtx, intune, journal, sudo, syslog};

    #[test]
    fn each_format_is_known_by_its_content() {
        let cases: [(&[u8], &'static Format); 16] = [
            (b"ElfFile\0\0\0", &evtx::FORMAT),
            (b"Nov 23 05:29:20 h sshd[1]: x\n", &syslog::FORMAT),
            (b"type=SYSCALL msg=audit(1.0:2): a", &audit::FORMAT),
            (
                b"rest of a line\nnode=h type=CWD msg=audit(1.0:2): a",
                &audit::FORMAT,
            ),
            (b"{\"__CURSOR\":\"s=1\"}\n", &journal::FORMAT),
            (b"\x1e{\"__CURSOR\":\"s=1\"}\n", &journal::FORMAT),
            (
                b"{\n\t\"__REALTIME_TIMESTAMP\" : \"1\"\n}\n",
                &journal::FORMAT,
            ),
            (
                b"rest of a line\n2026-11-23T05:29:20Z h sudo: x\n",
                &syslog::FORMAT,
            ),
            (
                b"Nov 23 05:29:20 : a : USER=root ;\n",
                &sudo::logfile::FORMAT,
            ),
            (
                b"Nov 23 05:29:20 2026 : a : USER=root ;",
                &sudo::logfile::FORMAT,
            ),
            (b"{\n \"accept\": {\"uuid", &sudo::event_json::FORMAT),
            (b"{\"exit\":{}}\n{\"accept\":{}}", &sudo::event_json::FORMAT),
            (
                b"{\"timestamp\": {\"seconds\": 1}, \"command\": \"x\"}",
                &sudo::io_log::FORMAT,
            ),
            (
                b"\xef\xbb\xbf{\"server_time\": {}, \"runargv\": [\"x",
                &sudo::io_log::FORMAT,
            ),
            (
                b"\xef\xbb\xbf\"Id\",FilePath,EventDateTime,ElevationType\r\n",
                &intune::FORMAT,
            ),
            (
                b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\0\0\0a.csv",
                &intune::FORMAT,
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
        let cases: [(&[u8], Refusal); 12] = [
            (b"", Refusal::Empty),
            (b"\x1f\x8b\x08\0", Refusal::Compressed("gzip")),
            (&[0; 100], Refusal::Zeros(100)),
            (b"PK\x03\x04word/document.xml", Refusal::Compressed("zip")),
            (
                b"Id,FilePath,EventDateTime,IsSystemInitiated\n",
                Refusal::Incomplete(intune::NoReport::Lacks("ElevationType")),
            ),
            (
                b"CompanyName,ElevationCount,ElevationType,FileName\n",
                Refusal::Incomplete(intune::NoReport::Counts),
            ),
            (b"{\"Event\": {}}", Refusal::OtherJson),
            (b"{}", Refusal::OtherJson),
            (b"{", Refusal::OtherJson),
            (b"type=SYSCALL msg=audit(x): a", Refusal::Unknown),
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
