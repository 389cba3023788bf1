//! What is settled before any rule is looked at: questions 0, 2 and 4. It must not know a rule.

use super::action::Verdict;
use crate::decision::{DecidingStep, DecisionSource, Failure, Outcome, Unelevated, Unmanaged};
use crate::effective::EffectiveSettings;
use crate::model::{ChildBehaviour, Platform};
use crate::paths::{BadPath, SplitPath, WINDOWS_FILE_TYPES, extension, split};
use crate::request::{Request, Trigger};

/// Questions 0 and 2. An administrator's child is an administrator's launch.
pub(super) fn before_any_rule(
    settings: &EffectiveSettings,
    request: &Request<'_>,
) -> Option<Verdict> {
    if !settings.enabled || request.device.inactive {
        return Some(Verdict {
            outcome: Outcome::Unmanaged(Unmanaged::NotActive),
            source: DecisionSource::None,
            step: DecidingStep::NotActive,
        });
    }
    let Trigger::Child(parent) = request.trigger else {
        return None;
    };
    let outcome = match parent.children {
        _ if request.user.local_administrator => return None,
        ChildBehaviour::RequireRule => return None,
        ChildBehaviour::AllowAll => Outcome::Elevate(parent),
        ChildBehaviour::DenyAll => Outcome::RunUnelevated(Unelevated::ParentDeniesChildren),
    };
    Some(Verdict {
        outcome,
        source: DecisionSource::Rule,
        step: DecidingStep::ParentRule,
    })
}

/// Question 4: the file's path taken apart, where it can be elevated.
pub(super) fn usable<'a>(request: &Request<'a>) -> Result<SplitPath<'a>, Failure> {
    let path = split(request.platform, request.file.path).map_err(|bad| match bad {
        BadPath::Network => Failure::NetworkPath,
        BadPath::NotCanonical => Failure::PathNotCanonical,
    })?;
    if request.file.on_network {
        return Err(Failure::NetworkPath);
    }
    let supported = match request.platform {
        Platform::Windows => extension(&path.name).is_some_and(|e| WINDOWS_FILE_TYPES.contains(&e)),
        Platform::Linux => true,
    };
    match (supported, request.file.blocked) {
        (false, _) => Err(Failure::UnsupportedFileType),
        (true, true) => Err(Failure::BlockedDownload),
        (true, false) => Ok(path),
    }
}

/// What becomes of a file that cannot be elevated.
pub(super) fn unusable(request: &Request<'_>, failure: Failure) -> Verdict {
    let (outcome, step) = match request.trigger {
        _ if request.user.local_administrator => (
            Outcome::Unmanaged(Unmanaged::LocalAdministrator),
            DecidingStep::LocalAdministrator,
        ),
        Trigger::RunWithElevatedAccess => (Outcome::Fail(failure), DecidingStep::FileNotSupported),
        Trigger::OrdinaryLaunch => (
            Outcome::Unmanaged(Unmanaged::OrdinaryLaunch),
            DecidingStep::FileNotSupported,
        ),
        Trigger::Child(_) => (
            Outcome::RunUnelevated(Unelevated::FileNotSupported(failure)),
            DecidingStep::FileNotSupported,
        ),
    };
    Verdict {
        outcome,
        source: DecisionSource::None,
        step,
    }
}
