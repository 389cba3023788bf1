//! The same decision again, slow and obvious: every rule is looked at, and every step is written as the documents say it.
//!
//! Tests and benchmarks compare [`crate::PolicySet::decide`] with it. It shares the values that go in and come out, and
//! how a path is taken apart, but neither the comparison of rules, nor precedence, nor the way through the steps. It must
//! not become fast.

mod rules;

use crate::decision::{
    Candidate, DecidingStep, Decision, DecisionSource, Denial, Failure, Grant, Loser, LossReason,
    Monitored, NearMiss, NearMisses, Outcome, TieBreak, Unelevated, Unmanaged,
};
use crate::effective::EffectiveSettings;
use crate::model::{
    ChildBehaviour, DefaultResponse, ElevationType, Platform, Policies, SignatureSource, Validation,
};
use crate::paths::{BadPath, split};
use crate::precedence::Target;
use crate::request::{Request, Trigger};
use rules::{Facts, failures, reached_by};

/// Decides about one launch. Near misses are all there are, best first. The policies must be valid.
pub fn decide<'s>(policies: &'s Policies, request: &Request<'_>) -> Decision<'s> {
    let mut decision = Decision {
        outcome: Outcome::Unmanaged(Unmanaged::NotActive),
        source: DecisionSource::None,
        step: DecidingStep::NotActive,
        winner: None,
        losers: Vec::new(),
        near_misses: NearMisses::default(),
        monitored: None,
        tie_break: None,
        policy_version: policies.version,
    };
    let applying = policies.settings.iter();
    let applying = applying.filter(|policy| reached_by(&policy.assignment, request).is_some());
    let settings = EffectiveSettings::merge(applying);
    let Ok(facts) = Facts::new(request) else {
        before_rules(&mut decision, &settings, request);
        return decision;
    };
    if before_rules(&mut decision, &settings, request) {
        return decision;
    }
    let (candidates, near_misses) = look_at_every_rule(policies, &facts);
    decision.near_misses.rules = near_misses;
    let acting: Vec<_> = candidates
        .iter()
        .copied()
        .filter(|c| !reports_only(c))
        .collect();
    let end = finish(&acting, &settings, request);
    decision.outcome = end.outcome;
    decision.source = end.source;
    decision.step = end.step;
    decision.winner = end.leader.filter(|_| end.held_back.is_none());
    decision.tie_break = decision.winner.and(end.tie_break);
    decision.losers = losers(&candidates, &end);

    let all = finish(&candidates, &settings, request);
    if let Some(leader) = all.leader.filter(reports_only) {
        let changes =
            all.outcome != end.outcome || all.held_back.is_none() || decision.winner.is_some();
        decision.monitored = changes.then_some(Monitored {
            candidate: leader,
            outcome: all.outcome,
        });
    }
    decision
}

/// What is settled before any rule is looked at; true where that is all.
fn before_rules(
    decision: &mut Decision<'_>,
    settings: &EffectiveSettings,
    request: &Request<'_>,
) -> bool {
    if !settings.enabled || request.device.inactive {
        return true;
    }
    let administrator = request.user.local_administrator;
    if let (false, Trigger::Child(parent)) = (administrator, request.trigger)
        && parent.children != ChildBehaviour::RequireRule
    {
        decision.source = DecisionSource::Rule;
        decision.step = DecidingStep::ParentRule;
        decision.outcome = if parent.children == ChildBehaviour::AllowAll {
            Outcome::Elevate(parent)
        } else {
            Outcome::RunUnelevated(Unelevated::ParentDeniesChildren)
        };
        return true;
    }
    let Some(failure) = failure(request) else {
        return false;
    };
    decision.step = DecidingStep::FileNotSupported;
    decision.outcome = match request.trigger {
        Trigger::RunWithElevatedAccess => Outcome::Fail(failure),
        Trigger::OrdinaryLaunch => Outcome::Unmanaged(Unmanaged::OrdinaryLaunch),
        Trigger::Child(_) => Outcome::RunUnelevated(Unelevated::FileNotSupported(failure)),
    };
    if administrator {
        decision.step = DecidingStep::LocalAdministrator;
        decision.outcome = Outcome::Unmanaged(Unmanaged::LocalAdministrator);
    }
    true
}

fn failure(request: &Request<'_>) -> Option<Failure> {
    match split(request.platform, request.file.path) {
        Err(BadPath::Network) => return Some(Failure::NetworkPath),
        Err(BadPath::NotCanonical) => return Some(Failure::PathNotCanonical),
        Ok(_) => {}
    }
    if request.file.on_network {
        return Some(Failure::NetworkPath);
    }
    let path = request.file.path.to_lowercase();
    let supported = [".exe", ".msi", ".ps1"]
        .iter()
        .any(|end| path.ends_with(end));
    if request.platform == Platform::Windows && !supported {
        return Some(Failure::UnsupportedFileType);
    }
    request.file.blocked.then_some(Failure::BlockedDownload)
}

fn look_at_every_rule<'s>(
    policies: &'s Policies,
    facts: &Facts<'_>,
) -> (Vec<Candidate<'s>>, Vec<NearMiss<'s>>) {
    let mut candidates = Vec::new();
    let mut near = Vec::new();
    for policy in &policies.rules {
        if policy.platform != facts.request.platform {
            continue;
        }
        for rule in &policy.rules {
            let failures = failures(policies, policy, rule, facts);
            match failures[..] {
                [] => {
                    if let Some(target) = reached_by(&policy.assignment, facts.request) {
                        candidates.push(Candidate {
                            policy,
                            rule,
                            target,
                            attribute_score: count_attributes(rule),
                        });
                    }
                }
                [(attribute, reason)] => {
                    let named = attribute != crate::RuleAttribute::FileName;
                    if named || rule.detection.file_hash.is_some() {
                        near.push(NearMiss {
                            policy,
                            rule,
                            attribute,
                            reason,
                        });
                    }
                }
                _ => {}
            }
        }
    }
    near.sort_by_key(|miss| {
        let hashed = miss.rule.detection.file_hash.is_some();
        let attributes = count_attributes(miss.rule);
        (!hashed, u8::MAX - attributes, miss.rule.id.clone())
    });
    (candidates, near)
}

fn count_attributes(rule: &crate::Rule) -> u8 {
    let mut count = 0;
    if rule.detection.file_path.is_some() {
        count += 1;
    }
    if rule.detection.signature != SignatureSource::NotConfigured {
        count += 1;
    }
    if rule.detection.minimum_version.is_some() {
        count += 1;
    }
    if rule.detection.file_description.is_some() {
        count += 1;
    }
    if rule.detection.product_name.is_some() {
        count += 1;
    }
    if rule.detection.internal_name.is_some() {
        count += 1;
    }
    if rule.allowed_arguments.is_some() {
        count += 1;
    }
    count
}

fn reports_only(candidate: &Candidate<'_>) -> bool {
    candidate.policy.report_only || candidate.rule.report_only
}

/// The strongest candidate: those that stay after each question, until one stays.
fn strongest<'s>(candidates: &[Candidate<'s>]) -> Option<(Candidate<'s>, DecidingStep)> {
    let mut left = candidates.to_vec();
    let mut last = DecidingStep::OnlyCandidate;
    let mut keep = |left: &mut Vec<Candidate<'s>>, step, keep: &dyn Fn(&Candidate<'s>) -> bool| {
        if left.iter().any(keep) && !left.iter().all(keep) {
            left.retain(keep);
            // The strongest loser is the one that stayed longest.
            last = step;
        }
    };
    keep(&mut left, DecidingStep::Deny, &|c| {
        c.rule.elevation_type == ElevationType::Deny
    });
    keep(&mut left, DecidingStep::UserTarget, &|c| {
        c.target == Target::User
    });
    keep(&mut left, DecidingStep::Hash, &|c| {
        c.rule.detection.file_hash.is_some()
    });
    let most = left.iter().map(|c| c.attribute_score).max()?;
    keep(&mut left, DecidingStep::AttributeCount, &|c| {
        c.attribute_score == most
    });
    for first in [
        ElevationType::UserConfirmed,
        ElevationType::CurrentUser,
        ElevationType::SupportApproved,
        ElevationType::Automatic,
    ] {
        keep(&mut left, DecidingStep::TypeOrder, &|c| {
            c.rule.elevation_type == first
        });
    }
    let least = left.iter().map(|c| c.rule.id.clone()).min()?;
    keep(&mut left, DecidingStep::RuleId, &|c| c.rule.id == least);
    Some((left.first().copied()?, last))
}

struct End<'s> {
    leader: Option<Candidate<'s>>,
    held_back: Option<LossReason>,
    tie_break: Option<TieBreak>,
    outcome: Outcome,
    source: DecisionSource,
    step: DecidingStep,
}

/// From the candidates that act to the outcome.
fn finish<'s>(
    candidates: &[Candidate<'s>],
    settings: &EffectiveSettings,
    request: &Request<'_>,
) -> End<'s> {
    let strongest = strongest(candidates);
    let leader = strongest.map(|(leader, _)| leader);
    let step = strongest.map_or(DecidingStep::NoRule, |(_, step)| step);
    let mut end = End {
        leader,
        held_back: None,
        tie_break: match step {
            DecidingStep::TypeOrder => Some(TieBreak::TypeOrder),
            DecidingStep::RuleId => Some(TieBreak::RuleId),
            _ => None,
        },
        outcome: Outcome::Unmanaged(Unmanaged::LocalAdministrator),
        source: DecisionSource::None,
        step: DecidingStep::LocalAdministrator,
    };
    if request.user.local_administrator {
        end.held_back = Some(LossReason::LocalAdministrator);
        return end;
    }
    let kind = leader.map(|leader| leader.rule.elevation_type);
    if request.trigger == Trigger::OrdinaryLaunch && kind != Some(ElevationType::Automatic) {
        end.held_back = Some(LossReason::OrdinaryLaunch);
        end.outcome = Outcome::Unmanaged(Unmanaged::OrdinaryLaunch);
        end.step = DecidingStep::OrdinaryLaunch;
        return end;
    }
    end.step = step;
    end.source = DecisionSource::Rule;
    match leader {
        Some(leader) => winner_says(&mut end, leader, request),
        None => nobody_says(&mut end, settings, request),
    }
    end
}

fn winner_says(end: &mut End<'_>, leader: Candidate<'_>, request: &Request<'_>) {
    let rule = leader.rule;
    if rule.elevation_type == ElevationType::Deny {
        end.step = DecidingStep::Deny;
        end.outcome = Outcome::Deny(Denial::DenyRule);
        return;
    }
    if let Some(allowed) = &rule.allowed_arguments {
        let unlisted = match request.arguments {
            None => true,
            Some(given) => given.iter().any(|g| !allowed.contains(&(*g).to_owned())),
        };
        if unlisted {
            end.step = DecidingStep::Arguments;
            end.outcome = Outcome::Deny(Denial::UnlistedArgument);
            return;
        }
    }
    let grant = Grant::new(rule.elevation_type, rule.child_behaviour);
    end.outcome = match rule.elevation_type {
        ElevationType::Automatic => Outcome::Elevate(grant),
        ElevationType::CurrentUser => Outcome::Confirm(grant, Validation::AUTHENTICATION),
        ElevationType::SupportApproved if approved(request) => {
            end.source = DecisionSource::Approval;
            Outcome::Elevate(grant)
        }
        ElevationType::SupportApproved => Outcome::RequestApproval,
        _ => Outcome::Confirm(grant, rule.validation),
    };
}

fn nobody_says(end: &mut End<'_>, settings: &EffectiveSettings, request: &Request<'_>) {
    if let Trigger::Child(_) = request.trigger {
        end.source = DecisionSource::None;
        end.outcome = Outcome::RunUnelevated(Unelevated::NoRule);
        return;
    }
    end.source = DecisionSource::DefaultResponse;
    end.step = DecidingStep::DefaultResponse;
    let grant = |kind| Grant::new(kind, ChildBehaviour::RequireRule);
    end.outcome = match settings.default_response {
        Some(DefaultResponse::UserConfirmation) => Outcome::Confirm(
            grant(ElevationType::UserConfirmed),
            settings.default_validation,
        ),
        Some(DefaultResponse::SupportApproval) if approved(request) => {
            end.source = DecisionSource::Approval;
            Outcome::Elevate(grant(ElevationType::SupportApproved))
        }
        Some(DefaultResponse::SupportApproval) => Outcome::RequestApproval,
        Some(DefaultResponse::DenyAll) | None => Outcome::Deny(Denial::DefaultResponse),
    };
}

fn approved(request: &Request<'_>) -> bool {
    let mut approvals = request.approvals.iter();
    approvals.any(|approval| approval.covers(request))
}

/// Everybody who is not the winner, strongest first.
fn losers<'s>(candidates: &[Candidate<'s>], end: &End<'s>) -> Vec<Loser<'s>> {
    let mut left = candidates.to_vec();
    let mut losers = Vec::new();
    while let Some((candidate, _)) = strongest(&left) {
        left.retain(|other| other.rule.id != candidate.rule.id);
        let Some(leader) = end.leader.filter(|_| !reports_only(&candidate)) else {
            losers.push(Loser {
                candidate,
                reason: LossReason::ReportOnly,
            });
            continue;
        };
        if leader.rule.id == candidate.rule.id {
            losers.extend(end.held_back.map(|reason| Loser { candidate, reason }));
            continue;
        }
        let reason = match strongest(&[leader, candidate]) {
            Some((_, DecidingStep::Deny)) => LossReason::DenyRule,
            Some((_, DecidingStep::UserTarget)) => LossReason::UserTarget,
            Some((_, DecidingStep::Hash)) => LossReason::Hash,
            Some((_, DecidingStep::AttributeCount)) => LossReason::AttributeCount,
            Some((_, DecidingStep::TypeOrder)) => LossReason::TypeOrder,
            _ => LossReason::RuleId,
        };
        losers.push(Loser { candidate, reason });
    }
    losers
}
