//! Limits of settings policies. It must not merge them.

use super::problem::{Field, Problem};
use super::{Findings, Place, Unique, assignment, text};
use crate::model::{DefaultResponse, SettingsPolicy};

pub(super) fn check(policies: &[SettingsPolicy], findings: &mut Findings) {
    let mut ids = Unique::default();
    let mut names = Unique::default();
    for (number, policy) in policies.iter().enumerate() {
        let id = policy.id.as_str().to_owned();
        let mut at = findings.at(Place::Settings { number, id });
        text::id(&mut at, Field::Id, policy.id.as_str());
        text::name(&mut at, &policy.name);
        ids.check(&mut at, Field::Id, &policy.id);
        names.check(&mut at, Field::Name, &policy.name);
        assignment(&mut at, &policy.assignment);
        let confirmation = Some(DefaultResponse::UserConfirmation);
        if policy.default_validation.is_some() && policy.default_response != confirmation {
            at.found(
                Field::DefaultValidation,
                Problem::ValidationWithoutConfirmation,
            );
        }
        if policy.reporting_scope.is_some() && policy.send_data == Some(false) {
            at.found(Field::ReportingScope, Problem::ScopeWithoutSending);
        }
    }
}
