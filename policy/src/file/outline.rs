//! Where the parts of policies are written, read a second time from a text whose policies cannot be used. It must not
//! understand them: every value is passed over, only its place is kept.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::Spanned;

use super::{Position, position};
use crate::validate::{Field, Place};

/// A value of which only the place matters.
type Anything = Spanned<IgnoredAny>;
/// Fields by name.
type Fields = BTreeMap<String, Anything>;

/// All policies.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Outline {
    settings: Vec<Spanned<Fields>>,
    rules: Vec<Spanned<PolicyOutline>>,
    certificate_groups: Vec<Spanned<Fields>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PolicyOutline {
    id: Option<Anything>,
    name: Option<Anything>,
    description: Option<Anything>,
    assignment: Option<Anything>,
    rules: Option<Spanned<Vec<Spanned<RuleOutline>>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RuleOutline {
    id: Option<Anything>,
    name: Option<Anything>,
    description: Option<Anything>,
    validation: Option<Anything>,
    allowed_arguments: Option<Anything>,
    detection: Option<Spanned<Fields>>,
    conditions: Option<Spanned<Fields>>,
}

impl Outline {
    /// Where a field is written, or else what it is missing from.
    pub(super) fn position(&self, place: &Place, field: Field) -> Option<Position> {
        match place {
            Place::Policies => None,
            Place::Settings { number, .. } => {
                let settings = self.settings.get(*number)?;
                Some(of_field(settings, field.word()).unwrap_or_else(|| at(settings)))
            }
            Place::CertificateGroup { number, .. } => {
                let group = self.certificate_groups.get(*number)?;
                Some(of_field(group, field.word()).unwrap_or_else(|| at(group)))
            }
            Place::RulesPolicy { number, .. } => {
                let policy = self.rules.get(*number)?;
                Some(policy.value.position(field).unwrap_or_else(|| at(policy)))
            }
            Place::Rule {
                policy_number,
                number,
                ..
            } => {
                let rules = self.rules.get(*policy_number)?.value.rules.as_ref()?;
                let rule = rules.value.get(*number)?;
                Some(rule.value.position(field).unwrap_or_else(|| at(rule)))
            }
        }
    }
}

impl PolicyOutline {
    fn position(&self, field: Field) -> Option<Position> {
        match field {
            Field::Id => self.id.as_ref().map(at),
            Field::Name => self.name.as_ref().map(at),
            Field::Description => self.description.as_ref().map(at),
            Field::Assignment => self.assignment.as_ref().map(at),
            Field::Rules => self.rules.as_ref().map(at),
            _ => None,
        }
    }
}

impl RuleOutline {
    fn position(&self, field: Field) -> Option<Position> {
        let within = |fields: &Option<Spanned<Fields>>, name: &str| {
            let fields = fields.as_ref()?;
            Some(of_field(fields, name).unwrap_or_else(|| at(fields)))
        };
        match (field, field.word().rsplit_once('.')) {
            (_, Some(("detection", name))) => within(&self.detection, name),
            (_, Some(("conditions", name))) => within(&self.conditions, name),
            (Field::Certificate, _) => within(&self.detection, "signature"),
            (Field::Id, _) => self.id.as_ref().map(at),
            (Field::Name, _) => self.name.as_ref().map(at),
            (Field::Description, _) => self.description.as_ref().map(at),
            (Field::Validation, _) => self.validation.as_ref().map(at),
            (Field::AllowedArguments, _) => self.allowed_arguments.as_ref().map(at),
            _ => None,
        }
    }
}

fn of_field(fields: &Spanned<Fields>, name: &str) -> Option<Position> {
    fields.value.get(name).map(at)
}

fn at<T>(spanned: &Spanned<T>) -> Position {
    position(spanned.referenced)
}
