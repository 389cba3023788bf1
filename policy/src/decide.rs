//! A launch's way from the first question to the outcome. Which of several rules wins is in [`crate::precedence`]; whether
//! a rule knows the launch in `matching.rs`.
//!
//! 0. Not active on this device: the operating system does what it does.
//! 1. The user is a local administrator: likewise, whatever rules match. They are listed, so that the record can tell.
//! 2. The parent was elevated: *allow all* elevates without looking at a rule, deny included; *deny all* runs the child
//!    without elevation; *require rule* goes on, without a default response.
//! 3. An ordinary launch: precedence is asked as always, but only an automatic rule acts. Were the others left out before,
//!    an automatic rule would pass by the deny, or the prompt, that beats it.
//! 4. The file cannot be elevated: it fails, or, as a child, runs without elevation.
//! 5. Candidates are the rules whose every attribute matches.
//! 6. One of them denies: denied.
//! 7. One of them wins.
//! 8. It lists arguments, and another was given: denied. No other rule is tried.
//! 9. There is none: the default response where the user asked for elevated access.
//! 10. The winner's type says what happens.

use crate::decision::{
    Candidate, DecidingStep, Decision, DecisionSource, Denial, Failure, Grant, Loser, LossReason,
    Monitored, NearMiss, NearMisses, Outcome, Unelevated, Unmanaged,
};
use crate::effective::EffectiveSettings;
use crate::index::Found;
use crate::limits::MAX_NEAR_MISSES;
use crate::matching::Subject;
use crate::model::{ChildBehaviour, DefaultResponse, ElevationType, Platform, Rule, Validation};
use crate::paths::{BadPath, SplitPath, WINDOWS_FILE_TYPES, extension, split};
use crate::precedence::{Standing, Step};
use crate::request::{Request, Trigger};
use crate::set::{PolicySet, RuleView};

/// Decides about one launch.
pub(crate) fn decide<'s>(set: &'s PolicySet, request: &Request<'_>) -> Decision<'s> {
    let settings = set.settings_for(request);
    let version = set.policies().version;
    let settled = |verdict: Verdict| Decision {
        outcome: verdict.outcome,
        source: verdict.source,
        step: verdict.step,
        winner: None,
        losers: Vec::new(),
        near_misses: NearMisses::default(),
        monitored: None,
        tie_break: None,
        policy_version: version,
    };
    if let Some(verdict) = before_any_rule(&settings, request) {
        return settled(verdict);
    }
    let path = match usable(request) {
        Ok(path) => path,
        Err(failure) => return settled(unusable(request, failure)),
    };
    let found = set.find(&Subject::new(request, path));
    let ranked = rank(set, &found);
    let judged = judge(&ranked, &settings, request);
    Decision {
        winner: judged.winner,
        monitored: monitored(&ranked, &judged, &settings, request),
        tie_break: judged.winner.and(judged.against).and_then(Step::tie_break),
        losers: judged.losers,
        near_misses: near_misses(set, &found),
        ..settled(judged.verdict)
    }
}

/// What is to happen, and by which question.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Verdict {
    outcome: Outcome,
    source: DecisionSource,
    step: DecidingStep,
}

/// Questions 0 and 2. An administrator's child is an administrator's launch.
fn before_any_rule(settings: &EffectiveSettings, request: &Request<'_>) -> Option<Verdict> {
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
fn usable<'a>(request: &Request<'a>) -> Result<SplitPath<'a>, Failure> {
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

fn unusable(request: &Request<'_>, failure: Failure) -> Verdict {
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

/// Question 7: candidates, strongest first.
fn rank<'s>(set: &'s PolicySet, found: &Found) -> Vec<Ranked<'s>> {
    let ranked = found.matches.iter().map(|(number, target)| {
        let RuleView { policy, rule, .. } = set.rule(*number);
        let standing = Standing::of(rule, *target);
        Ranked {
            candidate: Candidate {
                policy,
                rule,
                target: *target,
                attribute_score: standing.attributes,
            },
            standing,
            report_only: policy.report_only || rule.report_only,
        }
    });
    let mut ranked: Vec<_> = ranked.collect();
    ranked.sort_by(|one, other| one.standing.against(&other.standing).0);
    ranked
}

struct Ranked<'s> {
    candidate: Candidate<'s>,
    standing: Standing<'s>,
    report_only: bool,
}

struct Judged<'s> {
    verdict: Verdict,
    winner: Option<Candidate<'s>>,
    losers: Vec<Loser<'s>>,
    /// The question by which the first rule that acts beat the second.
    against: Option<Step>,
}

/// Questions 1, 3 and 6 to 10, for candidates of which some only report.
fn judge<'s>(
    ranked: &[Ranked<'s>],
    settings: &EffectiveSettings,
    request: &Request<'_>,
) -> Judged<'s> {
    let mut acting = ranked.iter().filter(|ranked| !ranked.report_only);
    let leader = acting.next();
    let against = leader.zip(acting.next()).map(|(leader, next)| {
        let (_, step) = leader.standing.against(&next.standing);
        step
    });
    let acted = act(leader, against, settings, request);
    let losers = ranked.iter().filter_map(|ranked| {
        let reason = match leader {
            _ if ranked.report_only => LossReason::ReportOnly,
            Some(leader) if std::ptr::eq(leader, ranked) => acted.held_back?,
            Some(leader) => leader.standing.against(&ranked.standing).1.loss(),
            None => return None,
        };
        Some(Loser {
            candidate: ranked.candidate,
            reason,
        })
    });
    Judged {
        verdict: acted.verdict,
        winner: leader
            .filter(|_| acted.held_back.is_none())
            .map(|leader| leader.candidate),
        losers: losers.collect(),
        against,
    }
}

struct Acted {
    verdict: Verdict,
    /// Why the leader does not act after all.
    held_back: Option<LossReason>,
}

/// What the strongest candidate leads to.
fn act(
    leader: Option<&Ranked<'_>>,
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
    let rule = leader.map(|leader| leader.candidate.rule);
    let automatic = rule.is_some_and(|rule| rule.elevation_type == ElevationType::Automatic);
    if request.trigger == Trigger::OrdinaryLaunch && !automatic {
        return left_to_system(
            Unmanaged::OrdinaryLaunch,
            DecidingStep::OrdinaryLaunch,
            LossReason::OrdinaryLaunch,
        );
    }
    let verdict = match rule {
        Some(rule) => by_rule(rule, against, request),
        None => without_rule(settings, request),
    };
    Acted {
        verdict,
        held_back: None,
    }
}

/// Questions 6, 8 and 10: what the rule that won says.
fn by_rule(rule: &Rule, against: Option<Step>, request: &Request<'_>) -> Verdict {
    let by = |outcome, step| Verdict {
        outcome,
        source: DecisionSource::Rule,
        step,
    };
    if rule.elevation_type == ElevationType::Deny {
        return by(Outcome::Deny(Denial::DenyRule), DecidingStep::Deny);
    }
    if !arguments_permitted(rule, request) {
        return by(
            Outcome::Deny(Denial::UnlistedArgument),
            DecidingStep::Arguments,
        );
    }
    let step = against.map_or(DecidingStep::OnlyCandidate, Step::deciding);
    let grant = Grant::new(rule.elevation_type, rule.child_behaviour);
    match rule.elevation_type {
        ElevationType::Automatic => by(Outcome::Elevate(grant), step),
        ElevationType::CurrentUser => by(Outcome::Confirm(grant, Validation::AUTHENTICATION), step),
        ElevationType::SupportApproved => Verdict {
            step,
            ..approval(grant, DecisionSource::Rule, step, request)
        },
        ElevationType::UserConfirmed | ElevationType::Deny => {
            by(Outcome::Confirm(grant, rule.validation), step)
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

/// What would have come out, had every rule acted; `None` where that is the same.
fn monitored<'s>(
    ranked: &[Ranked<'s>],
    judged: &Judged<'s>,
    settings: &EffectiveSettings,
    request: &Request<'_>,
) -> Option<Monitored<'s>> {
    let leader = ranked.first().filter(|leader| leader.report_only)?;
    let against = ranked
        .get(1)
        .map(|next| leader.standing.against(&next.standing).1);
    let acted = act(Some(leader), against, settings, request);
    let nothing_new = acted.verdict.outcome == judged.verdict.outcome
        && acted.held_back.is_some()
        && judged.winner.is_none();
    (!nothing_new).then_some(Monitored {
        candidate: leader.candidate,
        outcome: acted.verdict.outcome,
    })
}

fn near_misses<'s>(set: &'s PolicySet, found: &Found) -> NearMisses<'s> {
    let near = found.near.iter().take(MAX_NEAR_MISSES);
    let rules = near.map(|(number, attribute, reason)| {
        let RuleView { policy, rule, .. } = set.rule(*number);
        NearMiss {
            policy,
            rule,
            attribute: *attribute,
            reason: *reason,
        }
    });
    NearMisses {
        rules: rules.collect(),
        more: found.cut || found.near.len() > MAX_NEAR_MISSES,
    }
}
