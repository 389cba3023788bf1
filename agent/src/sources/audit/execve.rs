//! An event of the audit log in which a program started: what its records say together, in whatever order they came.

use std::collections::BTreeMap;

use super::super::command::joined;
use super::line::{Record, bytes, field, fields, text};

/// Bytes of arguments kept for one event. The kernel allows two million; what a report shows fits many times over.
const ARGUMENT_BYTES: usize = 256 * 1024;

/// What the SYSCALL record says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Syscall {
    pub(super) is_execve: bool,
    pub(super) has_succeeded: bool,
    pub(super) pid: u64,
    pub(super) parent_pid: u64,
    pub(super) user_id: Option<String>,
    pub(super) effective_id: Option<String>,
    /// The person who logged in; `None` where nobody did.
    pub(super) audit_id: Option<String>,
    /// Name of `audit_id`, where the log was enriched.
    pub(super) audit_name: String,
    pub(super) session: String,
    pub(super) terminal: String,
    pub(super) program: String,
}

/// System calls that start a program, by the architecture in front of them.
const EXECVE: [(&str, &[&str]); 10] = [
    // x86-64, with the numbers of its 32-bit pointers.
    (
        "c000003e",
        &["59", "322", "520", "545", "1073742344", "1073742369"],
    ),
    // i386
    ("40000003", &["11", "358"]),
    // aarch64
    ("c00000b7", &["221", "281"]),
    // arm
    ("40000028", &["11", "387"]),
    // riscv64
    ("c00000f3", &["221", "281"]),
    // loongarch64
    ("c0000102", &["221", "281"]),
    // ppc64 with both byte orders
    ("c0000015", &["11", "362"]),
    ("80000015", &["11", "362"]),
    // s390x and s390
    ("80000016", &["11", "354"]),
    ("16", &["11", "354"]),
];

impl Syscall {
    pub(super) fn of(record: &Record<'_>) -> Self {
        let raw = |name: &str| field(record.body, name).unwrap_or_default();
        let number = |name: &str| raw(name).parse().unwrap_or(0);
        let name = field(record.enriched, "SYSCALL").unwrap_or(raw("syscall"));
        let is_execve = matches!(name, "execve" | "execveat")
            || EXECVE
                .iter()
                .any(|(arch, numbers)| *arch == raw("arch") && numbers.contains(&raw("syscall")));
        Self {
            is_execve,
            has_succeeded: raw("success") == "yes",
            pid: number("pid"),
            parent_pid: number("ppid"),
            user_id: known_id(raw("uid")),
            effective_id: known_id(raw("euid")),
            audit_id: known_id(raw("auid")),
            audit_name: field(record.enriched, "AUID").map(text).unwrap_or_default(),
            session: known_id(raw("ses")).unwrap_or_default(),
            terminal: text(raw("tty")),
            program: text(raw("exe")),
        }
    }
}

/// An id; `None` where it is unset. auditd writes -1 in three ways.
pub(super) fn known_id(value: &str) -> Option<String> {
    match value {
        "" | "4294967295" | "-1" | "unset" | "?" => None,
        "root" => Some("0".to_owned()),
        id => Some(id.trim_matches('"').to_owned()),
    }
}

/// Everything that the records of one event say.
#[derive(Clone, Debug, Default)]
pub(super) struct Started {
    pub(super) syscall: Option<Syscall>,
    // By the number of the argument and of its piece.
    arguments: BTreeMap<(u32, u32), Vec<u8>>,
    bytes: usize,
    title: String,
    pub(super) directory: String,
    /// The path that was asked for, which may be a link to the program.
    pub(super) path: String,
}

impl Started {
    /// Takes what `record` says.
    pub(super) fn take(&mut self, record: &Record<'_>) {
        match record.kind {
            "SYSCALL" => self.syscall = Some(Syscall::of(record)),
            "EXECVE" => self.take_arguments(record.body),
            "CWD" => self.directory = field(record.body, "cwd").map(text).unwrap_or_default(),
            "PATH" if field(record.body, "item") == Some("0") => {
                self.path = field(record.body, "name").map(text).unwrap_or_default();
            }
            "PROCTITLE" => {
                let title = field(record.body, "proctitle").map(bytes);
                self.title = title.map(|title| title_text(&title)).unwrap_or_default();
            }
            _ => {}
        }
    }

    // `a0="sh"`, `a1=2D63`, and for long ones `a2_len=9000 a2[0]=… a2[1]=…` over several records.
    fn take_arguments(&mut self, body: &str) {
        for (name, value) in fields(body) {
            let Some(place) = place(name) else { continue };
            let piece = bytes(value);
            if self.bytes + piece.len() > ARGUMENT_BYTES {
                return;
            }
            self.bytes += piece.len();
            self.arguments.insert(place, piece);
        }
    }

    /// The arguments behind the program, or what the kernel kept of them as the title.
    pub(super) fn arguments(&self) -> String {
        match self.texts() {
            texts if texts.is_empty() => self.title.clone(),
            texts => joined(texts.iter().skip(1)),
        }
    }

    /// The whole command as sudo writes it into its own record: separated by blanks and not quoted.
    pub(super) fn command(&self) -> String {
        self.texts().join(" ")
    }

    fn texts(&self) -> Vec<String> {
        let mut whole: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        for ((number, _), piece) in &self.arguments {
            whole.entry(*number).or_default().extend_from_slice(piece);
        }
        let texts = whole.values();
        texts
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            .collect()
    }
}

fn place(name: &str) -> Option<(u32, u32)> {
    let rest = name.strip_prefix('a')?;
    match rest.split_once('[') {
        Some((number, piece)) => {
            let piece = piece.strip_suffix(']')?;
            Some((number.parse().ok()?, piece.parse().ok()?))
        }
        None => Some((rest.parse().ok()?, 0)),
    }
}

// Arguments with a zero behind each, the program first.
fn title_text(title: &[u8]) -> String {
    let arguments = title.split(|byte| *byte == 0).skip(1);
    joined(arguments.map(String::from_utf8_lossy))
}

#[cfg(test)]
mod tests {
    use super::super::line::parse;
    use super::*;

    fn started(lines: &[&str]) -> Started {
        let mut started = Started::default();
        for line in lines {
            started.take(&parse(line).expect("a record"));
        }
        started
    }

    #[test]
    fn arguments_come_in_pieces_and_in_any_order() {
        let started = started(&[
            "type=EXECVE msg=audit(1.0:1): a2[1]=6374 a3=6120 62",
            "type=EXECVE msg=audit(1.0:1): argc=3 a0=\"sh\" a1=\"-c\" a2_len=10 a2[0]=6F626A65",
        ]);
        assert_eq!(started.command(), "sh -c object a ");
        assert_eq!(started.arguments(), "-c object 'a '");
    }

    #[test]
    fn the_title_stands_in_for_arguments_that_were_not_logged() {
        let started =
            started(&["type=PROCTITLE msg=audit(1.0:1): proctitle=7368002D630074727565202D78"]);
        assert_eq!(started.arguments(), "-c 'true -x'");
    }

    #[test]
    fn a_start_is_known_by_number_on_every_architecture_and_by_name() {
        let is_execve = |fields: &str, names: &str| {
            let line = format!("type=SYSCALL msg=audit(1.0:1): {fields} success=yes\x1d{names}");
            Syscall::of(&parse(&line).expect("a record")).is_execve
        };
        assert!(is_execve("arch=c000003e syscall=59", ""));
        assert!(is_execve("arch=c000003e syscall=322", ""));
        assert!(is_execve("arch=40000003 syscall=11", ""));
        assert!(is_execve("arch=c00000b7 syscall=221", ""));
        assert!(is_execve("arch=x86_64 syscall=execveat", ""));
        assert!(is_execve("arch=cafe syscall=7", "ARCH=new SYSCALL=execve"));
        assert!(!is_execve("arch=c00000b7 syscall=59", ""));
        assert!(!is_execve("arch=c000003e syscall=11", ""));
    }

    #[test]
    fn an_audit_id_may_be_unset_in_three_ways() {
        for unset in ["4294967295", "-1", "unset"] {
            assert_eq!(known_id(unset), None);
        }
        assert_eq!(known_id("1000").as_deref(), Some("1000"));
    }

    #[test]
    fn arguments_without_end_are_kept_to_their_bound() {
        let long = format!(
            "type=EXECVE msg=audit(1.0:1): a0=\"{}\"",
            "x".repeat(200_000)
        );
        let more = format!(
            "type=EXECVE msg=audit(1.0:1): a1=\"{}\"",
            "y".repeat(200_000)
        );
        assert_eq!(started(&[&long, &more]).command().len(), 200_000);
    }
}
