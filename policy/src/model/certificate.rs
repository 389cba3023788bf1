//! By whose signature a rule knows a file. It must not parse or verify a certificate.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{GroupId, Thumbprint};

/// Which certificate of a file's signature is compared.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CertificateType {
    /// The certificate that signed the file.
    Publisher,
    /// The certificate that issued the signer's certificate.
    IssuingAuthority,
}

/// A certificate as a rule knows it. Every part that is present must equal the file's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// Digest of its encoding. The strongest part: it names one certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbprint: Option<Thumbprint>,
    /// Distinguished name of its subject, as the file's facts write it. Survives renewal of the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// End of its validity, in seconds since 1970. Not compared: lint warns before the rule stops working.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after_s: Option<i64>,
}

/// A certificate stored once under a name. Rules refer to it, and a change reaches all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateGroup {
    /// What rules refer to.
    pub id: GroupId,
    /// What people call it.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The one certificate of the group.
    pub certificate: Certificate,
}

/// Where a rule takes the signature from that a file must have. The choice itself is mandatory; its parts are checked
/// by validation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SignatureSource {
    /// A reusable certificate group: what an editor offers first.
    Reusable {
        /// Which of the file's certificates is compared.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        certificate_type: Option<CertificateType>,
        /// The group.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<GroupId>,
    },
    /// A copy that belongs to this rule alone.
    Uploaded {
        /// Which of the file's certificates is compared.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        certificate_type: Option<CertificateType>,
        /// The certificate.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        certificate: Option<Certificate>,
    },
    /// The file belongs, unchanged, to a package that the device's package manager verified: what Linux has instead of
    /// signed programs.
    Package {
        /// The package's name.
        name: String,
        /// Who distributes it, where the package manager tells.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<String>,
    },
    /// The signature does not matter; then the hash must be given.
    NotConfigured,
}

impl Default for SignatureSource {
    fn default() -> Self {
        Self::Reusable {
            certificate_type: None,
            group: None,
        }
    }
}
