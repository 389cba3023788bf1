//! The environment of an elevated program: what the broker sets, and the few variables that whoever asked may pass on.
//! What is not on the list is not there, so that no loader, shell or interpreter takes orders from it.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::limits::MAX_VARIABLE_BYTES;

/// Where programs are looked for. The same as the broker's own search.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Taken over as they are: they say how to write to a person, and where the person's display is.
const KEPT: [&str; 9] = [
    "COLORTERM",
    "COLORS",
    "DISPLAY",
    "LANG",
    "LANGUAGE",
    "LS_COLORS",
    "NO_COLOR",
    "TERM",
    "TZ",
];
/// Taken over by the beginning of the name.
const KEPT_PREFIX: &str = "LC_";
/// A value of these that has a slash or a percent sign would name a file or a format.
const MAY_NAME_FILES: [&str; 3] = ["DISPLAY", "LS_COLORS", "COLORS"];

/// Whom a program runs as, and for whom.
#[derive(Clone, Copy, Debug)]
pub struct Identities<'a> {
    /// Name of the account that it runs as.
    pub name: &'a str,
    /// That account's home.
    pub home: &'a Path,
    /// That account's shell.
    pub shell: &'a Path,
    /// Name of whoever asked.
    pub by: &'a str,
    /// Number.
    pub by_uid: u32,
    /// Group.
    pub by_gid: u32,
}

/// Whether `elevate` should offer a variable. The broker asks the same again.
#[must_use]
pub fn is_kept(name: &str) -> bool {
    KEPT.contains(&name)
        || name.strip_prefix(KEPT_PREFIX).is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
        })
}

/// The environment as `NAME=value`, each name once.
#[must_use]
pub fn environment(offered: &[Vec<u8>], of: &Identities<'_>) -> Vec<Vec<u8>> {
    let mut variables: Vec<(String, Vec<u8>)> = Vec::new();
    for variable in offered {
        let Some((name, value)) = kept(variable) else {
            continue;
        };
        // The first one holds: a second one under the same name is read differently by different programs.
        if variables.iter().all(|(known, _)| known != name) {
            variables.push((name.to_owned(), value.to_vec()));
        }
    }
    let mut set = |name: &str, value: &[u8]| variables.push((name.to_owned(), value.to_vec()));
    set("PATH", PATH.as_bytes());
    set("HOME", of.home.as_os_str().as_bytes());
    set("SHELL", of.shell.as_os_str().as_bytes());
    set("USER", of.name.as_bytes());
    set("LOGNAME", of.name.as_bytes());
    // As sudo calls them: scripts ask for these to know for whom they work.
    set("SUDO_USER", of.by.as_bytes());
    set("SUDO_UID", of.by_uid.to_string().as_bytes());
    set("SUDO_GID", of.by_gid.to_string().as_bytes());
    let joined = variables
        .into_iter()
        .map(|(name, value)| [name.as_bytes(), b"=", &value].concat());
    joined.collect()
}

fn kept(variable: &[u8]) -> Option<(&str, &[u8])> {
    let split = variable.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (
        std::str::from_utf8(&variable[..split]).ok()?,
        &variable[split + 1..],
    );
    let harmless = |byte: &u8| !byte.is_ascii_control() && !matches!(byte, b'/' | b'%');
    // The zone's folder is searched with root's rights: a plain name such as Europe/Berlin is fine, a path is not.
    let zone = |value: &[u8]| {
        value
            .iter()
            .all(|byte| !byte.is_ascii_control() && *byte != b'%')
            && !value.starts_with(b"/")
            && !value.starts_with(b":")
            && !value.windows(2).any(|pair| pair == b"..")
    };
    let safe = match name {
        "TZ" => zone(value),
        _ if MAY_NAME_FILES.contains(&name) => value.iter().all(|byte| !byte.is_ascii_control()),
        _ => value.iter().all(harmless),
    };
    let kept = is_kept(name) && safe && value.len() <= MAX_VARIABLE_BYTES;
    // A shell function in a variable (CVE-2014-6271).
    (kept && !value.starts_with(b"()")).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(offered: &[&str]) -> Vec<String> {
        let offered: Vec<_> = offered
            .iter()
            .map(|text| text.as_bytes().to_vec())
            .collect();
        let identities = Identities {
            name: "root",
            home: Path::new("/root"),
            shell: Path::new("/bin/sh"),
            by: "anna",
            by_uid: 1000,
            by_gid: 1001,
        };
        let all = environment(&offered, &identities).into_iter();
        all.map(|text| String::from_utf8(text).expect("text"))
            .collect()
    }

    #[test]
    fn only_listed_variables_with_harmless_values_are_passed_on() {
        let passed = of(&[
            "TERM=xterm-256color",
            "LC_ALL=de_DE.UTF-8",
            "LD_PRELOAD=/tmp/evil.so",
            "LC_=x",
            "LANG=/tmp/catalogue",
            "LANGUAGE=%n",
            "TZ=../../tmp/zone",
            "TZ=Europe/Berlin",
            "BASH_ENV=/tmp/x",
            "IFS= ",
            "NLSPATH=/tmp",
            "COLORTERM=() { :; }; id",
            "no equals sign",
            "PATH=/tmp",
            "HOME=/tmp",
        ]);
        assert_eq!(
            passed[..3],
            [
                "TERM=xterm-256color",
                "LC_ALL=de_DE.UTF-8",
                "TZ=Europe/Berlin"
            ]
        );
        let set: Vec<_> = passed[3..].iter().map(String::as_str).collect();
        assert_eq!(
            set,
            [
                &*format!("PATH={PATH}"),
                "HOME=/root",
                "SHELL=/bin/sh",
                "USER=root",
                "LOGNAME=root",
                "SUDO_USER=anna",
                "SUDO_UID=1000",
                "SUDO_GID=1001"
            ]
        );
    }

    #[test]
    fn a_name_that_comes_twice_is_passed_on_once() {
        let passed = of(&["TERM=a", "TERM=b"]);
        assert_eq!(
            passed
                .iter()
                .filter(|text| text.starts_with("TERM="))
                .count(),
            1
        );
        assert_eq!(passed[0], "TERM=a");
    }
}
