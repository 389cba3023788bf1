//! Our engine with the drawn rules: read from a policy file, as a device has them.

use anyhow::anyhow;
use epm_policy::file::{Format, read, write};
use epm_policy::{
    Assignment, Audience, Certificate, CertificateFacts, CertificateType, Conditions, Detection,
    DeviceFacts, DeviceId, ElevationType, FileFacts, GroupId, Moment, Platform, Policies,
    PolicySet, PolicyVersion, Request, Rule, RulesPolicy, SettingsPolicy, Sha256, SignatureFacts,
    SignatureSource, SignatureStatus, TimeWindow, Trigger, UserFacts, UserId,
};

use crate::drawn;
use crate::drawn::{Folder, Launch, RULES_OF_A_POLICY, World};

/// The rules as a policy file.
pub(crate) fn text(world: &World) -> anyhow::Result<String> {
    let policies = world.rules.chunks(RULES_OF_A_POLICY).enumerate();
    let policies = Policies {
        version: PolicyVersion(1),
        settings: vec![SettingsPolicy {
            id: "settings".into(),
            name: "settings".to_owned(),
            assignment: Assignment::all_devices(),
            ..SettingsPolicy::default()
        }],
        rules: policies
            .map(|(number, rules)| policy(number, rules))
            .collect(),
        certificate_groups: Vec::new(),
    };
    write(Format::Json, &policies).map_err(|error| anyhow!(error))
}

fn policy(number: usize, rules: &[drawn::Rule]) -> RulesPolicy {
    let group = rules.first().and_then(|rule| rule.user_group.as_deref());
    let first = number * RULES_OF_A_POLICY;
    RulesPolicy {
        id: format!("policy{number}").as_str().into(),
        name: format!("policy {number}"),
        assignment: Assignment::to(match group {
            Some(group) => Audience::UserGroup(group.into()),
            None => Audience::AllDevices,
        }),
        rules: (first..)
            .zip(rules)
            .map(|(number, drawn)| rule(number, drawn))
            .collect(),
        ..RulesPolicy::default()
    }
}

fn rule(number: usize, drawn: &drawn::Rule) -> Rule {
    let signature = match &drawn.publisher {
        Some(subject) => SignatureSource::Uploaded {
            certificate_type: Some(CertificateType::Publisher),
            certificate: Some(Certificate {
                subject: Some(subject.clone()),
                ..Certificate::default()
            }),
        },
        None => SignatureSource::NotConfigured,
    };
    let time = drawn.minutes.map(|(from, until)| TimeWindow {
        from_minute: Some(from),
        until_minute: Some(until),
        ..TimeWindow::default()
    });
    Rule {
        id: format!("rule{number}").as_str().into(),
        name: format!("rule {number}"),
        elevation_type: match drawn.denies {
            true => ElevationType::Deny,
            false => ElevationType::UserConfirmed,
        },
        detection: Detection {
            file_name: match &drawn.name_end {
                Some(end) => format!("{}*{end}", drawn.name),
                None => drawn.name.clone(),
            },
            file_path: match &drawn.folder {
                Folder::Any => None,
                Folder::Exactly(folder) => Some(folder.clone()),
                Folder::Below(folder) => Some(format!("{folder}*")),
            },
            file_hash: drawn.hash.map(Sha256),
            signature,
            ..Detection::default()
        },
        conditions: Conditions {
            time,
            device_groups: drawn
                .device_group
                .iter()
                .map(|group| group.as_str().into())
                .collect(),
            parent_path: None,
        },
        ..Rule::default()
    }
}

/// Reads and indexes a policy file.
pub(crate) fn load(text: &str) -> anyhow::Result<PolicySet> {
    let policies = read(Format::Json, text.as_bytes())?;
    Ok(PolicySet::new(policies)?)
}

/// Facts of every launch that requests borrow.
pub(crate) struct Facts {
    paths: Vec<String>,
    users: Vec<(UserId, Vec<GroupId>)>,
    devices: Vec<(DeviceId, Vec<GroupId>)>,
}

impl Facts {
    pub(crate) fn of(world: &World) -> Self {
        let groups = |groups: &Vec<String>| groups.iter().map(|g| g.as_str().into()).collect();
        let path = |launch: &Launch| format!("{}{}", launch.folder, launch.name);
        Self {
            paths: world.launches.iter().map(path).collect(),
            users: (0..)
                .zip(&world.users)
                .map(|(n, held): (u32, _)| (UserId(format!("user{n}")), groups(held)))
                .collect(),
            devices: (0..)
                .zip(&world.devices)
                .map(|(n, held): (u32, _)| (DeviceId(format!("device{n}")), groups(held)))
                .collect(),
        }
    }

    pub(crate) fn requests<'a>(&'a self, world: &'a World) -> Vec<Request<'a>> {
        let launches = world.launches.iter().zip(&self.paths);
        launches
            .map(|(launch, path)| self.request(launch, path))
            .collect()
    }

    fn request<'a>(&'a self, launch: &'a Launch, path: &'a str) -> Request<'a> {
        let (user, user_groups) = &self.users[launch.user];
        let (device, device_groups) = &self.devices[launch.device];
        let mut request = Request::new(Platform::Windows, Trigger::RunWithElevatedAccess, path);
        request.file = FileFacts {
            path,
            sha256: Some(Sha256(launch.hash)),
            signature: SignatureFacts {
                status: SignatureStatus::Valid,
                publisher: CertificateFacts {
                    subject: Some(&launch.publisher),
                    ..CertificateFacts::default()
                },
                ..SignatureFacts::default()
            },
            ..FileFacts::default()
        };
        request.user = UserFacts {
            id: Some(user),
            groups: user_groups,
            local_administrator: false,
        };
        request.device = DeviceFacts {
            id: Some(device),
            groups: device_groups,
            inactive: false,
        };
        request.moment = Some(Moment {
            unix_s: i64::from(launch.minute) * 60,
            utc_offset_min: 0,
        });
        request
    }
}

/// Whether a launch is let through, with a prompt or without. The decision has more, near misses too, which no rival
/// looks for.
pub(crate) fn allows(set: &PolicySet, request: &Request<'_>) -> bool {
    set.decide(request).outcome.permissiveness() > 0
}
