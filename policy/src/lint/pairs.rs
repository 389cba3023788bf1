//! Rules that never win, and rules that contradict each other. Only pairs that share what identifies the wider one are
//! compared: its hash or its signature, and its name where that has no wildcard.

use rustc_hash::FxHashMap;

use super::cover::covers;
use super::single::place;
use super::{Check, Finding, Severity};
use crate::limits::MAX_LINT_PAIRS;
use crate::matching::{Certificates, Matcher, Signer};
use crate::model::{Audience, CertificateType, ElevationType, Policies, Sha256, Thumbprint};
use crate::precedence::{Standing, Step, Target};
use crate::set::RuleView;
use crate::validate::Place;

/// What identifies a rule that may be the wider of two.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Identity<'p> {
    Hash(Sha256),
    Thumbprint(CertificateType, Thumbprint),
    Subject(CertificateType, &'p str),
    Package(&'p str),
}

/// A rule with its place.
struct Entry<'p> {
    view: RuleView<'p>,
    policy_number: usize,
    number: usize,
}

pub(super) fn check(policies: &Policies, findings: &mut Vec<Finding>) {
    let certificates = Certificates::of(policies);
    let matchers: Vec<Matcher> = policies
        .rules
        .iter()
        .flat_map(|policy| policy.rules.iter().map(move |rule| (policy, rule)))
        .map(|(policy, rule)| Matcher::new(policy, rule, &certificates))
        .collect();
    let mut matchers = matchers.iter();
    let mut entries = Vec::new();
    for (policy_number, policy) in policies.rules.iter().enumerate() {
        for (number, rule) in policy.rules.iter().enumerate() {
            let Some(matcher) = matchers.next() else {
                return;
            };
            // A rule that only reports neither hides another nor is missed.
            if !matcher.report_only {
                let view = RuleView {
                    policy,
                    rule,
                    matcher,
                };
                entries.push(Entry {
                    view,
                    policy_number,
                    number,
                });
            }
        }
    }
    compare(&entries, findings);
}

fn compare(entries: &[Entry<'_>], findings: &mut Vec<Finding>) {
    let mut wide: FxHashMap<(Identity<'_>, Option<&str>), Vec<&Entry<'_>>> = FxHashMap::default();
    for entry in entries {
        if let Some(identity) = identities(&entry.view).next() {
            let name = entry.view.matcher.name.exact();
            wide.entry((identity, name)).or_default().push(entry);
        }
    }
    let mut pairs = 0;
    for narrow in entries {
        let name = narrow.view.matcher.name.exact();
        let mut worst: Option<Finding> = None;
        for identity in identities(&narrow.view) {
            let same_name = name.map(|name| (identity.clone(), Some(name)));
            let keys = same_name.into_iter().chain([(identity, None)]);
            for other in keys.filter_map(|key| wide.get(&key)).flatten() {
                pairs += 1;
                if pairs > MAX_LINT_PAIRS {
                    return findings.push(cut());
                }
                let found = between(narrow, other);
                let worse =
                    |found: &Finding| worst.as_ref().is_none_or(|w| found.severity > w.severity);
                if let Some(found) = found.filter(worse) {
                    worst = Some(found);
                }
            }
        }
        findings.extend(worst);
    }
}

fn cut() -> Finding {
    Finding {
        place: Place::Policies,
        check: Check::SearchCut,
        severity: Severity::Warning,
        reason: format!(
            "more than {MAX_LINT_PAIRS} pairs of rules share a hash or a signature, and not all were compared"
        ),
        other: None,
    }
}

/// Everything that identifies the rule, the strongest first.
fn identities<'p>(view: &RuleView<'p>) -> impl Iterator<Item = Identity<'p>> + use<'p> {
    let hash = view.rule.detection.file_hash.map(Identity::Hash);
    let signature = match &view.matcher.signature {
        Some(Signer::Certificate(kind, certificate)) => [
            certificate
                .thumbprint
                .map(|t| Identity::Thumbprint(*kind, t)),
            certificate
                .subject
                .as_deref()
                .map(|s| Identity::Subject(*kind, s)),
        ],
        Some(Signer::Package { name, .. }) => [Some(Identity::Package(name)), None],
        None => [None, None],
    };
    hash.into_iter().chain(signature.into_iter().flatten())
}

/// What is wrong with `narrow` because of `other`, which knows all that `narrow` knows.
fn between(narrow: &Entry<'_>, other: &Entry<'_>) -> Option<Finding> {
    let same = narrow.view.rule.id == other.view.rule.id;
    if same || !covers(&other.view, &narrow.view) {
        return None;
    }
    let step = always_beaten(&other.view, &narrow.view)?;
    let (rule, winner) = (narrow.view.rule, other.view.rule);
    let denies = |rule: &crate::model::Rule| rule.elevation_type == ElevationType::Deny;
    let same_answer = rule.elevation_type == winner.elevation_type
        && (denies(rule)
            || rule.validation == winner.validation
                && rule.child_behaviour == winner.child_behaviour
                && rule.allowed_arguments == winner.allowed_arguments);
    let id = winner.id.as_str();
    let (check, severity, reason) = match step {
        Step::Deny => (
            Check::Contradiction,
            Severity::Error,
            format!(
                "the deny rule {id:?} knows every file that this rule knows, so it never elevates one"
            ),
        ),
        Step::TypeOrder | Step::RuleId if !same_answer => (
            Check::Contradiction,
            Severity::Warning,
            format!(
                "the rule {id:?} knows the same files and says something else; only {} decides between them",
                convention(step)
            ),
        ),
        _ if same_answer => (
            Check::Shadowed,
            Severity::Note,
            format!("the rule {id:?} knows the same files and more, and says the same"),
        ),
        _ => (
            Check::Shadowed,
            Severity::Warning,
            format!(
                "the rule {id:?} knows every file that this rule knows and wins each time ({})",
                step.deciding()
            ),
        ),
    };
    Some(Finding {
        place: place(narrow.policy_number, narrow.view.policy, narrow.number),
        check,
        severity,
        reason,
        other: Some(winner.id.clone()),
    })
}

fn convention(step: Step) -> &'static str {
    match step {
        Step::TypeOrder => "the order of elevation types",
        _ => "the order of ids",
    }
}

/// The question by which `winner` beats `loser`, whichever way the two reach a launch; `None` where it does not always.
fn always_beaten(winner: &RuleView<'_>, loser: &RuleView<'_>) -> Option<Step> {
    let mut last = None;
    for target in targets(winner) {
        for other in targets(loser) {
            let standing = Standing::of(winner.rule, target);
            let (order, step) = standing.against(&Standing::of(loser.rule, other));
            if order.is_ge() {
                return None;
            }
            last = last.max(Some(step));
        }
    }
    last
}

/// The ways in which a policy may reach a launch.
fn targets(view: &RuleView<'_>) -> Vec<Target> {
    let to_user = |audience: &Audience| {
        matches!(
            audience,
            Audience::AllUsers | Audience::User(_) | Audience::UserGroup(_)
        )
    };
    let include = &view.policy.assignment.include;
    let all_users = include.contains(&Audience::AllUsers);
    let user = include.iter().any(to_user).then_some(Target::User);
    let device = include
        .iter()
        .any(|audience| !to_user(audience) && !all_users);
    user.into_iter()
        .chain(device.then_some(Target::Device))
        .collect()
}
