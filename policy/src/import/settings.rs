//! Exported elevation settings. It must not merge or judge them.

use serde_json::Value;

use super::assignments::assignment;
use super::catalogue::{Setting, flatten};
use super::{Head, Imported, NoteReason};
use crate::model::{DefaultResponse, ReportingScope, SettingsPolicy, Validation};

pub(super) fn import(head: &Head<'_>, policy: &Value, instance: &Value, imported: &mut Imported) {
    let mut settings = Vec::new();
    flatten(instance, "elevationclientsettings", &mut settings);
    let place = imported
        .policies
        .settings
        .iter()
        .position(|known| known.id.as_str() == head.id);
    let place = place.unwrap_or_else(|| {
        let assignment = assignment(head, policy, &mut imported.notes);
        imported.policies.settings.push(SettingsPolicy {
            id: head.id.into(),
            name: head.name.to_owned(),
            assignment,
            ..SettingsPolicy::default()
        });
        imported.policies.settings.len() - 1
    });
    let into = &mut imported.policies.settings[place];
    for setting in &settings {
        if let Err(reason) = apply(setting, into) {
            imported.notes.push(head.note(None, &setting.id, reason));
        }
    }
}

fn apply(setting: &Setting, into: &mut SettingsPolicy) -> Result<(), NoteReason> {
    let Setting { id, value } = setting;
    let number = value
        .strip_prefix(id.as_str())
        .unwrap_or(value)
        .trim_start_matches('_');
    let unknown = || NoteReason::UnknownValue(value.clone());
    let flag = || match number {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err(unknown()),
    };
    match id.as_str() {
        "enableepm" => into.enabled = Some(flag()?),
        "senddata" => into.send_data = Some(flag()?),
        "allowelevationdetection" => into.elevation_detection = Some(flag()?),
        "defaultelevationresponse" => {
            into.default_response = Some(match number {
                "0" => DefaultResponse::DenyAll,
                "1" => DefaultResponse::UserConfirmation,
                "2" => DefaultResponse::SupportApproval,
                _ => return Err(unknown()),
            });
        }
        "defaultelevationresponse_validation" => {
            let validation = into.default_validation.get_or_insert(Validation::NONE);
            match number {
                "0" => validation.business_justification = true,
                "1" => validation.authentication = true,
                _ => return Err(unknown()),
            }
        }
        "reportingscope" => {
            into.reporting_scope = Some(match number {
                "0" => ReportingScope::DiagnosticOnly,
                "1" => ReportingScope::Managed,
                "2" => ReportingScope::All,
                _ => return Err(unknown()),
            });
        }
        _ => return Err(NoteReason::UnknownSetting),
    }
    Ok(())
}
