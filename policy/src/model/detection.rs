//! How a rule knows a file. It must not know what happens then.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FileVersion, Sha256, SignatureSource};

/// Attributes of a file. Every one that is present must match; a fact that is not known matches nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Detection {
    /// Name with its extension. `?` is one character and `*` any run of them, but not in the extension. Case matters
    /// where the platform says so.
    pub file_name: String,
    /// Folder that the file lies in, not below it. Wildcards as in the name, and `%VARIABLE%` as the agent resolves it.
    /// Absent: any folder. `C:\Tools\*` is that folder and all below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_path: Option<String>,
    /// By whose signature the file is known.
    pub signature: SignatureSource,
    /// SHA-256 of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_hash: Option<Sha256>,
    /// The file's version is this or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_version: Option<FileVersion>,
    /// Exact text of the file's description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_description: Option<String>,
    /// Exact text of the product's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_name: Option<String>,
    /// Exact text of the internal name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internal_name: Option<String>,
}
