//! Which of two matching rules wins. The order is total: of two rules with different ids, exactly one wins.
//!
//! Rules for a file from all policies are kept, and the choice is made at run time, by the first of these questions that
//! tells the two apart:
//!
//! 1. **Deny.** A deny rule beats every other, also across user and device targeting.
//! 2. **User target.** A rule deployed to the user beats one deployed to the device.
//! 3. **Hash.** A rule with a hash beats one without.
//! 4. **Attribute count.** The rule that defines more attributes wins: of path, signature, minimum version, description,
//!    product name, internal name and arguments. The file name always exists and does not count; conditions that the
//!    product does not know do not count, so that scores compare with it.
//! 5. **Type order.** User confirmed, current user, support approved, automatic: the first wins.
//! 6. **Rule id.** The lesser one wins, so that every device decides alike.
//!
//! Two rules with a hash go on with question 4. An answer from question 5 or 6 is recorded as a tie that was broken.
//! Nothing here knows a file, or what a rule does once it has won.

use std::cmp::Ordering;

use crate::decision::{DecidingStep, LossReason, TieBreak};
use crate::model::{ElevationType, Rule, RuleId, SignatureSource};

/// By what a policy reached a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// It is assigned to the user.
    User,
    /// It is assigned to the device, and not to the user.
    Device,
}

/// The questions, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Deny beats everything.
    Deny,
    /// User beats device.
    UserTarget,
    /// Hash beats no hash.
    Hash,
    /// More attributes beat fewer.
    AttributeCount,
    /// A fixed order of types.
    TypeOrder,
    /// The lesser id.
    RuleId,
}

/// The order in which the questions are asked.
pub const ORDER: [Step; 6] = [
    Step::Deny,
    Step::UserTarget,
    Step::Hash,
    Step::AttributeCount,
    Step::TypeOrder,
    Step::RuleId,
];

/// What precedence looks at in a rule that matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing<'r> {
    /// By what it reached the launch.
    pub target: Target,
    /// Whether it has a hash.
    pub hash: bool,
    /// How many attributes it defines.
    pub attributes: u8,
    /// Its type.
    pub elevation_type: ElevationType,
    /// Its id.
    pub id: &'r RuleId,
}

impl<'r> Standing<'r> {
    /// Of a rule that reached a launch by `target`.
    #[must_use]
    pub fn of(rule: &'r Rule, target: Target) -> Self {
        Self {
            target,
            hash: rule.detection.file_hash.is_some(),
            attributes: attribute_count(rule),
            elevation_type: rule.elevation_type,
            id: &rule.id,
        }
    }

    /// The first question that tells the two apart, and [`Ordering::Less`] where `self` wins by it. Equal only for
    /// one and the same id.
    #[must_use]
    pub fn against(&self, other: &Self) -> (Ordering, Step) {
        for step in ORDER {
            let order = self.ask(step, other);
            if order.is_ne() {
                return (order, step);
            }
        }
        (Ordering::Equal, Step::RuleId)
    }

    fn ask(&self, step: Step, other: &Self) -> Ordering {
        let denies = |standing: &Self| standing.elevation_type == ElevationType::Deny;
        match step {
            Step::Deny => denies(other).cmp(&denies(self)),
            Step::UserTarget => self.target.cmp(&other.target),
            Step::Hash => other.hash.cmp(&self.hash),
            Step::AttributeCount => other.attributes.cmp(&self.attributes),
            Step::TypeOrder => {
                type_order(self.elevation_type).cmp(&type_order(other.elevation_type))
            }
            Step::RuleId => self.id.cmp(other.id),
        }
    }
}

/// How many attributes a rule defines beside its file name and its hash.
#[must_use]
pub fn attribute_count(rule: &Rule) -> u8 {
    let detection = &rule.detection;
    let defined = [
        detection.file_path.is_some(),
        detection.signature != SignatureSource::NotConfigured,
        detection.minimum_version.is_some(),
        detection.file_description.is_some(),
        detection.product_name.is_some(),
        detection.internal_name.is_some(),
        rule.allowed_arguments.is_some(),
    ];
    defined.into_iter().map(u8::from).sum()
}

/// Place of a type in question 5. Deny never gets there.
fn type_order(elevation_type: ElevationType) -> u8 {
    match elevation_type {
        ElevationType::UserConfirmed => 0,
        ElevationType::CurrentUser => 1,
        ElevationType::SupportApproved => 2,
        ElevationType::Automatic => 3,
        ElevationType::Deny => 4,
    }
}

impl Step {
    /// How a decision names it.
    #[must_use]
    pub fn deciding(self) -> DecidingStep {
        match self {
            Self::Deny => DecidingStep::Deny,
            Self::UserTarget => DecidingStep::UserTarget,
            Self::Hash => DecidingStep::Hash,
            Self::AttributeCount => DecidingStep::AttributeCount,
            Self::TypeOrder => DecidingStep::TypeOrder,
            Self::RuleId => DecidingStep::RuleId,
        }
    }

    /// Why a rule that it went against has lost.
    #[must_use]
    pub fn loss(self) -> LossReason {
        match self {
            Self::Deny => LossReason::DenyRule,
            Self::UserTarget => LossReason::UserTarget,
            Self::Hash => LossReason::Hash,
            Self::AttributeCount => LossReason::AttributeCount,
            Self::TypeOrder => LossReason::TypeOrder,
            Self::RuleId => LossReason::RuleId,
        }
    }

    /// Whether it only breaks a tie.
    #[must_use]
    pub fn tie_break(self) -> Option<TieBreak> {
        match self {
            Self::TypeOrder => Some(TieBreak::TypeOrder),
            Self::RuleId => Some(TieBreak::RuleId),
            Self::Deny | Self::UserTarget | Self::Hash | Self::AttributeCount => None,
        }
    }
}
