//! Logs of any size, written as the real programs write them, with a count of what is in them. It must not read one.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context as _, ensure};

/// What a log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// syslog's `auth.log`: sudo among sshd and cron.
    AuthLog,
    /// Windows Security log as JSON lines: event 4688 among logons.
    WindowsJson,
}

impl Format {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AuthLog => "auth.log",
            Self::WindowsJson => "Windows JSON",
        }
    }

    /// Where the agent's summary counts these elevations.
    fn counted_as(self) -> &'static str {
        match self {
            Self::AuthLog => "/sudo/elevations",
            Self::WindowsJson => "/security_4688/elevations",
        }
    }
}

/// A log that was written.
pub(crate) struct Written {
    format: Format,
    pub(crate) bytes: u64,
    pub(crate) lines: u64,
    pub(crate) elevations: u64,
}

impl Written {
    /// Writes about `bytes`; one line of `every` is an elevation, and no two of them are alike.
    pub(crate) fn create(
        path: &Path,
        format: Format,
        bytes: u64,
        every: u64,
    ) -> anyhow::Result<Self> {
        let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
        let mut written = Self {
            format,
            bytes: 0,
            lines: 0,
            elevations: 0,
        };
        let mut line = Vec::new();
        while written.bytes < bytes {
            line.clear();
            let elevates = written.lines.is_multiple_of(every);
            match format {
                Format::AuthLog => auth_log(&mut line, written.lines, elevates)?,
                Format::WindowsJson => windows_json(&mut line, written.lines, elevates)?,
            }
            out.write_all(&line)?;
            written.bytes += line.len() as u64;
            written.lines += 1;
            written.elevations += u64::from(elevates);
        }
        out.into_inner()?.sync_all()?;
        Ok(written)
    }

    /// Whether the agent's summary counts what was written.
    pub(crate) fn check(&self, summary: &str) -> anyhow::Result<()> {
        let line = summary.lines().next().context("no summary")?;
        let summary: serde_json::Value = serde_json::from_str(line)?;
        let counted = summary.pointer(self.format.counted_as());
        let counted = counted.and_then(serde_json::Value::as_u64);
        ensure!(
            counted == Some(self.elevations) && summary["unreadable"] == 0,
            "{} elevations were written: {line}",
            self.elevations
        );
        Ok(())
    }
}

/// Day, hour, minute and second of a line: forty lines a second, so that gigabytes are some days.
fn clock(line: u64) -> (u64, u64, u64, u64) {
    let second = line / 40;
    (
        1 + second / 86_400 % 28,
        second / 3600 % 24,
        second / 60 % 60,
        second % 60,
    )
}

/// A line of `auth.log`.
pub(crate) fn auth_log(out: &mut Vec<u8>, line: u64, elevates: bool) -> std::io::Result<()> {
    let (day, hour, minute, second) = clock(line);
    let micros = line % 40 * 25_000;
    write!(
        out,
        "2026-10-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}+00:00 build{} ",
        line % 7
    )?;
    let pid = 1000 + line % 60_000;
    let user = line % 500;
    match (elevates, line % 3) {
        (true, _) => writeln!(
            out,
            "sudo[{pid}]:  user{user} : TTY=pts/{} ; PWD=/home/user{user}/work ; USER=root ; COMMAND=/usr/bin/systemctl restart worker-{line}.service",
            line % 40
        ),
        (false, 0) => writeln!(
            out,
            "sshd[{pid}]: Accepted publickey for user{user} from 10.1.{}.{} port {} ssh2: ED25519 SHA256:c2FtcGxlIGtleSBmb3IgYmVuY2htYXJrcw",
            line % 200,
            line % 251,
            20_000 + line % 40_000
        ),
        (false, 1) => writeln!(
            out,
            "CRON[{pid}]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)"
        ),
        _ => writeln!(
            out,
            "sudo[{pid}]: pam_unix(sudo:session): session closed for user root"
        ),
    }
}

fn windows_json(out: &mut Vec<u8>, line: u64, elevates: bool) -> std::io::Result<()> {
    let (day, hour, minute, second) = clock(line);
    let micros = line % 40 * 25_000;
    let event = if elevates { 4688 } else { 4624 };
    write!(
        out,
        r##"{{"Event":{{"System":{{"Provider":{{"#attributes":{{"Name":"Microsoft-Windows-Security-Auditing","Guid":"54849625-5478-4994-A5BA-3E3B0328C30D"}}}},"EventID":{event},"Version":2,"Level":0,"Task":13312,"Opcode":0,"Keywords":"0x8020000000000000","TimeCreated":{{"#attributes":{{"SystemTime":"2026-10-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z"}}}},"EventRecordID":{},"Channel":"Security","Computer":"ws{:03}.corp.example"}},"EventData":{{"##,
        line + 1,
        line % 300,
    )?;
    let user = line % 500;
    if elevates {
        writeln!(
            out,
            r#""SubjectUserSid":"S-1-5-21-1111-2222-3333-{}","SubjectUserName":"user{user}","SubjectDomainName":"CORP","SubjectLogonId":"0x{:x}","NewProcessId":"0x{:x}","NewProcessName":"C:\\Program Files\\Tools\\tool{}.exe","TokenElevationType":"%%1937","ProcessId":"0x1a2c","CommandLine":"\"C:\\Program Files\\Tools\\tool{}.exe\" --job {line}","TargetUserSid":"S-1-0-0","TargetUserName":"-","TargetDomainName":"-","TargetLogonId":"0x0","ParentProcessName":"C:\\Windows\\explorer.exe","MandatoryLabel":"S-1-16-12288"}}}}}}"#,
            1000 + user,
            0x10000 + user,
            4 + line % 65_000 * 4,
            line % 900,
            line % 900,
        )
    } else {
        writeln!(
            out,
            r#""TargetUserSid":"S-1-5-21-1111-2222-3333-{}","TargetUserName":"user{user}","TargetDomainName":"CORP","TargetLogonId":"0x{:x}","LogonType":3,"LogonProcessName":"Kerberos","AuthenticationPackageName":"Kerberos","WorkstationName":"-","IpAddress":"10.1.2.{}","IpPort":"{}"}}}}}}"#,
            1000 + user,
            0x10000 + line,
            line % 251,
            20_000 + line % 40_000,
        )
    }
}
