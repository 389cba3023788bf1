//! A decision as a document: the same words for the command line, the API and the console, as JSON or as sentences. It
//! owns everything, so that it outlives the policies. It must not decide or leave anything out.

use std::fmt;

use serde::Serialize;

use crate::decision::{
    Candidate, Decision, Denial, Failure, Grant, Outcome, Unelevated, Unmanaged,
};
use crate::model::{ElevationType, PolicyVersion, Validation};
use crate::precedence::Target;

/// A rule in an explanation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExplainedRule {
    /// Id of the rule.
    pub rule_id: String,
    /// Name of the rule.
    pub rule_name: String,
    /// Id of its policy.
    pub policy_id: String,
    /// Name of its policy.
    pub policy_name: String,
    /// Its elevation type.
    pub elevation_type: ElevationType,
}

/// A rule that matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExplainedCandidate {
    /// The rule.
    #[serde(flatten)]
    pub rule: ExplainedRule,
    /// `user` or `device`: by what the policy reached the launch.
    pub target: &'static str,
    /// How many attributes it defines.
    pub attribute_score: u8,
    /// Why it lost; absent for the winner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<&'static str>,
}

/// A rule that failed on one attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExplainedNearMiss {
    /// The rule.
    #[serde(flatten)]
    pub rule: ExplainedRule,
    /// The attribute.
    pub attribute: &'static str,
    /// `different`, or `unknown` where the fact is not known.
    pub reason: &'static str,
}

/// What happens, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExplainedOutcome {
    /// `elevate`, `confirm`, `request_approval`, `deny`, `run_unelevated`, `unmanaged` or `fail`.
    pub outcome: &'static str,
    /// Why it is not elevated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// As which type the elevation is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elevation_type: Option<ElevationType>,
    /// What the user must give.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<Validation>,
}

/// A decision as a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What happens.
    #[serde(flatten)]
    pub outcome: ExplainedOutcome,
    /// Where the answer came from.
    pub source: &'static str,
    /// The question whose answer settled it.
    pub step: &'static str,
    /// What broke a tie.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tie_break: Option<&'static str>,
    /// The policies that decided.
    pub policy_version: PolicyVersion,
    /// The rule that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub winner: Option<ExplainedCandidate>,
    /// Every other rule that matched, strongest first.
    pub losers: Vec<ExplainedCandidate>,
    /// The nearest rules that did not match.
    pub near_misses: Vec<ExplainedNearMiss>,
    /// There are more of them.
    pub more_near_misses: bool,
    /// What would have happened, had the rules that only report acted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitored: Option<ExplainedOutcome>,
}

impl Decision<'_> {
    /// The decision as a document.
    #[must_use]
    pub fn explain(&self) -> Explanation {
        let losers = self.losers.iter();
        let near = self.near_misses.rules.iter();
        Explanation {
            outcome: outcome(&self.outcome),
            source: self.source.word(),
            step: self.step.word(),
            tie_break: self.tie_break.map(|tie| tie.word()),
            policy_version: self.policy_version,
            winner: self.winner.as_ref().map(|winner| candidate(winner, None)),
            losers: losers
                .map(|loser| candidate(&loser.candidate, Some(loser.reason.word())))
                .collect(),
            near_misses: near
                .map(|near| ExplainedNearMiss {
                    rule: rule(near.policy, near.rule),
                    attribute: near.attribute.word(),
                    reason: near.reason.word(),
                })
                .collect(),
            more_near_misses: self.near_misses.more,
            monitored: self.monitored.map(|monitored| outcome(&monitored.outcome)),
        }
    }
}

fn rule(policy: &crate::RulesPolicy, rule: &crate::Rule) -> ExplainedRule {
    ExplainedRule {
        rule_id: rule.id.to_string(),
        rule_name: rule.name.clone(),
        policy_id: policy.id.to_string(),
        policy_name: policy.name.clone(),
        elevation_type: rule.elevation_type,
    }
}

fn candidate(candidate: &Candidate<'_>, lost: Option<&'static str>) -> ExplainedCandidate {
    ExplainedCandidate {
        rule: rule(candidate.policy, candidate.rule),
        target: match candidate.target {
            Target::User => "user",
            Target::Device => "device",
        },
        attribute_score: candidate.attribute_score,
        lost,
    }
}

fn outcome(outcome: &Outcome) -> ExplainedOutcome {
    let explained = |outcome, reason, grant: Option<&Grant>, validation| ExplainedOutcome {
        outcome,
        reason,
        elevation_type: grant.map(|grant| grant.elevation_type),
        validation,
    };
    match outcome {
        Outcome::Elevate(grant) => explained("elevate", None, Some(grant), None),
        Outcome::Confirm(grant, validation) => {
            explained("confirm", None, Some(grant), Some(*validation))
        }
        Outcome::RequestApproval => explained("request_approval", None, None, None),
        Outcome::Deny(why) => explained("deny", Some(denial(*why)), None, None),
        Outcome::RunUnelevated(why) => {
            explained("run_unelevated", Some(unelevated(*why)), None, None)
        }
        Outcome::Unmanaged(why) => explained("unmanaged", Some(unmanaged(*why)), None, None),
        Outcome::Fail(why) => explained("fail", Some(failure(*why)), None, None),
    }
}

fn denial(why: Denial) -> &'static str {
    match why {
        Denial::DenyRule => "deny_rule",
        Denial::UnlistedArgument => "unlisted_argument",
        Denial::DefaultResponse => "default_response",
    }
}

fn unelevated(why: Unelevated) -> &'static str {
    match why {
        Unelevated::ParentDeniesChildren => "child_denied_elevation",
        Unelevated::NoRule => "no_rule",
        Unelevated::FileNotSupported(why) => failure(why),
    }
}

fn unmanaged(why: Unmanaged) -> &'static str {
    match why {
        Unmanaged::NotActive => "not_active",
        Unmanaged::LocalAdministrator => "local_administrator",
        Unmanaged::OrdinaryLaunch => "ordinary_launch",
    }
}

fn failure(why: Failure) -> &'static str {
    match why {
        Failure::UnsupportedFileType => "unsupported_file_type",
        Failure::NetworkPath => "network_path",
        Failure::BlockedDownload => "blocked_download",
        Failure::PathNotCanonical => "path_not_canonical",
    }
}

impl fmt::Display for ExplainedOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.outcome)?;
        match self.reason {
            Some(reason) => write!(f, " ({reason})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for ExplainedRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} ({}) of policy {:?}",
            self.rule_name, self.rule_id, self.policy_name
        )
    }
}

/// A few lines for a person: what happens, by which question, and what became of each rule.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, decided by {}", self.outcome, self.step)?;
        if let Some(winner) = &self.winner {
            writeln!(f, "won: {}", winner.rule)?;
        }
        for loser in &self.losers {
            writeln!(
                f,
                "lost by {}: {}",
                loser.lost.unwrap_or_default(),
                loser.rule
            )?;
        }
        for near in &self.near_misses {
            writeln!(
                f,
                "nearly, but {} is {}: {}",
                near.attribute, near.reason, near.rule
            )?;
        }
        if self.more_near_misses {
            writeln!(f, "more rules nearly matched")?;
        }
        if let Some(monitored) = &self.monitored {
            writeln!(f, "had rules that only report acted: {monitored}")?;
        }
        write!(f, "policy version {}", self.policy_version.0)
    }
}
