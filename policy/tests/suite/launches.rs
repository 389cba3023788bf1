//! A launch's way through the steps (domain §3.3, §3.4 and §2.4), one test for each statement.

use epm_policy::{
    Approval, Audience, ChildBehaviour, DecidingStep, Decision, DecisionSource, DefaultResponse,
    Denial, ElevationType, Failure, Grant, LossReason, Outcome, Platform, Policies, PolicySet,
    RequestState, RunAs, Trigger, Unelevated, Unmanaged, Validation,
};

use crate::world::{Launch, hash, policies, policy, rule, set_of, settings};

fn decide<'s>(set: &'s PolicySet, launch: &Launch) -> Decision<'s> {
    launch.with(|request| set.decide(request))
}

fn with_settings(change: impl FnOnce(&mut Policies)) -> PolicySet {
    let rules = vec![rule("a", ElevationType::Automatic)];
    let mut policies = policies(vec![policy("p", rules)]);
    change(&mut policies);
    PolicySet::new(policies).unwrap()
}

fn ordinary() -> Launch {
    Launch {
        trigger: Trigger::OrdinaryLaunch,
        ..Launch::new()
    }
}

fn unknown_file() -> Launch {
    Launch {
        hash: Some(200),
        ..Launch::new()
    }
}

const NOT_ACTIVE: Outcome = Outcome::Unmanaged(Unmanaged::NotActive);

#[test]
fn without_a_settings_policy_rules_are_not_processed() {
    let set = with_settings(|policies| policies.settings.clear());
    let decision = decide(&set, &Launch::new());
    assert_eq!(decision.outcome, NOT_ACTIVE);
    assert_eq!(decision.step, DecidingStep::NotActive);
    assert_eq!(decision.source, DecisionSource::None);
}

#[test]
fn a_settings_policy_for_somebody_else_does_not_activate() {
    let set = with_settings(|policies| {
        policies.settings[0].assignment.include = vec![Audience::User("bob".into())];
    });
    assert_eq!(decide(&set, &Launch::new()).outcome, NOT_ACTIVE);
}

#[test]
fn disabled_settings_and_a_device_without_components_manage_nothing() {
    let set = with_settings(|policies| policies.settings[0].enabled = Some(false));
    assert_eq!(decide(&set, &Launch::new()).outcome, NOT_ACTIVE);
    let set = with_settings(|_| {});
    let mut launch = Launch::new();
    launch.inactive = true;
    assert_eq!(decide(&set, &launch).outcome, NOT_ACTIVE);
}

#[test]
fn administrators_are_not_managed_even_where_a_rule_matches() {
    for elevation_type in [ElevationType::Automatic, ElevationType::Deny] {
        let set = set_of(vec![rule("a", elevation_type), rule("b", elevation_type)]);
        for trigger in [Trigger::RunWithElevatedAccess, Trigger::OrdinaryLaunch] {
            let mut launch = Launch::new();
            launch.administrator = true;
            launch.trigger = trigger;
            let decision = decide(&set, &launch);
            assert_eq!(
                decision.outcome,
                Outcome::Unmanaged(Unmanaged::LocalAdministrator)
            );
            assert_eq!(decision.step, DecidingStep::LocalAdministrator);
            assert_eq!(decision.source, DecisionSource::None);
            assert_eq!(decision.winner, None);
            // The record can tell that an administrator used a file that has a rule.
            let reasons: Vec<_> = decision.losers.iter().map(|loser| loser.reason).collect();
            assert_eq!(
                reasons,
                [LossReason::LocalAdministrator, LossReason::RuleId]
            );
        }
    }
}

#[test]
fn an_ordinary_launch_is_elevated_only_by_an_automatic_rule() {
    let set = set_of(vec![rule("a", ElevationType::Automatic)]);
    let decision = decide(&set, &ordinary());
    assert!(matches!(decision.outcome, Outcome::Elevate(_)));
    for elevation_type in [
        ElevationType::UserConfirmed,
        ElevationType::CurrentUser,
        ElevationType::SupportApproved,
        ElevationType::Deny,
    ] {
        let set = set_of(vec![rule("a", elevation_type)]);
        let decision = decide(&set, &ordinary());
        assert_eq!(
            decision.outcome,
            Outcome::Unmanaged(Unmanaged::OrdinaryLaunch)
        );
        assert_eq!(decision.step, DecidingStep::OrdinaryLaunch);
        assert_eq!(decision.winner, None);
        assert_eq!(decision.losers[0].reason, LossReason::OrdinaryLaunch);
    }
}

#[test]
fn on_an_ordinary_launch_an_automatic_rule_does_not_pass_by_the_rule_that_beats_it() {
    for elevation_type in [ElevationType::Deny, ElevationType::UserConfirmed] {
        let set = set_of(vec![
            rule("a", ElevationType::Automatic),
            rule("b", elevation_type),
        ]);
        let decision = decide(&set, &ordinary());
        assert_eq!(
            decision.outcome,
            Outcome::Unmanaged(Unmanaged::OrdinaryLaunch)
        );
        assert_eq!(decision.losers[0].reason, LossReason::OrdinaryLaunch);
        assert_eq!(decision.losers.len(), 2);
    }
}

#[test]
fn the_default_response_answers_only_run_with_elevated_access() {
    let set = with_settings(|policies| {
        policies.settings[0].default_response = Some(DefaultResponse::UserConfirmation);
    });
    let asked = decide(&set, &unknown_file());
    assert!(matches!(asked.outcome, Outcome::Confirm(..)));
    assert_eq!(asked.source, DecisionSource::DefaultResponse);
    let mut launch = unknown_file();
    launch.trigger = Trigger::OrdinaryLaunch;
    let ordinary = decide(&set, &launch).outcome;
    assert_eq!(ordinary, Outcome::Unmanaged(Unmanaged::OrdinaryLaunch));
    let parent = Grant::new(ElevationType::UserConfirmed, ChildBehaviour::RequireRule);
    launch.trigger = Trigger::Child(parent);
    let child = decide(&set, &launch);
    assert_eq!(child.outcome, Outcome::RunUnelevated(Unelevated::NoRule));
    assert_eq!(child.step, DecidingStep::NoRule);
}

#[test]
fn a_rule_that_matches_keeps_the_default_response_out() {
    let mut policies = policies(vec![policy("p", vec![rule("a", ElevationType::Deny)])]);
    policies.settings[0].default_response = Some(DefaultResponse::UserConfirmation);
    let set = PolicySet::new(policies).unwrap();
    let decision = decide(&set, &Launch::new());
    assert_eq!(decision.outcome, Outcome::Deny(Denial::DenyRule));
    assert_eq!(decision.source, DecisionSource::Rule);
}

#[test]
fn a_default_response_that_is_missing_or_deny_refuses_everything() {
    for response in [None, Some(DefaultResponse::DenyAll)] {
        let set = with_settings(|policies| policies.settings[0].default_response = response);
        let decision = decide(&set, &unknown_file());
        assert_eq!(decision.outcome, Outcome::Deny(Denial::DefaultResponse));
        assert_eq!(decision.step, DecidingStep::DefaultResponse);
        assert_eq!(decision.source, DecisionSource::DefaultResponse);
    }
}

#[test]
fn default_confirmation_asks_for_all_validations_and_runs_in_a_separate_account() {
    let asked = Validation {
        business_justification: true,
        authentication: true,
    };
    let set = with_settings(|policies| {
        policies.settings[0].default_response = Some(DefaultResponse::UserConfirmation);
        policies.settings[0].default_validation = Some(asked);
    });
    let grant = Grant {
        elevation_type: ElevationType::UserConfirmed,
        run_as: RunAs::VirtualAccount,
        children: ChildBehaviour::RequireRule,
    };
    assert_eq!(
        decide(&set, &unknown_file()).outcome,
        Outcome::Confirm(grant, asked)
    );
}

#[test]
fn default_support_approval_files_a_request_and_elevates_once_approved() {
    let set = with_settings(|policies| {
        policies.settings[0].default_response = Some(DefaultResponse::SupportApproval);
    });
    let mut launch = unknown_file();
    assert_eq!(decide(&set, &launch).outcome, Outcome::RequestApproval);
    let now = launch.moment.unwrap().unix_s;
    launch.approvals = vec![Approval::for_a_day(
        "ann".into(),
        "laptop".into(),
        hash(200),
        now,
    )];
    let approved = decide(&set, &launch);
    assert!(matches!(approved.outcome, Outcome::Elevate(_)));
    assert_eq!(approved.source, DecisionSource::Approval);
}

#[test]
fn an_approval_is_for_one_user_one_device_one_file_and_24_hours() {
    let set = set_of(vec![rule("a", ElevationType::SupportApproved)]);
    let now = Launch::new().moment.unwrap().unix_s;
    let approval = |user: &str, device: &str, file, at| {
        Approval::for_a_day(user.into(), device.into(), hash(file), at)
    };
    let outcome = |approval: Approval| {
        let mut launch = Launch::new();
        launch.approvals = vec![approval];
        decide(&set, &launch).outcome
    };
    assert!(matches!(
        outcome(approval("ann", "laptop", 1, now)),
        Outcome::Elevate(_)
    ));
    assert!(matches!(
        outcome(approval("ann", "laptop", 1, now - 86_399)),
        Outcome::Elevate(_)
    ));
    let mut revoked = approval("ann", "laptop", 1, now);
    revoked.state = RequestState::Revoked;
    for other in [
        approval("bob", "laptop", 1, now),
        approval("ann", "desktop", 1, now),
        approval("ann", "laptop", 2, now),
        approval("ann", "laptop", 1, now - 86_400),
        approval("ann", "laptop", 1, now + 1),
        revoked,
    ] {
        assert_eq!(outcome(other), Outcome::RequestApproval);
    }
}

#[test]
fn exe_msi_and_ps1_can_be_elevated_on_windows_and_nothing_else() {
    let set = with_settings(|_| {});
    for (path, failure) in [
        ("C:\\Tools\\a.bat", Some(Failure::UnsupportedFileType)),
        ("C:\\Tools\\a.cpl", Some(Failure::UnsupportedFileType)),
        ("C:\\Tools\\a", Some(Failure::UnsupportedFileType)),
        ("C:\\Tools\\a.EXE", None),
        ("C:\\Tools\\a.msi", None),
        ("C:\\Tools\\a.ps1", None),
    ] {
        let mut launch = Launch::new();
        launch.path = path.to_owned();
        let decision = decide(&set, &launch);
        let expected = failure.map_or(Outcome::Deny(Denial::DefaultResponse), Outcome::Fail);
        assert_eq!(decision.outcome, expected, "{path}");
    }
}

#[test]
fn files_on_the_network_or_blocked_by_a_mark_of_the_web_fail() {
    let set = with_settings(|_| {});
    let mut share = Launch::new();
    share.path = "\\\\server\\share\\tool.exe".to_owned();
    let mut mapped = Launch::new();
    mapped.on_network = true;
    let mut downloaded = Launch::new();
    downloaded.blocked = true;
    for (launch, failure) in [
        (share, Failure::NetworkPath),
        (mapped, Failure::NetworkPath),
        (downloaded, Failure::BlockedDownload),
    ] {
        let decision = decide(&set, &launch);
        assert_eq!(decision.outcome, Outcome::Fail(failure));
        assert_eq!(decision.step, DecidingStep::FileNotSupported);
        assert!(decision.losers.is_empty() && decision.winner.is_none());
    }
}

#[test]
fn a_path_that_is_not_in_its_plainest_form_fails_instead_of_passing_a_rule_by() {
    let set = set_of(vec![rule("a", ElevationType::Deny)]);
    for path in [
        "C:\\Tools\\.\\tool.exe",
        "C:\\Other\\..\\Tools\\tool.exe",
        "C:\\Tools\\\\tool.exe",
        "C:/Tools/tool.exe",
        "C:\\Tools\\tool.exe.",
        "C:\\Tools\\tool.exe ",
        "C:\\Tools\\tool.exe::$DATA",
        "\\\\?\\C:\\Tools\\tool.exe",
        "tool.exe",
        "",
    ] {
        let mut launch = Launch::new();
        launch.path = path.to_owned();
        let expected = Outcome::Fail(Failure::PathNotCanonical);
        assert_eq!(decide(&set, &launch).outcome, expected, "{path}");
    }
    for path in [
        "usr/bin/a",
        "/usr/../a",
        "/usr/./a",
        "/usr//a",
        "/usr/a/",
        "/",
    ] {
        let mut launch = Launch::new();
        launch.platform = Platform::Linux;
        launch.path = path.to_owned();
        let expected = Outcome::Fail(Failure::PathNotCanonical);
        assert_eq!(decide(&set, &launch).outcome, expected, "{path}");
    }
}

#[test]
fn an_ordinary_launch_of_a_file_that_cannot_be_elevated_is_left_to_the_system() {
    let set = with_settings(|_| {});
    let mut launch = ordinary();
    launch.path = "C:\\Tools\\a.bat".to_owned();
    let decision = decide(&set, &launch);
    assert_eq!(
        decision.outcome,
        Outcome::Unmanaged(Unmanaged::OrdinaryLaunch)
    );
    assert_eq!(decision.step, DecidingStep::FileNotSupported);
}

#[test]
fn a_rule_that_only_reports_never_acts_and_tells_what_it_would_have_done() {
    let mut strict = rule("a", ElevationType::Deny);
    strict.report_only = true;
    let set = set_of(vec![strict, rule("b", ElevationType::Automatic)]);
    let decision = decide(&set, &Launch::new());
    assert!(matches!(decision.outcome, Outcome::Elevate(_)));
    assert_eq!(decision.step, DecidingStep::OnlyCandidate);
    assert_eq!(decision.losers[0].reason, LossReason::ReportOnly);
    let monitored = decision.monitored.unwrap();
    assert_eq!(monitored.candidate.rule.id.as_str(), "a");
    assert_eq!(monitored.outcome, Outcome::Deny(Denial::DenyRule));
}

#[test]
fn a_policy_that_only_reports_keeps_all_its_rules_from_acting() {
    let mut trial = policy("p", vec![rule("a", ElevationType::Automatic)]);
    trial.report_only = true;
    let set = crate::world::set(vec![trial]);
    let decision = decide(&set, &Launch::new());
    assert_eq!(decision.outcome, Outcome::Deny(Denial::DefaultResponse));
    assert!(matches!(
        decision.monitored.unwrap().outcome,
        Outcome::Elevate(_)
    ));
}

#[test]
fn a_reporting_rule_that_would_have_lost_tells_nothing() {
    let mut weak = rule("b", ElevationType::Automatic);
    weak.report_only = true;
    let set = set_of(vec![weak, rule("a", ElevationType::Automatic)]);
    assert_eq!(decide(&set, &Launch::new()).monitored, None);
}

#[test]
fn a_second_settings_policy_that_disagrees_on_enabled_leaves_it_enabled() {
    let set = with_settings(|policies| {
        policies.settings[0].enabled = Some(false);
        let mut other = settings("other");
        other.enabled = Some(true);
        policies.settings.push(other);
    });
    assert!(matches!(
        decide(&set, &Launch::new()).outcome,
        Outcome::Elevate(_)
    ));
}
