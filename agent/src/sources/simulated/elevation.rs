//! Fills the fields of one simulated elevation record.
//!
//! It must not decide anything: what happened is settled before it is called.

use epm_proto::v1;

use super::catalogue::{Build, Kind, Program, expand};
use super::decision::{Decision, is_local_admin};
use super::devices::{FleetDevice, Platform};
use super::draw::{Draw, digest};
use super::people::{NETBIOS, Person};

/// Who, where, what and when.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) device: &'a FleetDevice,
    pub(super) person: &'a Person,
    pub(super) program: &'a Program,
    pub(super) build: &'a Build,
    /// Day of the programme.
    pub(super) day: i64,
    /// Path of the process that started this one.
    pub(super) parent_path: &'a str,
    pub(super) is_child: bool,
}

const YEAR_US: i64 = 365 * 86_400_000_000;
// Certificates of the catalogue end at the start of 2027, 2028 or 2029.
const FIRST_CERTIFICATE_END_US: i64 = 1_798_761_600_000_000;

/// The record of an elevation that a person caused.
pub(super) fn by_person(scene: &Scene<'_>, decision: Decision, draw: &mut Draw) -> v1::Elevation {
    let justified = !decision.justification.is_empty();
    v1::Elevation {
        outcome: decision.outcome.into(),
        management: decision.management.into(),
        decision_source: decision.source.into(),
        elevation_type: decision.elevation_type.into(),
        trigger: if scene.is_child {
            v1::Trigger::Child
        } else {
            decision.trigger
        }
        .into(),
        run_as: decision.run_as.into(),
        sensor: v1::SensorKind::Simulated.into(),
        account_class: v1::AccountClass::Person.into(),
        result_code: None,
        duration_ms: None,
        reason: decision.reason.to_owned(),
        validated_justification: justified,
        validated_authentication: decision.authenticated,
        user: Some(user(scene, &decision)),
        device: Some(device(scene.device)),
        file: Some(file(scene, draw)),
        process: Some(process(scene, decision.run_as, draw)),
        policy: decision.policy,
        justification: decision.justification.to_owned(),
        repeat_count: 1,
    }
}

/// The record of something that the system did by itself.
pub(super) fn by_system(scene: &Scene<'_>, draw: &mut Draw) -> v1::Elevation {
    let windows = scene.device.platform == Platform::Windows;
    let (id, name) = if windows {
        ("S-1-5-18", r"NT AUTHORITY\SYSTEM")
    } else {
        ("0", "root")
    };
    let mut process = process(scene, v1::RunAs::Other, draw);
    process.system_initiated = Some(true);
    process.background = Some(true);
    process.integrity_level = if windows {
        "System".to_owned()
    } else {
        String::new()
    };
    v1::Elevation {
        outcome: v1::Outcome::Elevated.into(),
        management: v1::Management::Unmanaged.into(),
        decision_source: v1::DecisionSource::None.into(),
        elevation_type: v1::ElevationType::Unmanaged.into(),
        trigger: v1::Trigger::System.into(),
        run_as: if windows {
            v1::RunAs::Other
        } else {
            v1::RunAs::Root
        }
        .into(),
        sensor: v1::SensorKind::Simulated.into(),
        account_class: v1::AccountClass::Service.into(),
        user: Some(v1::User {
            user_id: id.to_owned(),
            user_name_raw: name.to_owned(),
            user_type: v1::UserType::Local.into(),
            ..v1::User::default()
        }),
        device: Some(device(scene.device)),
        file: Some(file(scene, draw)),
        process: Some(process),
        repeat_count: 1 + draw.below(5) as u32,
        ..v1::Elevation::default()
    }
}

fn user(scene: &Scene<'_>, decision: &Decision) -> v1::User {
    let person = scene.person;
    let windows = scene.device.platform == Platform::Windows;
    let (target_user_name, target_user_id) = match (&decision.helper, decision.run_as) {
        (Some(helper), _) => (helper.clone(), String::new()),
        (None, v1::RunAs::Root) => ("root".to_owned(), "0".to_owned()),
        (None, v1::RunAs::VirtualAccount) => {
            (format!(r"MEM\{}_virtual", person.login), String::new())
        }
        _ => (String::new(), String::new()),
    };
    v1::User {
        user_id: if windows {
            person.sid.clone()
        } else {
            person.uid.to_string()
        },
        upn: person.upn.clone(),
        user_name_raw: if windows {
            format!(r"{NETBIOS}\{}", person.login)
        } else {
            person.login.clone()
        },
        user_type: if scene.device.join_type == "entra_hybrid_joined" {
            v1::UserType::Hybrid
        } else {
            v1::UserType::Directory
        }
        .into(),
        is_local_admin: Some(is_local_admin(person, scene.day)),
        target_user_name,
        target_user_id,
    }
}

fn device(device: &FleetDevice) -> v1::Device {
    v1::Device {
        device_name: device.name.clone(),
        join_type: device.join_type.to_owned(),
        os_build: device.os_version.clone(),
    }
}

fn file(scene: &Scene<'_>, draw: &mut Draw) -> v1::File {
    let (program, build) = (scene.program, scene.build);
    let arguments = expand(draw.pick(&program.arguments), &scene.person.login);
    let arguments = match arguments.as_str() {
        "{guid}" => format!(
            "{{{:08X}-{:04X}}}",
            draw.below(1 << 32),
            draw.below(1 << 16)
        ),
        _ => arguments,
    };
    let mut file = v1::File {
        path: build.path.clone(),
        file_name: build.file_name.clone(),
        sha256: build.sha256.to_vec(),
        size_bytes: build.size_bytes,
        product_name: program.product.to_owned(),
        internal_name: program.internal.to_owned(),
        file_description: program.description.to_owned(),
        file_version: build.version.clone(),
        company_name: program.company.to_owned(),
        is_network_path: Some(arguments.starts_with(r"\\")),
        arguments,
        path_writable_by_user: Some(program.is_user_writable()),
        mark_of_the_web: (scene.device.platform == Platform::Windows)
            .then(|| program.is_downloaded()),
        original_file_name: if program.internal.is_empty() {
            String::new()
        } else {
            build.file_name.clone()
        },
        ..v1::File::default()
    };
    if scene.device.platform == Platform::Windows {
        sign(&mut file, program);
    }
    file
}

fn sign(file: &mut v1::File, program: &Program) {
    let Some(name) = program.signer else {
        file.signature_status = v1::SignatureStatus::Unsigned.into();
        return;
    };
    let certificate = digest(&[b"certificate", name.as_bytes()]);
    let issuers = [
        "CN=DigiCert Trusted G4 Code Signing RSA4096 SHA384 2021 CA1, O=DigiCert, Inc., C=US",
        "CN=Sectigo Public Code Signing CA R36, O=Sectigo Limited, C=GB",
        "CN=GlobalSign GCC R45 EV CodeSigning CA 2020, O=GlobalSign nv-sa, C=BE",
    ];
    let issuer = if name.starts_with("Microsoft") {
        "CN=Microsoft Code Signing PCA 2011, O=Microsoft Corporation, C=US"
    } else {
        issuers[usize::from(certificate[0]) % issuers.len()]
    };
    file.publisher_subject = name.to_owned();
    file.certificate_issuer = issuer.to_owned();
    file.certificate_thumbprint = certificate[..20]
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    file.certificate_not_after_us =
        FIRST_CERTIFICATE_END_US + i64::from(certificate[1] % 3) * YEAR_US;
    file.signature_status = v1::SignatureStatus::Valid.into();
}

fn process(scene: &Scene<'_>, run_as: v1::RunAs, draw: &mut Draw) -> v1::Process {
    let windows = scene.device.platform == Platform::Windows;
    let login = &scene.person.login;
    v1::Process {
        pid: if windows {
            4 * (150 + draw.below(12_000))
        } else {
            1_200 + draw.below(60_000)
        },
        process_type: if scene.is_child {
            v1::ProcessType::Child
        } else {
            v1::ProcessType::Parent
        }
        .into(),
        parent_path: scene.parent_path.to_owned(),
        parent_sha256: digest(&[b"file", scene.parent_path.as_bytes()]).to_vec(),
        child_policy: if windows {
            "require_rule".to_owned()
        } else {
            String::new()
        },
        system_initiated: Some(false),
        background: Some(matches!(scene.program.kind, Kind::Updater)),
        parent_pid: if windows {
            4 * (150 + draw.below(12_000))
        } else {
            800 + draw.below(60_000)
        },
        integrity_level: if windows {
            "High".to_owned()
        } else {
            String::new()
        },
        // 2 is a full token split from a limited one, 1 the only token that an account has.
        token_elevation_type: match (windows, run_as) {
            (false, _) => 0,
            (true, v1::RunAs::CurrentUser | v1::RunAs::Other) => 2,
            (true, _) => 1,
        },
        logon_id: if windows {
            format!("0x{:x}", 0x3_0000 + draw.below(0xff_ffff))
        } else {
            String::new()
        },
        working_directory: if windows {
            format!(r"C:\Users\{login}")
        } else {
            format!("/home/{login}")
        },
        terminal: if windows {
            String::new()
        } else {
            format!("pts/{}", draw.below(6))
        },
        ..v1::Process::default()
    }
}
