//! The index earns its place: of a hundred thousand rules, a launch is compared with a few, whatever attribute tells the
//! rules apart.

use std::cell::Cell;

use crate::model::*;
use crate::paths::split;
use crate::request::{Request, SignatureStatus, Trigger, Variables};

use super::*;

const RULES: u32 = 100_000;
/// Rules compared for one launch. The certificate, the folder or the group that all rules share must not be searched.
const MOST_COMPARED: u32 = 200;

fn digest(number: u32) -> Sha256 {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    Sha256(bytes)
}

fn publisher() -> SignatureSource {
    SignatureSource::Uploaded {
        certificate_type: Some(CertificateType::Publisher),
        certificate: Some(Certificate {
            subject: Some("CN=Contoso".to_owned()),
            ..Certificate::default()
        }),
    }
}

/// A set of [`RULES`] rules, each in a policy of its own. All have the same publisher and the same name, but for what
/// `change` gives the rule of that number.
fn set(change: impl Fn(u32, &mut Rule, &mut Assignment)) -> PolicySet {
    let policy = |number: u32| {
        let mut rule = Rule {
            id: RuleId(format!("rule-{number}")),
            name: "rule".to_owned(),
            detection: Detection {
                file_name: "tool.exe".to_owned(),
                signature: publisher(),
                ..Detection::default()
            },
            ..Rule::default()
        };
        let mut assignment = Assignment::all_devices();
        change(number, &mut rule, &mut assignment);
        RulesPolicy {
            id: PolicyId(format!("policy-{number}")),
            name: format!("policy-{number}"),
            assignment,
            rules: vec![rule],
            ..RulesPolicy::default()
        }
    };
    let settings = SettingsPolicy {
        id: "settings".into(),
        name: "settings".to_owned(),
        assignment: Assignment::all_devices(),
        ..SettingsPolicy::default()
    };
    let policies = Policies {
        settings: vec![settings],
        rules: (0..RULES).map(policy).collect(),
        ..Policies::default()
    };
    PolicySet::new(policies).expect("the rules are valid")
}

/// How many rules a launch is compared with, and how many match.
fn compared(set: &PolicySet, request: &Request<'_>) -> (u32, usize) {
    let Ok(path) = split(request.platform, request.file.path) else {
        panic!("the path is plain");
    };
    let count = Cell::new(0);
    let found = set
        .index
        .find(&Subject::new(request, path), |number, subject| {
            count.set(count.get() + 1);
            let view = set.rule(number);
            view.matcher.judge(view.policy, view.rule, subject)
        });
    (count.get(), found.matches.len())
}

/// Compares the launch of rule 4711 and one that no rule knows.
fn check(set: &PolicySet, known: &Request<'_>, stranger: &Request<'_>) {
    let (count, matches) = compared(set, known);
    assert_eq!(matches, 1);
    assert!(count <= MOST_COMPARED, "{count} rules compared");
    let (count, matches) = compared(set, stranger);
    assert_eq!(matches, 0);
    assert!(count <= MOST_COMPARED, "{count} rules compared");
}

fn launch(path: &str) -> Request<'_> {
    let mut request = Request::new(Platform::Windows, Trigger::RunWithElevatedAccess, path);
    request.file.signature.status = SignatureStatus::Valid;
    request.file.signature.publisher.subject = Some("CN=Contoso");
    request
}

const PATH: &str = "C:\\Program Files\\App\\tool.exe";

#[test]
fn rules_that_a_hash_tells_apart() {
    let set = set(|number, rule, _| rule.detection.file_hash = Some(digest(number)));
    let with = |number| {
        let mut request = launch(PATH);
        request.file.sha256 = Some(digest(number));
        request
    };
    check(&set, &with(4711), &with(RULES));
}

#[test]
fn rules_that_a_name_tells_apart() {
    let set = set(|number, rule, _| rule.detection.file_name = format!("tool{number}.exe"));
    check(&set, &launch("C:\\App\\tool4711.exe"), &launch(PATH));
}

#[test]
fn rules_that_the_start_or_the_end_of_a_name_tells_apart() {
    let start = set(|number, rule, _| rule.detection.file_name = format!("{number:06}*.exe"));
    check(&start, &launch("C:\\App\\004711-setup.exe"), &launch(PATH));
    let end = set(|number, rule, _| rule.detection.file_name = format!("*{number:06}.exe"));
    check(&end, &launch("C:\\App\\setup-004711.exe"), &launch(PATH));
}

#[test]
fn rules_that_a_folder_tells_apart() {
    let exact = set(|number, rule, _| {
        rule.detection.file_path = Some(format!("C:\\Program Files\\App{number}"));
    });
    check(
        &exact,
        &launch("C:\\Program Files\\App4711\\tool.exe"),
        &launch(PATH),
    );
    let below = set(|number, rule, _| {
        rule.detection.file_path = Some(format!("C:\\Program Files\\App{number}\\*"));
    });
    check(
        &below,
        &launch("C:\\Program Files\\App4711\\a\\b\\tool.exe"),
        &launch(PATH),
    );
}

#[test]
fn rules_that_what_follows_a_variable_tells_apart() {
    let variables = Variables::new(Platform::Windows, [("ProgramFiles", "C:\\Program Files")]);
    let at = |path| Request {
        variables: &variables,
        ..launch(path)
    };
    for end in ["", "\\*"] {
        let set = set(|number, rule, _| {
            rule.detection.file_path = Some(format!("%ProgramFiles%\\App{number}{end}"));
        });
        check(&set, &at("C:\\Program Files\\App4711\\tool.exe"), &at(PATH));
    }
}

#[test]
fn rules_that_their_metadata_tells_apart() {
    let product = set(|number, rule, _| rule.detection.product_name = Some(format!("P-{number}")));
    let mut known = launch(PATH);
    known.file.product_name = Some("P-4711");
    check(&product, &known, &launch(PATH));
}

#[test]
fn rules_that_a_certificate_tells_apart() {
    let set = set(|number, rule, _| {
        rule.detection.signature = SignatureSource::Uploaded {
            certificate_type: Some(CertificateType::Publisher),
            certificate: Some(Certificate {
                thumbprint: Some(Thumbprint::Sha256(digest(number).0)),
                ..Certificate::default()
            }),
        };
    });
    let with = |number| {
        let mut request = launch(PATH);
        request.file.signature.publisher.sha256 = Some(digest(number).0);
        request
    };
    check(&set, &with(4711), &with(RULES));
}

#[test]
fn rules_that_their_users_or_groups_tell_apart() {
    let users = set(|number, _, assignment| {
        assignment.include = vec![Audience::User(UserId(format!("user-{number}")))];
    });
    let user: UserId = "user-4711".into();
    let mut known = launch(PATH);
    known.user.id = Some(&user);
    check(&users, &known, &launch(PATH));
    let groups = set(|number, _, assignment| {
        assignment.include = vec![Audience::DeviceGroup(GroupId(format!("group-{number}")))];
    });
    let group: GroupId = "group-4711".into();
    let mut known = launch(PATH);
    let member = [group];
    known.device.groups = &member;
    check(&groups, &known, &launch(PATH));
}
