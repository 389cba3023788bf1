//! What rpm says about a file. Its database has had three formats, so the program is asked, for a bounded time. It must
//! not be asked where it is not installed.

use std::io;
use std::path::Path;
use std::process::Command;

use super::ask::ask;
use super::{Digest, Owned, PackageManager, PackageOrigin};

const PROGRAM: &str = "usr/bin/rpm";
const FORMAT: &str =
    "%{NAME}\\t%{VERSION}-%{RELEASE}\\t%{ARCH}\\t%{VENDOR}\\n[%{FILENAMES}\\t%{FILEDIGESTS}\\n]";

/// The package that owns `path`.
pub(super) fn owner(root: &Path, path: &str) -> io::Result<Option<Owned>> {
    let program = root.join(PROGRAM);
    if !program.exists() {
        return Ok(None);
    }
    let mut command = Command::new(program);
    command.args(["-q", "-f", "--queryformat", FORMAT, "--", path]);
    let answer = ask(command, io::read_to_string)?;
    Ok(answer.and_then(|answer| parse(&answer, path)))
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
}
