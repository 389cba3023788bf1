//! What lint finds: each check alone, with its severity, and what it must leave alone.

use epm_policy::lint::{Check, Finding, Severity, lint};
use epm_policy::{
    Assignment, Audience, Certificate, CertificateGroup, CertificateType, ChildBehaviour,
    DefaultResponse, ElevationType, FileVersion, Place, Platform, Policies, Rule, RulesPolicy,
    SignatureSource, Strength, Validation,
};

use crate::world::{hash, policies, policy, rule};

const NOW_S: i64 = 1_767_787_200;
const DAY_S: i64 = 86_400;

/// A rule that lint has nothing to say about.
fn strong(id: &str) -> Rule {
    let mut rule = rule(id, ElevationType::UserConfirmed);
    rule.detection.file_path = Some("%ProgramFiles%\\App".to_owned());
    rule
}

fn signed(id: &str) -> Rule {
    let mut rule = strong(id);
    rule.detection.file_hash = None;
    rule.detection.signature = by(CertificateType::Publisher, None);
    rule.detection.product_name = Some("Tools".to_owned());
    rule
}

fn by(kind: CertificateType, not_after_s: Option<i64>) -> SignatureSource {
    SignatureSource::Uploaded {
        certificate_type: Some(kind),
        certificate: Some(Certificate {
            thumbprint: None,
            subject: Some("CN=Contoso".to_owned()),
            not_after_s,
        }),
    }
}

fn findings(policies: Vec<RulesPolicy>) -> Vec<Finding> {
    lint(&crate::world::policies(policies), NOW_S)
}

/// Checks and severities of what is found in one rule.
fn found(rule: Rule) -> Vec<(Check, Severity)> {
    summary(&findings(vec![policy("p", vec![rule])]))
}

fn summary(findings: &[Finding]) -> Vec<(Check, Severity)> {
    findings
        .iter()
        .map(|finding| (finding.check, finding.severity))
        .collect()
}

fn changed(mut rule: Rule, change: impl FnOnce(&mut Rule)) -> Vec<(Check, Severity)> {
    change(&mut rule);
    found(rule)
}

fn named(name: &str) -> Rule {
    let mut rule = strong("a");
    rule.detection.file_name = name.to_owned();
    rule
}

#[test]
fn a_strong_rule_is_left_alone() {
    assert_eq!(found(strong("a")), []);
    assert_eq!(found(signed("a")), []);
}

#[test]
fn a_folder_that_users_can_write_to_is_found() {
    let within =
        |path: &str, rule: Rule| changed(rule, |r| r.detection.file_path = Some(path.to_owned()));
    for path in [
        "C:\\Users\\*\\Downloads",
        "c:\\users\\public",
        "%TEMP%",
        "%LocalAppData%\\App",
        "C:\\ProgramData\\App",
        "%ProgramData%\\App",
        "C:\\Windows\\Temp",
        "%SystemRoot%\\Temp\\x",
        "C:\\Windows\\System32\\spool\\drivers\\color",
        "C:\\Windows\\*",
        "%windir%\\*",
        "C:\\*",
        "C:\\Us*",
    ] {
        assert_eq!(
            within(path, strong("a")),
            [(Check::UserWritablePath, Severity::Warning)],
            "{path}"
        );
        assert_eq!(
            within(path, signed("a")),
            [(Check::UserWritablePath, Severity::Error)],
            "{path}"
        );
    }
    for path in [
        "C:\\Windows\\System32",
        "%SystemRoot%",
        "C:\\Program Files\\*",
        "%ProgramFiles(x86)%\\A\\*",
    ] {
        assert_eq!(within(path, strong("a")), [], "{path}");
    }
    for path in ["C:\\Tools", "D:\\Program Files", "%APPS%\\x"] {
        assert_eq!(
            within(path, signed("a")),
            [(Check::UserWritablePath, Severity::Note)],
            "{path}"
        );
    }
}

#[test]
fn linux_folders_that_users_can_write_to_are_found() {
    let within = |path: &str| {
        let mut tool = strong("a");
        tool.detection.file_name = "tool".to_owned();
        tool.detection.file_path = Some(path.to_owned());
        let mut policy = policy("p", vec![tool]);
        policy.platform = Platform::Linux;
        summary(&findings(vec![policy]))
    };
    for path in [
        "/home/*/bin",
        "/tmp",
        "%HOME%/bin",
        "/*",
        "/var/*",
        "/dev/shm/x",
    ] {
        assert_eq!(
            within(path),
            [(Check::UserWritablePath, Severity::Warning)],
            "{path}"
        );
    }
    for path in ["/usr/bin", "/opt/*", "/usr/local/sbin/"] {
        assert_eq!(within(path), [], "{path}");
    }
    assert_eq!(within("/data"), [(Check::UserWritablePath, Severity::Note)]);
}

#[test]
fn no_folder_matters_more_where_nobody_is_asked_or_bytes_may_differ() {
    let nowhere = |rule: Rule| changed(rule, |rule| rule.detection.file_path = None);
    assert_eq!(
        nowhere(strong("a")),
        [(Check::UserWritablePath, Severity::Note)]
    );
    assert_eq!(
        nowhere(signed("a")),
        [(Check::UserWritablePath, Severity::Warning)]
    );
    let mut automatic = strong("a");
    automatic.elevation_type = ElevationType::Automatic;
    assert_eq!(
        nowhere(automatic),
        [(Check::UserWritablePath, Severity::Warning)]
    );
}

#[test]
fn name_only_is_found_in_drafts_and_beside_a_signature() {
    let draft = changed(strong("a"), |rule| rule.detection.file_hash = None);
    assert_eq!(draft, [(Check::NameOnly, Severity::Error)]);
    let renamed = changed(signed("a"), |rule| rule.detection.product_name = None);
    assert_eq!(renamed, [(Check::NameOnly, Severity::Warning)]);
}

#[test]
fn a_broad_publisher_is_found() {
    let anything = changed(signed("a"), |rule| {
        rule.detection.product_name = None;
        rule.detection.file_name = "*.exe".to_owned();
    });
    assert_eq!(anything, [(Check::BroadPublisher, Severity::Error)]);
    let authority = changed(signed("a"), |rule| {
        rule.detection.product_name = None;
        rule.detection.signature = by(CertificateType::IssuingAuthority, None);
    });
    assert_eq!(authority, [(Check::BroadPublisher, Severity::Error)]);
    let told_apart = changed(signed("a"), |rule| {
        rule.detection.file_name = "*.exe".to_owned();
        rule.detection.signature = by(CertificateType::IssuingAuthority, None);
    });
    assert_eq!(told_apart, [(Check::BroadPublisher, Severity::Warning)]);
}

#[test]
fn interpreters_shells_loaders_and_browsers_are_found() {
    for name in [
        "powershell.exe",
        "CMD.exe",
        "python*.exe",
        "Rundll32.exe",
        "chrome.exe",
        "p?sh.exe",
    ] {
        let warned = changed(signed("a"), |rule| {
            rule.detection.file_name = name.to_owned()
        });
        assert_eq!(warned, [(Check::Interpreter, Severity::Warning)], "{name}");
    }
    let automatic = changed(named("pwsh.exe"), |rule| {
        rule.elevation_type = ElevationType::Automatic
    });
    assert_eq!(automatic, [(Check::Interpreter, Severity::Error)]);
    let open = changed(named("pwsh.exe"), |rule| {
        rule.child_behaviour = ChildBehaviour::AllowAll
    });
    let expected = [
        (Check::Interpreter, Severity::Error),
        (Check::AllowAllChildren, Severity::Warning),
    ];
    assert_eq!(open, expected);
    assert_eq!(found(named("script.ps1")), []);
}

#[test]
fn shells_are_found_on_linux() {
    let mut shell = strong("a");
    shell.detection.file_name = "bash".to_owned();
    shell.detection.file_path = Some("/usr/bin".to_owned());
    let mut policy = policy("p", vec![shell]);
    policy.platform = Platform::Linux;
    assert_eq!(
        summary(&findings(vec![policy])),
        [(Check::Interpreter, Severity::Warning)]
    );
}

#[test]
fn certificates_are_judged_at_the_time_that_is_passed_in() {
    let ends = |seconds: i64| {
        changed(signed("a"), |rule| {
            rule.detection.signature = by(CertificateType::Publisher, Some(NOW_S + seconds));
        })
    };
    let expired = [(Check::ExpiredCertificate, Severity::Error)];
    let expiring = [(Check::ExpiringCertificate, Severity::Warning)];
    assert_eq!(ends(-1), expired);
    assert_eq!(ends(0), expired);
    assert_eq!(ends(1), expiring);
    assert_eq!(ends(30 * DAY_S - 1), expiring);
    assert_eq!(ends(30 * DAY_S), []);
}

#[test]
fn an_expired_reusable_certificate_is_found_in_every_rule_that_refers_to_it() {
    let referring = |id: &str| {
        let mut rule = signed(id);
        rule.detection.file_name = format!("{id}.exe");
        rule.detection.signature = SignatureSource::Reusable {
            certificate_type: Some(CertificateType::Publisher),
            group: Some("vendors".into()),
        };
        rule
    };
    let mut all = policies(vec![policy("p", vec![referring("a"), referring("b")])]);
    all.certificate_groups = vec![CertificateGroup {
        id: "vendors".into(),
        name: "Vendors".to_owned(),
        description: String::new(),
        certificate: Certificate {
            subject: Some("CN=Contoso".to_owned()),
            not_after_s: Some(NOW_S - 1),
            ..Certificate::default()
        },
    }];
    let expired = (Check::ExpiredCertificate, Severity::Error);
    assert_eq!(summary(&lint(&all, NOW_S)), [expired, expired]);
}

#[test]
fn wildcards_that_change_nothing_are_found() {
    let redundant = (Check::RedundantWildcard, Severity::Note);
    assert_eq!(found(named("tool*.exe")), [redundant]);
    let twice = changed(signed("a"), |rule| {
        rule.detection.file_name = "tool**.exe".to_owned()
    });
    assert_eq!(twice, [redundant]);
}

#[test]
fn what_a_deny_rule_ignores_is_found_and_its_breadth_is_not() {
    let mut deny = signed("a");
    deny.elevation_type = ElevationType::Deny;
    deny.detection.file_name = "*.exe".to_owned();
    deny.detection.product_name = None;
    deny.detection.file_path = None;
    assert_eq!(found(deny.clone()), []);
    deny.child_behaviour = ChildBehaviour::AllowAll;
    deny.allowed_arguments = Some(Vec::new());
    let ignored = (Check::WithoutEffect, Severity::Note);
    assert_eq!(found(deny), [ignored, ignored]);
}

fn pair(one: Rule, other: Rule) -> Vec<Finding> {
    findings(vec![policy("p", vec![one, other])])
}

#[test]
fn a_rule_that_a_deny_rule_always_beats_contradicts_it() {
    let mut deny = signed("deny");
    deny.elevation_type = ElevationType::Deny;
    deny.detection.file_path = None;
    let found = pair(signed("a"), deny);
    assert_eq!(summary(&found), [(Check::Contradiction, Severity::Error)]);
    assert_eq!(found[0].other, Some("deny".into()));
    assert_eq!(
        found[0].to_string(),
        "rule[0] \"a\" of rules policy \"p\": the deny rule \"deny\" knows every file that this rule knows, \
         so it never elevates one; decide which of the two is meant, and remove the other"
    );
}

#[test]
fn two_rules_that_only_a_convention_tells_apart_contradict_each_other() {
    let mut other = strong("b");
    other.elevation_type = ElevationType::SupportApproved;
    let by_type = pair(strong("a"), other);
    assert_eq!(
        summary(&by_type),
        [(Check::Contradiction, Severity::Warning)]
    );
    assert!(matches!(&by_type[0].place, Place::Rule { id, .. } if id == "b"));
    let mut asking = strong("b");
    asking.validation = Validation::AUTHENTICATION;
    let by_id = pair(strong("a"), asking);
    assert_eq!(summary(&by_id), [(Check::Contradiction, Severity::Warning)]);
}

#[test]
fn a_rule_that_says_the_same_as_a_stronger_one_is_shadowed() {
    let found = pair(strong("a"), strong("b"));
    assert_eq!(summary(&found), [(Check::Shadowed, Severity::Note)]);
    assert_eq!(found[0].other, Some("a".into()));
}

#[test]
fn a_rule_for_devices_is_shadowed_by_one_for_all_users() {
    let mut users = policy("users", vec![strong("a")]);
    users.assignment = Assignment::all_users();
    let mut other = strong("b");
    other.elevation_type = ElevationType::Automatic;
    other.detection.product_name = Some("Tools".to_owned());
    let devices = policy("devices", vec![other]);
    let found = findings(vec![users, devices]);
    assert_eq!(summary(&found), [(Check::Shadowed, Severity::Warning)]);
    assert!(
        found[0].reason.ends_with("wins each time (user_target)"),
        "{}",
        found[0].reason
    );
}

#[test]
fn rules_that_each_win_somewhere_are_left_alone() {
    let mut narrower = strong("b");
    narrower.elevation_type = ElevationType::SupportApproved;
    narrower.detection.product_name = Some("Tools".to_owned());
    assert_eq!(pair(strong("a"), narrower), []);
    let mut newer = signed("b");
    newer.detection.minimum_version = Some(FileVersion([2, 0, 0, 0]));
    assert_eq!(pair(signed("a"), newer), []);
    // The earlier id wins, but does not know every version, name, group or time that the other knows.
    let with_version = |id, version| {
        let mut rule = signed(id);
        rule.detection.minimum_version = Some(FileVersion([version, 0, 0, 0]));
        rule
    };
    assert_eq!(pair(with_version("a", 3), with_version("b", 2)), []);
    assert_eq!(pair(with_version("a", 2), with_version("b", 3)).len(), 1);
    let with_name = |id, name: &str| {
        let mut rule = signed(id);
        rule.detection.file_name = name.to_owned();
        rule
    };
    assert_eq!(
        pair(with_name("a", "t?ol.exe"), with_name("b", "t*ol.exe")),
        []
    );
    assert_eq!(
        pair(with_name("a", "t*ol.exe"), with_name("b", "t?ol.exe")).len(),
        1
    );
    assert_eq!(pair(with_name("a", "t*.exe"), with_name("b", "*t.exe")), []);
    let with_groups = |id, groups: &[&str]| {
        let mut rule = strong(id);
        rule.conditions.device_groups = groups.iter().map(|group| (*group).into()).collect();
        rule
    };
    assert_eq!(
        pair(with_groups("a", &["x"]), with_groups("b", &["x", "y"])),
        []
    );
    assert_eq!(pair(with_groups("a", &["x"]), with_groups("b", &[])), []);
    assert_eq!(
        pair(with_groups("a", &["x", "y"]), with_groups("b", &["x"])).len(),
        1
    );
    let mut elsewhere = strong("b");
    elsewhere.detection.file_path = Some("%ProgramFiles%\\Other".to_owned());
    assert_eq!(pair(strong("a"), elsewhere), []);
    let mut other_file = strong("b");
    other_file.detection.file_hash = Some(hash(9));
    assert_eq!(pair(strong("a"), other_file), []);
    // A deny rule that only reports denies nothing.
    let mut trial = strong("b");
    trial.elevation_type = ElevationType::Deny;
    trial.report_only = true;
    assert_eq!(pair(strong("a"), trial), []);
    let mut one = policy("one", vec![strong("a")]);
    one.assignment = Assignment::to(Audience::UserGroup("staff".into()));
    let mut other = policy("other", vec![strong("b")]);
    other.assignment = Assignment::to(Audience::UserGroup("pilots".into()));
    assert_eq!(findings(vec![one, other]), []);
}

#[test]
fn one_click_for_any_file_and_policies_for_nobody_are_found() {
    let mut all = policies(vec![policy("p", vec![strong("a")])]);
    all.settings[0].default_response = Some(DefaultResponse::UserConfirmation);
    all.rules[0].assignment = Assignment::default();
    let expected = [
        (Check::OneClickDefault, Severity::Warning),
        (Check::Unassigned, Severity::Warning),
    ];
    assert_eq!(summary(&lint(&all, NOW_S)), expected);
    all.settings[0].default_validation = Some(Validation::AUTHENTICATION);
    assert_eq!(lint(&all, NOW_S).len(), 1);
}

#[test]
fn every_check_has_a_word_and_a_remedy() {
    let words: std::collections::BTreeSet<_> =
        Check::ALL.iter().map(|check| check.word()).collect();
    assert_eq!(words.len(), Check::ALL.len());
    assert!(Check::ALL.iter().all(|check| !check.remedy().is_empty()));
}

#[test]
fn hash_is_stronger_than_metadata_in_a_protected_folder_and_so_on() {
    let of = |rule: &Rule| Strength::of(Platform::Windows, rule);
    let mut rule = signed("a");
    rule.detection.file_hash = Some(hash(1));
    let mut grades = vec![of(&rule)];
    rule.detection.file_hash = None;
    grades.push(of(&rule));
    rule.detection.file_path = Some("C:\\Users\\ann".to_owned());
    grades.push(of(&rule));
    rule.detection.product_name = None;
    grades.push(of(&rule));
    rule.detection.signature = SignatureSource::NotConfigured;
    grades.push(of(&rule));
    let expected = [
        Strength::Hash,
        Strength::SignatureMetadataAndProtectedPath,
        Strength::SignatureAndMetadata,
        Strength::SignatureAndName,
        Strength::NameOnly,
    ];
    assert_eq!(grades, expected);
    assert!(grades.is_sorted_by(|stronger, weaker| stronger > weaker));
}

#[test]
fn a_search_that_is_cut_says_so() {
    let rules = (0..5_000).map(|number| {
        let mut rule = signed(&format!("r{number}"));
        rule.detection.file_name = format!("tool{number}*.exe");
        rule.detection.product_name = Some(format!("Product {number}"));
        rule
    });
    let cut = findings(vec![policy("p", rules.collect())]);
    assert_eq!(summary(&cut), [(Check::SearchCut, Severity::Warning)]);
    assert_eq!(cut[0].place, Place::Policies);
}

#[test]
fn lint_of_ten_thousand_rules_of_one_publisher_ends() {
    let rules = (0..10_000).map(|number| {
        let mut rule = signed(&format!("r{number}"));
        rule.detection.file_name = format!("tool{number}.exe");
        rule
    });
    let all: Policies = policies(vec![policy("p", rules.collect())]);
    assert_eq!(lint(&all, NOW_S), []);
}
