//! How a rule knows a file (domain §2.1, §2.4, §2.5, §2.8 and §3.2), one test for each statement.

use epm_policy::{
    Assignment, Certificate, CertificateGroup, CertificateType, ElevationType, FileVersion,
    MissReason, Platform, Policies, PolicySet, Rule, RuleAttribute, SignatureSource,
    SignatureStatus, Thumbprint, Variables,
};

use crate::world::{Launch, hash, policies, policy, rule, set, set_of};

fn matches(set: &PolicySet, launch: &Launch) -> bool {
    launch.with(|request| set.decide(request).winner.is_some())
}

fn knowing(change: impl FnOnce(&mut Rule)) -> PolicySet {
    let mut rule = rule("a", ElevationType::UserConfirmed);
    change(&mut rule);
    set_of(vec![rule])
}

fn at(path: &str) -> Launch {
    Launch {
        path: path.to_owned(),
        ..Launch::new()
    }
}

/// The set of one Linux policy with this rule.
fn linux(change: impl FnOnce(&mut Rule)) -> PolicySet {
    let mut rule = rule("a", ElevationType::UserConfirmed);
    rule.detection.file_name = "tool".to_owned();
    change(&mut rule);
    let mut policy = policy("p", vec![rule]);
    policy.platform = Platform::Linux;
    set(vec![policy])
}

fn on_linux(path: &str) -> Launch {
    Launch {
        platform: Platform::Linux,
        ..at(path)
    }
}

#[test]
fn every_attribute_that_is_present_must_match() {
    let full = |rule: &mut Rule| {
        rule.detection.file_path = Some("C:\\Tools".to_owned());
        rule.detection.signature = publisher("CN=Contoso");
        rule.detection.minimum_version = Some(FileVersion([2, 0, 0, 0]));
        rule.detection.file_description = Some("A tool".to_owned());
        rule.detection.product_name = Some("Tools".to_owned());
        rule.detection.internal_name = Some("tool".to_owned());
    };
    assert!(matches(&knowing(full), &Launch::new()));
    type Spoil = (RuleAttribute, fn(&mut Launch));
    let spoils: [Spoil; 8] = [
        (RuleAttribute::FileName, |l| {
            l.path = "C:\\Tools\\other.exe".to_owned()
        }),
        (RuleAttribute::FilePath, |l| {
            l.path = "D:\\Tools\\tool.exe".to_owned()
        }),
        (RuleAttribute::FileHash, |l| l.hash = Some(9)),
        (RuleAttribute::Signature, |l| {
            l.publisher.subject = Some("CN=Other".to_owned())
        }),
        (RuleAttribute::MinimumVersion, |l| {
            l.version = Some(FileVersion([1, 9, 9, 9]))
        }),
        (RuleAttribute::FileDescription, |l| {
            l.description = Some("Another".to_owned())
        }),
        (RuleAttribute::ProductName, |l| {
            l.product = Some("tools".to_owned())
        }),
        (RuleAttribute::InternalName, |l| {
            l.internal = Some("tool.exe".to_owned())
        }),
    ];
    for (attribute, spoil) in spoils {
        let mut launch = Launch::new();
        spoil(&mut launch);
        let set = knowing(full);
        let decision = launch.with(|request| set.decide(request));
        assert!(decision.winner.is_none());
        let near = decision.near_misses.rules[0];
        assert_eq!(
            (near.attribute, near.reason),
            (attribute, MissReason::Different)
        );
    }
}

#[test]
fn a_fact_that_is_not_known_satisfies_nothing() {
    type Case = (RuleAttribute, fn(&mut Rule), fn(&mut Launch));
    let cases: [Case; 6] = [
        (RuleAttribute::FileHash, |_| {}, |l| l.hash = None),
        (
            RuleAttribute::Signature,
            |r| r.detection.signature = publisher("CN=Contoso"),
            |l| l.status = SignatureStatus::Unknown,
        ),
        (
            RuleAttribute::MinimumVersion,
            |r| r.detection.minimum_version = Some(FileVersion([0, 0, 0, 0])),
            |l| l.version = None,
        ),
        (
            RuleAttribute::FileDescription,
            |r| r.detection.file_description = Some("A tool".to_owned()),
            |l| l.description = None,
        ),
        (
            RuleAttribute::ProductName,
            |r| r.detection.product_name = Some("Tools".to_owned()),
            |l| l.product = None,
        ),
        (
            RuleAttribute::InternalName,
            |r| r.detection.internal_name = Some("tool".to_owned()),
            |l| l.internal = None,
        ),
    ];
    for (attribute, ask, forget) in cases {
        let set = knowing(ask);
        let mut launch = Launch::new();
        forget(&mut launch);
        let near = launch.with(|request| set.decide(request).near_misses.rules[0]);
        assert_eq!(
            (near.attribute, near.reason),
            (attribute, MissReason::Unknown)
        );
    }
}

#[test]
fn windows_names_and_paths_have_no_case_and_linux_names_do() {
    let windows = knowing(|rule| {
        rule.detection.file_name = "TÖÖL.exe".to_owned();
        rule.detection.file_path = Some("c:\\TOOLS".to_owned());
    });
    assert!(matches(&windows, &at("C:\\tools\\töÖl.EXE")));
    let linux = linux(|rule| rule.detection.file_path = Some("/opt/App".to_owned()));
    assert!(matches(&linux, &on_linux("/opt/App/tool")));
    assert!(!matches(&linux, &on_linux("/opt/app/tool")));
    assert!(!matches(&linux, &on_linux("/opt/App/Tool")));
}

#[test]
fn metadata_is_compared_as_it_is_written() {
    let set = knowing(|rule| rule.detection.product_name = Some("Tools".to_owned()));
    for other in ["tools", "Tools ", "Tool"] {
        let mut launch = Launch::new();
        launch.product = Some(other.to_owned());
        assert!(!matches(&set, &launch), "{other:?}");
    }
}

#[test]
fn a_question_mark_is_one_character_and_an_asterisk_any_run() {
    let named = |pattern: &str| knowing(|rule| rule.detection.file_name = pattern.to_owned());
    for (pattern, name, fits) in [
        ("VSCodeSetup*.exe", "VSCodeSetup-x64-1.2.exe", true),
        ("VSCodeSetup*.exe", "VSCodeSetup.exe", true),
        ("VSCodeSetup*.exe", "VSCodeSetup.exe.exe", true),
        ("VSCodeSetup*.exe", "VSCodeSetup.msi", false),
        ("t?ol.exe", "tööl.exe", false),
        ("t??l.exe", "tööl.exe", true),
        ("t?ol.exe", "tol.exe", false),
        ("*.exe", ".exe", true),
        ("*a*b*.exe", "xxaxxbxx.exe", true),
        ("*a*b*.exe", "xxbxxa.exe", false),
        ("*ab.exe", "aab.exe", true),
        ("?.exe", "é.exe", true),
    ] {
        let launch = at(&format!("C:\\Tools\\{name}"));
        assert_eq!(matches(&named(pattern), &launch), fits, "{pattern} {name}");
    }
}

#[test]
fn a_folder_is_that_folder_and_with_an_asterisk_all_below_it() {
    let within =
        |pattern: &str| knowing(|rule| rule.detection.file_path = Some(pattern.to_owned()));
    for (pattern, folder, fits) in [
        ("C:\\Tools", "C:\\Tools", true),
        ("C:\\Tools\\", "C:\\Tools", true),
        ("C:\\Tools", "C:\\Tools\\Sub", false),
        ("C:\\Tools", "C:\\Toolsmith", false),
        ("C:\\Tools\\*", "C:\\Tools", true),
        ("C:\\Tools\\*", "C:\\Tools\\Sub\\Sub", true),
        ("C:\\Tools\\*", "C:\\Toolsmith", false),
        (
            "C:\\Users\\*\\Downloads\\",
            "C:\\Users\\ann\\Downloads",
            true,
        ),
        ("C:\\Users\\*\\Downloads\\", "C:\\Users\\Downloads", false),
        (
            "C:\\Users\\*\\Downloads\\",
            "C:\\Users\\ann\\Documents",
            false,
        ),
        ("C:\\App?", "C:\\App1", true),
        ("C:\\App?", "C:\\App12", false),
    ] {
        let launch = at(&format!("{folder}\\tool.exe"));
        assert_eq!(
            matches(&within(pattern), &launch),
            fits,
            "{pattern} {folder}"
        );
    }
}

#[test]
fn an_empty_path_is_any_folder() {
    let set = knowing(|rule| rule.detection.file_path = None);
    for path in ["C:\\tool.exe", "D:\\a\\b\\c\\tool.exe"] {
        assert!(matches(&set, &at(path)));
    }
}

#[test]
fn a_variable_stands_for_what_the_agent_says_and_an_unknown_one_for_nothing() {
    let within =
        |pattern: &str| knowing(|rule| rule.detection.file_path = Some(pattern.to_owned()));
    let app = at("C:\\Program Files\\App\\tool.exe");
    assert!(matches(&within("%ProgramFiles%\\App"), &app));
    assert!(matches(&within("%PROGRAMFILES%\\*"), &app));
    assert!(!matches(&within("%ProgramFiles%"), &app));
    assert!(!matches(&within("%Other%\\App"), &app));
    // The value ended in a separator, and another folder only begins like it.
    assert!(matches(&within("%TOOLS%"), &at("C:\\Tools\\tool.exe")));
    assert!(!matches(
        &within("%TOOLS%\\*"),
        &at("C:\\Toolsmith\\tool.exe")
    ));
    let mut emptied = at("C:\\App\\tool.exe");
    emptied.variables = Variables::new(Platform::Windows, [("Other", "")]);
    assert!(!matches(&within("%Other%\\App"), &emptied));
}

#[test]
fn a_variables_value_is_text_and_no_pattern() {
    let set = linux(|rule| rule.detection.file_path = Some("%HOME%/bin".to_owned()));
    let mut launch = on_linux("/home/ann/bin/tool");
    launch.variables = Variables::new(Platform::Linux, [("HOME", "/home/*")]);
    assert!(!matches(&set, &launch));
    launch.variables = Variables::new(Platform::Linux, [("home", "/home/ann")]);
    assert!(matches(&set, &launch));
}

#[test]
fn a_policy_knows_only_files_of_its_own_platform() {
    let set = knowing(|rule| rule.detection.file_path = None);
    assert!(!matches(&set, &on_linux("/usr/bin/tool.exe")));
}

#[test]
fn the_file_version_is_the_minimum_or_later_number_by_number() {
    let set = knowing(|rule| rule.detection.minimum_version = Some(FileVersion([2, 10, 0, 0])));
    for (version, fits) in [
        ([2, 10, 0, 0], true),
        ([2, 10, 0, 1], true),
        ([10, 0, 0, 0], true),
        ([2, 9, 65_535, 0], false),
        ([1, 99, 0, 0], false),
    ] {
        let mut launch = Launch::new();
        launch.version = Some(FileVersion(version));
        assert_eq!(matches(&set, &launch), fits, "{version:?}");
    }
}

#[test]
fn versions_are_read_as_files_write_them_and_demanded_in_one_form() {
    for (text, read) in [
        ("1.2.3.4", Some([1, 2, 3, 4])),
        (
            "10.0.19041.1 (WinBuild.160101.0800)",
            Some([10, 0, 19_041, 1]),
        ),
        ("1, 2, 3, 4", Some([1, 2, 3, 4])),
        (" 7.1 ", Some([7, 1, 0, 0])),
        ("7", Some([7, 0, 0, 0])),
        ("", None),
        ("v7", None),
        ("1.2.3.4.5", None),
        ("1..2", None),
        ("70000.1", None),
        ("1.-2", None),
    ] {
        assert_eq!(
            FileVersion::read(text).map(|version| version.0),
            read,
            "{text:?}"
        );
    }
    assert!(FileVersion::parse("1.2.3.4").is_ok());
    for text in [
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.x",
        " 1.2.3.4",
        "1.2.3.65536",
        "",
    ] {
        assert!(FileVersion::parse(text).is_err(), "{text:?}");
    }
}

fn publisher(subject: &str) -> SignatureSource {
    SignatureSource::Uploaded {
        certificate_type: Some(CertificateType::Publisher),
        certificate: Some(Certificate {
            subject: Some(subject.to_owned()),
            ..Certificate::default()
        }),
    }
}

/// A rule without a hash.
fn signed(signature: SignatureSource) -> PolicySet {
    knowing(|rule| {
        rule.detection.file_hash = None;
        rule.detection.signature = signature;
    })
}

#[test]
fn publisher_is_the_signer_and_certificate_authority_is_who_issued_the_signers() {
    let authority = SignatureSource::Uploaded {
        certificate_type: Some(CertificateType::IssuingAuthority),
        certificate: Some(Certificate {
            subject: Some("CN=Contoso CA".to_owned()),
            ..Certificate::default()
        }),
    };
    assert!(matches(&signed(publisher("CN=Contoso")), &Launch::new()));
    assert!(matches(&signed(authority), &Launch::new()));
    assert!(!matches(
        &signed(publisher("CN=Contoso CA")),
        &Launch::new()
    ));
}

#[test]
fn a_thumbprint_names_one_certificate_by_sha1_or_sha256() {
    let by = |thumbprint| {
        signed(SignatureSource::Uploaded {
            certificate_type: Some(CertificateType::Publisher),
            certificate: Some(Certificate {
                thumbprint: Some(thumbprint),
                ..Certificate::default()
            }),
        })
    };
    assert!(matches(&by(Thumbprint::Sha1([1; 20])), &Launch::new()));
    assert!(matches(&by(Thumbprint::Sha256([1; 32])), &Launch::new()));
    assert!(!matches(&by(Thumbprint::Sha1([2; 20])), &Launch::new()));
    let mut unknown = Launch::new();
    unknown.publisher.sha1 = None;
    assert!(!matches(&by(Thumbprint::Sha1([1; 20])), &unknown));
}

#[test]
fn a_certificate_that_is_not_valid_and_trusted_now_elevates_nothing() {
    for status in [
        SignatureStatus::Unsigned,
        SignatureStatus::Invalid,
        SignatureStatus::Expired,
        SignatureStatus::Revoked,
        SignatureStatus::Untrusted,
        SignatureStatus::Unknown,
    ] {
        let mut launch = Launch::new();
        launch.status = status;
        assert!(
            !matches(&signed(publisher("CN=Contoso")), &launch),
            "{status:?}"
        );
    }
}

#[test]
fn a_hash_rule_does_not_ask_for_a_signature() {
    let mut launch = Launch::new();
    launch.status = SignatureStatus::Unsigned;
    assert!(matches(&knowing(|_| {}), &launch));
}

#[test]
fn a_certificate_rule_without_further_attributes_knows_every_file_so_signed() {
    let set = knowing(|rule| {
        rule.detection.file_hash = None;
        rule.detection.file_name = "*.exe".to_owned();
        rule.detection.signature = publisher("CN=Contoso");
    });
    for byte in 0..20 {
        let mut launch = at(&format!("C:\\Any\\{byte}.exe"));
        launch.hash = Some(byte);
        assert!(matches(&set, &launch));
    }
}

fn with_group(subject: &str) -> Policies {
    let reusable = || SignatureSource::Reusable {
        certificate_type: Some(CertificateType::Publisher),
        group: Some("vendors".into()),
    };
    let rules = ["a", "b"].map(|id| {
        let mut rule = rule(id, ElevationType::UserConfirmed);
        rule.detection.file_hash = None;
        rule.detection.signature = reusable();
        rule
    });
    let mut policies = policies(vec![policy("p", rules.into())]);
    policies.certificate_groups = vec![CertificateGroup {
        id: "vendors".into(),
        name: "Vendors".to_owned(),
        description: String::new(),
        certificate: Certificate {
            subject: Some(subject.to_owned()),
            ..Certificate::default()
        },
    }];
    policies
}

#[test]
fn a_change_of_a_reusable_group_reaches_every_rule_that_refers_to_it() {
    let matched = |subject| {
        let set = PolicySet::new(with_group(subject)).unwrap();
        Launch::new().with(|request| {
            let decision = set.decide(request);
            usize::from(decision.winner.is_some()) + decision.losers.len()
        })
    };
    assert_eq!(matched("CN=Contoso"), 2);
    assert_eq!(matched("CN=Fabrikam"), 0);
}

#[test]
fn a_certificate_in_a_rule_belongs_to_that_rule_alone() {
    let signed = |id: &str, subject: &str| {
        let mut rule = rule(id, ElevationType::UserConfirmed);
        rule.detection.file_hash = None;
        rule.detection.signature = publisher(subject);
        rule
    };
    let matched = |other: &str| {
        let rules = vec![signed("a", "CN=Contoso"), signed("b", other)];
        let set = PolicySet::new(policies(vec![policy("p", rules)])).unwrap();
        Launch::new().with(|request| {
            let decision = set.decide(request);
            usize::from(decision.winner.is_some()) + decision.losers.len()
        })
    };
    assert_eq!(matched("CN=Contoso"), 2);
    assert_eq!(matched("CN=Fabrikam"), 1, "the other rule keeps its own");
}

#[test]
fn on_linux_a_file_is_known_by_the_package_that_it_came_with() {
    let package = |origin: Option<&str>| {
        linux(|rule| {
            rule.detection.file_hash = None;
            rule.detection.signature = SignatureSource::Package {
                name: "tools".to_owned(),
                origin: origin.map(str::to_owned),
            };
        })
    };
    let mut launch = on_linux("/usr/bin/tool");
    assert!(!matches(&package(None), &launch));
    launch.package = Some(("tools".to_owned(), None));
    assert!(matches(&package(None), &launch));
    assert!(!matches(&package(Some("Debian")), &launch));
    launch.package = Some(("tools".to_owned(), Some("Debian".to_owned())));
    assert!(matches(&package(Some("Debian")), &launch));
    launch.package = Some(("games".to_owned(), Some("Debian".to_owned())));
    assert!(!matches(&package(Some("Debian")), &launch));
}

#[test]
fn a_policy_that_is_assigned_to_nobody_applies_nowhere() {
    let mut nobody = policy("p", vec![rule("a", ElevationType::UserConfirmed)]);
    nobody.assignment = Assignment::default();
    assert!(!matches(&set(vec![nobody]), &Launch::new()));
}

#[test]
fn a_pattern_that_the_user_fights_is_compared_in_bounded_time() {
    let set = knowing(|rule| {
        rule.detection.file_hash = Some(hash(1));
        rule.detection.file_name = "*a*a*a*a*a*a*a*b.exe".to_owned();
    });
    let launch = at(&format!("C:\\{}.exe", "a".repeat(4_000)));
    assert!(!matches(&set, &launch));
}
