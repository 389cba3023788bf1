//! Settings that hold on a device (domain §1.1 to §1.5), one test for each statement.

use epm_policy::{
    Audience, ConflictingSetting, DefaultResponse, EffectiveSettings, PolicySet, ReportedClass,
    ReportingScope, SettingsPolicy, Validation,
};

use crate::world::{Launch, policies, policy, rule, settings};

fn merge(policies: &[SettingsPolicy]) -> EffectiveSettings {
    EffectiveSettings::merge(policies.iter())
}

#[test]
fn defaults_are_enabled_not_configured_send_yes_and_scope_all() {
    let effective = merge(&[settings("a")]);
    assert!(effective.enabled && effective.send_data && effective.elevation_detection);
    assert_eq!(effective.default_response, None);
    assert_eq!(effective.default_validation, Validation::NONE);
    assert_eq!(effective.reporting_scope, ReportingScope::All);
    assert!(effective.conflicts.is_empty());
}

#[test]
fn without_any_policy_nothing_is_enabled() {
    assert!(!merge(&[]).enabled);
}

#[test]
fn a_policy_that_says_disabled_disables() {
    let mut disabled = settings("a");
    disabled.enabled = Some(false);
    assert!(!merge(&[disabled, settings("b")]).enabled);
}

#[test]
fn a_conflict_about_enabled_ends_in_enabled() {
    let [mut yes, mut no] = ["a", "b"].map(settings);
    yes.enabled = Some(true);
    no.enabled = Some(false);
    let effective = merge(&[yes, no]);
    assert!(effective.enabled);
    assert_eq!(effective.conflicts, [ConflictingSetting::Enabled]);
}

#[test]
fn where_values_differ_only_that_setting_falls_back_to_its_default() {
    let [mut one, mut other] = ["a", "b"].map(settings);
    one.default_response = Some(DefaultResponse::SupportApproval);
    other.default_response = Some(DefaultResponse::SupportApproval);
    one.reporting_scope = Some(ReportingScope::Managed);
    other.reporting_scope = Some(ReportingScope::DiagnosticOnly);
    let effective = merge(&[one, other]);
    assert_eq!(effective.reporting_scope, ReportingScope::All);
    assert_eq!(
        effective.default_response,
        Some(DefaultResponse::SupportApproval)
    );
    assert_eq!(effective.conflicts, [ConflictingSetting::ReportingScope]);
}

#[test]
fn a_conflict_about_the_default_response_falls_back_to_deny() {
    let [mut one, mut other] = ["a", "b"].map(settings);
    one.default_response = Some(DefaultResponse::SupportApproval);
    other.default_response = Some(DefaultResponse::UserConfirmation);
    let effective = merge(&[one, other]);
    assert_eq!(effective.default_response, None);
    assert!(
        effective
            .conflicts
            .contains(&ConflictingSetting::DefaultResponse)
    );
}

#[test]
fn a_conflict_about_what_must_be_given_never_becomes_one_click_for_any_file() {
    let [mut one, mut other] = ["a", "b"].map(settings);
    for policy in [&mut one, &mut other] {
        policy.default_response = Some(DefaultResponse::UserConfirmation);
    }
    one.default_validation = Some(Validation::AUTHENTICATION);
    let effective = merge(&[one, other]);
    assert_eq!(effective.default_response, None);
    assert_eq!(effective.conflicts, [ConflictingSetting::DefaultValidation]);
}

#[test]
fn a_value_that_only_one_policy_gives_is_no_conflict() {
    let mut one = settings("a");
    one.default_response = Some(DefaultResponse::UserConfirmation);
    one.default_validation = Some(Validation::AUTHENTICATION);
    let effective = merge(&[one, settings("b")]);
    assert_eq!(
        effective.default_response,
        Some(DefaultResponse::UserConfirmation)
    );
    assert_eq!(effective.default_validation, Validation::AUTHENTICATION);
    assert!(effective.conflicts.is_empty());
}

#[test]
fn each_scope_sends_what_the_documents_say() {
    let sent = |send_data, scope| {
        let mut policy = settings("a");
        policy.send_data = send_data;
        policy.reporting_scope = scope;
        let effective = merge(&[policy]);
        [
            ReportedClass::Diagnostic,
            ReportedClass::Managed,
            ReportedClass::Unmanaged,
        ]
        .map(|class| effective.may_send(class))
    };
    assert_eq!(sent(Some(false), None), [false, false, false]);
    assert_eq!(
        sent(None, Some(ReportingScope::DiagnosticOnly)),
        [true, false, false]
    );
    assert_eq!(
        sent(None, Some(ReportingScope::Managed)),
        [true, true, false]
    );
    assert_eq!(sent(None, Some(ReportingScope::All)), [true, true, true]);
    assert_eq!(sent(None, None), [true, true, true]);
}

#[test]
fn settings_are_merged_from_the_policies_that_reach_the_user_or_the_device() {
    let mut all = policies(vec![policy(
        "p",
        vec![rule("a", epm_policy::ElevationType::Deny)],
    )]);
    let mut staff = settings("staff");
    staff.assignment.include = vec![Audience::UserGroup("staff".into())];
    staff.default_response = Some(DefaultResponse::SupportApproval);
    all.settings.push(staff);
    let set = PolicySet::new(all).unwrap();
    let response = |launch: &Launch| launch.with(|r| set.settings_for(r).default_response);
    assert_eq!(
        response(&Launch::new()),
        Some(DefaultResponse::SupportApproval)
    );
    let mut other = Launch::new();
    other.user_groups = Vec::new();
    assert_eq!(response(&other), None);
}

#[test]
fn the_audit_only_recipe_lets_everything_be_seen_and_elevates_nothing() {
    let audit = merge(&[settings("audit")]);
    assert!(audit.enabled && audit.may_send(ReportedClass::Unmanaged));
    assert_eq!(audit.default_response, None);
}
