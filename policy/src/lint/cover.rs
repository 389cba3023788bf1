//! Whether one rule knows every file and launch that another knows. Where it cannot be told for sure, the answer is no: lint
//! must not call a rule shadowed that wins somewhere.

use crate::matching::{Matcher, Signer};
use crate::model::{Assignment, Audience, Certificate, Conditions, Platform, Rule};
use crate::pattern::{Pattern, Piece};
use crate::request::Variables;
use crate::set::RuleView;

/// Whether `wide` matches whenever `narrow` does.
pub(super) fn covers(wide: &RuleView<'_>, narrow: &RuleView<'_>) -> bool {
    wide.policy.platform == narrow.policy.platform
        && covers_file(wide.rule, narrow.rule)
        && covers_patterns(wide.policy.platform, wide.matcher, narrow.matcher)
        && covers_signature(
            wide.matcher.signature.as_ref(),
            narrow.matcher.signature.as_ref(),
        )
        && covers_conditions(&wide.rule.conditions, &narrow.rule.conditions)
        && covers_assignment(&wide.policy.assignment, &narrow.policy.assignment)
}

/// `wide` asks for nothing, or for the same.
fn implied<T: PartialEq>(wide: Option<&T>, narrow: Option<&T>) -> bool {
    wide.is_none() || wide == narrow
}

fn covers_file(wide: &Rule, narrow: &Rule) -> bool {
    let (wide, narrow) = (&wide.detection, &narrow.detection);
    let version = match (wide.minimum_version, narrow.minimum_version) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wide), Some(narrow)) => wide <= narrow,
    };
    version
        && implied(wide.file_hash.as_ref(), narrow.file_hash.as_ref())
        && implied(wide.product_name.as_ref(), narrow.product_name.as_ref())
        && implied(wide.internal_name.as_ref(), narrow.internal_name.as_ref())
        && implied(
            wide.file_description.as_ref(),
            narrow.file_description.as_ref(),
        )
}

fn covers_patterns(platform: Platform, wide: &Matcher, narrow: &Matcher) -> bool {
    let optional = |wide: Option<&Pattern>, narrow: Option<&Pattern>| match (wide, narrow) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wide), Some(narrow)) => covers_pattern(platform, wide, narrow),
    };
    covers_pattern(platform, &wide.name, &narrow.name)
        && optional(wide.folder.as_ref(), narrow.folder.as_ref())
        && optional(wide.parent.as_ref(), narrow.parent.as_ref())
}

/// Stands for one unknown character, for a run of them, and for a variable's value. No path has such a character.
const ONE: char = '\u{10fffd}';
const RUN: char = '\u{10fffe}';
const VALUE: char = '\u{10ffff}';

/// The narrow pattern is compared as a text in which its wildcards are characters that only a wildcard can match.
fn covers_pattern(platform: Platform, wide: &Pattern, narrow: &Pattern) -> bool {
    if wide == narrow {
        return true;
    }
    let has = |pattern: &Pattern, piece: &Piece| pattern.pieces().contains(piece);
    if has(wide, &Piece::One) && has(narrow, &Piece::Run) {
        // A single character would match the character that stands for a run.
        return false;
    }
    let mut text = String::new();
    let mut values: Vec<(&str, String)> = Vec::new();
    for piece in narrow.pieces() {
        match piece {
            Piece::Literal(literal) => text.push_str(literal),
            Piece::One => text.push(ONE),
            Piece::Run => text.push(RUN),
            Piece::Variable(name) => {
                let value = format!("{VALUE}{name}{VALUE}");
                text.push_str(&crate::paths::fold(platform, &value));
                values.push((name, value));
            }
        }
    }
    if has(wide, &Piece::One) && !values.is_empty() {
        return false;
    }
    let values = values.iter().map(|(name, value)| (*name, value.as_str()));
    wide.fits(&text, &Variables::new(platform, values))
}

fn covers_signature(wide: Option<&Signer>, narrow: Option<&Signer>) -> bool {
    match (wide, narrow) {
        (None, _) => true,
        (Some(Signer::Certificate(kind, wide)), Some(Signer::Certificate(other, narrow))) => {
            kind == other && covers_certificate(wide, narrow)
        }
        (
            Some(Signer::Package { name, origin }),
            Some(Signer::Package {
                name: other_name,
                origin: other_origin,
            }),
        ) => name == other_name && implied(origin.as_ref(), other_origin.as_ref()),
        _ => false,
    }
}

fn covers_certificate(wide: &Certificate, narrow: &Certificate) -> bool {
    implied(wide.thumbprint.as_ref(), narrow.thumbprint.as_ref())
        && implied(wide.subject.as_ref(), narrow.subject.as_ref())
}

fn covers_conditions(wide: &Conditions, narrow: &Conditions) -> bool {
    let groups = wide.device_groups.is_empty()
        || !narrow.device_groups.is_empty()
            && narrow
                .device_groups
                .iter()
                .all(|group| wide.device_groups.contains(group));
    groups && implied(wide.time.as_ref(), narrow.time.as_ref())
}

fn covers_assignment(wide: &Assignment, narrow: &Assignment) -> bool {
    let everybody =
        |audience: &Audience| matches!(audience, Audience::AllUsers | Audience::AllDevices);
    let included =
        |audience: &Audience| wide.include.contains(audience) || wide.include.iter().any(everybody);
    let excluded = |audience: &Audience| narrow.exclude.contains(audience);
    narrow.include.iter().all(included) && wide.exclude.iter().all(excluded)
}
