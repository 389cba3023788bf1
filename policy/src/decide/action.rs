//! What the strongest candidate leads to: questions 1, 3, 6 and 8 to 10. It must not compare rules.

use crate::decision::{
    DecidingStep, DecisionSource, Denial, Grant, LossReason, Outcome, Unelevated, Unmanaged,
};
use crate::effective::EffectiveSettings;
use crate::matching::Action;
use crate::model::{ChildBehaviour, DefaultResponse, ElevationType, Rule, Validation};
use crate::precedence::Step;
use crate::request::{Request, Trigger};

/// What is to happen, and by which question.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Verdict {
    pub(super) outcome: Outcome,
    pub(super) source: DecisionSource,
    pub(super) step: DecidingStep,
}

/// What the strongest candidate led to.
pub(super) struct Acted {
    pub(super) verdict: Verdict,
    /// Why the leader does not act after all.
    pub(super) held_back: Option<LossReason>,
}

/// What the strongest candidate leads to.
pub(super) fn act(
    leader: Option<(&Rule, Action)>,
    against: Option<Step>,
    settings: &EffectiveSettings,
    request: &Request<'_>,
) -> Acted {
    let left_to_system = |unmanaged, step, reason| Acted {
        verdict: Verdict {
            outcome: Outcome::Unmanaged(unmanaged),
            source: DecisionSource::None,
            step,
        },
        held_back: Some(reason),
    };
    if request.user.local_administrator {
        return left_to_system(
            Unmanaged::LocalAdministrator,
            DecidingStep::LocalAdministrator,
            LossReason::LocalAdministrator,
        );
    }
    let automatic = leader.is_some_and(|(_, said)| said.elevation_type == ElevationType::Automatic);
    if request.trigger == Trigger::OrdinaryLaunch && !automatic {
        return left_to_system(
            Unmanaged::OrdinaryLaunch,
            DecidingStep::OrdinaryLaunch,
            LossReason::OrdinaryLaunch,
        );
    }
    let verdict = match leader {
        Some((rule, said)) => by_rule(rule, said, against, request),
        None => without_rule(settings, request),
    };
    Acted {
        verdict,
        held_back: None,
    }
}

/// Questions 6, 8 and 10: what the rule that won says.
fn by_rule(rule: &Rule, said: Action, against: Option<Step>, request: &Request<'_>) -> Verdict {
    let by = |outcome, step| Verdict {
        outcome,
        source: DecisionSource::Rule,
        step,
    };
    if said.elevation_type == ElevationType::Deny {
        return by(Outcome::Deny(Denial::DenyRule), DecidingStep::Deny);
    }
    if said.lists_arguments && !arguments_permitted(rule, request) {
        return by(
            Outcome::Deny(Denial::UnlistedArgument),
            DecidingStep::Arguments,
        );
    }
    let step = against.map_or(DecidingStep::OnlyCandidate, Step::deciding);
    let grant = Grant::new(said.elevation_type, said.children);
    match said.elevation_type {
        ElevationType::Automatic => by(Outcome::Elevate(grant), step),
        ElevationType::CurrentUser => by(Outcome::Confirm(grant, Validation::AUTHENTICATION), step),
        ElevationType::SupportApproved => Verdict {
            step,
            ..approval(grant, DecisionSource::Rule, step, request)
        },
        ElevationType::UserConfirmed | ElevationType::Deny => {
            by(Outcome::Confirm(grant, said.validation), step)
        }
    }
}

/// Whether the arguments are none, or all listed. Arguments that nobody recorded are not known to be listed.
fn arguments_permitted(rule: &Rule, request: &Request<'_>) -> bool {
    let Some(allowed) = &rule.allowed_arguments else {
        return true;
    };
    let listed = |given: &&str| allowed.iter().any(|allowed| allowed == given);
    request
        .arguments
        .is_some_and(|given| given.iter().all(listed))
}

/// Question 9.
fn without_rule(settings: &EffectiveSettings, request: &Request<'_>) -> Verdict {
    if matches!(request.trigger, Trigger::Child(_)) {
        return Verdict {
            outcome: Outcome::RunUnelevated(Unelevated::NoRule),
            source: DecisionSource::None,
            step: DecidingStep::NoRule,
        };
    }
    let (source, step) = (
        DecisionSource::DefaultResponse,
        DecidingStep::DefaultResponse,
    );
    let by = |outcome| Verdict {
        outcome,
        source,
        step,
    };
    let grant = |elevation_type| Grant::new(elevation_type, ChildBehaviour::default());
    match settings.default_response {
        None | Some(DefaultResponse::DenyAll) => by(Outcome::Deny(Denial::DefaultResponse)),
        Some(DefaultResponse::UserConfirmation) => by(Outcome::Confirm(
            grant(ElevationType::UserConfirmed),
            settings.default_validation,
        )),
        Some(DefaultResponse::SupportApproval) => {
            approval(grant(ElevationType::SupportApproved), source, step, request)
        }
    }
}

/// Elevated where an approval covers the launch, else asked for.
fn approval(
    grant: Grant,
    source: DecisionSource,
    step: DecidingStep,
    request: &Request<'_>,
) -> Verdict {
    let approved = request.approvals.iter().any(|a| a.covers(request));
    let (outcome, source) = match approved {
        true => (Outcome::Elevate(grant), DecisionSource::Approval),
        false => (Outcome::RequestApproval, source),
    };
    Verdict {
        outcome,
        source,
        step,
    }
}
