//! Policies and launches by chance, from few words, so that they meet: in each case some rules match, some nearly do, and
//! some tie. Every policy drawn is valid. Nothing is judged here.

use epm_policy::{
    Approval, Assignment, Audience, Certificate, CertificateGroup, CertificateType, ChildBehaviour,
    Conditions, DefaultResponse, Detection, ElevationType, FileVersion, Grant, Moment, Platform,
    Policies, PolicyVersion, ReportingScope, Rule, RulesPolicy, SettingsPolicy, SignatureSource,
    SignatureStatus, Thumbprint, TimeWindow, Trigger, Validation, Variables, Weekday,
};

use crate::dice::Dice;
use crate::world::{Launch, Signer, hash};

const TYPES: [ElevationType; 5] = [
    ElevationType::UserConfirmed,
    ElevationType::CurrentUser,
    ElevationType::SupportApproved,
    ElevationType::Automatic,
    ElevationType::Deny,
];
const CHILDREN: [ChildBehaviour; 3] = [
    ChildBehaviour::RequireRule,
    ChildBehaviour::DenyAll,
    ChildBehaviour::AllowAll,
];
const CERTIFICATE_TYPES: [CertificateType; 2] = [
    CertificateType::Publisher,
    CertificateType::IssuingAuthority,
];
const SUBJECTS: [&str; 2] = ["CN=Contoso", "CN=Fabrikam, O=Ünïcode"];
const DESCRIPTIONS: [&str; 2] = ["A tool", "a tool"];
const PRODUCTS: [&str; 2] = ["Tools", "Games"];
const INTERNALS: [&str; 2] = ["tool", "setup"];
const ARGUMENTS: [&str; 3] = ["status", "-v", "--force"];
const USERS: [&str; 3] = ["ann", "bob", "eve"];
const DEVICES: [&str; 2] = ["laptop", "desktop"];
const GROUPS: [&str; 4] = ["staff", "laptops", "pilots", "kiosks"];

/// The words of a platform.
struct Words {
    plain_names: &'static [&'static str],
    wild_names: &'static [&'static str],
    plain_folders: &'static [&'static str],
    wild_folders: &'static [&'static str],
    launched_names: &'static [&'static str],
    launched_folders: &'static [&'static str],
    odd_paths: &'static [&'static str],
    parents: &'static [&'static str],
    launching: &'static [&'static str],
}

const WINDOWS: Words = Words {
    plain_names: &["tool.exe", "Setup.EXE", "run.ps1", "größe.msi"],
    wild_names: &[
        "*.exe", "set*.exe", "*ool.exe", "t??l.exe", "*up*.exe", "GR*.msi",
    ],
    plain_folders: &[
        "C:\\Tools",
        "c:\\tools\\Sub\\",
        "%ProgramFiles%\\App",
        "%TOOLS%",
        "%NOPE%\\App",
        "C:\\Users\\%WHO%\\Downloads",
    ],
    wild_folders: &[
        "C:\\Tools\\*",
        "C:\\T*",
        "C:\\*\\Sub",
        "C:\\Users\\*\\Downloads\\",
        "%ProgramFiles%\\*",
        "%TOOLS%\\S?b",
    ],
    launched_names: &[
        "tool.exe",
        "TOOL.exe",
        "setup.exe",
        "setup2.exe",
        "run.ps1",
        "GRÖSSE.msi",
        "größe.msi",
    ],
    launched_folders: &[
        "C:\\Tools\\",
        "C:\\TOOLS\\sub\\",
        "C:\\Tools\\sub\\sub\\",
        "C:\\Program Files\\App\\",
        "C:\\Users\\ann\\Downloads\\",
        "D:\\",
    ],
    odd_paths: &[
        "\\\\server\\share\\tool.exe",
        "C:\\Tools\\.\\tool.exe",
        "C:\\Tools\\..\\tool.exe",
        "C:/Tools/tool.exe",
        "C:\\Tools\\tool.exe.",
        "C:\\Tools\\tool.exe:s.exe",
        "tool.exe",
        "",
        "C:\\Tools\\tool.bat",
        "C:\\Tools\\tool",
    ],
    parents: &[
        "C:\\Windows\\explorer.exe",
        "C:\\Windows\\*",
        "%TOOLS%\\shell.exe",
    ],
    launching: &[
        "C:\\Windows\\Explorer.exe",
        "C:\\Tools\\shell.exe",
        "shell.exe",
    ],
};

const LINUX: Words = Words {
    plain_names: &["tool", "Tool", "setup.sh", "größe"],
    wild_names: &["*", "to*", "*.sh", "t??l", "*o*"],
    plain_folders: &[
        "/usr/bin",
        "/opt/app/bin/",
        "%ProgramFiles%/bin",
        "%NOPE%/bin",
    ],
    wild_folders: &[
        "/opt/*",
        "/usr/*/tools",
        "/home/*/bin/",
        "%ProgramFiles%/*",
        "/*",
    ],
    launched_names: &["tool", "Tool", "setup.sh", "größe", "other"],
    launched_folders: &["/usr/bin/", "/opt/app/bin/", "/opt/", "/home/ann/bin/", "/"],
    odd_paths: &["tool", "/usr/./tool", "/usr/../tool", "/usr//tool", "/", ""],
    parents: &["/usr/bin/bash", "/usr/bin/*", "%ProgramFiles%/sh"],
    launching: &["/usr/bin/bash", "/opt/app/sh", "../sh"],
};

fn words(platform: Platform) -> &'static Words {
    match platform {
        Platform::Windows => &WINDOWS,
        Platform::Linux => &LINUX,
    }
}

/// Valid policies with one to a dozen rules.
pub(crate) fn policies(dice: &mut Dice) -> Policies {
    let count = 1 + dice.below(4);
    policies_of(dice, count, 4)
}

/// Valid policies: so many, of at most so many rules each.
pub(crate) fn policies_of(dice: &mut Dice, count: usize, rules_each: usize) -> Policies {
    let groups = ["vendors", "partners"].map(|id| CertificateGroup {
        id: id.into(),
        name: id.to_owned(),
        description: String::new(),
        certificate: certificate(dice),
    });
    let mut rules = Vec::new();
    for number in 0..count {
        let policy = rules_policy(dice, number, rules_each, &rules);
        rules.push(policy);
    }
    Policies {
        version: PolicyVersion(dice.below(9) as u64),
        settings: (0..dice.choose(&[0, 1, 1, 1, 1, 1, 1, 1, 2, 3]))
            .map(|number| settings(dice, number))
            .collect(),
        rules,
        certificate_groups: groups.into(),
    }
}

fn settings(dice: &mut Dice, number: usize) -> SettingsPolicy {
    let response = dice.maybe(80, |dice| {
        dice.choose(&[
            DefaultResponse::DenyAll,
            DefaultResponse::UserConfirmation,
            DefaultResponse::SupportApproval,
        ])
    });
    let confirms = response == Some(DefaultResponse::UserConfirmation);
    SettingsPolicy {
        id: format!("settings-{number}").as_str().into(),
        name: format!("settings-{number}"),
        assignment: match dice.percent(85) {
            true => Assignment::all_devices(),
            false => assignment(dice),
        },
        enabled: dice.maybe(40, |dice| dice.percent(92)),
        default_response: response,
        default_validation: dice.maybe(60, validation).filter(|_| confirms),
        send_data: dice.maybe(30, |_| true),
        reporting_scope: dice.maybe(30, |dice| {
            dice.choose(&[ReportingScope::Managed, ReportingScope::All])
        }),
        elevation_detection: None,
    }
}

fn rules_policy(
    dice: &mut Dice,
    number: usize,
    rules: usize,
    earlier: &[RulesPolicy],
) -> RulesPolicy {
    let platform = match dice.percent(75) {
        true => Platform::Windows,
        false => Platform::Linux,
    };
    let models: Vec<&Rule> = earlier
        .iter()
        .filter(|policy| policy.platform == platform)
        .flat_map(|policy| &policy.rules)
        .collect();
    let mut drawn: Vec<Rule> = Vec::new();
    for rule_number in 0..1 + dice.below(rules) {
        // Ids whose order is not the order of writing.
        let id = format!("{}-{number}-{rule_number}", dice.pick(&["a", "b", "c"]));
        let models = models.iter().copied().chain(&drawn);
        let models: Vec<&Rule> = models.collect();
        let rule = match models.is_empty() || dice.percent(55) {
            true => rule(dice, platform, id),
            false => {
                let model = models[dice.below(models.len())];
                variant(dice, model, id)
            }
        };
        drawn.push(rule);
    }
    RulesPolicy {
        id: format!("policy-{number}").as_str().into(),
        name: format!("policy-{number}"),
        description: String::new(),
        platform,
        rules: drawn,
        assignment: match dice.percent(60) {
            true => dice.choose_assignment(),
            false => assignment(dice),
        },
        report_only: dice.percent(5),
    }
}

impl Dice {
    fn choose_assignment(&mut self) -> Assignment {
        match self.percent(50) {
            true => Assignment::all_devices(),
            false => Assignment::all_users(),
        }
    }
}

fn assignment(dice: &mut Dice) -> Assignment {
    let include = (0..1 + dice.below(3)).map(|_| audience(dice)).collect();
    let exclude = dice.maybe(15, audience).into_iter().collect();
    Assignment { include, exclude }
}

fn audience(dice: &mut Dice) -> Audience {
    match dice.below(8) {
        0 => Audience::AllUsers,
        1 => Audience::AllDevices,
        2 | 3 => Audience::User(dice.pick(&USERS).into()),
        4 => Audience::Device(dice.pick(&DEVICES).into()),
        5 | 6 => Audience::UserGroup(dice.pick(&GROUPS).into()),
        _ => Audience::DeviceGroup(dice.pick(&GROUPS).into()),
    }
}

/// A valid rule.
pub(crate) fn rule(dice: &mut Dice, platform: Platform, id: String) -> Rule {
    let elevation_type = dice.choose(&TYPES);
    let automatic = elevation_type == ElevationType::Automatic;
    let words = words(platform);
    let plain = automatic || dice.percent(50);
    let names = if plain {
        words.plain_names
    } else {
        words.wild_names
    };
    let folders = match automatic || dice.percent(40) {
        true => words.plain_folders,
        false => words.wild_folders,
    };
    let signature = match dice.percent(55) {
        true => signature(dice, platform),
        false => SignatureSource::NotConfigured,
    };
    let unsigned = signature == SignatureSource::NotConfigured;
    let hashed = automatic || unsigned || dice.percent(20);
    let detection = Detection {
        file_name: dice.pick(names).to_owned(),
        file_path: dice.maybe(45, |dice| dice.pick(folders).to_owned()),
        signature,
        file_hash: hashed.then(|| hash(small(dice, 3))),
        minimum_version: dice.maybe(20, version),
        file_description: dice.maybe(15, |dice| dice.pick(&DESCRIPTIONS).to_owned()),
        product_name: dice.maybe(15, |dice| dice.pick(&PRODUCTS).to_owned()),
        internal_name: dice.maybe(15, |dice| dice.pick(&INTERNALS).to_owned()),
    };
    let confirmed = elevation_type == ElevationType::UserConfirmed;
    Rule {
        name: id.clone(),
        id: id.as_str().into(),
        description: String::new(),
        elevation_type,
        validation: Some(validation(dice))
            .filter(|_| confirmed)
            .unwrap_or_default(),
        child_behaviour: dice.choose(&CHILDREN),
        detection,
        allowed_arguments: dice.maybe(20, arguments),
        conditions: conditions(dice, words),
        report_only: dice.percent(8),
    }
}

/// A rule that knows the same file, or one attribute less of it, so that precedence has something to do.
fn variant(dice: &mut Dice, model: &Rule, id: String) -> Rule {
    let mut rule = Rule {
        id: id.as_str().into(),
        name: id,
        child_behaviour: dice.choose(&CHILDREN),
        report_only: dice.percent(8),
        ..model.clone()
    };
    if dice.percent(50) {
        // Deny as rarely as in any rule; automatic only where the model was, for it demands more.
        rule.elevation_type = match model.elevation_type {
            ElevationType::Automatic => dice.choose(&TYPES),
            _ => dice.choose(&[TYPES[0], TYPES[1], TYPES[2], TYPES[4]]),
        };
        rule.validation = Validation::NONE;
    }
    let detection = &mut rule.detection;
    match dice.below(8) {
        0 => detection.file_path = None,
        1 => detection.product_name = None,
        2 => detection.internal_name = None,
        3 => detection.minimum_version = None,
        4 if detection.file_hash.is_some() => detection.signature = SignatureSource::NotConfigured,
        5 if detection.signature != SignatureSource::NotConfigured
            && rule.elevation_type != ElevationType::Automatic =>
        {
            detection.file_hash = None;
        }
        _ => {}
    }
    rule
}

fn arguments(dice: &mut Dice) -> Vec<String> {
    let kept = ARGUMENTS.iter().filter(|_| dice.percent(60));
    kept.map(|argument| (*argument).to_owned()).collect()
}

fn conditions(dice: &mut Dice, words: &Words) -> Conditions {
    Conditions {
        parent_path: dice.maybe(8, |dice| dice.pick(words.parents).to_owned()),
        time: dice.maybe(8, |dice| TimeWindow {
            days: (0..dice.below(3))
                .map(|_| dice.choose(&Weekday::ALL))
                .collect(),
            from_minute: dice.maybe(50, |dice| dice.choose(&[0, 480, 1200])),
            until_minute: dice.maybe(50, |dice| dice.choose(&[360, 960, 1440])),
            not_before_s: dice.maybe(20, |_| 1_000_000),
            expires_s: dice.maybe(20, |_| 2_000_000),
        }),
        device_groups: match dice.percent(8) {
            true => vec![dice.pick(&GROUPS).into()],
            false => Vec::new(),
        },
    }
}

fn validation(dice: &mut Dice) -> Validation {
    Validation {
        business_justification: dice.percent(50),
        authentication: dice.percent(50),
    }
}

fn version(dice: &mut Dice) -> FileVersion {
    FileVersion([1, dice.choose(&[0, 1, 2]), 0, 0])
}

fn small(dice: &mut Dice, end: usize) -> u8 {
    u8::try_from(dice.below(end)).unwrap()
}

fn certificate(dice: &mut Dice) -> Certificate {
    let thumbprint = dice.maybe(60, |dice| match dice.percent(50) {
        true => Thumbprint::Sha1([small(dice, 2); 20]),
        false => Thumbprint::Sha256([small(dice, 2); 32]),
    });
    let named = thumbprint.is_none() || dice.percent(40);
    Certificate {
        thumbprint,
        subject: named.then(|| dice.pick(&SUBJECTS).to_owned()),
        not_after_s: None,
    }
}

fn signature(dice: &mut Dice, platform: Platform) -> SignatureSource {
    let certificate_type = Some(dice.choose(&CERTIFICATE_TYPES));
    match dice.below(3) {
        0 => SignatureSource::Uploaded {
            certificate_type,
            certificate: Some(certificate(dice)),
        },
        1 if platform == Platform::Linux => SignatureSource::Package {
            name: dice.pick(&["tools", "games"]).to_owned(),
            origin: dice.maybe(40, |_| "Debian".to_owned()),
        },
        _ => SignatureSource::Reusable {
            certificate_type,
            group: Some(dice.pick(&["vendors", "partners"]).into()),
        },
    }
}

/// A launch: in most cases one that a rule of `policies` knows, but for a few facts.
pub(crate) fn launch(dice: &mut Dice, policies: &Policies) -> Launch {
    let policy = &policies.rules[dice.below(policies.rules.len())];
    let rule = &policy.rules[dice.below(policy.rules.len())];
    let platform = policy.platform;
    let mut launch = stranger(dice, platform);
    if dice.percent(85) {
        meet(&mut launch, rule, policies);
        let spoiled = dice.choose(&[0, 0, 0, 1, 1, 2]);
        for _ in 0..spoiled {
            spoil(dice, &mut launch);
        }
    }
    launch
}

/// A launch that was not made for any rule.
fn stranger(dice: &mut Dice, platform: Platform) -> Launch {
    let words = words(platform);
    let path = match dice.percent(4) {
        true => dice.pick(words.odd_paths).to_owned(),
        false => dice.pick(words.launched_folders).to_owned() + dice.pick(words.launched_names),
    };
    let separator = if platform == Platform::Windows {
        "C:\\Tools"
    } else {
        "/opt/tools"
    };
    let programs = if platform == Platform::Windows {
        "C:\\Program Files"
    } else {
        "/opt/app"
    };
    let user = dice.maybe(95, |dice| dice.pick(&USERS).into());
    let device = dice.maybe(95, |dice| dice.pick(&DEVICES).into());
    let file = small(dice, 3);
    let moment = dice.maybe(95, |dice| Moment {
        unix_s: i64::try_from(dice.below(3_000_000)).unwrap(),
        utc_offset_min: dice.choose(&[0, 120, -480]),
    });
    let approvals = dice.maybe(25, |dice| {
        let user = dice.pick(&USERS).into();
        let approved_s =
            moment.map_or(0, |moment| moment.unix_s) - dice.choose(&[0, 86_399, 86_400]);
        Approval::for_a_day(user, dice.pick(&DEVICES).into(), hash(file), approved_s)
    });
    Launch {
        platform,
        trigger: trigger(dice),
        path,
        hash: dice.maybe(95, |_| file),
        status: match dice.percent(85) {
            true => SignatureStatus::Valid,
            false => dice.choose(&[
                SignatureStatus::Unsigned,
                SignatureStatus::Expired,
                SignatureStatus::Revoked,
                SignatureStatus::Unknown,
            ]),
        },
        publisher: signer(dice),
        issuer: signer(dice),
        package: dice.maybe(60, |dice| {
            let origin = dice.maybe(60, |dice| dice.pick(&["Debian", "Other"]).to_owned());
            (dice.pick(&["tools", "games"]).to_owned(), origin)
        }),
        version: dice.maybe(90, version),
        description: dice.maybe(90, |dice| dice.pick(&DESCRIPTIONS).to_owned()),
        product: dice.maybe(90, |dice| dice.pick(&PRODUCTS).to_owned()),
        internal: dice.maybe(90, |dice| dice.pick(&INTERNALS).to_owned()),
        on_network: dice.percent(1),
        blocked: dice.percent(1),
        arguments: dice.maybe(97, |dice| {
            let given = ARGUMENTS.iter().filter(|_| dice.percent(25));
            given.copied().collect()
        }),
        user,
        user_groups: groups(dice),
        administrator: dice.percent(4),
        device,
        device_groups: groups(dice),
        inactive: dice.percent(1),
        parent: dice.maybe(90, |dice| dice.pick(words.launching).to_owned()),
        moment,
        variables: Variables::new(
            platform,
            [
                ("programfiles", programs),
                ("TOOLS", separator),
                ("who", "ann"),
                ("EMPTY", ""),
            ],
        ),
        approvals: approvals.into_iter().collect(),
    }
}

fn trigger(dice: &mut Dice) -> Trigger {
    match dice.below(10) {
        0..=5 => Trigger::RunWithElevatedAccess,
        6 | 7 => Trigger::OrdinaryLaunch,
        _ => {
            let children = match dice.percent(70) {
                true => ChildBehaviour::RequireRule,
                false => dice.choose(&CHILDREN),
            };
            Trigger::Child(Grant::new(dice.choose(&TYPES[..4]), children))
        }
    }
}

fn groups(dice: &mut Dice) -> Vec<epm_policy::GroupId> {
    let member = GROUPS.iter().filter(|_| dice.percent(40));
    member.map(|group| (*group).into()).collect()
}

fn signer(dice: &mut Dice) -> Signer {
    Signer {
        subject: dice.maybe(90, |dice| dice.pick(&SUBJECTS).to_owned()),
        sha1: dice.maybe(80, |dice| small(dice, 2)),
        sha256: dice.maybe(80, |dice| small(dice, 2)),
    }
}

/// Gives the launch what the rule asks for, as far as that is a matter of copying.
fn meet(launch: &mut Launch, rule: &Rule, policies: &Policies) {
    let detection = &rule.detection;
    let wild = |text: &str| text.contains(['?', '*', '%']);
    if let (Some(folder), false) = (&detection.file_path, wild(&detection.file_name)) {
        let separator = if launch.platform == Platform::Windows {
            '\\'
        } else {
            '/'
        };
        if !wild(folder) {
            let folder = folder.trim_end_matches(separator);
            launch.path = format!("{folder}{separator}{}", detection.file_name);
        }
    } else if !wild(&detection.file_name) {
        let end = launch.path.rfind(['\\', '/']).map_or(0, |at| at + 1);
        launch.path.replace_range(end.., &detection.file_name);
    }
    launch.hash = detection.file_hash.map(|hash| hash.0[0]).or(launch.hash);
    launch.version = detection.minimum_version.or(launch.version);
    let copy = |from: &Option<String>, to: &mut Option<String>| {
        if from.is_some() {
            to.clone_from(from);
        }
    };
    copy(&detection.file_description, &mut launch.description);
    copy(&detection.product_name, &mut launch.product);
    copy(&detection.internal_name, &mut launch.internal);
    let group = |id: &epm_policy::GroupId| {
        let mut groups = policies.certificate_groups.iter();
        groups
            .find(|group| group.id == *id)
            .map(|group| group.certificate.clone())
    };
    let (kind, certificate) = match &detection.signature {
        SignatureSource::Reusable {
            certificate_type,
            group: Some(id),
        } => (certificate_type, group(id)),
        SignatureSource::Uploaded {
            certificate_type,
            certificate,
        } => (certificate_type, certificate.clone()),
        SignatureSource::Package { name, origin } => {
            launch.package = Some((name.clone(), origin.clone()));
            return;
        }
        _ => return,
    };
    let Some(certificate) = certificate else {
        return;
    };
    let signer = match kind {
        Some(CertificateType::IssuingAuthority) => &mut launch.issuer,
        _ => &mut launch.publisher,
    };
    copy(&certificate.subject, &mut signer.subject);
    match certificate.thumbprint {
        Some(Thumbprint::Sha1(bytes)) => signer.sha1 = Some(bytes[0]),
        Some(Thumbprint::Sha256(bytes)) => signer.sha256 = Some(bytes[0]),
        None => {}
    }
    launch.status = SignatureStatus::Valid;
}

/// Changes one fact.
fn spoil(dice: &mut Dice, launch: &mut Launch) {
    let other = stranger(dice, launch.platform);
    match dice.below(9) {
        0 => launch.path = other.path,
        1 => launch.hash = other.hash,
        2 => launch.status = other.status,
        3 => launch.version = other.version,
        4 => launch.product = other.product,
        5 => launch.publisher = other.publisher,
        6 => launch.internal = None,
        7 => launch.description = None,
        _ => launch.parent = None,
    }
}
