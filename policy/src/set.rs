//! Policies that were found valid, made ready to decide. A set never changes: a new policy version is a new set, and the
//! last good one stays where a new one is refused.

use crate::decide::decide;
use crate::decision::Decision;
use crate::effective::EffectiveSettings;
use crate::index::{Found, Index};
use crate::matching::{Certificates, Matcher, Subject, reach};
use crate::model::{Policies, Rule, RulesPolicy};
use crate::precedence::attribute_count;
use crate::request::Request;
use crate::validate::{PolicyError, validate};

/// A rule of the set, ready to be compared.
#[derive(Debug)]
struct CompiledRule {
    policy: u32,
    rule: u32,
    matcher: Matcher,
}

/// A rule with the policy around it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RuleView<'s> {
    pub(crate) policy: &'s RulesPolicy,
    pub(crate) rule: &'s Rule,
    pub(crate) matcher: &'s Matcher,
}

/// Valid policies with their index. Sharing one between threads is free.
#[derive(Debug)]
pub struct PolicySet {
    policies: Policies,
    rules: Vec<CompiledRule>,
    index: Index,
}

impl Default for PolicySet {
    /// No policy: elevations are not managed.
    fn default() -> Self {
        Self {
            policies: Policies::default(),
            rules: Vec::new(),
            index: Index::build(&[]),
        }
    }
}

impl PolicySet {
    /// Checks every limit and mandatory combination and builds the index.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] with a violation for each mistake, each naming its field and the remedy.
    pub fn new(policies: Policies) -> Result<Self, PolicyError> {
        validate(&policies)?;
        let rules = compile(&policies);
        let views: Vec<RuleView<'_>> = rules.iter().map(|rule| view(&policies, rule)).collect();
        let index = Index::build(&views);
        Ok(Self {
            policies,
            rules,
            index,
        })
    }

    /// What happens to a launch.
    pub fn decide(&self, request: &Request<'_>) -> Decision<'_> {
        decide(self, request)
    }

    /// The policies as they were written.
    #[must_use]
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// How many rules there are.
    #[must_use]
    pub fn rule_count(&self) -> usize {
        self.rules.len()
    }

    /// The settings that hold for a user on a device.
    #[must_use]
    pub fn settings_for(&self, request: &Request<'_>) -> EffectiveSettings {
        let applies = |policy: &&_| applies(policy, request);
        EffectiveSettings::merge(self.policies.settings.iter().filter(applies))
    }

    pub(crate) fn rule(&self, number: u32) -> RuleView<'_> {
        view(&self.policies, &self.rules[number as usize])
    }

    pub(crate) fn find(&self, subject: &Subject<'_>) -> Found {
        self.index.find(subject, |number, subject| {
            let RuleView {
                policy,
                rule,
                matcher,
            } = self.rule(number);
            matcher.judge(policy, rule, subject)
        })
    }
}

fn applies(policy: &crate::model::SettingsPolicy, request: &Request<'_>) -> bool {
    reach(&policy.assignment, request).is_some()
}

fn view<'s>(policies: &'s Policies, compiled: &'s CompiledRule) -> RuleView<'s> {
    let policy = &policies.rules[compiled.policy as usize];
    RuleView {
        policy,
        rule: &policy.rules[compiled.rule as usize],
        matcher: &compiled.matcher,
    }
}

/// Rules in the order in which near misses are shown: the most specific first, as precedence counts it.
fn compile(policies: &Policies) -> Vec<CompiledRule> {
    let certificates = Certificates::of(policies);
    let mut rules = Vec::new();
    for (policy, written) in (0..).zip(&policies.rules) {
        for (rule, text) in (0..).zip(&written.rules) {
            rules.push(CompiledRule {
                policy,
                rule,
                matcher: Matcher::new(written, text, &certificates),
            });
        }
    }
    rules.sort_by(|one, other| {
        let [one, other] = [one, other].map(|compiled| {
            let rule = view(policies, compiled).rule;
            let hash = rule.detection.file_hash.is_some();
            (!hash, u8::MAX - attribute_count(rule), &rule.id)
        });
        one.cmp(&other)
    });
    rules
}

#[cfg(test)]
mod tests;
