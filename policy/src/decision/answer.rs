//! The decision and the rules in it. Rules are borrowed from the set that decided.

use super::{
    DecidingStep, DecisionSource, LossReason, MissReason, Outcome, RuleAttribute, TieBreak,
};
use crate::model::{PolicyVersion, Rule, RulesPolicy};
use crate::precedence::Target;

/// A rule that matched a launch.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'s> {
    /// The policy that it belongs to.
    pub policy: &'s RulesPolicy,
    /// The rule.
    pub rule: &'s Rule,
    /// Whether the policy reached the launch by its user or by its device.
    pub target: Target,
    /// How many attributes it defines, as precedence counts them.
    pub attribute_score: u8,
}

/// Rules are known by their id, which is unique in a set.
impl PartialEq for Candidate<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.rule.id == other.rule.id
            && self.policy.id == other.policy.id
            && self.target == other.target
            && self.attribute_score == other.attribute_score
    }
}

/// A rule that matched and did not win.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loser<'s> {
    /// The rule.
    pub candidate: Candidate<'s>,
    /// Why it lost.
    pub reason: LossReason,
}

/// A rule that failed on exactly one attribute, and is about this file: its name or its hash matched.
#[derive(Clone, Copy, Debug)]
pub struct NearMiss<'s> {
    /// The policy that it belongs to.
    pub policy: &'s RulesPolicy,
    /// The rule.
    pub rule: &'s Rule,
    /// What failed.
    pub attribute: RuleAttribute,
    /// How.
    pub reason: MissReason,
}

impl PartialEq for NearMiss<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.rule.id == other.rule.id
            && self.policy.id == other.policy.id
            && (self.attribute, self.reason) == (other.attribute, other.reason)
    }
}

/// The nearest rules that did not match, best first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NearMisses<'s> {
    /// At most [`crate::limits::MAX_NEAR_MISSES`].
    pub rules: Vec<NearMiss<'s>>,
    /// There are more, or the search was cut: so many rules share what was looked for.
    pub more: bool,
}

/// What would have happened, had the rules that only report acted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Monitored<'s> {
    /// The rule that would have won.
    pub candidate: Candidate<'s>,
    /// What would have happened.
    pub outcome: Outcome,
}

/// The answer to a launch.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a decision that nobody acts on lets everything and nothing through"]
pub struct Decision<'s> {
    /// What happens.
    pub outcome: Outcome,
    /// Where the answer came from.
    pub source: DecisionSource,
    /// The question whose answer settled it.
    pub step: DecidingStep,
    /// The rule that decided, where one did.
    pub winner: Option<Candidate<'s>>,
    /// Every other rule that matched, strongest first, with the reason.
    pub losers: Vec<Loser<'s>>,
    /// Rules that nearly matched.
    pub near_misses: NearMisses<'s>,
    /// What rules that only report would have changed.
    pub monitored: Option<Monitored<'s>>,
    /// Where the winner and the strongest loser were equal but for a convention, which one.
    pub tie_break: Option<TieBreak>,
    /// The set of policies that decided.
    pub policy_version: PolicyVersion,
}

impl Decision<'_> {
    /// The winner's attribute score.
    #[must_use]
    pub fn attribute_score(&self) -> Option<u8> {
        self.winner.map(|winner| winner.attribute_score)
    }
}
