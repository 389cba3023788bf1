//! Whether this is a device on which elevations can be managed, and why not. The least versions are data
//! (`applicability/minimums.json`); what a device is, it reports. It must not decide about an elevation.

mod facts;

use epm_proto::v1;
use serde::Deserialize;

pub use facts::Facts;

/// What a kind of system needs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct System {
    architectures: Vec<String>,
    /// Ways to be joined to a directory that will do; any where the list is empty.
    join_types: Vec<String>,
    /// Authorities that will do; any where the list is empty.
    management_authorities: Vec<String>,
    /// Kinds of virtual machine on which it cannot work.
    excluded_session_kinds: Vec<String>,
    /// Oldest first.
    releases: Vec<Release>,
}

/// One line of versions.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Release {
    name: String,
    /// Versions that begin so belong to it.
    line: Vec<u32>,
    least: Vec<u32>,
    /// The update that brings it, for people.
    #[serde(default)]
    update: Option<String>,
}

/// The least that every kind of system needs.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Minimums(std::collections::BTreeMap<String, System>);

impl Minimums {
    /// Those that this version knows.
    #[must_use]
    pub fn built_in() -> Self {
        // A test reads the file, so that it is never empty because of a mistake in it.
        serde_json::from_str(include_str!("applicability/minimums.json"))
            .unwrap_or(Self(std::collections::BTreeMap::new()))
    }
}

/// Whether a device will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applicability {
    /// What the device is.
    pub facts: Facts,
    /// Why it will not do.
    pub reason: Option<NotApplicable>,
}

/// Why elevations cannot be managed on a device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotApplicable {
    /// No version of this program works there.
    #[error("{0} is not supported")]
    System(String),
    /// A processor that is not supported.
    #[error("{0} processors are not supported")]
    Architecture(String),
    /// Older than every line that is supported, or of one that no longer is.
    #[error("version {0} is no longer supported; update the system")]
    Dropped(String),
    /// An update is missing.
    #[error("{release} needs {needs}; this is {found}")]
    Update {
        /// The line of versions.
        release: String,
        /// The least version, with the update that brings it.
        needs: String,
        /// The device's.
        found: String,
    },
    /// A version that is none.
    #[error("the version {0:?} cannot be read")]
    Unreadable(String),
    /// Joined in another way.
    #[error("a device with join type {0} receives no policies")]
    JoinType(String),
    /// Managed by nobody who can say what to do.
    #[error("a device that is managed by {0} receives no policies")]
    ManagementAuthority(String),
    /// Several people at a time.
    #[error("{0} sessions are not supported")]
    SessionKind(String),
}

impl Facts {
    /// Whether a device of these facts will do.
    #[must_use]
    pub fn judged(self, minimums: &Minimums) -> Applicability {
        let reason = minimums.reason_against(&self);
        Applicability {
            facts: self,
            reason,
        }
    }
}

impl Minimums {
    fn reason_against(&self, facts: &Facts) -> Option<NotApplicable> {
        let Some(system) = self.0.get(&facts.system) else {
            return Some(NotApplicable::System(facts.system.clone()));
        };
        if !system.architectures.contains(&facts.architecture) {
            return Some(NotApplicable::Architecture(facts.architecture.clone()));
        }
        if let Some(reason) = system.reason_against_version(&facts.version) {
            return Some(reason);
        }
        let will_not_do = |list: &[String], fact: &String| !list.is_empty() && !list.contains(fact);
        if will_not_do(&system.join_types, &facts.join_type) {
            return Some(NotApplicable::JoinType(facts.join_type.clone()));
        }
        if will_not_do(&system.management_authorities, &facts.management_authority) {
            let authority = facts.management_authority.clone();
            return Some(NotApplicable::ManagementAuthority(authority));
        }
        let session = &facts.session_kind;
        system
            .excluded_session_kinds
            .contains(session)
            .then(|| NotApplicable::SessionKind(session.clone()))
    }
}

impl System {
    fn reason_against_version(&self, version: &str) -> Option<NotApplicable> {
        let Some(parts) = parts(version) else {
            return Some(NotApplicable::Unreadable(version.to_owned()));
        };
        let found = self
            .releases
            .iter()
            .find(|release| parts.starts_with(&release.line));
        let Some(release) = found else {
            // Of a line that came later than this list, as long as it is later than all of it.
            let is_later = self.releases.iter().all(|release| parts > release.least);
            return (!is_later).then(|| NotApplicable::Dropped(version.to_owned()));
        };
        (parts < release.least).then(|| {
            let least: Vec<String> = release.least.iter().map(u32::to_string).collect();
            let update = release.update.as_ref();
            let update = update.map_or_else(String::new, |update| format!(" ({update})"));
            NotApplicable::Update {
                release: release.name.clone(),
                needs: format!("{}{update}", least.join(".")),
                found: version.to_owned(),
            }
        })
    }
}

/// The numbers at the start of a version: 6.18.0-2-amd64 is 6, 18, 0.
fn parts(version: &str) -> Option<Vec<u32>> {
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.');
    let numbers = version
        .get(..end.unwrap_or(version.len()))?
        .trim_end_matches('.');
    numbers.split('.').map(|part| part.parse().ok()).collect()
}

impl Applicability {
    /// Whether elevations can be managed.
    #[must_use]
    pub fn is_applicable(&self) -> bool {
        self.reason.is_none()
    }

    /// As heartbeats have it.
    #[must_use]
    pub fn as_record(&self) -> v1::Applicability {
        v1::Applicability {
            applicable: self.is_applicable(),
            reason: self
                .reason
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            join_type: self.facts.join_type.clone(),
            management_authority: self.facts.management_authority.clone(),
            architecture: self.facts.architecture.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
