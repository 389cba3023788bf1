//! `policies` and `settings`: what a policy file holds and what settings it makes for this device and a user. They must not
//! decide about a program; that is `explain`.

use std::path::PathBuf;

use clap::Args;
use epm_policy::{Assignment, EffectiveSettings, Platform, PolicySet, Request, Trigger, UserFacts};
use serde::Serialize;
use serde_json::{Value, json};

use super::failure::{ExitCode, Failure};
use super::status::policy_file;
use super::terminal::{self, plain};
use super::{Place, policy};
use crate::launch::Person;

/// Options of `policies` and `settings`.
#[derive(Clone, Debug, Args)]
pub struct PoliciesArgs {
    /// Policies as YAML or JSON [default: those of the running agent].
    #[arg(long, value_name = "FILE", env = "EPM_POLICY")]
    pub policy: Option<PathBuf>,
    /// Answer as one JSON object.
    #[arg(long, env = "EPM_JSON")]
    pub json: bool,
}

/// Options of `settings`.
#[derive(Clone, Debug, Args)]
pub struct SettingsArgs {
    /// Whose settings, by name or number [default: those of the device, whoever uses it].
    #[arg(long, value_name = "USER", env = "EPM_USER")]
    pub user: Option<String>,
    /// Where from, and how to answer.
    #[command(flatten)]
    pub from: PoliciesArgs,
}

pub(super) fn policies(place: &Place, args: &PoliciesArgs) -> Result<(), Failure> {
    let path = policy_file(place, args.policy.as_ref())?;
    let set = policy::set(&path)?;
    let policies = set.policies();
    if args.json {
        let settings = policies.settings.iter().map(
            |policy| json!({"id": policy.id, "name": policy.name, "assignment": policy.assignment}),
        );
        let rules = policies.rules.iter().map(|policy| {
            json!({
                "id": policy.id,
                "name": policy.name,
                "assignment": policy.assignment,
                "platform": policy.platform,
                "report_only": policy.report_only,
                "rules": policy.rules.len(),
            })
        });
        terminal::say(json!({
            "file": path,
            "version": policies.version,
            "settings": settings.collect::<Vec<_>>(),
            "rules": rules.collect::<Vec<_>>(),
        }));
        return Ok(());
    }
    terminal::say(format!("file      {}", path.display()));
    terminal::say(format!("version   {}", policies.version.0));
    for policy in &policies.settings {
        terminal::say(format!(
            "settings  {} \"{}\", for {}",
            plain(policy.id.as_str()),
            plain(&policy.name),
            audience(&policy.assignment)
        ));
    }
    for policy in &policies.rules {
        let only = match policy.report_only {
            true => ", only reported",
            false => "",
        };
        terminal::say(format!(
            "rules     {} \"{}\", for {}: {} rules for {}{only}",
            plain(policy.id.as_str()),
            plain(&policy.name),
            audience(&policy.assignment),
            policy.rules.len(),
            as_written(&policy.platform),
        ));
    }
    Ok(())
}

/// Whom an assignment reaches, in words.
fn audience(assignment: &Assignment) -> String {
    if assignment.include.is_empty() {
        return "nobody".to_owned();
    }
    let list = |of: &[epm_policy::Audience]| -> String {
        let words: Vec<String> = of.iter().map(as_written).collect();
        words.join(", ")
    };
    match assignment.exclude.is_empty() {
        true => list(&assignment.include),
        false => format!(
            "{} without {}",
            list(&assignment.include),
            list(&assignment.exclude)
        ),
    }
}

/// A value as policy files write it: `all_devices`, `user 1000`.
fn as_written(value: &impl Serialize) -> String {
    match serde_json::to_value(value).unwrap_or_default() {
        Value::String(word) => word,
        Value::Object(fields) => {
            let one = |(name, value): (String, Value)| match value {
                Value::String(value) => format!("{name} {}", plain(&value)),
                value => format!("{name} {value}"),
            };
            fields.into_iter().map(one).collect::<Vec<_>>().join(", ")
        }
        value => value.to_string(),
    }
}

pub(super) fn settings(place: &Place, args: &SettingsArgs) -> Result<(), Failure> {
    let path = policy_file(place, args.from.policy.as_ref())?;
    let set = policy::set(&path)?;
    let person = match &args.user {
        Some(user) => Some(Person::named(user).map_err(|error| Failure {
            code: ExitCode::Usage,
            ..Failure::because("whose settings", &error)
        })?),
        None => None,
    };
    let settings = settings_for(&set, person.as_ref());
    let rows = rows(&settings);
    if args.from.json {
        let mut document = json!({"file": path, "version": set.policies().version});
        for row in &rows {
            document[row.name] = json!({"value": row.value, "conflict": row.conflict});
        }
        terminal::say(document);
        return Ok(());
    }
    for row in &rows {
        let conflict = match row.conflict {
            true => "  (policies disagree: the built-in default holds until they agree)",
            false => "",
        };
        let value = match &row.value {
            Value::String(word) => word.clone(),
            value => value.to_string(),
        };
        terminal::say(format!("{:<20}  {value}{conflict}", row.name));
    }
    Ok(())
}

/// The settings that hold for a person, or for the device whoever uses it.
pub(super) fn settings_for(set: &PolicySet, person: Option<&Person>) -> EffectiveSettings {
    let mut request = Request::new(Platform::Linux, Trigger::RunWithElevatedAccess, "");
    if let Some(person) = person {
        request.user = UserFacts {
            id: Some(&person.id),
            groups: &person.groups,
            local_administrator: person.local_administrator,
        };
    }
    set.settings_for(&request)
}

struct Row {
    name: &'static str,
    value: Value,
    conflict: bool,
}

fn rows(settings: &EffectiveSettings) -> Vec<Row> {
    use epm_policy::ConflictingSetting as Setting;
    let response = settings
        .default_response
        .map_or(json!("deny_all"), |response| json!(response));
    let mut validation = Vec::new();
    if settings.default_validation.business_justification {
        validation.push("business_justification");
    }
    if settings.default_validation.authentication {
        validation.push("authentication");
    }
    let rows = [
        ("enabled", json!(settings.enabled), Setting::Enabled),
        ("default_response", response, Setting::DefaultResponse),
        (
            "default_validation",
            json!(validation),
            Setting::DefaultValidation,
        ),
        ("send_data", json!(settings.send_data), Setting::SendData),
        (
            "reporting_scope",
            json!(settings.reporting_scope),
            Setting::ReportingScope,
        ),
        (
            "elevation_detection",
            json!(settings.elevation_detection),
            Setting::ElevationDetection,
        ),
    ];
    let row = |(name, value, setting)| Row {
        name,
        value,
        conflict: settings.conflicts.contains(&setting),
    };
    rows.into_iter().map(row).collect()
}
