//! Facts as a document: every fact under one key, absent where it is not known. It must not leave anything out that the
//! text has.

use jiff::Timestamp;
use serde::Serialize;

use crate::file_facts::authenticode::{Certificate, EmbeddedSignature, Verification};
use crate::file_facts::contents::{Program, ProgramSignature};
use crate::file_facts::place::Part;
use crate::file_facts::trust::ChainTrust;
use crate::file_facts::{Facts, Kind};
use epm_policy::SignatureStatus;

/// Everything about one file.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Document<'a> {
    path: String,
    file_name: Option<&'a str>,
    size: u64,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    interpreter: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interpreter_argument: Option<&'a str>,
    sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha1: Option<String>,
    signature_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<ProgramDocument<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    package: Option<PackageDocument<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<PlaceDocument>,
}

#[derive(Debug, Serialize)]
struct ProgramDocument<'a> {
    machine: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    product_version: Option<String>,
    version_tables: Vec<TableDocument<'a>>,
    authenticode: serde_json::Map<String, serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<SignatureDocument<'a>>,
}

#[derive(Debug, Serialize)]
struct TableDocument<'a> {
    language: &'a str,
    strings: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Serialize)]
struct SignatureDocument<'a> {
    digest_algorithm: &'static str,
    digest: String,
    digest_matches: bool,
    verification: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    chain: Option<&'static str>,
    signer: Option<CertificateDocument<'a>>,
    issuer: Option<CertificateDocument<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<TimestampDocument<'a>>,
    certificates: Vec<CertificateDocument<'a>>,
    nested: Vec<SignatureDocument<'a>>,
}

#[derive(Debug, Serialize)]
struct CertificateDocument<'a> {
    subject: &'a str,
    common_name: Option<&'a str>,
    organization: Option<&'a str>,
    issuer: &'a str,
    serial: String,
    not_before: String,
    not_after: String,
    thumbprint: String,
    sha256: String,
}

#[derive(Debug, Serialize)]
struct TimestampDocument<'a> {
    time: String,
    verification: &'static str,
    signer: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct PackageDocument<'a> {
    manager: &'static str,
    name: &'a str,
    version: &'a str,
    architecture: &'a str,
    origin: Option<&'a str>,
    unchanged: Option<bool>,
}

#[derive(Debug, Serialize)]
struct PlaceDocument {
    owner: u32,
    group: u32,
    mode: String,
    set_uid: bool,
    file_system: Option<&'static str>,
    is_network: bool,
    changeable_by_others: Option<String>,
}

impl<'a> Document<'a> {
    pub(in crate::cli) fn of(facts: &'a Facts) -> Self {
        let contents = &facts.contents;
        let interpreter = match &contents.kind {
            Kind::Script(interpreter) => Some(interpreter),
            _ => None,
        };
        let program = contents.program.as_ref();
        Self {
            path: facts.path.to_string_lossy().into_owned(),
            file_name: facts.file_name(),
            size: contents.size,
            kind: contents.kind.word(),
            interpreter: interpreter.map(|by| &*by.path),
            interpreter_argument: interpreter.and_then(|by| by.argument.as_deref()),
            sha256: contents.sha256.to_string(),
            sha1: contents.sha1.map(|sha1| hex(&sha1)),
            signature_status: status(facts.signature_status()),
            program: program.map(|program| of_program(program, facts.chain)),
            package: facts.package.as_ref().map(|package| PackageDocument {
                manager: package.manager.name(),
                name: &package.name,
                version: &package.version,
                architecture: &package.architecture,
                origin: package.origin.as_deref(),
                unchanged: package.unchanged,
            }),
            place: place(facts),
        }
    }
}

fn place(facts: &Facts) -> Option<PlaceDocument> {
    let place = facts.place.as_ref()?;
    let file: &Part = place.file()?;
    Some(PlaceDocument {
        owner: file.uid,
        group: file.gid,
        mode: format!("{:04o}", file.mode),
        set_uid: file.is_set_uid(),
        file_system: place.file_system.name(),
        is_network: place.file_system.is_network(),
        changeable_by_others: place
            .changeable_by_others()
            .map(|part| part.path.to_string_lossy().into_owned()),
    })
}

fn of_program(program: &Program, chain: Option<ChainTrust>) -> ProgramDocument<'_> {
    let version = program.version.as_ref();
    let tables = version.iter().flat_map(|version| &version.tables);
    let tables = tables.map(|table| TableDocument {
        language: &table.language,
        strings: table
            .strings
            .iter()
            .map(|(name, text)| (name.clone(), text.clone().into()))
            .collect(),
    });
    let digests = program.digests.iter();
    ProgramDocument {
        machine: program.machine.name(),
        file_version: version.and_then(|v| v.file_version).map(|v| v.to_string()),
        product_version: version
            .and_then(|v| v.product_version)
            .map(|v| v.to_string()),
        version_tables: tables.collect(),
        authenticode: digests
            .map(|(algorithm, digest)| (algorithm.word().to_owned(), hex(digest).into()))
            .collect(),
        signature: match &program.signature {
            ProgramSignature::Embedded(signature) => {
                let mut document = of_signature(program, signature);
                document.chain = chain.map(chain_word);
                Some(document)
            }
            ProgramSignature::None | ProgramSignature::Unreadable => None,
        },
    }
}

/// Signatures nest once, so this calls itself once.
fn of_signature<'a>(program: &Program, signature: &'a EmbeddedSignature) -> SignatureDocument<'a> {
    let nested = signature.nested.iter();
    SignatureDocument {
        digest_algorithm: signature.algorithm.word(),
        digest: hex(&signature.digest),
        digest_matches: program.is_digest_of(signature),
        verification: verification(signature.verification),
        chain: None,
        signer: signature.signer.as_ref().map(certificate),
        issuer: signature.issuer.as_ref().map(certificate),
        timestamp: signature.timestamp.as_ref().map(|stamp| TimestampDocument {
            time: time(stamp.time_s),
            verification: verification(stamp.verification),
            signer: stamp.signer.as_ref().map(|signer| signer.subject.as_str()),
        }),
        certificates: signature.certificates.iter().map(certificate).collect(),
        nested: nested.map(|nested| of_signature(program, nested)).collect(),
    }
}

fn certificate(certificate: &Certificate) -> CertificateDocument<'_> {
    CertificateDocument {
        subject: certificate.subject.as_str(),
        common_name: certificate.subject.common_name(),
        organization: certificate.subject.organization(),
        issuer: certificate.issuer.as_str(),
        serial: hex(&certificate.serial),
        not_before: time(certificate.not_before_s),
        not_after: time(certificate.not_after_s),
        thumbprint: hex(&certificate.sha1),
        sha256: hex(&certificate.sha256),
    }
}

pub(in crate::cli) fn status(status: SignatureStatus) -> &'static str {
    match status {
        SignatureStatus::Valid => "valid",
        SignatureStatus::Unsigned => "unsigned",
        SignatureStatus::Invalid => "invalid",
        SignatureStatus::Expired => "expired",
        SignatureStatus::Revoked => "revoked",
        SignatureStatus::Untrusted => "untrusted",
        SignatureStatus::Unknown => "unknown",
    }
}

fn verification(verification: Verification) -> &'static str {
    match verification {
        Verification::Verified => "verified",
        Verification::Wrong => "wrong",
        Verification::Unsupported => "unsupported",
    }
}

fn chain_word(chain: ChainTrust) -> &'static str {
    match chain {
        ChainTrust::Trusted => "trusted",
        ChainTrust::Expired => "expired",
        ChainTrust::Untrusted => "untrusted",
        ChainTrust::NotJudged => "not_judged",
    }
}

/// In UTC, with seconds; the number where no calendar has it.
pub(super) fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
