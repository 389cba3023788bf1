//! Whether policies may be used: every limit and every mandatory combination, each mistake told once with its field and
//! the remedy. It must not judge whether a permitted rule is wise; that is lint's.

mod problem;
mod rule;
mod settings;
mod text;

use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;

use crate::limits::{
    MAX_AUDIENCES, MAX_CERTIFICATE_GROUPS, MAX_RULES, MAX_RULES_PER_POLICY, MAX_RULES_POLICIES,
    MAX_SETTINGS_POLICIES, MAX_VIOLATIONS,
};
use crate::model::{Assignment, CertificateGroup, GroupId, Policies, RulesPolicy};

pub use problem::{Field, Problem};

/// Which part of the policies a mistake is in. Numbers count from 0 in the order of writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The policies as a whole.
    Policies,
    /// A settings policy.
    Settings {
        /// Its number.
        number: usize,
        /// Its id, as far as it has one.
        id: String,
    },
    /// A rules policy.
    RulesPolicy {
        /// Its number.
        number: usize,
        /// Its id, as far as it has one.
        id: String,
    },
    /// A rule.
    Rule {
        /// Number of its policy.
        policy_number: usize,
        /// Id of its policy.
        policy: String,
        /// Its number in the policy.
        number: usize,
        /// Its id, as far as it has one.
        id: String,
    },
    /// A certificate group.
    CertificateGroup {
        /// Its number.
        number: usize,
        /// Its id, as far as it has one.
        id: String,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policies => f.write_str("policies"),
            Self::Settings { number, id } => write!(f, "settings[{number}] {id:?}"),
            Self::RulesPolicy { number, id } => write!(f, "rules policy[{number}] {id:?}"),
            Self::Rule {
                policy, number, id, ..
            } => {
                write!(f, "rule[{number}] {id:?} of rules policy {policy:?}")
            }
            Self::CertificateGroup { number, id } => {
                write!(f, "certificate group[{number}] {id:?}")
            }
        }
    }
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {field}: {problem}; {}", .problem.remedy())]
pub struct Violation {
    /// Where.
    pub place: Place,
    /// In which field.
    pub field: Field,
    /// What.
    pub problem: Problem,
}

/// Why policies cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// At least one, at most [`MAX_VIOLATIONS`], in the order of writing.
    pub violations: Vec<Violation>,
    /// How many there are in all.
    pub total: usize,
}

impl std::error::Error for PolicyError {}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.violations.iter();
        if let Some(first) = lines.next() {
            write!(f, "{first}")?;
        }
        lines.try_for_each(|violation| write!(f, "\n{violation}"))?;
        match self.total - self.violations.len() {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

/// Checks everything.
///
/// # Errors
///
/// [`PolicyError`] with a violation for each mistake.
pub fn validate(policies: &Policies) -> Result<(), PolicyError> {
    let mut findings = Findings::default();
    let counts = [
        (
            Field::Settings,
            policies.settings.len(),
            MAX_SETTINGS_POLICIES,
        ),
        (Field::Rules, policies.rules.len(), MAX_RULES_POLICIES),
        (
            Field::CertificateGroups,
            policies.certificate_groups.len(),
            MAX_CERTIFICATE_GROUPS,
        ),
        (
            Field::Rules,
            policies.rules.iter().map(|policy| policy.rules.len()).sum(),
            MAX_RULES,
        ),
    ];
    for (field, count, most) in counts {
        findings.at(Place::Policies).at_most(field, count, most);
    }
    check_certificate_groups(&policies.certificate_groups, &mut findings);
    settings::check(&policies.settings, &mut findings);
    check_policies(policies, &mut findings);
    match findings.total {
        0 => Ok(()),
        total => Err(PolicyError {
            violations: findings.kept,
            total,
        }),
    }
}

fn check_certificate_groups(groups: &[CertificateGroup], findings: &mut Findings) {
    let mut ids = Unique::default();
    let mut names = Unique::default();
    for (number, group) in groups.iter().enumerate() {
        let id = group.id.as_str().to_owned();
        let mut at = findings.at(Place::CertificateGroup { number, id });
        text::id(&mut at, Field::Id, group.id.as_str());
        text::name(&mut at, &group.name);
        text::description(&mut at, &group.description);
        rule::certificate(&mut at, &group.certificate);
        ids.check(&mut at, Field::Id, &group.id);
        names.check(&mut at, Field::Name, &group.name);
    }
}

fn check_policies(policies: &Policies, findings: &mut Findings) {
    let groups: HashSet<&GroupId> = policies.certificate_groups.iter().map(|g| &g.id).collect();
    let mut ids = Unique::default();
    let mut names = Unique::default();
    let mut rule_ids = Unique::default();
    for (policy_number, policy) in policies.rules.iter().enumerate() {
        let mut at = findings.at(Place::RulesPolicy {
            number: policy_number,
            id: policy.id.to_string(),
        });
        ids.check(&mut at, Field::Id, &policy.id);
        names.check(&mut at, Field::Name, &policy.name);
        check_policy(&mut at, policy);
        let mut rule_names = Unique::default();
        for (number, rule) in policy.rules.iter().enumerate() {
            let mut at = findings.at(Place::Rule {
                policy_number,
                policy: policy.id.as_str().to_owned(),
                number,
                id: rule.id.as_str().to_owned(),
            });
            rule_ids.check(&mut at, Field::Id, &rule.id);
            rule_names.check(&mut at, Field::Name, &rule.name);
            rule::check(&mut at, policy.platform, rule, &groups);
        }
    }
}

fn check_policy(at: &mut At<'_>, policy: &RulesPolicy) {
    text::id(at, Field::Id, policy.id.as_str());
    text::name(at, &policy.name);
    text::description(at, &policy.description);
    assignment(at, &policy.assignment);
    if policy.rules.is_empty() {
        at.found(Field::Rules, Problem::Missing);
    }
    at.at_most(Field::Rules, policy.rules.len(), MAX_RULES_PER_POLICY);
}

fn assignment(at: &mut At<'_>, assignment: &Assignment) {
    let audiences = assignment.include.len() + assignment.exclude.len();
    at.at_most(Field::Assignment, audiences, MAX_AUDIENCES);
}

/// What was found so far: all are counted, the first are kept.
#[derive(Debug, Default)]
struct Findings {
    kept: Vec<Violation>,
    total: usize,
}

impl Findings {
    fn at(&mut self, place: Place) -> At<'_> {
        At {
            findings: self,
            place,
        }
    }
}

/// The place that is being checked.
struct At<'f> {
    findings: &'f mut Findings,
    place: Place,
}

impl At<'_> {
    fn found(&mut self, field: Field, problem: Problem) {
        self.findings.total += 1;
        if self.findings.kept.len() < MAX_VIOLATIONS {
            self.findings.kept.push(Violation {
                place: self.place.clone(),
                field,
                problem,
            });
        }
    }

    fn at_most(&mut self, field: Field, count: usize, most: usize) {
        if count > most {
            self.found(field, Problem::TooMany { count, most });
        }
    }
}

/// Values that must not come twice.
struct Unique<'v, T> {
    seen: HashSet<&'v T>,
}

impl<T> Default for Unique<'_, T> {
    fn default() -> Self {
        Self {
            seen: HashSet::new(),
        }
    }
}

impl<'v, T: Eq + Hash + ToString> Unique<'v, T> {
    /// An empty value is told as empty, not as one that comes twice.
    fn check(&mut self, at: &mut At<'_>, field: Field, value: &'v T) {
        if !self.seen.insert(value) && !value.to_string().is_empty() {
            at.found(field, Problem::Duplicate(value.to_string()));
        }
    }
}
