//! Bad policies: each limit and each mandatory combination violated alone (domain §1.1, §2.1, §2.2, §2.5, §2.8). One
//! clear error each, with the field and the remedy.

use epm_policy::limits;
use epm_policy::validate::validate;
use epm_policy::{
    Audience, Certificate, CertificateGroup, CertificateType, DefaultResponse, ElevationType,
    Field, Platform, Policies, PolicySet, Problem, ReportingScope, Rule, Sha256, SignatureSource,
    Thumbprint, TimeWindow, Validation,
};

use crate::world::{policies, policy, rule, settings};

const TYPES: [ElevationType; 5] = [
    ElevationType::UserConfirmed,
    ElevationType::CurrentUser,
    ElevationType::SupportApproved,
    ElevationType::Automatic,
    ElevationType::Deny,
];

fn found(policies: &Policies) -> Vec<(Field, Problem)> {
    let Err(error) = validate(policies) else {
        return Vec::new();
    };
    assert_eq!(error.total, error.violations.len());
    let violations = error.violations.into_iter();
    violations
        .map(|violation| (violation.field, violation.problem))
        .collect()
}

fn with_rule(elevation_type: ElevationType, change: impl FnOnce(&mut Rule)) -> Policies {
    let mut rule = rule("a", elevation_type);
    change(&mut rule);
    policies(vec![policy("p", vec![rule])])
}

/// What one change of a valid user confirmed rule is answered with.
fn changed(change: impl FnOnce(&mut Rule)) -> Vec<(Field, Problem)> {
    found(&with_rule(ElevationType::UserConfirmed, change))
}

fn uploaded(
    certificate_type: Option<CertificateType>,
    certificate: Option<Certificate>,
) -> SignatureSource {
    SignatureSource::Uploaded {
        certificate_type,
        certificate,
    }
}

fn by_subject() -> Certificate {
    Certificate {
        subject: Some("CN=Contoso".to_owned()),
        ..Certificate::default()
    }
}

const PUBLISHER: Option<CertificateType> = Some(CertificateType::Publisher);

#[test]
fn a_rule_with_a_hash_is_valid_for_every_type() {
    for elevation_type in TYPES {
        assert_eq!(found(&with_rule(elevation_type, |_| {})), []);
    }
}

#[test]
fn a_certificate_instead_of_a_hash_is_enough_for_every_type_but_automatic() {
    for elevation_type in TYPES {
        let policies = with_rule(elevation_type, |rule| {
            rule.detection.file_hash = None;
            rule.detection.signature = uploaded(PUBLISHER, Some(by_subject()));
        });
        let expected = match elevation_type {
            ElevationType::Automatic => vec![(Field::FileHash, Problem::AutomaticWithoutHash)],
            _ => vec![],
        };
        assert_eq!(found(&policies), expected);
    }
}

#[test]
fn automatic_takes_a_certificate_beside_the_hash() {
    let policies = with_rule(ElevationType::Automatic, |rule| {
        rule.detection.signature = uploaded(PUBLISHER, Some(by_subject()));
    });
    assert_eq!(found(&policies), []);
}

#[test]
fn neither_hash_nor_certificate_is_refused_for_every_type() {
    for elevation_type in TYPES {
        let policies = with_rule(elevation_type, |rule| rule.detection.file_hash = None);
        let problem = match elevation_type {
            ElevationType::Automatic => Problem::AutomaticWithoutHash,
            other => Problem::NeitherHashNorCertificate(other),
        };
        assert_eq!(found(&policies), [(Field::FileHash, problem)]);
    }
}

#[test]
fn wildcards_are_refused_in_automatic_rules_and_taken_in_all_others() {
    for elevation_type in TYPES {
        let policies = with_rule(elevation_type, |rule| {
            rule.detection.file_name = "t*.exe".to_owned();
            rule.detection.file_path = Some("C:\\Tool?".to_owned());
        });
        let expected = match elevation_type {
            ElevationType::Automatic => vec![
                (Field::FileName, Problem::WildcardInAutomatic),
                (Field::FilePath, Problem::WildcardInAutomatic),
            ],
            _ => vec![],
        };
        assert_eq!(found(&policies), expected);
    }
}

#[test]
fn automatic_rules_take_variables() {
    let policies = with_rule(ElevationType::Automatic, |rule| {
        rule.detection.file_path = Some("%ProgramFiles%\\App".to_owned());
    });
    assert_eq!(found(&policies), []);
}

#[test]
fn the_file_name_is_mandatory_with_an_extension_that_can_be_elevated() {
    let named = |name: &str| changed(|rule| rule.detection.file_name = name.to_owned());
    let answer = |problem| vec![(Field::FileName, problem)];
    assert_eq!(named(""), answer(Problem::Missing));
    assert_eq!(named("tool"), answer(Problem::NoExtension));
    assert_eq!(named("tool.*"), answer(Problem::WildcardInExtension));
    assert_eq!(named("tool.ex?"), answer(Problem::WildcardInExtension));
    assert_eq!(
        named("tool.bat"),
        answer(Problem::UnsupportedFileType("bat".to_owned()))
    );
    assert_eq!(
        named("to\\ol.exe"),
        answer(Problem::ForbiddenCharacter('\\'))
    );
    for c in "<>:\"/|".chars() {
        assert_eq!(
            named(&format!("a{c}b.exe")),
            answer(Problem::ForbiddenCharacter(c))
        );
    }
    let long = "a".repeat(limits::MAX_FILE_NAME_CHARS) + ".exe";
    let (chars, most) = (long.len(), limits::MAX_FILE_NAME_CHARS);
    assert_eq!(named(&long), answer(Problem::TooLong { chars, most }));
    assert_eq!(
        named("*a*a*a*a*a*a*a*a*.exe"),
        answer(Problem::TooManyWildcards(9))
    );
    for fine in [
        "Setup.EXE",
        "a.msi",
        "b.ps1",
        "*.exe",
        "a b.exe",
        "größe?.exe",
    ] {
        assert_eq!(named(fine), [], "{fine}");
    }
}

#[test]
fn linux_names_need_no_extension() {
    for (name, expected) in [
        ("tool", vec![]),
        ("tool.*", vec![]),
        (
            "a/b",
            vec![(Field::FileName, Problem::ForbiddenCharacter('/'))],
        ),
    ] {
        let mut policies = with_rule(ElevationType::UserConfirmed, |rule| {
            rule.detection.file_name = name.to_owned();
        });
        policies.rules[0].platform = Platform::Linux;
        assert_eq!(found(&policies), expected, "{name}");
    }
}

#[test]
fn a_path_starts_at_a_drive_or_a_variable_and_is_plain() {
    let within = |path: &str| changed(|rule| rule.detection.file_path = Some(path.to_owned()));
    let answer = |problem| vec![(Field::FilePath, problem)];
    let not_plain = |part: &str| answer(Problem::NotPlain(part.to_owned()));
    assert_eq!(within(""), answer(Problem::Missing));
    for path in [
        "Tools",
        "\\Tools",
        "C:",
        "C:Tools",
        "*\\Tools",
        "?:\\Tools",
        "/usr/bin",
    ] {
        assert_eq!(within(path), answer(Problem::NotRooted), "{path}");
    }
    for path in ["\\\\server\\share", "\\\\?\\C:\\Tools"] {
        assert_eq!(within(path), answer(Problem::OnNetwork), "{path}");
    }
    assert_eq!(within("C:\\Tools\\..\\Other"), not_plain(".."));
    assert_eq!(within("C:\\Tools\\.\\Other"), not_plain("."));
    assert_eq!(within("C:\\Tools\\\\Other"), not_plain(""));
    assert_eq!(within("C:\\Tools/Other"), not_plain("Tools/Other"));
    assert_eq!(within("C:\\Tools \\Other"), not_plain("Tools "));
    for path in [
        "C:\\100%",
        "%%\\App",
        "C:\\%A\\B%",
        "%ProgramFiles%App",
        "%A*%\\App",
    ] {
        assert_eq!(within(path), answer(Problem::BadVariable), "{path}");
    }
    assert_eq!(
        within("%A%\\%B%\\%C%\\%D%\\%E%"),
        answer(Problem::TooManyVariables(5))
    );
    for path in [
        "C:\\",
        "C:\\Tools\\",
        "c:\\Users\\*\\Downloads\\",
        "%ProgramFiles%",
        "%TEMP%\\a?\\*",
    ] {
        assert_eq!(within(path), [], "{path}");
    }
}

#[test]
fn linux_paths_start_at_the_root() {
    for (path, expected) in [
        ("/", vec![]),
        ("/usr/*/bin/", vec![]),
        ("%HOME%/bin", vec![]),
        ("usr/bin", vec![(Field::FilePath, Problem::NotRooted)]),
        ("C:\\Tools", vec![(Field::FilePath, Problem::NotRooted)]),
        (
            "/usr/../bin",
            vec![(Field::FilePath, Problem::NotPlain("..".to_owned()))],
        ),
    ] {
        let mut policies = with_rule(ElevationType::UserConfirmed, |rule| {
            rule.detection.file_path = Some(path.to_owned());
        });
        policies.rules[0].platform = Platform::Linux;
        assert_eq!(found(&policies), expected, "{path}");
    }
}

#[test]
fn a_chosen_signature_needs_all_its_parts() {
    let signed = |signature| changed(|rule| rule.detection.signature = signature);
    let answer = |problems: &[Problem]| {
        let problems = problems.iter().cloned();
        problems
            .map(|problem| (Field::Signature, problem))
            .collect::<Vec<_>>()
    };
    let default = signed(SignatureSource::default());
    assert_eq!(
        default,
        answer(&[Problem::NoGroup, Problem::NoCertificateType])
    );
    let unknown = signed(SignatureSource::Reusable {
        certificate_type: PUBLISHER,
        group: Some("nobody".into()),
    });
    assert_eq!(
        unknown,
        answer(&[Problem::UnknownGroup("nobody".to_owned())])
    );
    assert_eq!(
        signed(uploaded(PUBLISHER, None)),
        answer(&[Problem::NoCertificate])
    );
    let untyped = signed(uploaded(None, Some(by_subject())));
    assert_eq!(untyped, answer(&[Problem::NoCertificateType]));
    let empty = signed(uploaded(PUBLISHER, Some(Certificate::default())));
    assert_eq!(empty, [(Field::Certificate, Problem::EmptyCertificate)]);
    let package = signed(SignatureSource::Package {
        name: "tools".to_owned(),
        origin: None,
    });
    assert_eq!(package, answer(&[Problem::PackageOnWindows]));
}

#[test]
fn a_package_needs_a_name() {
    let mut policies = with_rule(ElevationType::UserConfirmed, |rule| {
        rule.detection.signature = SignatureSource::Package {
            name: String::new(),
            origin: None,
        };
    });
    policies.rules[0].platform = Platform::Linux;
    assert_eq!(found(&policies), [(Field::Signature, Problem::NoPackage)]);
}

#[test]
fn metadata_has_at_least_three_characters() {
    type Set = fn(&mut Rule, String);
    let fields: [(Field, Set); 3] = [
        (Field::FileDescription, |rule, text| {
            rule.detection.file_description = Some(text)
        }),
        (Field::ProductName, |rule, text| {
            rule.detection.product_name = Some(text)
        }),
        (Field::InternalName, |rule, text| {
            rule.detection.internal_name = Some(text)
        }),
    ];
    for (field, set) in fields {
        assert_eq!(
            changed(|r| set(r, "äb".to_owned())),
            [(field, Problem::TooShort { chars: 2 })]
        );
        assert_eq!(changed(|r| set(r, "äbc".to_owned())), []);
        let (chars, most) = (limits::MAX_METADATA_CHARS + 1, limits::MAX_METADATA_CHARS);
        assert_eq!(
            changed(|r| set(r, "x".repeat(chars))),
            [(field, Problem::TooLong { chars, most })]
        );
    }
}

#[test]
fn validation_is_only_for_user_confirmed() {
    for elevation_type in TYPES {
        let policies = with_rule(elevation_type, |rule| {
            rule.validation = Validation::AUTHENTICATION
        });
        let expected = match elevation_type {
            ElevationType::UserConfirmed => vec![],
            other => vec![(Field::Validation, Problem::ValidationForType(other))],
        };
        assert_eq!(found(&policies), expected);
    }
}

#[test]
fn listed_arguments_are_present_distinct_and_bounded() {
    let listing = |arguments: Vec<String>| changed(|rule| rule.allowed_arguments = Some(arguments));
    let answer = |problem| vec![(Field::AllowedArguments, problem)];
    assert_eq!(listing(Vec::new()), []);
    assert_eq!(listing(vec![String::new()]), answer(Problem::Missing));
    let twice = vec!["-v".to_owned(), "-v".to_owned()];
    assert_eq!(listing(twice), answer(Problem::Duplicate("-v".to_owned())));
    let (count, most) = (limits::MAX_ARGUMENTS + 1, limits::MAX_ARGUMENTS);
    let many = (0..count).map(|number| number.to_string()).collect();
    assert_eq!(listing(many), answer(Problem::TooMany { count, most }));
    let (chars, most) = (limits::MAX_ARGUMENT_CHARS + 1, limits::MAX_ARGUMENT_CHARS);
    assert_eq!(
        listing(vec!["x".repeat(chars)]),
        answer(Problem::TooLong { chars, most })
    );
}

#[test]
fn conditions_are_checked_like_the_rest() {
    let parent = changed(|rule| rule.conditions.parent_path = Some("explorer.exe".to_owned()));
    assert_eq!(parent, [(Field::ParentPath, Problem::NotRooted)]);
    let window = |window: TimeWindow| changed(|rule| rule.conditions.time = Some(window));
    let hours = |from, until| TimeWindow {
        from_minute: Some(from),
        until_minute: Some(until),
        ..TimeWindow::default()
    };
    assert_eq!(window(hours(1320, 360)), []);
    assert_eq!(window(hours(0, 1440)), []);
    assert_eq!(
        window(hours(1440, 3)),
        [(Field::Time, Problem::MinuteOutOfDay(1440))]
    );
    assert_eq!(
        window(hours(0, 1441)),
        [(Field::Time, Problem::MinuteOutOfDay(1441))]
    );
    assert_eq!(window(hours(60, 60)), [(Field::Time, Problem::EmptyWindow)]);
    let backwards = TimeWindow {
        not_before_s: Some(2),
        expires_s: Some(2),
        ..TimeWindow::default()
    };
    assert_eq!(
        window(backwards),
        [(Field::Time, Problem::ExpiresBeforeBegin)]
    );
    let nameless = changed(|rule| rule.conditions.device_groups = vec!["".into()]);
    assert_eq!(nameless, [(Field::DeviceGroups, Problem::Missing)]);
}

#[test]
fn names_and_ids_are_present_single_and_in_one_line() {
    assert_eq!(
        changed(|rule| rule.name = " ".to_owned()),
        [(Field::Name, Problem::Missing)]
    );
    let lines = changed(|rule| rule.name = "a\nb".to_owned());
    assert_eq!(lines, [(Field::Name, Problem::ForbiddenCharacter('\n'))]);
    assert_eq!(
        changed(|rule| rule.id = "".into()),
        [(Field::Id, Problem::Missing)]
    );
    let (chars, most) = (
        limits::MAX_DESCRIPTION_CHARS + 1,
        limits::MAX_DESCRIPTION_CHARS,
    );
    let long = changed(|rule| rule.description = "x".repeat(chars));
    assert_eq!(
        long,
        [(Field::Description, Problem::TooLong { chars, most })]
    );

    let twice = |field, text: &str| (field, Problem::Duplicate(text.to_owned()));
    let [mut one, mut other] = ["a", "b"].map(|id| rule(id, ElevationType::Deny));
    other.name = "a".to_owned();
    let same_name = policies(vec![policy("p", vec![one.clone(), other.clone()])]);
    assert_eq!(found(&same_name), [twice(Field::Name, "a")]);
    // In another policy the name is free, the id is not.
    one.name = "first".to_owned();
    other.id = "a".into();
    let same_id = policies(vec![policy("p", vec![one]), policy("q", vec![other])]);
    assert_eq!(found(&same_id), [twice(Field::Id, "a")]);
    let mut policies = policies(vec![policy("p", vec![rule("a", ElevationType::Deny)])]);
    policies.settings.push(settings("settings"));
    let expected = [twice(Field::Id, "settings"), twice(Field::Name, "settings")];
    assert_eq!(found(&policies), expected);
}

#[test]
fn a_policy_has_rules_and_few_audiences() {
    assert_eq!(
        found(&policies(vec![policy("p", Vec::new())])),
        [(Field::Rules, Problem::Missing)]
    );
    let mut crowded = with_rule(ElevationType::Deny, |_| {});
    let (count, most) = (limits::MAX_AUDIENCES + 1, limits::MAX_AUDIENCES);
    crowded.rules[0].assignment.include = vec![Audience::AllUsers; count];
    assert_eq!(
        found(&crowded),
        [(Field::Assignment, Problem::TooMany { count, most })]
    );
}

#[test]
fn a_certificate_group_has_a_name_and_a_certificate() {
    let mut policies = with_rule(ElevationType::Deny, |_| {});
    policies.certificate_groups = vec![CertificateGroup {
        id: "g".into(),
        ..CertificateGroup::default()
    }];
    let expected = [
        (Field::Name, Problem::Missing),
        (Field::Certificate, Problem::EmptyCertificate),
    ];
    assert_eq!(found(&policies), expected);
}

#[test]
fn children_of_a_setting_need_their_parent() {
    let with = |change: fn(&mut epm_policy::SettingsPolicy)| {
        let mut policies = with_rule(ElevationType::Deny, |_| {});
        change(&mut policies.settings[0]);
        found(&policies)
    };
    let lonely = with(|settings| settings.default_validation = Some(Validation::AUTHENTICATION));
    let problem = Problem::ValidationWithoutConfirmation;
    assert_eq!(lonely, [(Field::DefaultValidation, problem)]);
    let confirmed = with(|settings| {
        settings.default_response = Some(DefaultResponse::UserConfirmation);
        settings.default_validation = Some(Validation::AUTHENTICATION);
    });
    assert_eq!(confirmed, []);
    let silent = with(|settings| {
        settings.send_data = Some(false);
        settings.reporting_scope = Some(ReportingScope::All);
    });
    assert_eq!(
        silent,
        [(Field::ReportingScope, Problem::ScopeWithoutSending)]
    );
}

#[test]
fn an_error_names_the_place_the_field_and_the_remedy() {
    let error = PolicySet::new(with_rule(ElevationType::Automatic, |rule| {
        rule.detection.file_hash = None;
    }))
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "rule[0] \"a\" of rules policy \"p\": detection.file_hash: is missing, which an automatic rule must have; \
         give the file's SHA-256, or choose another elevation type"
    );
}

#[test]
fn all_mistakes_are_counted_and_the_first_are_told() {
    let count = limits::MAX_VIOLATIONS + 7;
    let nameless = |number: usize| {
        let mut rule = rule(&number.to_string(), ElevationType::Deny);
        rule.detection.file_name = String::new();
        rule
    };
    let rules = (0..count).map(nameless).collect();
    let error = PolicySet::new(policies(vec![policy("p", rules)])).unwrap_err();
    assert_eq!(error.total, count);
    assert_eq!(error.violations.len(), limits::MAX_VIOLATIONS);
    assert!(error.to_string().ends_with("\nand 7 more"));
}

#[test]
fn digests_are_read_from_hexadecimal_digits_of_either_case() {
    let digits = "Ab".repeat(32);
    assert_eq!(Sha256::parse(&digits).unwrap(), Sha256([0xab; 32]));
    assert_eq!(
        Sha256::parse(&digits).unwrap().to_string(),
        digits.to_lowercase()
    );
    assert!(matches!(
        Thumbprint::parse(&digits[..40]),
        Ok(Thumbprint::Sha1(_))
    ));
    assert!(matches!(
        Thumbprint::parse(&digits),
        Ok(Thumbprint::Sha256(_))
    ));
    for wrong in ["", "ab", &digits[1..], &"é".repeat(32), &"xy".repeat(32)] {
        assert!(Sha256::parse(wrong).is_err(), "{wrong:?}");
    }
}
