//! The programs that the simulated fleet runs, read from `catalogue.tsv`: names, publishers, versions that move with
//! the days, hashes that follow the versions.
//!
//! Product names are those of real programs so that reports read like real ones; versions and digests are invented.

use super::devices::Platform;
use super::draw::{digest, uuid_text};
use super::people::Persona;

const CATALOGUE: &str = include_str!("catalogue.tsv");

/// What sort of program it is, which decides how it starts and what it leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    App,
    Installer,
    Updater,
    Shell,
    Script,
    Remote,
    Driver,
    Tool,
    Noise,
}

/// What a rule does with a program once it is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RuleKind {
    Automatic,
    UserConfirmed,
    CurrentUser,
    SupportApproved,
    Deny,
}

/// The rule that the programme writes for a program.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) kind: RuleKind,
    /// Day of the programme on which it reaches the first department.
    pub(super) day: i64,
    pub(super) id: String,
    pub(super) name: String,
}

/// A program that somebody elevates.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) platform: Platform,
    pub(super) kind: Kind,
    file: &'static str,
    folder: &'static str,
    pub(super) product: &'static str,
    pub(super) internal: &'static str,
    pub(super) description: &'static str,
    pub(super) company: &'static str,
    /// Common name of the signer, where the file is signed.
    pub(super) signer: Option<&'static str>,
    version: &'static str,
    cadence_days: i64,
    kib: u64,
    personas: &'static str,
    pub(super) weight: u32,
    pub(super) arguments: Vec<&'static str>,
    pub(super) rule: Option<Rule>,
}

/// A program at one version on one device: the file itself.
#[derive(Clone, Debug)]
pub(super) struct Build {
    pub(super) path: String,
    pub(super) file_name: String,
    pub(super) version: String,
    pub(super) sha256: [u8; 32],
    pub(super) size_bytes: u64,
}

/// Every program, in the catalogue's order. A row that cannot be read is left out; a test reads all of them.
pub(super) fn programs() -> Vec<Program> {
    CATALOGUE.lines().skip(1).filter_map(program).collect()
}

fn program(row: &'static str) -> Option<Program> {
    let fields: Vec<&'static str> = row.split('|').collect();
    let [
        os,
        kind,
        file,
        folder,
        product,
        internal,
        description,
        company,
        signer,
        version,
        cadence,
        kib,
        who,
        weight,
        arguments,
        rule,
    ] = *fields.as_slice()
    else {
        return None;
    };
    Some(Program {
        platform: if os == "w" {
            Platform::Windows
        } else {
            Platform::Linux
        },
        kind: kind_of(kind)?,
        file,
        folder,
        product,
        internal,
        description,
        company,
        signer: (signer != "-").then_some(signer),
        version,
        cadence_days: cadence.parse().ok()?,
        kib: kib.parse().ok()?,
        personas: who,
        weight: weight.parse().ok()?,
        arguments: arguments.split(';').collect(),
        rule: rule_of(rule, file, product),
    })
}

fn kind_of(word: &str) -> Option<Kind> {
    Some(match word {
        "app" => Kind::App,
        "installer" => Kind::Installer,
        "updater" => Kind::Updater,
        "shell" => Kind::Shell,
        "script" => Kind::Script,
        "remote" => Kind::Remote,
        "driver" => Kind::Driver,
        "tool" => Kind::Tool,
        "noise" => Kind::Noise,
        _ => return None,
    })
}

fn rule_of(word: &str, file: &str, product: &str) -> Option<Rule> {
    let (letter, day) = word.split_at_checked(1)?;
    let kind = match letter {
        "A" => RuleKind::Automatic,
        "U" => RuleKind::UserConfirmed,
        "C" => RuleKind::CurrentUser,
        "S" => RuleKind::SupportApproved,
        "D" => RuleKind::Deny,
        _ => return None,
    };
    let what = if product.starts_with("Microsoft Windows") || product.is_empty() {
        file
    } else {
        product
    };
    let verb = if kind == RuleKind::Deny {
        "Block"
    } else {
        "Allow"
    };
    Some(Rule {
        kind,
        day: day.parse().ok()?,
        id: uuid_text(&[b"rule", file.as_bytes()]),
        name: format!("{verb} {}", what.replace("{v}", "").replace("-.", ".")),
    })
}

impl Program {
    pub(super) fn is_for(&self, platform: Platform, persona: Persona) -> bool {
        self.platform == platform
            && (self.personas == "*" || self.personas.contains(persona.letter()))
    }

    /// Whether a standard user can replace the file.
    pub(super) fn is_user_writable(&self) -> bool {
        self.folder.starts_with("{dl}") || self.folder.starts_with("{local}")
    }

    /// Whether it changes the account by itself instead of through sudo.
    pub(super) fn is_su(&self) -> bool {
        self.file == "su"
    }

    /// Whether the file came from the internet zone.
    pub(super) fn is_downloaded(&self) -> bool {
        self.folder.starts_with("{dl}")
    }

    /// The file as `login` finds it on day `day` (days since 1970) when updates reach the device `lag_days` late.
    pub(super) fn build(&self, login: &str, day: i64, lag_days: i64) -> Build {
        let version = self.version_on(day - lag_days);
        let file_name = self.file.replace("{v}", &version.replace(".0.0", ""));
        let folder = expand(self.folder, login);
        let separator = if self.platform == Platform::Windows {
            '\\'
        } else {
            '/'
        };
        let sha256 = digest(&[b"file", self.file.as_bytes(), version.as_bytes()]);
        Build {
            path: format!("{folder}{separator}{file_name}"),
            file_name,
            sha256,
            // Up to one part in 64 from build to build.
            size_bytes: self.kib * 1024 + u64::from(sha256[0]) * self.kib / 16,
            version,
        }
    }

    // The catalogue's version is that of this day; later days count on in the last two parts.
    fn version_on(&self, day: i64) -> String {
        const BASE_DAY: i64 = 20_454; // 2026-01-01
        let releases = ((day - BASE_DAY + self.weight as i64) / self.cadence_days.max(1)).max(0);
        let mut parts: Vec<i64> = self
            .version
            .split('.')
            .filter_map(|part| part.parse().ok())
            .collect();
        let last = parts.len().saturating_sub(1);
        if last >= 2 {
            parts[last - 1] += releases / 4;
            parts[last] += releases % 4;
        } else if let Some(part) = parts.get_mut(last) {
            *part += releases;
        }
        parts
            .iter()
            .map(i64::to_string)
            .collect::<Vec<_>>()
            .join(".")
    }
}

/// `text` with its placeholders replaced for one user.
pub(super) fn expand(text: &str, login: &str) -> String {
    text.replace("{pf86}", r"C:\Program Files (x86)")
        .replace("{pf}", r"C:\Program Files")
        .replace("{win}", r"C:\Windows")
        .replace("{local}", &format!(r"C:\Users\{login}\AppData\Local"))
        .replace("{dl}", &format!(r"C:\Users\{login}\Downloads"))
        .replace("{user}", login)
}
