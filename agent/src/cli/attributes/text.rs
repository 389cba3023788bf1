//! Facts in words: what a person who writes a rule asks first stands first. Texts from files and certificates are shown
//! without anything that moves the cursor.

use std::fmt::Write as _;

use epm_policy::SignatureStatus;

use super::document::{hex, time};
use crate::cli::terminal::plain;
use crate::file_facts::authenticode::{Certificate, EmbeddedSignature, Verification};
use crate::file_facts::contents::{Program, ProgramSignature};
use crate::file_facts::place::{Part, Place};
use crate::file_facts::trust::ChainTrust;
use crate::file_facts::{Facts, Kind, VersionInfo};

/// Lines of a name and a value.
struct Lines(String);

impl Lines {
    fn add(&mut self, name: &str, value: impl AsRef<str>) {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "\n  {name:<13} {}", plain(value.as_ref()));
    }

    fn gap(&mut self) {
        self.0.push('\n');
    }
}

/// A few lines about one file, without a newline at the end.
pub(super) fn text(facts: &Facts) -> String {
    let mut lines = Lines(plain(&facts.path.to_string_lossy()).into_owned());
    lines.add("kind", kind(facts));
    lines.add("size", format!("{} bytes", grouped(facts.contents.size)));
    lines.add("SHA-256", facts.contents.sha256.to_string());
    if let Some(sha1) = facts.contents.sha1 {
        lines.add("SHA-1", hex(&sha1));
    }
    if let Some(program) = &facts.contents.program {
        of_program(&mut lines, facts, program);
    }
    if let Some(package) = &facts.package {
        lines.gap();
        let state = match package.unchanged {
            Some(true) => "the file is as it brought it",
            Some(false) => "THE FILE WAS CHANGED SINCE: no package rule matches it",
            None => "it has no digest of the file: no package rule matches it",
        };
        lines.add(
            "package",
            format!(
                "{} {} ({})",
                package.name, package.version, package.architecture
            ),
        );
        lines.add("", format!("by {}; {state}", package.manager.name()));
        lines.add(
            "origin",
            package
                .origin
                .as_deref()
                .unwrap_or("said by neither package nor repository"),
        );
    } else if !matches!(facts.contents.kind, Kind::WindowsProgram) {
        lines.gap();
        lines.add("package", "none knows this file");
    }
    if let Some(place) = &facts.place {
        of_place(&mut lines, place);
    }
    lines.0
}

fn kind(facts: &Facts) -> String {
    match &facts.contents.kind {
        Kind::WindowsProgram => {
            let program = facts.contents.program.as_ref();
            let machine = program.and_then(|program| program.machine.name());
            format!("Windows program, {}", machine.unwrap_or("unusual machine"))
        }
        Kind::Elf => "Unix program (ELF)".to_owned(),
        Kind::Script(by) => match &by.argument {
            Some(argument) => format!("script, run by {} {argument}", by.path),
            None => format!("script, run by {}", by.path),
        },
        Kind::PowerShell => "PowerShell script".to_owned(),
        Kind::WindowsInstaller => "Windows Installer package".to_owned(),
        Kind::CompoundFile => "compound file".to_owned(),
        Kind::Other => "other".to_owned(),
    }
}

fn of_program(lines: &mut Lines, facts: &Facts, program: &Program) {
    for (algorithm, digest) in &program.digests {
        lines.add(&format!("Auth {}", algorithm.name()), hex(digest));
    }
    lines.gap();
    match &program.signature {
        ProgramSignature::None => lines.add("signature", "none"),
        ProgramSignature::Unreadable => lines.add("signature", "INVALID: it cannot be read"),
        ProgramSignature::Embedded(signature) => {
            lines.add("signature", standing(facts, signature, program));
            of_signature(lines, signature);
            for nested in &signature.nested {
                let matches = match program.is_digest_of(nested) {
                    true => "is of these bytes",
                    false => "is NOT of these bytes",
                };
                let signer = nested
                    .signer
                    .as_ref()
                    .map_or("nobody", |s| s.subject.as_str());
                lines.add(
                    "nested",
                    format!("{} {matches}, by {signer}", nested.algorithm.name()),
                );
            }
        }
    }
    lines.gap();
    match &program.version {
        None => lines.add("version", "the file says nothing about itself"),
        Some(version) => of_version(lines, facts, version),
    }
}

/// Digest, signature and trust in one sentence.
fn standing(facts: &Facts, signature: &EmbeddedSignature, program: &Program) -> String {
    if !program.is_digest_of(signature) {
        return "INVALID: the file was changed after it was signed".to_owned();
    }
    match signature.verification {
        Verification::Wrong => {
            return "INVALID: the certificate's key did not make this signature".to_owned();
        }
        Verification::Unsupported => {
            return "unknown: it is made in a way that cannot be verified here".to_owned();
        }
        Verification::Verified => {}
    }
    let trust = match (facts.signature_status(), facts.chain) {
        (SignatureStatus::Untrusted, Some(ChainTrust::Trusted)) => {
            "UNTRUSTED: SHA-1 does not tell two files apart"
        }
        (_, Some(ChainTrust::Trusted)) => "valid and trusted",
        (_, Some(ChainTrust::Expired)) => "EXPIRED: a certificate's time was over",
        (_, Some(ChainTrust::Untrusted)) => "UNTRUSTED: its chain ends at none of the roots",
        (_, Some(ChainTrust::NotJudged) | None) => {
            "trust not judged: name roots with --trusted-roots FILE"
        }
    };
    format!(
        "{trust}; {} of these bytes, verified",
        signature.algorithm.name()
    )
}

fn of_signature(lines: &mut Lines, signature: &EmbeddedSignature) {
    match &signature.signer {
        Some(signer) => of_certificate(lines, "publisher", signer),
        None => lines.add("publisher", "its certificate is missing"),
    }
    match (&signature.issuer, &signature.signer) {
        (Some(issuer), _) => of_certificate(lines, "issued by", issuer),
        (None, Some(signer)) => lines.add("issued by", signer.issuer.as_str()),
        (None, None) => {}
    }
    match &signature.timestamp {
        None => lines.add(
            "time stamp",
            "none: the signature ends with the certificate",
        ),
        Some(stamp) => {
            let by = stamp
                .signer
                .as_ref()
                .map_or("nobody", |by| by.subject.as_str());
            let verified = match stamp.verification {
                Verification::Verified => "",
                Verification::Wrong => ", NOT of this signature",
                Verification::Unsupported => ", not verified",
            };
            lines.add("time stamp", format!("{}{verified}", time(stamp.time_s)));
            lines.add("", format!("by {by}"));
        }
    }
}

fn of_certificate(lines: &mut Lines, name: &str, certificate: &Certificate) {
    lines.add(name, certificate.subject.as_str());
    lines.add("", format!("thumbprint {}", hex(&certificate.sha1)));
    let (from, to) = (
        time(certificate.not_before_s),
        time(certificate.not_after_s),
    );
    let serial = hex(&certificate.serial);
    lines.add("", format!("valid from {from} to {to}, serial {serial}"));
}

fn of_version(lines: &mut Lines, facts: &Facts, version: &VersionInfo) {
    let text = version.text("FileVersion").unwrap_or("-");
    match facts.version().map(|number| number.to_string()) {
        Some(number) if number == text => lines.add("version", number),
        Some(number) => lines.add("version", format!("{number}, written {text:?}")),
        None => lines.add("version", format!("no number, written {text:?}")),
    }
    let texts = [
        ("company", "CompanyName"),
        ("product", "ProductName"),
        ("prod. version", "ProductVersion"),
        ("description", "FileDescription"),
        ("internal name", "InternalName"),
        ("original name", "OriginalFilename"),
    ];
    for (name, key) in texts {
        if let Some(text) = version.text(key) {
            lines.add(name, text);
        }
    }
    let company = version.text("CompanyName");
    let signer = facts
        .signature()
        .and_then(|signature| signature.signer.as_ref());
    let signer = signer.and_then(|signer| signer.subject.organization());
    if let (Some(company), Some(signer)) = (company, signer) {
        let (said, signed) = (company.to_lowercase(), signer.to_lowercase());
        if !said.contains(&signed) && !signed.contains(&said) {
            lines.add(
                "",
                format!("beware: it says {company:?}, and {signer:?} signed it"),
            );
        }
    }
}

fn of_place(lines: &mut Lines, place: &Place) {
    let Some(file) = place.file() else {
        return;
    };
    lines.gap();
    let set_uid = match file.is_set_uid() {
        true => ", runs as its owner",
        false => "",
    };
    lines.add(
        "owner",
        format!(
            "user {}, group {}, mode {:04o}{set_uid}",
            file.uid, file.gid, file.mode
        ),
    );
    let kind = place.file_system.name().unwrap_or("unusual");
    let network = match place.file_system.is_network() {
        true => "its bytes come from elsewhere: nothing on it is elevated",
        false => "local",
    };
    lines.add("file system", format!("{kind}, {network}"));
    let changeable = place.changeable_by_others();
    let changeable = changeable.map_or_else(
        || "by root only, with every folder above it".to_owned(),
        |part: &Part| {
            let owner = format!(
                "user {}, group {}, mode {:04o}",
                part.uid, part.gid, part.mode
            );
            format!(
                "by others than root, through {} ({owner})",
                part.path.display()
            )
        },
    );
    lines.add("changeable", changeable);
}

/// Digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}
