//! Everything that is known about one file, as one value that outlives the descriptor. It must not decide anything; the
//! policy engine borrows from it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use epm_policy::{
    CertificateFacts, FileFacts, FileVersion, PackageFacts, SignatureFacts, SignatureStatus,
};

use super::authenticode::{Certificate, EmbeddedSignature, Verification};
use super::contents::{Contents, Program, ProgramSignature};
use super::digests::Algorithm;
use super::package::PackageOrigin;
use super::place::Place;
use super::trust::ChainTrust;

/// What is known about a file.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Its path in the plainest form.
    pub path: PathBuf,
    /// What its bytes say.
    pub contents: Arc<Contents>,
    /// Where it lies; none for bytes that lie nowhere.
    pub place: Option<Place>,
    /// The package that it came with.
    pub package: Option<PackageOrigin>,
    /// Whether its signer is trusted; none without a signature that can be read.
    pub chain: Option<ChainTrust>,
}

impl Facts {
    /// The signature, where there is one that can be read.
    #[must_use]
    pub fn signature(&self) -> Option<&EmbeddedSignature> {
        match &self.contents.program.as_ref()?.signature {
            ProgramSignature::Embedded(signature) => Some(signature),
            ProgramSignature::None | ProgramSignature::Unreadable => None,
        }
    }

    /// Whether the signature is to be trusted: digest, signature and chain together.
    #[must_use]
    pub fn signature_status(&self) -> SignatureStatus {
        let Some(program) = &self.contents.program else {
            return SignatureStatus::Unsigned;
        };
        let signature = match &program.signature {
            ProgramSignature::None => return SignatureStatus::Unsigned,
            ProgramSignature::Unreadable => return SignatureStatus::Invalid,
            ProgramSignature::Embedded(signature) => signature,
        };
        match signature.verification {
            _ if program.digest_matches() != Some(true) => SignatureStatus::Invalid,
            Verification::Wrong => SignatureStatus::Invalid,
            Verification::Unsupported => SignatureStatus::Unknown,
            // Two programs with one SHA-1 can be made.
            Verification::Verified if signature.algorithm == Algorithm::Sha1 => {
                SignatureStatus::Untrusted
            }
            Verification::Verified => match self.chain {
                Some(ChainTrust::Trusted) => SignatureStatus::Valid,
                Some(ChainTrust::Expired) => SignatureStatus::Expired,
                Some(ChainTrust::Untrusted) => SignatureStatus::Untrusted,
                Some(ChainTrust::NotJudged) | None => SignatureStatus::Unknown,
            },
        }
    }

    /// The file's version: the four fixed numbers, which Windows compares; without them, what the text says.
    #[must_use]
    pub fn version(&self) -> Option<FileVersion> {
        let version = self.contents.program.as_ref()?.version.as_ref()?;
        let text = || version.text("FileVersion").and_then(FileVersion::read);
        version.file_version.or_else(text)
    }

    /// The facts as rules are compared with them. A path that is no text stays empty, so that nothing is elevated by it.
    #[must_use]
    pub fn as_policy(&self) -> FileFacts<'_> {
        let version = self
            .contents
            .program
            .as_ref()
            .and_then(|program| program.version.as_ref());
        let text = |name| version.and_then(|version| version.text(name));
        let package = self
            .package
            .as_ref()
            .filter(|package| package.unchanged == Some(true));
        FileFacts {
            path: self.path.to_str().unwrap_or_default(),
            sha256: Some(self.contents.sha256),
            signature: self.policy_signature(),
            package: package.map(|package| PackageFacts {
                name: &package.name,
                origin: package.origin.as_deref(),
            }),
            version: self.version(),
            description: text("FileDescription"),
            product_name: text("ProductName"),
            internal_name: text("InternalName"),
            on_network: self
                .place
                .as_ref()
                .is_some_and(|place| place.file_system.is_network()),
            blocked: false,
        }
    }

    fn policy_signature(&self) -> SignatureFacts<'_> {
        let signature = self.signature();
        let signer = signature.and_then(|signature| signature.signer.as_ref());
        let issuer = signature.and_then(|signature| signature.issuer.as_ref());
        let by_name = CertificateFacts {
            subject: signer.map(|signer| signer.issuer.as_str()),
            ..CertificateFacts::default()
        };
        SignatureFacts {
            status: self.signature_status(),
            publisher: signer.map(certificate).unwrap_or_default(),
            issuing_authority: issuer.map_or(by_name, certificate),
        }
    }

    /// The name of the file without its folder.
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        file_name(&self.path)
    }

    /// What only Windows programs have.
    #[must_use]
    pub fn program(&self) -> Option<&Program> {
        self.contents.program.as_ref()
    }
}

pub(super) fn file_name(path: &Path) -> Option<&str> {
    path.file_name().and_then(|name| name.to_str())
}

fn certificate(certificate: &Certificate) -> CertificateFacts<'_> {
    CertificateFacts {
        subject: Some(certificate.subject.as_str()),
        sha1: Some(certificate.sha1),
        sha256: Some(certificate.sha256),
    }
}
