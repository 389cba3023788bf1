//! What several settings policies make together on one device. It must not decide about a file.

use crate::model::{DefaultResponse, ReportingScope, SettingsPolicy, Validation};

/// Settings on which policies may disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names of the settings")]
pub enum ConflictingSetting {
    Enabled,
    DefaultResponse,
    DefaultValidation,
    SendData,
    ReportingScope,
    ElevationDetection,
}

/// What a record is about, for the question whether it may leave the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReportedClass {
    /// The agent's own health.
    Diagnostic,
    /// An elevation that the agent carried out or refused.
    Managed,
    /// Any other elevation.
    Unmanaged,
}

/// What holds on a device.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EffectiveSettings {
    /// Elevation is managed. Not, where no settings policy arrived.
    pub enabled: bool,
    /// What happens without a rule; `None`: not configured, which acts as deny.
    pub default_response: Option<DefaultResponse>,
    /// What the user must give before a default elevation.
    pub default_validation: Validation,
    /// Whether anything leaves the device.
    pub send_data: bool,
    /// What does.
    pub reporting_scope: ReportingScope,
    /// Whether elevations are watched for.
    pub elevation_detection: bool,
    /// Settings on which policies disagree. Each has its built-in default until they agree.
    pub conflicts: Vec<ConflictingSetting>,
}

impl EffectiveSettings {
    /// Merges the policies that apply. One value given by all who give one holds; where values differ, the built-in
    /// default holds. Without any policy nothing is managed.
    #[must_use]
    pub fn merge<'p>(policies: impl Iterator<Item = &'p SettingsPolicy> + Clone) -> Self {
        let mut conflicts = Vec::new();
        let arrived = policies.clone().next().is_some();
        let mut settled = Settled {
            policies,
            conflicts: &mut conflicts,
        };
        let enabled = settled.value(ConflictingSetting::Enabled, |p| p.enabled);
        let response = settled.value(ConflictingSetting::DefaultResponse, |p| p.default_response);
        // What must be given belongs to the response. Dropping it alone would leave one click that elevates any file,
        // so where it differs, the response falls back to deny with it.
        let validation = settled.value(ConflictingSetting::DefaultValidation, |p| {
            p.default_response
                .map(|_| p.default_validation.unwrap_or_default())
        });
        let send_data = settled.value(ConflictingSetting::SendData, |p| p.send_data);
        let scope = settled.value(ConflictingSetting::ReportingScope, |p| p.reporting_scope);
        let detection = settled.value(ConflictingSetting::ElevationDetection, |p| {
            p.elevation_detection
        });
        Self {
            // A conflict leaves it on: what works goes on working until a value arrives.
            enabled: arrived && enabled.unwrap_or(true),
            default_response: validation.and(response),
            default_validation: validation.unwrap_or_default(),
            send_data: send_data.unwrap_or(true),
            reporting_scope: scope.unwrap_or_default(),
            elevation_detection: detection.unwrap_or(true),
            conflicts,
        }
    }

    /// Whether a record may leave the device.
    #[must_use]
    pub fn may_send(&self, class: ReportedClass) -> bool {
        let least = match class {
            ReportedClass::Diagnostic => ReportingScope::DiagnosticOnly,
            ReportedClass::Managed => ReportingScope::Managed,
            ReportedClass::Unmanaged => ReportingScope::All,
        };
        self.send_data && self.reporting_scope >= least
    }
}

struct Settled<'c, I> {
    policies: I,
    conflicts: &'c mut Vec<ConflictingSetting>,
}

impl<'p, I: Iterator<Item = &'p SettingsPolicy> + Clone> Settled<'_, I> {
    /// The value that all who give one agree on.
    fn value<T: PartialEq>(
        &mut self,
        setting: ConflictingSetting,
        of: impl Fn(&'p SettingsPolicy) -> Option<T>,
    ) -> Option<T> {
        let mut given = self.policies.clone().filter_map(of);
        let first = given.next()?;
        if given.all(|value| value == first) {
            return Some(first);
        }
        self.conflicts.push(setting);
        None
    }
}
