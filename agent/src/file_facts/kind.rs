//! What sort of file it is, by its first bytes; by its name only where bytes do not tell. It must not read further than
//! the head.

/// Bytes that tell: a script's first line fits, as the kernel reads 256 of it.
pub(super) const HEAD_BYTES: usize = 4096;
/// Characters of an interpreter's line that the kernel takes.
const MAX_INTERPRETER_BYTES: usize = 255;

/// A sort of file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A Windows program or library.
    WindowsProgram,
    /// A program or library of Unix.
    Elf,
    /// Text that an interpreter runs.
    Script(Interpreter),
    /// A PowerShell script.
    PowerShell,
    /// A Windows Installer package.
    WindowsInstaller,
    /// Any other compound file, as old office documents are.
    CompoundFile,
    /// Anything else.
    Other,
}

/// What runs a script, as its first line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// The program.
    pub path: String,
    /// The one argument that it gets before the script.
    pub argument: Option<String>,
}

impl Kind {
    /// A word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::WindowsProgram => "windows_program",
            Self::Elf => "elf",
            Self::Script(_) => "script",
            Self::PowerShell => "powershell",
            Self::WindowsInstaller => "windows_installer",
            Self::CompoundFile => "compound_file",
            Self::Other => "other",
        }
    }

    /// The kind of a file that is no Windows program.
    pub(super) fn of(head: &[u8], name: &str) -> Self {
        let extension = name
            .rsplit_once('.')
            .map(|(_, end)| end.to_ascii_lowercase());
        let extension = extension.as_deref().unwrap_or_default();
        if head.starts_with(b"\x7fELF") {
            return Self::Elf;
        }
        if head.starts_with(&[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]) {
            return match extension {
                "msi" | "msp" | "mst" => Self::WindowsInstaller,
                _ => Self::CompoundFile,
            };
        }
        if let Some(interpreter) = interpreter(head) {
            return Self::Script(interpreter);
        }
        match extension {
            "ps1" | "psm1" | "psd1" if is_text(head) => Self::PowerShell,
            _ => Self::Other,
        }
    }
}

/// As the kernel reads the first line: blanks, the program, blanks, and the rest as one argument.
fn interpreter(head: &[u8]) -> Option<Interpreter> {
    let line = head.strip_prefix(b"#!")?;
    let line = &line[..line.len().min(MAX_INTERPRETER_BYTES)];
    let line = line.split(|byte| *byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line);
    let line = line.trim_matches([' ', '\t', '\r']);
    let (path, argument) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let argument = argument.trim_start_matches([' ', '\t']);
    (!path.is_empty()).then(|| Interpreter {
        path: path.to_owned(),
        argument: (!argument.is_empty()).then(|| argument.to_owned()),
    })
}

/// Text in UTF-8, or in UTF-16 with its mark as PowerShell writes it.
fn is_text(head: &[u8]) -> bool {
    head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) || !head.contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interpreter_is_read_as_the_kernel_reads_it() {
        let of = |line: &str| match Kind::of(line.as_bytes(), "x") {
            Kind::Script(by) => Some((by.path, by.argument)),
            _ => None,
        };
        let by = |path: &str, argument: Option<&str>| {
            Some((path.to_owned(), argument.map(str::to_owned)))
        };
        assert_eq!(of("#!/bin/sh\necho"), by("/bin/sh", None));
        assert_eq!(
            of("#! /usr/bin/env  python3 -u\n"),
            by("/usr/bin/env", Some("python3 -u"))
        );
        assert_eq!(of("#!/bin/sh -e\t\r\n"), by("/bin/sh", Some("-e")));
        assert_eq!(of("#!"), None);
        assert_eq!(of("# !/bin/sh"), None);
    }

    #[test]
    fn names_tell_only_what_bytes_do_not() {
        assert_eq!(Kind::of(b"Get-Item", "a.PS1"), Kind::PowerShell);
        assert_eq!(Kind::of(b"a\0b", "a.ps1"), Kind::Other);
        assert_eq!(Kind::of(b"\x7fELF\x02", "a.ps1"), Kind::Elf);
        let compound = [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];
        assert_eq!(Kind::of(&compound, "setup.msi"), Kind::WindowsInstaller);
        assert_eq!(Kind::of(&compound, "letter.doc"), Kind::CompoundFile);
    }
}
