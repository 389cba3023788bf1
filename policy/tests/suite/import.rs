//! Exports of the settings catalogue: what they hold becomes policies, and what has no place is told. The documents are
//! written here after the ids in `domain.md` §1.1 and §2.1.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use epm_policy::import::{ImportError, Imported, Note, NoteReason, import};
use epm_policy::validate::validate;
use epm_policy::{
    Audience, Certificate, CertificateType, ChildBehaviour, DefaultResponse, ElevationType,
    FileVersion, PolicySet, ReportingScope, Rule, SignatureSource, Thumbprint, Validation,
};
use serde_json::{Value, json};
use sha2::Digest as _;

use crate::dice::Dice;

const RULE: &str =
    "device_vendor_msft_policy_privilegemanagement_elevationrules_{elevationrulename}";
const SETTINGS: &str = "device_vendor_msft_policy_elevationclientsettings";
const HASH: &str = "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08";

fn text(id: &str, value: &str) -> Value {
    json!({
        "@odata.type": "#microsoft.graph.deviceManagementConfigurationSimpleSettingInstance",
        "settingDefinitionId": format!("{RULE}_{id}"),
        "simpleSettingValue": {"value": value},
    })
}

fn choice(id: &str, value: &str, children: Vec<Value>) -> Value {
    json!({
        "@odata.type": "#microsoft.graph.deviceManagementConfigurationChoiceSettingInstance",
        "settingDefinitionId": format!("{RULE}_{id}"),
        "choiceSettingValue": {"value": format!("{RULE}_{value}"), "children": children},
    })
}

fn choices(id: &str, values: &[&str]) -> Value {
    let value = |value: &&str| json!({"value": format!("{RULE}_{value}"), "children": []});
    json!({
        "settingDefinitionId": format!("{RULE}_{id}"),
        "choiceSettingCollectionValue": values.iter().map(value).collect::<Vec<_>>(),
    })
}

/// An exported policy whose rules have these settings.
fn rules_export(rules: Vec<Vec<Value>>) -> Value {
    let rules = rules
        .into_iter()
        .map(|children| json!({"children": children}));
    json!({
        "id": "11111111-2222-3333-4444-555555555555",
        "name": "Engineering",
        "description": "Rules of engineers",
        "technologies": "mdm,endpointPrivilegeManagement",
        "settings": [{
            "id": "0",
            "settingInstance": {
                "settingDefinitionId": RULE,
                "groupSettingCollectionValue": rules.collect::<Vec<_>>(),
            },
        }],
    })
}

/// Settings of a rule that is valid.
fn full() -> Vec<Value> {
    vec![
        text("name", "Network tool"),
        text("description", "For field work"),
        choice("appliesto", "allusers", vec![]),
        choice(
            "ruletype",
            "self",
            vec![choices(
                "ruletype_validation",
                &["ruletype_validation_0", "ruletype_validation_1"],
            )],
        ),
        choice("childprocessbehavior", "allowrunelevated", vec![]),
        text("filename", "NetTool.exe"),
        text("filepath", "C:\\Program Files\\Contoso"),
        text("filehash", HASH),
        text("fileversion", "3.1.0.0"),
        text("filedescription", "Contoso network tool"),
        text("productname", "Contoso"),
        text("internalname", "nettool"),
        choice(
            "signaturesource",
            "signaturesource_0",
            vec![
                text(
                    "certificatepayloadwithreusablesetting",
                    "aaaaaaaa-0000-0000-0000-000000000001",
                ),
                choice("certificatetype", "issuingauthority", vec![]),
            ],
        ),
    ]
}

/// Bytes that begin as a certificate does.
fn der() -> Vec<u8> {
    let mut der = vec![0x30, 0x82, 0x01, 0x00];
    der.extend(0..=255);
    der
}

fn pem() -> String {
    let body = BASE64_STANDARD.encode(der());
    let (one, other) = body.split_at(64);
    format!("-----BEGIN CERTIFICATE-----\r\n{one}\r\n{other}\r\n-----END CERTIFICATE-----\r\n")
}

fn group_export(value: &str) -> Value {
    let id = "device_vendor_msft_policy_privilegemanagement_reusablesettings_certificatefile";
    json!({
        "id": "aaaaaaaa-0000-0000-0000-000000000001",
        "displayName": "Contoso CA",
        "settingDefinitionId": id,
        "settingInstance": {"settingDefinitionId": id, "simpleSettingValue": {"value": value}},
    })
}

fn imported(export: &Value) -> Imported {
    import(export.to_string().as_bytes()).unwrap()
}

fn rule(settings: Vec<Value>) -> (Rule, Vec<Note>) {
    let mut imported = imported(&rules_export(vec![settings]));
    (imported.policies.rules[0].rules.remove(0), imported.notes)
}

#[test]
fn every_attribute_of_an_exported_rule_is_taken_over() {
    let Imported { policies, notes } =
        imported(&json!([rules_export(vec![full()]), group_export(&pem())]));
    assert_eq!(notes, []);
    let policy = &policies.rules[0];
    assert_eq!(policy.id.as_str(), "11111111-2222-3333-4444-555555555555");
    assert_eq!(
        (policy.name.as_str(), policy.description.as_str()),
        ("Engineering", "Rules of engineers")
    );
    let rule = &policy.rules[0];
    assert_eq!(
        rule.id.as_str(),
        "11111111-2222-3333-4444-555555555555/Network tool"
    );
    assert_eq!(
        (rule.name.as_str(), rule.description.as_str()),
        ("Network tool", "For field work")
    );
    assert_eq!(rule.elevation_type, ElevationType::UserConfirmed);
    let both = Validation {
        business_justification: true,
        authentication: true,
    };
    assert_eq!(rule.validation, both);
    assert_eq!(rule.child_behaviour, ChildBehaviour::AllowAll);
    let detection = &rule.detection;
    assert_eq!(detection.file_name, "NetTool.exe");
    assert_eq!(
        detection.file_path.as_deref(),
        Some("C:\\Program Files\\Contoso")
    );
    assert_eq!(
        detection.file_hash.unwrap().to_string(),
        HASH.to_lowercase()
    );
    assert_eq!(detection.minimum_version, Some(FileVersion([3, 1, 0, 0])));
    assert_eq!(
        detection.file_description.as_deref(),
        Some("Contoso network tool")
    );
    assert_eq!(detection.product_name.as_deref(), Some("Contoso"));
    assert_eq!(detection.internal_name.as_deref(), Some("nettool"));
    let reusable = SignatureSource::Reusable {
        certificate_type: Some(CertificateType::IssuingAuthority),
        group: Some("aaaaaaaa-0000-0000-0000-000000000001".into()),
    };
    assert_eq!(detection.signature, reusable);
    assert!(validate(&policies).is_ok());
    assert!(PolicySet::new(policies).is_ok());
}

#[test]
fn the_five_types_and_the_three_behaviours_are_known() {
    for (value, expected) in [
        ("self", ElevationType::UserConfirmed),
        ("userconfirmeduser", ElevationType::CurrentUser),
        ("supportarbitrated", ElevationType::SupportApproved),
        ("automatic", ElevationType::Automatic),
        ("deny", ElevationType::Deny),
    ] {
        let (rule, notes) = rule(vec![choice("ruletype", value, vec![])]);
        assert_eq!((rule.elevation_type, notes.len()), (expected, 0));
    }
    for (value, expected) in [
        ("allowrunelevatedrulerequired", ChildBehaviour::RequireRule),
        ("deny", ChildBehaviour::DenyAll),
        ("allowrunelevated", ChildBehaviour::AllowAll),
    ] {
        let (rule, notes) = rule(vec![choice("childprocessbehavior", value, vec![])]);
        assert_eq!((rule.child_behaviour, notes.len()), (expected, 0));
    }
}

#[test]
fn a_certificate_is_known_by_its_thumbprint_however_it_was_encoded() {
    let digest: [u8; 32] = sha2::Sha256::digest(der()).into();
    let expected = SignatureSource::Uploaded {
        certificate_type: Some(CertificateType::Publisher),
        certificate: Some(Certificate {
            thumbprint: Some(Thumbprint::Sha256(digest)),
            ..Certificate::default()
        }),
    };
    for value in [
        pem(),
        BASE64_STANDARD.encode(der()),
        BASE64_STANDARD.encode(pem()),
    ] {
        let (rule, notes) = rule(vec![choice(
            "signaturesource",
            "signaturesource_1",
            vec![
                choice("certificatetype", "publisher", vec![]),
                text("certificatefileupload", &value),
            ],
        )]);
        assert_eq!(notes, []);
        assert_eq!(rule.detection.signature, expected);
    }
}

#[test]
fn what_has_no_place_is_told_with_policy_rule_and_setting() {
    let (rule, notes) = rule(vec![
        text("name", "Odd"),
        text("unheardof", "x"),
        text("filehash", "abc"),
        text("fileversion", "3.1"),
        choice("ruletype", "unheardof", vec![]),
        choice("appliesto", "someusers", vec![]),
        choice("childprocessbehavior", "sometimes", vec![]),
        text("certificatefileupload", "!"),
    ]);
    assert_eq!(rule.name, "Odd");
    let settings: Vec<&str> = notes.iter().map(|note| note.setting.as_str()).collect();
    let expected = [
        "unheardof",
        "filehash",
        "fileversion",
        "ruletype",
        "appliesto",
        "childprocessbehavior",
        "certificatefileupload",
    ];
    assert_eq!(settings, expected);
    assert!(
        notes
            .iter()
            .all(|note| note.policy == "Engineering" && note.rule.as_deref() == Some("Odd"))
    );
    assert_eq!(notes[0].reason, NoteReason::UnknownSetting);
    assert_eq!(
        notes[3].reason,
        NoteReason::UnknownValue("unheardof".to_owned())
    );
    assert_eq!(
        notes[2].to_string(),
        "policy \"Engineering\", rule \"Odd\": fileversion: a version has four numbers from 0 to 65535, as in 1.2.3.4, \
         and not \"3.1\"; give it by hand"
    );
}

#[test]
fn a_justification_for_elevation_as_current_user_is_told_and_credentials_are_not() {
    let current = |children| rule(vec![choice("ruletype", "userconfirmeduser", children)]).1;
    let credentials = choices(
        "ruletype_userconfirmeduservalidation",
        &["ruletype_userconfirmeduservalidation_0"],
    );
    assert_eq!(current(vec![credentials]), []);
    let justification = choices(
        "ruletype_userconfirmeduservalidation_2",
        &["ruletype_userconfirmeduservalidation_2_0"],
    );
    let notes = current(vec![justification]);
    assert_eq!(notes[0].reason, NoteReason::AlwaysAuthenticates);
}

fn setting(id: &str, value: u8, children: Vec<Value>) -> Value {
    json!({
        "settingDefinitionId": format!("{SETTINGS}_{id}"),
        "choiceSettingValue": {"value": format!("{SETTINGS}_{id}_{value}"), "children": children},
    })
}

/// An exported settings policy, in the capitals that one backup tool writes.
fn settings_export(children: Vec<Value>) -> Value {
    json!({
        "Id": "settings",
        "Name": "Everybody",
        "Settings": [{"SettingInstance": setting("enableepm", 1, children)}],
        "Assignments": [
            {"Target": {"@odata.type": "#microsoft.graph.allDevicesAssignmentTarget"}},
            {"Target": {"@odata.type": "#microsoft.graph.groupAssignmentTarget", "groupId": "g"}},
            {"Target": {"@odata.type": "#microsoft.graph.exclusionGroupAssignmentTarget", "groupId": "x"}},
        ],
    })
}

#[test]
fn every_elevation_setting_is_taken_over() {
    let validation = "device_vendor_msft_policy_privilegemanagement_elevationclientsettings_defaultelevationresponse_validation";
    let validation = json!({
        "settingDefinitionId": validation,
        "choiceSettingCollectionValue": [{"value": format!("{validation}_0"), "children": []}],
    });
    let export = settings_export(vec![
        setting("defaultelevationresponse", 1, vec![validation]),
        setting("allowelevationdetection", 1, vec![]),
        setting("senddata", 1, vec![setting("reportingscope", 1, vec![])]),
    ]);
    let Imported { policies, notes } = imported(&json!({"value": [export]}));
    assert_eq!(notes, []);
    let settings = &policies.settings[0];
    assert_eq!(
        (settings.id.as_str(), settings.name.as_str()),
        ("settings", "Everybody")
    );
    assert_eq!(settings.enabled, Some(true));
    assert_eq!(
        settings.default_response,
        Some(DefaultResponse::UserConfirmation)
    );
    assert!(settings.default_validation.unwrap().business_justification);
    assert_eq!(settings.elevation_detection, Some(true));
    assert_eq!(settings.send_data, Some(true));
    assert_eq!(settings.reporting_scope, Some(ReportingScope::Managed));
    let include = [
        Audience::AllDevices,
        Audience::UserGroup("g".into()),
        Audience::DeviceGroup("g".into()),
    ];
    assert_eq!(settings.assignment.include, include);
    assert_eq!(settings.assignment.exclude.len(), 2);
}

#[test]
fn values_of_settings_that_are_not_known_are_told() {
    let export = settings_export(vec![
        setting("defaultelevationresponse", 9, vec![]),
        setting("unheardof", 1, vec![]),
    ]);
    let reasons: Vec<NoteReason> = imported(&export)
        .notes
        .into_iter()
        .map(|note| note.reason)
        .collect();
    let value = NoteReason::UnknownValue("defaultelevationresponse_9".to_owned());
    assert_eq!(reasons, [value, NoteReason::UnknownSetting]);
}

#[test]
fn a_policy_about_something_else_is_told_and_passed_over() {
    let other = json!({"name": "Firewall", "settings": [{"settingInstance": {"settingDefinitionId": "firewall"}}]});
    let Imported { policies, notes } = imported(&other);
    assert!(policies.rules.is_empty() && policies.settings.is_empty());
    assert_eq!(notes[0].reason, NoteReason::OtherPolicy);
}

#[test]
fn what_is_no_export_is_refused() {
    assert!(matches!(import(b"no"), Err(ImportError::NotJson(_))));
    for nothing in ["{}", "[]", "3", "{\"value\": []}", "{\"settings\": []}"] {
        assert!(
            matches!(import(nothing.as_bytes()), Err(ImportError::NoPolicy)),
            "{nothing}"
        );
    }
    let marked = [
        b"\xef\xbb\xbf",
        rules_export(vec![full()]).to_string().as_bytes(),
    ]
    .concat();
    assert!(import(&marked).is_ok(), "a byte order mark in front");
}

#[test]
fn whatever_is_changed_in_an_export_it_is_read_or_refused_and_nothing_breaks() {
    let export = json!([rules_export(vec![full(), full()]), group_export(&pem())]).to_string();
    for seed in 0..5_000 {
        let dice = &mut Dice::new(seed);
        let mut bytes = export.clone().into_bytes();
        for _ in 0..1 + dice.below(6) {
            let at = dice.below(bytes.len());
            match dice.below(3) {
                0 => bytes[at] = u8::try_from(dice.below(256)).unwrap(),
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, dice.choose(b"{}[]:,\"01n")),
            }
        }
        if let Ok(imported) = import(&bytes) {
            let _ = validate(&imported.policies);
            assert!(
                imported
                    .notes
                    .iter()
                    .all(|note| !note.to_string().is_empty())
            );
        }
    }
}
