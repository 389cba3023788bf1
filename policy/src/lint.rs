//! Whether permitted rules are wise: what is weak, what will stop working, what never wins, what contradicts. Each finding
//! has a severity, a reason and a remedy. It must not refuse anything; that is validation's, and the administrator's.

mod cover;
mod interpreters;
mod pairs;
pub(crate) mod places;
mod single;

use crate::limits::MAX_LINT_FINDINGS;
use crate::model::{Policies, RuleId};
use crate::validate::Place;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Weaker than need be, or soon not working.
    Warning,
    /// Lets users elevate what was not meant, or does not do what it says.
    Error,
}

/// What was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// The file lies where users can write, or anywhere.
    UserWritablePath,
    /// Nothing but the name, or the name and a signature, tells the file.
    NameOnly,
    /// The file runs whatever it is told to.
    Interpreter,
    /// Every file of a publisher passes.
    BroadPublisher,
    /// The certificate's time is over.
    ExpiredCertificate,
    /// It soon will be.
    ExpiringCertificate,
    /// Children are elevated without looking at a rule.
    AllowAllChildren,
    /// The rule never wins.
    Shadowed,
    /// Two rules say different things about the same files.
    Contradiction,
    /// A wildcard that changes nothing.
    RedundantWildcard,
    /// Something that the rule's type ignores.
    WithoutEffect,
    /// One click elevates any file.
    OneClickDefault,
    /// The policy is assigned to nobody.
    Unassigned,
    /// The search for shadowed rules was cut.
    SearchCut,
}

impl Check {
    /// Every check.
    pub const ALL: [Self; 14] = [
        Self::UserWritablePath,
        Self::NameOnly,
        Self::Interpreter,
        Self::BroadPublisher,
        Self::ExpiredCertificate,
        Self::ExpiringCertificate,
        Self::AllowAllChildren,
        Self::Shadowed,
        Self::Contradiction,
        Self::RedundantWildcard,
        Self::WithoutEffect,
        Self::OneClickDefault,
        Self::Unassigned,
        Self::SearchCut,
    ];

    /// The word for it in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::UserWritablePath => "user_writable_path",
            Self::NameOnly => "name_only",
            Self::Interpreter => "interpreter",
            Self::BroadPublisher => "broad_publisher",
            Self::ExpiredCertificate => "expired_certificate",
            Self::ExpiringCertificate => "expiring_certificate",
            Self::AllowAllChildren => "allow_all_children",
            Self::Shadowed => "shadowed",
            Self::Contradiction => "contradiction",
            Self::RedundantWildcard => "redundant_wildcard",
            Self::WithoutEffect => "without_effect",
            Self::OneClickDefault => "one_click_default",
            Self::Unassigned => "unassigned",
            Self::SearchCut => "search_cut",
        }
    }

    /// What to do.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::UserWritablePath => {
                "name a folder that only administrators can write to, or have the program installed in one"
            }
            Self::NameOnly => "add the hash, or product name, internal name and folder",
            Self::Interpreter => {
                "write a rule for the script itself, list the arguments, and require a rule for children"
            }
            Self::BroadPublisher => "add product name or internal name, which the signature covers",
            Self::ExpiredCertificate => "take the certificate that the publisher signs with now",
            Self::ExpiringCertificate => {
                "find out with which certificate the next version is signed, and add a rule for it"
            }
            Self::AllowAllChildren => {
                "require a rule for children, and write those that are missing"
            }
            Self::Shadowed => "remove the rule, or make it more specific than the one that wins",
            Self::Contradiction => "decide which of the two is meant, and remove the other",
            Self::RedundantWildcard => "write the name out, or leave the wildcard out",
            Self::WithoutEffect => "take it out",
            Self::OneClickDefault => {
                "ask for a justification or authentication, or deny by default"
            }
            Self::Unassigned => "assign the policy, or remove it",
            Self::SearchCut => "lint the policies in parts",
        }
    }
}

/// Something that an administrator should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub place: Place,
    /// What was looked for.
    pub check: Check,
    /// How much it matters.
    pub severity: Severity,
    /// Why it was found, in a sentence.
    pub reason: String,
    /// The other rule, where there is one.
    pub other: Option<RuleId>,
}

impl Finding {
    /// What to do.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        self.check.remedy()
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { place, reason, .. } = self;
        write!(f, "{place}: {reason}; {}", self.remedy())
    }
}

/// Looks at everything. `now_s` is the time for which certificates are judged, in seconds since 1970. The policies need not be
/// valid: an unfinished rule is looked at as far as it goes. At most [`MAX_LINT_FINDINGS`], in the order of writing.
#[must_use]
pub fn lint(policies: &Policies, now_s: i64) -> Vec<Finding> {
    let mut findings = Vec::new();
    single::settings(policies, &mut findings);
    single::rules(policies, now_s, &mut findings);
    pairs::check(policies, &mut findings);
    findings.sort_by_key(|finding| place_key(&finding.place));
    findings.truncate(MAX_LINT_FINDINGS);
    findings
}

/// Settings first, then policies and their rules as they were written.
fn place_key(place: &Place) -> (u8, usize, usize) {
    match place {
        Place::Policies => (0, 0, 0),
        Place::Settings { number, .. } => (1, *number, 0),
        Place::CertificateGroup { number, .. } => (2, *number, 0),
        Place::RulesPolicy { number, .. } => (3, *number, 0),
        Place::Rule {
            policy_number,
            number,
            ..
        } => (3, *policy_number, number + 1),
    }
}
