//! Policies out of the exports of Microsoft Intune's settings catalogue, as Graph and common backup tools write them: one
//! policy, a list, or Graph's answer with `value`, and reusable certificates among them. What cannot be taken over is told,
//! never dropped. It must not read a disk or ask a service.

mod assignments;
mod catalogue;
mod certificate;
mod rules;
mod settings;

use std::fmt;

use serde_json::Value;

use crate::limits::MAX_POLICY_FILE_BYTES;
use crate::model::Policies;
use catalogue::{field, instances, text};

/// What came out of an export. It is a draft: [`crate::validate::validate`] says whether it may be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// The policies, numbered 0.
    pub policies: Policies,
    /// What was not taken over, or not as it was.
    pub notes: Vec<Note>,
}

/// Something in an export that has no place here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The policy's name.
    pub policy: String,
    /// The rule's name, where it is in a rule.
    pub rule: Option<String>,
    /// The id of the setting, as far as it matters.
    pub setting: String,
    /// Why.
    pub reason: NoteReason,
}

/// Why something was not taken over as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoteReason {
    /// No such setting is known.
    UnknownSetting,
    /// The setting has no such value.
    UnknownValue(String),
    /// The value cannot be read: a digest, a version, a certificate.
    Unreadable(String),
    /// The current user's elevation always authenticates, and asks for nothing else.
    AlwaysAuthenticates,
    /// The export is of another kind of policy.
    OtherPolicy,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "policy {:?}", self.policy)?;
        if let Some(rule) = &self.rule {
            write!(f, ", rule {rule:?}")?;
        }
        write!(f, ": {}: ", self.setting)?;
        match &self.reason {
            NoteReason::UnknownSetting => f.write_str("this setting is not known, set it by hand"),
            NoteReason::UnknownValue(value) => {
                write!(f, "the value {value:?} is not known, choose one by hand")
            }
            NoteReason::Unreadable(why) => write!(f, "{why}; give it by hand"),
            NoteReason::AlwaysAuthenticates => f.write_str(
                "elevation as current user always asks for credentials here, and for nothing else",
            ),
            NoteReason::OtherPolicy => {
                f.write_str("this is not about privilege management, and was passed over")
            }
        }
    }
}

/// Why an export cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It is longer than any export is.
    #[error(
        "the file has {0} bytes or more, {MAX_POLICY_FILE_BYTES} are allowed; export fewer policies at once"
    )]
    TooLarge(usize),
    /// It is no JSON.
    #[error("the file is not JSON; export the policies once more")]
    NotJson(#[source] serde_json::Error),
    /// There is no policy in it.
    #[error(
        "the file has no policy with settings; export from deviceManagement/configurationPolicies with its settings"
    )]
    NoPolicy,
}

/// Reads an export.
///
/// # Errors
///
/// [`ImportError`] where there is nothing to take over.
pub fn import(bytes: &[u8]) -> Result<Imported, ImportError> {
    if bytes.len() > MAX_POLICY_FILE_BYTES {
        return Err(ImportError::TooLarge(bytes.len()));
    }
    // Backup tools on Windows begin a file with a byte order mark.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let value: Value = serde_json::from_slice(bytes).map_err(ImportError::NotJson)?;
    let mut imported = Imported::default();
    let list = field(&value, "value").unwrap_or(&value);
    let exported = match list {
        Value::Array(policies) => policies.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut found = false;
    for policy in exported {
        found |= import_one(policy, &mut imported);
    }
    if found {
        Ok(imported)
    } else {
        Err(ImportError::NoPolicy)
    }
}

/// What is known of an exported policy beside its settings.
struct Head<'v> {
    id: &'v str,
    name: &'v str,
    description: &'v str,
}

impl<'v> Head<'v> {
    fn of(policy: &'v Value) -> Self {
        let name = text(policy, "name").or_else(|| text(policy, "displayName"));
        let name = name.unwrap_or_default();
        Self {
            id: text(policy, "id").unwrap_or(name),
            name,
            description: text(policy, "description").unwrap_or_default(),
        }
    }

    fn note(&self, rule: Option<&str>, setting: &str, reason: NoteReason) -> Note {
        Note {
            policy: self.name.to_owned(),
            rule: rule.map(str::to_owned),
            setting: setting.to_owned(),
            reason,
        }
    }
}

/// Whether the value is a policy or a reusable setting.
fn import_one(policy: &Value, imported: &mut Imported) -> bool {
    let head = Head::of(policy);
    let instances = instances(policy);
    for instance in &instances {
        let id = text(instance, "settingDefinitionId").unwrap_or_default();
        let id = id.to_ascii_lowercase();
        if id.contains("reusablesettings_certificatefile") {
            certificate::import(&head, instance, imported);
        } else if id.contains("_elevationrules_") {
            rules::import(&head, policy, instance, imported);
        } else if id.contains("_elevationclientsettings_") {
            settings::import(&head, policy, instance, imported);
        } else {
            imported
                .notes
                .push(head.note(None, &id, NoteReason::OtherPolicy));
        }
    }
    !instances.is_empty()
}
