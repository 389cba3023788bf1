//! Exported elevation rules. It must not judge them.

use serde_json::Value;

use super::assignments::assignment;
use super::catalogue::{Setting, groups};
use super::certificate::certificate;
use super::{Head, Imported, NoteReason};
use crate::model::{
    Certificate, CertificateType, ChildBehaviour, ElevationType, FileVersion, Rule, RuleId,
    RulesPolicy, Sha256, SignatureSource,
};

/// What stands for the rule's name in all ids.
const SHARED: &str = "{elevationrulename}";

pub(super) fn import(head: &Head<'_>, policy: &Value, instance: &Value, imported: &mut Imported) {
    let place = imported
        .policies
        .rules
        .iter()
        .position(|known| known.id.as_str() == head.id);
    let place = place.unwrap_or_else(|| {
        let assignment = assignment(head, policy, &mut imported.notes);
        imported.policies.rules.push(RulesPolicy {
            id: head.id.into(),
            name: head.name.to_owned(),
            description: head.description.to_owned(),
            assignment,
            ..RulesPolicy::default()
        });
        imported.policies.rules.len() - 1
    });
    for settings in groups(instance, SHARED) {
        let mut draft = Draft::default();
        let failed: Vec<(String, NoteReason)> = settings
            .iter()
            .filter_map(|setting| Some((setting.id.clone(), draft.apply(setting).err()?)))
            .collect();
        let rules = &mut imported.policies.rules[place].rules;
        let rule = draft.finish(head.id, rules.len());
        for (setting, reason) in failed {
            imported
                .notes
                .push(head.note(Some(&rule.name), &setting, reason));
        }
        rules.push(rule);
    }
}

/// A rule whose settings come in any order.
#[derive(Debug, Default)]
struct Draft {
    rule: Rule,
    source: Source,
    certificate_type: Option<CertificateType>,
    group: Option<String>,
    certificate: Option<Certificate>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Source {
    #[default]
    NotConfigured,
    Reusable,
    Uploaded,
}

impl Draft {
    fn apply(&mut self, setting: &Setting) -> Result<(), NoteReason> {
        let Setting { id, value } = setting;
        let unknown = || NoteReason::UnknownValue(value.clone());
        let unreadable = |why: &dyn ToString| NoteReason::Unreadable(why.to_string());
        let some = || (!value.is_empty()).then(|| value.clone());
        let rule = &mut self.rule;
        match id.as_str() {
            "name" => rule.name.clone_from(value),
            "description" => rule.description.clone_from(value),
            "appliesto" if value == "allusers" => {}
            "appliesto" => return Err(unknown()),
            "ruletype" => rule.elevation_type = elevation_type(value).ok_or_else(unknown)?,
            "ruletype_validation" => match value.as_str() {
                "ruletype_validation_0" => rule.validation.business_justification = true,
                "ruletype_validation_1" => rule.validation.authentication = true,
                _ => return Err(unknown()),
            },
            "ruletype_userconfirmeduservalidation" => {}
            "ruletype_userconfirmeduservalidation_2" => {
                return Err(NoteReason::AlwaysAuthenticates);
            }
            "childprocessbehavior" => {
                rule.child_behaviour = match value.as_str() {
                    "allowrunelevatedrulerequired" => ChildBehaviour::RequireRule,
                    "allowrunelevated" => ChildBehaviour::AllowAll,
                    "deny" | "denyall" => ChildBehaviour::DenyAll,
                    _ => return Err(unknown()),
                }
            }
            "filename" => rule.detection.file_name.clone_from(value),
            "filepath" => rule.detection.file_path = some(),
            "filedescription" => rule.detection.file_description = some(),
            "productname" => rule.detection.product_name = some(),
            "internalname" => rule.detection.internal_name = some(),
            "filehash" if value.is_empty() => {}
            "filehash" => {
                let hash = Sha256::parse(value).map_err(|error| unreadable(&error))?;
                rule.detection.file_hash = Some(hash);
            }
            "fileversion" if value.is_empty() => {}
            "fileversion" => {
                let version = FileVersion::parse(value).map_err(|error| unreadable(&error))?;
                rule.detection.minimum_version = Some(version);
            }
            "certificatefileupload" => {
                self.certificate = Some(certificate(value).map_err(|why| unreadable(&why))?);
            }
            "certificatepayloadwithreusablesetting" => self.group = some(),
            "signaturesource" | "certificatetype" => return self.choose(id, value),
            _ => return Err(NoteReason::UnknownSetting),
        }
        Ok(())
    }

    fn choose(&mut self, id: &str, value: &str) -> Result<(), NoteReason> {
        match (id, value) {
            ("signaturesource", "signaturesource_0") => self.source = Source::Reusable,
            ("signaturesource", "signaturesource_1") => self.source = Source::Uploaded,
            ("signaturesource", "signaturesource_2") => self.source = Source::NotConfigured,
            ("certificatetype", "publisher") => {
                self.certificate_type = Some(CertificateType::Publisher);
            }
            ("certificatetype", "issuingauthority") => {
                self.certificate_type = Some(CertificateType::IssuingAuthority);
            }
            _ => return Err(NoteReason::UnknownValue(value.to_owned())),
        }
        Ok(())
    }

    /// Exports have no rule ids: the policy's and the rule's name make one that stays when rules are put in another order.
    fn finish(self, policy: &str, number: usize) -> Rule {
        let mut rule = self.rule;
        let name = match rule.name.is_empty() {
            true => number.to_string(),
            false => rule.name.clone(),
        };
        rule.id = RuleId(format!("{policy}/{name}"));
        rule.detection.signature = match self.source {
            Source::NotConfigured => SignatureSource::NotConfigured,
            Source::Reusable => SignatureSource::Reusable {
                certificate_type: self.certificate_type,
                group: self.group.map(|group| group.as_str().into()),
            },
            Source::Uploaded => SignatureSource::Uploaded {
                certificate_type: self.certificate_type,
                certificate: self.certificate,
            },
        };
        rule
    }
}

fn elevation_type(value: &str) -> Option<ElevationType> {
    Some(match value {
        "self" => ElevationType::UserConfirmed,
        "userconfirmeduser" => ElevationType::CurrentUser,
        "supportarbitrated" => ElevationType::SupportApproved,
        "automatic" => ElevationType::Automatic,
        "deny" => ElevationType::Deny,
        _ => return None,
    })
}
