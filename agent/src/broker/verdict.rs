//! What was decided about a launch, owned, so that it outlives the policies: what is to happen, and what the record says
//! about why. It must not decide: the policy engine does.

use epm_policy::precedence::Target;
use epm_policy::{
    Candidate, Decision, DecisionSource, Denial, ElevationType, Failure, Outcome, PolicySet,
    RuleAttribute, SignatureStatus, Unelevated, Unmanaged,
};
use epm_proto::v1;

use crate::launch::Launch;

/// What was decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// What is to happen.
    pub outcome: Outcome,
    /// Where the answer came from.
    pub source: v1::DecisionSource,
    /// As which type it is recorded.
    pub elevation_type: v1::ElevationType,
    /// Policy, rules, step and version.
    pub policy: v1::Policy,
    /// Name of the rule that decided, for the person.
    pub rule_name: Option<String>,
    /// What a rule that only reports would have done.
    pub monitored: Option<String>,
    /// State of the file's signature, where nothing but the signature kept a rule from matching.
    pub wrongly_signed: Option<SignatureStatus>,
}

/// Asks the policy engine, as `explain` does.
#[must_use]
pub fn judge(set: &PolicySet, launch: &Launch) -> Verdict {
    launch.with(|request| Verdict::of(&set.decide(request), request.file.signature.status))
}

impl Verdict {
    fn of(decision: &Decision<'_>, signature: SignatureStatus) -> Self {
        let losers = decision.losers.iter().map(|loser| &loser.candidate);
        let candidates = decision.winner.iter().chain(losers);
        let candidate_rule_ids = candidates.map(|rule| rule.rule.id.to_string()).collect();
        let winner = decision.winner.as_ref();
        let policy = v1::Policy {
            policy_id: winner.map(|w| w.policy.id.to_string()).unwrap_or_default(),
            policy_name: winner.map(|w| w.policy.name.clone()).unwrap_or_default(),
            policy_version: decision.policy_version.0.to_string(),
            rule_id: winner.map(|w| w.rule.id.to_string()).unwrap_or_default(),
            rule_name: winner.map(|w| w.rule.name.clone()).unwrap_or_default(),
            rule_target: winner.map_or(v1::RuleTarget::Unspecified, target).into(),
            candidate_rule_ids,
            deciding_step: decision.step.word().to_owned(),
            attribute_score: decision.attribute_score().unwrap_or_default().into(),
        };
        let monitored = decision.monitored.as_ref().map(|monitored| {
            let explained = decision.explain().monitored;
            let outcome = explained.map(|outcome| outcome.to_string());
            let outcome = outcome.unwrap_or_default();
            format!(
                "rule {} only reports: {outcome}",
                monitored.candidate.rule.id
            )
        });
        let mut near = decision.near_misses.rules.iter();
        let wrongly_signed = near.any(|near| near.attribute == RuleAttribute::Signature);
        Self {
            outcome: decision.outcome,
            source: match decision.source {
                DecisionSource::Rule => v1::DecisionSource::Rule,
                DecisionSource::DefaultResponse => v1::DecisionSource::DefaultResponse,
                DecisionSource::Approval => v1::DecisionSource::Approval,
                DecisionSource::None => v1::DecisionSource::None,
            },
            elevation_type: elevation_type(&decision.outcome),
            policy,
            rule_name: winner.map(|winner| winner.rule.name.clone()),
            monitored,
            wrongly_signed: wrongly_signed.then_some(signature),
        }
    }
}

fn target(winner: &Candidate<'_>) -> v1::RuleTarget {
    match winner.target {
        Target::User => v1::RuleTarget::User,
        Target::Device => v1::RuleTarget::Device,
    }
}

fn elevation_type(outcome: &Outcome) -> v1::ElevationType {
    match outcome {
        Outcome::Elevate(grant) | Outcome::Confirm(grant, _) => match grant.elevation_type {
            ElevationType::UserConfirmed => v1::ElevationType::UserConfirmed,
            ElevationType::CurrentUser => v1::ElevationType::CurrentUser,
            ElevationType::SupportApproved => v1::ElevationType::SupportApproved,
            ElevationType::Automatic => v1::ElevationType::Automatic,
            ElevationType::Deny => v1::ElevationType::Deny,
        },
        Outcome::RequestApproval => v1::ElevationType::SupportApproved,
        Outcome::Deny(_) => v1::ElevationType::Deny,
        Outcome::Unmanaged(_) => v1::ElevationType::Unmanaged,
        Outcome::RunUnelevated(_) | Outcome::Fail(_) => v1::ElevationType::Undetermined,
    }
}

/// The word for the reason of an outcome that elevates nothing, as records and reports have it.
#[must_use]
pub fn reason(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Elevate(_) | Outcome::Confirm(..) => "",
        Outcome::RequestApproval => "approval_required",
        Outcome::Deny(Denial::DenyRule) => "deny_rule",
        Outcome::Deny(Denial::UnlistedArgument) => "unlisted_argument",
        Outcome::Deny(Denial::DefaultResponse) => "default_response",
        Outcome::RunUnelevated(Unelevated::ParentDeniesChildren) => "child_denied_elevation",
        Outcome::RunUnelevated(_) => "no_rule",
        Outcome::Unmanaged(Unmanaged::NotActive) => "not_active",
        Outcome::Unmanaged(Unmanaged::LocalAdministrator) => "local_administrator",
        Outcome::Unmanaged(Unmanaged::OrdinaryLaunch) => "ordinary_launch",
        Outcome::Fail(Failure::UnsupportedFileType) => "unsupported_file_type",
        Outcome::Fail(Failure::NetworkPath) => "network_path",
        Outcome::Fail(Failure::BlockedDownload) => "blocked_download",
        Outcome::Fail(Failure::PathNotCanonical) => "path_not_canonical",
    }
}

/// The same for the person: why, and what to do.
#[must_use]
pub fn refusal(verdict: &Verdict, program: &str) -> String {
    let rule = verdict.rule_name.as_deref().unwrap_or_default();
    match &verdict.outcome {
        Outcome::Deny(Denial::DenyRule) => format!(
            "{program} is never run as administrator: rule \"{rule}\" denies it. Ask your support if you need it."
        ),
        Outcome::Deny(Denial::UnlistedArgument) => format!(
            "{program} may be run as administrator, but not with these arguments: rule \"{rule}\" lists which. Leave out \
             the others, or ask your support."
        ),
        Outcome::Deny(Denial::DefaultResponse) => format!(
            "no rule lets you run {program} as administrator{}. Ask your support for a rule.",
            verdict.wrongly_signed.map_or("", signature_trouble)
        ),
        Outcome::Unmanaged(Unmanaged::LocalAdministrator) => format!(
            "you are an administrator of this device, whom this agent does not manage. Run: sudo {program}"
        ),
        Outcome::Unmanaged(Unmanaged::NotActive) => {
            "elevation is not managed on this device: no settings policy enables it.".to_owned()
        }
        Outcome::Fail(Failure::NetworkPath) => format!(
            "{program} lies on a network share or on a file system of some user. Copy it to a folder of this device."
        ),
        Outcome::Fail(failure) => format!("{program} cannot be run as administrator: {failure:?}."),
        Outcome::RequestApproval
        | Outcome::Elevate(_)
        | Outcome::Confirm(..)
        | Outcome::RunUnelevated(_)
        | Outcome::Unmanaged(Unmanaged::OrdinaryLaunch) => {
            format!("{program} does not run as administrator.")
        }
    }
}

/// Why a rule that wants a signature does not take this one.
fn signature_trouble(status: SignatureStatus) -> &'static str {
    match status {
        SignatureStatus::Expired => {
            ": its publisher's certificate has expired, and no time stamp says that it was signed before"
        }
        SignatureStatus::Revoked => ": its publisher's certificate was revoked",
        SignatureStatus::Invalid => ": its signature is not the one that it was published with",
        SignatureStatus::Untrusted => ": this device does not trust its publisher's certificate",
        SignatureStatus::Unsigned | SignatureStatus::Valid | SignatureStatus::Unknown => "",
    }
}
