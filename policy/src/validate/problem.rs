//! What can be wrong, and what to do about it. Every mistake has a sentence and a remedy; nothing is checked here.

use std::fmt;

use crate::limits::{MAX_VARIABLES, MAX_WILDCARDS, MIN_METADATA_CHARS};
use crate::model::ElevationType;

/// The field that a mistake is in, as policy files name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names of the model's fields")]
pub enum Field {
    Id,
    Name,
    Description,
    Assignment,
    Settings,
    Rules,
    CertificateGroups,
    DefaultValidation,
    ReportingScope,
    Validation,
    FileName,
    FilePath,
    Signature,
    FileHash,
    FileDescription,
    ProductName,
    InternalName,
    Certificate,
    AllowedArguments,
    ParentPath,
    Time,
    DeviceGroups,
}

impl Field {
    /// The key in a policy file, with the keys around it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Name => "name",
            Self::Description => "description",
            Self::Assignment => "assignment",
            Self::Settings => "settings",
            Self::Rules => "rules",
            Self::CertificateGroups => "certificate_groups",
            Self::DefaultValidation => "default_validation",
            Self::ReportingScope => "reporting_scope",
            Self::Validation => "validation",
            Self::FileName => "detection.file_name",
            Self::FilePath => "detection.file_path",
            Self::Signature => "detection.signature",
            Self::FileHash => "detection.file_hash",
            Self::FileDescription => "detection.file_description",
            Self::ProductName => "detection.product_name",
            Self::InternalName => "detection.internal_name",
            Self::Certificate => "certificate",
            Self::AllowedArguments => "allowed_arguments",
            Self::ParentPath => "conditions.parent_path",
            Self::Time => "conditions.time",
            Self::DeviceGroups => "conditions.device_groups",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each has its sentence beside it")]
pub enum Problem {
    #[error("is missing")]
    Missing,
    #[error("has {chars} characters, {most} are allowed")]
    TooLong { chars: usize, most: usize },
    #[error("has {chars} characters, at least {MIN_METADATA_CHARS} are needed")]
    TooShort { chars: usize },
    #[error("has {count} entries, {most} are allowed")]
    TooMany { count: usize, most: usize },
    #[error("{0:?} is used twice")]
    Duplicate(String),
    #[error("has the character {0:?}, which no such text can have")]
    ForbiddenCharacter(char),
    #[error("has no extension")]
    NoExtension,
    #[error("has a wildcard in its extension")]
    WildcardInExtension,
    #[error("has the extension {0:?}, which cannot be elevated")]
    UnsupportedFileType(String),
    #[error("has {0} wildcards, {MAX_WILDCARDS} are allowed")]
    TooManyWildcards(usize),
    #[error("has a wildcard, which an automatic rule must not have")]
    WildcardInAutomatic,
    #[error("is missing, which an automatic rule must have")]
    AutomaticWithoutHash,
    #[error(
        "is missing, and so is a certificate: a rule of type {0:?} knows its file by one of the two"
    )]
    NeitherHashNorCertificate(ElevationType),
    #[error("does not name the reusable certificate group")]
    NoGroup,
    #[error("names the certificate group {0:?}, which does not exist")]
    UnknownGroup(String),
    #[error("does not say which certificate is compared")]
    NoCertificateType,
    #[error("has no certificate")]
    NoCertificate,
    #[error("has neither thumbprint nor subject")]
    EmptyCertificate,
    #[error("names a package, and Windows has none")]
    PackageOnWindows,
    #[error("names no package")]
    NoPackage,
    #[error("does not start at a root")]
    NotRooted,
    #[error("lies on a network share, where nothing can be elevated")]
    OnNetwork,
    #[error("has the part {0:?}, which no plain path has")]
    NotPlain(String),
    #[error("has a % that does not enclose the name of a variable")]
    BadVariable,
    #[error("has {0} variables, {MAX_VARIABLES} are allowed")]
    TooManyVariables(usize),
    #[error("is only for rules of type UserConfirmed, and this one is {0:?}")]
    ValidationForType(ElevationType),
    #[error("is only for the default response user_confirmation")]
    ValidationWithoutConfirmation,
    #[error("is given, although no data is sent")]
    ScopeWithoutSending,
    #[error("has minute {0}, and a day's minutes go from 0 to 1439")]
    MinuteOutOfDay(u16),
    #[error("begins and ends at the same minute")]
    EmptyWindow,
    #[error("expires before it begins")]
    ExpiresBeforeBegin,
}

impl Problem {
    /// What to do.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Missing => "give one",
            Self::TooLong { .. } => "shorten it",
            Self::TooShort { .. } => "give the whole text or leave the field out",
            Self::TooMany { .. } => "split it, or take some out",
            Self::Duplicate(_) => "give each its own",
            Self::ForbiddenCharacter(_) => "take it out",
            Self::NoExtension => "write the extension, as in Setup.exe",
            Self::WildcardInExtension => "write the extension out, as in Setup*.exe",
            Self::UnsupportedFileType(_) => "use exe, msi or ps1",
            Self::TooManyWildcards(_) => "use fewer",
            Self::WildcardInAutomatic => "write the text out, or choose another elevation type",
            Self::AutomaticWithoutHash => {
                "give the file's SHA-256, or choose another elevation type"
            }
            Self::NeitherHashNorCertificate(_) => "give the file's SHA-256, or a signature",
            Self::NoGroup => "name one, or set source to uploaded or not_configured",
            Self::UnknownGroup(_) => "add the group to certificate_groups, or name another",
            Self::NoCertificateType => "set certificate_type to publisher or issuing_authority",
            Self::NoCertificate => "give one, or set source to reusable or not_configured",
            Self::EmptyCertificate => "give at least one of them",
            Self::PackageOnWindows => "use a certificate or the hash",
            Self::NoPackage => "give its name",
            Self::NotRooted => {
                "start with a drive as in C:\\, with / on Linux, or with a variable as in %ProgramFiles%\\"
            }
            Self::OnNetwork => "name a folder on a local disk",
            Self::NotPlain(_) => "write the path without . and .. and with single separators",
            Self::BadVariable => "write %NAME%, followed by a separator",
            Self::TooManyVariables(_) => "use fewer",
            Self::ValidationForType(_) => "take the validation out, or choose user_confirmed",
            Self::ValidationWithoutConfirmation => {
                "take it out, or set default_response to user_confirmation"
            }
            Self::ScopeWithoutSending => "take it out, or set send_data to true",
            Self::MinuteOutOfDay(_) => "count from midnight",
            Self::EmptyWindow => "leave both out for the whole day",
            Self::ExpiresBeforeBegin => "set expires_s after not_before_s",
        }
    }
}
