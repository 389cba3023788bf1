//! What rpm says about a file. Its database has had three formats, so the program is asked, for a bounded time. It must
//! not be asked where it is not installed.

use std::io::{self, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::{Digest, Owned, PackageManager, PackageOrigin};

const PROGRAM: &str = "usr/bin/rpm";
/// An answer takes some ten milliseconds; a database that another program locks must not hold up a launch for long.
const LONGEST: Duration = Duration::from_secs(5);
/// Bytes of an answer: all files of a large package with their digests.
const MAX_ANSWER_BYTES: u64 = 64 << 20;
const FORMAT: &str =
    "%{NAME}\\t%{VERSION}-%{RELEASE}\\t%{ARCH}\\t%{VENDOR}\\n[%{FILENAMES}\\t%{FILEDIGESTS}\\n]";

/// The package that owns `path`.
pub(super) fn owner(root: &Path, path: &str) -> io::Result<Option<Owned>> {
    let program = root.join(PROGRAM);
    if !program.exists() {
        return Ok(None);
    }
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C");
    command.args(["-q", "-f", "--queryformat", FORMAT, "--", path]);
    Ok(answer(command)?.and_then(|answer| parse(&answer, path)))
}

/// What `command` writes, where it ends well and in time.
fn answer(mut command: Command) -> io::Result<Option<String>> {
    let streams = command.stdin(Stdio::null()).stderr(Stdio::null());
    let mut child = streams.stdout(Stdio::piped()).spawn()?;
    let Some(stdout) = child.stdout.take() else {
        return Ok(None);
    };
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = stdout.take(MAX_ANSWER_BYTES).read_to_string(&mut text);
        // Nobody waits any more where the time is over.
        let _ = sender.send(read.map(|_| text));
    });
    let text = receiver.recv_timeout(LONGEST);
    if text.is_err() {
        // It may have ended in between.
        let _ = child.kill();
    }
    let ended_well = child.wait()?.success();
    match text {
        Ok(text) if ended_well => text.map(Some),
        Ok(_) => Ok(None),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

fn parse(answer: &str, path: &str) -> Option<Owned> {
    let mut lines = answer.lines();
    let mut fields = lines.next()?.split('\t').map(str::to_owned);
    let (name, version, architecture) = (fields.next()?, fields.next()?, fields.next()?);
    let mut files = lines.filter_map(|line| line.split_once('\t'));
    let digest = files
        .find(|(file, _)| *file == path)
        .map(|(_, digest)| digest);
    Some(Owned {
        package: PackageOrigin {
            manager: PackageManager::Rpm,
            name,
            version,
            architecture,
            origin: fields.next().filter(|vendor| vendor != "(none)"),
            unchanged: None,
        },
        digest: match digest {
            Some(digest) if digest.len() == 64 => Some(Digest::Sha256(digest.to_owned())),
            Some(digest) if digest.len() == 32 => Some(Digest::Md5(digest.to_owned())),
            _ => None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_names_package_vendor_and_digest() {
        let digest = "a".repeat(64);
        let answer = format!(
            "nano\t8.1-3\tx86_64\tExample\n/etc/nanorc\t{}\n/usr/bin/nano\t{digest}\n",
            "b".repeat(64)
        );
        let owned = parse(&answer, "/usr/bin/nano").expect("an answer");
        assert_eq!(owned.package.name, "nano");
        assert_eq!(owned.package.version, "8.1-3");
        assert_eq!(owned.package.origin.as_deref(), Some("Example"));
        assert_eq!(owned.digest, Some(Digest::Sha256(digest)));
        assert!(parse("file /x is not owned by any package", "/x").is_none());
    }

    #[test]
    fn an_answer_that_does_not_come_is_not_waited_for() {
        let mut failing = Command::new("/bin/sh");
        failing.args(["-c", "echo text; exit 1"]);
        assert_eq!(answer(failing).expect("it ran"), None);
        let mut answering = Command::new("/bin/sh");
        answering.args(["-c", "echo text"]);
        assert_eq!(
            answer(answering).expect("it ran").as_deref(),
            Some("text\n")
        );
    }
}
