//! Messages with every field set, and the least that is valid. Their bytes are in `proto/golden`: never change one,
//! add another.

use epm_proto::batch::BatchBuilder;
use epm_proto::v1;
use epm_proto::v1::record::Body;
use prost::Message as _;

pub(crate) const AGENT: [u8; 16] = [0xa1; 16];
pub(crate) const EPOCH: u64 = 1_767_571_200;
/// 2026-01-05T08:30:00.123456Z.
const OBSERVED_AT_US: i64 = 1_767_601_800_123_456;

/// The least that names a record.
pub(crate) fn minimal(body: Option<Body>) -> v1::Record {
    v1::Record {
        agent_id: AGENT.to_vec(),
        epoch: EPOCH,
        sequence: 1,
        event_id: vec![0xe1; 16],
        observed_at_us: OBSERVED_AT_US,
        schema_version: 1,
        body,
        ..v1::Record::default()
    }
}

/// Every field of the envelope.
pub(crate) fn full(body: Body) -> v1::Record {
    v1::Record {
        agent_id: AGENT.to_vec(),
        epoch: EPOCH,
        sequence: 4711,
        previous_hash: (0..32).collect(),
        event_id: vec![0xe2; 16],
        observed_at_us: OBSERVED_AT_US,
        monotonic_us: 86_400_000_001,
        boot_id: vec![0xb0; 16],
        schema_version: 1,
        reporting_scope: v1::ReportingScope::All.into(),
        source_event_key: vec![0x5e; 16],
        tenant_id: "contoso".into(),
        device_id: "0f7c".into(),
        agent_version: "0.1.0".into(),
        body: Some(body),
    }
}

/// An elevation with every field.
pub(crate) fn elevation() -> v1::Elevation {
    v1::Elevation {
        outcome: v1::Outcome::Elevated.into(),
        management: v1::Management::Managed.into(),
        decision_source: v1::DecisionSource::Rule.into(),
        elevation_type: v1::ElevationType::UserConfirmed.into(),
        trigger: v1::Trigger::RunWithElevatedAccess.into(),
        run_as: v1::RunAs::VirtualAccount.into(),
        sensor: v1::SensorKind::Broker.into(),
        account_class: v1::AccountClass::Person.into(),
        result_code: Some(-1_073_741_510),
        duration_ms: Some(5300),
        reason: "nothing else would do".into(),
        validated_justification: true,
        validated_authentication: true,
        user: Some(user()),
        device: Some(v1::Device {
            device_name: "PC-0001".into(),
            join_type: "hybrid".into(),
            os_build: "10.0.26100.2314".into(),
        }),
        file: Some(file()),
        process: Some(process()),
        policy: Some(policy()),
        justification: "Ich brauche Zugriff auf den Drucker – größer als 7 µm".into(),
        repeat_count: 3,
    }
}

fn user() -> v1::User {
    v1::User {
        user_id: "S-1-5-21-1-2-3-1001".into(),
        upn: "ada@contoso.example".into(),
        user_name_raw: "CONTOSO\\ada".into(),
        user_type: v1::UserType::Hybrid.into(),
        is_local_admin: Some(false),
        target_user_name: "PC-0001\\virtual".into(),
        target_user_id: "S-1-5-94-1".into(),
    }
}

fn file() -> v1::File {
    v1::File {
        path: "C:\\Program Files\\Tool\\setup.exe".into(),
        file_name: "setup.exe".into(),
        sha256: vec![0xf1; 32],
        size_bytes: 5_000_000_000,
        publisher_subject: "CN=Tool Ltd, O=Tool Ltd, C=GB".into(),
        certificate_thumbprint: "ab12".into(),
        certificate_issuer: "CN=Issuing CA".into(),
        certificate_not_after_us: 1_900_000_000_000_000,
        signature_status: v1::SignatureStatus::Valid.into(),
        product_name: "Tool".into(),
        internal_name: "tool-setup".into(),
        file_description: "Tool installer".into(),
        file_version: "3.1.4.1592".into(),
        company_name: "Tool Ltd".into(),
        arguments: "/quiet /log \"c:\\a b\"".into(),
        path_writable_by_user: Some(true),
        is_network_path: Some(false),
        mark_of_the_web: Some(true),
        original_file_name: "SETUP.EXE".into(),
        other_hashes: "MD5=00,IMPHASH=11".into(),
    }
}

fn process() -> v1::Process {
    v1::Process {
        pid: 4242,
        process_type: v1::ProcessType::Child.into(),
        parent_path: "C:\\Windows\\explorer.exe".into(),
        parent_sha256: vec![0xf2; 32],
        parent_event_id: vec![0xe3; 16],
        child_policy: "deny".into(),
        system_initiated: Some(false),
        background: Some(true),
        parent_pid: 808,
        integrity_level: "High".into(),
        token_elevation_type: 2,
        logon_id: "0x3e7".into(),
        working_directory: "C:\\Users\\ada".into(),
        terminal: "pts/3".into(),
        process_guid: "{8F7A}".into(),
        parent_arguments: "/factory".into(),
    }
}

fn policy() -> v1::Policy {
    v1::Policy {
        policy_id: "policy-1".into(),
        policy_name: "Tools".into(),
        policy_version: "12".into(),
        rule_id: "rule-9".into(),
        rule_name: "Tool installers".into(),
        rule_target: v1::RuleTarget::Device.into(),
        candidate_rule_ids: vec!["rule-9".into(), "rule-2".into()],
        deciding_step: "more_attributes".into(),
        attribute_score: 7,
    }
}

/// The end of an elevation with every field.
pub(crate) fn elevation_exit() -> v1::ElevationExit {
    v1::ElevationExit {
        start_key: vec![0x5e; 16],
        start_observed_at_us: OBSERVED_AT_US,
        result_code: Some(137),
        duration_ms: Some(0),
        signal: "KILL".into(),
    }
}

/// A heartbeat with every field.
pub(crate) fn heartbeat() -> v1::Heartbeat {
    let sensor = |sensor: v1::SensorKind, state: v1::SensorState, detail: &str| v1::SensorHealth {
        sensor: sensor.into(),
        state: state.into(),
        detail: detail.into(),
    };
    v1::Heartbeat {
        spool_records: 12,
        spool_bytes: 9_000,
        oldest_unsent_us: OBSERVED_AT_US - 1,
        drops: vec![
            v1::DropCount {
                reason: v1::LossReason::Evicted.into(),
                records: 5,
            },
            v1::DropCount {
                reason: v1::LossReason::DiskFull.into(),
                records: 1,
            },
        ],
        clock_offset_ms: -1500,
        device_name: "PC-0001".into(),
        os_version: "Windows 11 24H2".into(),
        policy_revision: "sha256:77".into(),
        sensors: vec![
            sensor(v1::SensorKind::Security4688, v1::SensorState::Running, ""),
            sensor(v1::SensorKind::Sysmon1, v1::SensorState::Failing, "no log"),
        ],
        effective_scope: v1::ReportingScope::Managed.into(),
        started_at_us: OBSERVED_AT_US as u64,
        interval_s: 300,
        ..v1::Heartbeat::default()
    }
}

/// A heartbeat that tells of a transition.
pub(crate) fn transition() -> v1::Heartbeat {
    v1::Heartbeat {
        life_cycle: Some(v1::LifeCycle {
            state: v1::LifeCycleState::Disabled.into(),
            since_us: OBSERVED_AT_US,
            removal_us: OBSERVED_AT_US + 7 * 24 * 3_600_000_000,
            before: v1::LifeCycleState::Active.into(),
        }),
        applicability: Some(v1::Applicability {
            applicable: false,
            reason: "Windows 10 20H2 is no longer supported".into(),
            join_type: "workplace".into(),
            management_authority: "intune".into(),
            architecture: "x86_64".into(),
        }),
        ..heartbeat()
    }
}

/// A loss with every field.
pub(crate) fn loss() -> v1::Loss {
    v1::Loss {
        reason: v1::LossReason::Corrupt.into(),
        lost_epoch: EPOCH - 1,
        first_sequence: 10,
        last_sequence: 99,
        counts: vec![
            v1::LossCount {
                record_class: v1::RecordClass::Unmanaged.into(),
                records: 80,
            },
            v1::LossCount {
                record_class: v1::RecordClass::Decision.into(),
                records: 10,
            },
        ],
        detail: "segment 3".into(),
    }
}

/// Every released shape of a record, by the name of its golden file.
pub(crate) fn records() -> Vec<(&'static str, v1::Record)> {
    vec![
        ("record-without-body", minimal(None)),
        (
            "elevation-minimal",
            minimal(Some(Body::Elevation(v1::Elevation::default()))),
        ),
        ("elevation-full", full(Body::Elevation(elevation()))),
        (
            "elevation-exit-minimal",
            minimal(Some(Body::ElevationExit(v1::ElevationExit::default()))),
        ),
        (
            "elevation-exit-full",
            full(Body::ElevationExit(elevation_exit())),
        ),
        (
            "heartbeat-minimal",
            minimal(Some(Body::Heartbeat(v1::Heartbeat::default()))),
        ),
        ("heartbeat-full", full(Body::Heartbeat(heartbeat()))),
        (
            "loss-minimal",
            minimal(Some(Body::Loss(v1::Loss::default()))),
        ),
        ("loss-full", full(Body::Loss(loss()))),
    ]
}

/// A batch of every sample record.
pub(crate) fn batch(compression: v1::Compression) -> v1::Batch {
    let mut batch = BatchBuilder::default();
    for (_, record) in records() {
        batch.push(&record.encode_to_vec());
    }
    batch.finish(EPOCH, compression, v1::Lane::Backlog)
}

pub(crate) fn client_hello() -> v1::AgentMessage {
    v1::AgentMessage {
        message: Some(v1::agent_message::Message::Hello(v1::ClientHello {
            agent_id: AGENT.to_vec(),
            epoch: EPOCH,
            first_sequence: 17,
            next_sequence: 4712,
            boot_id: vec![0xb0; 16],
            agent_version: "0.1.0".into(),
            schema_version: 1,
            policy_revision: "sha256:77".into(),
            device_time_us: OBSERVED_AT_US,
        })),
    }
}

pub(crate) fn server_hello() -> v1::CollectorMessage {
    v1::CollectorMessage {
        message: Some(v1::collector_message::Message::Hello(v1::ServerHello {
            durable_before: 17,
            durable_ranges: ranges(),
            limits: Some(v1::Limits {
                max_in_flight_bytes: 8 << 20,
                max_record_bytes: 256 << 10,
                max_batch_bytes: 1 << 20,
                max_batch_records: 4096,
            }),
            delay_ms: 250,
            server_time_us: OBSERVED_AT_US + 1_500_000,
            takes_policy_echoes: false,
        })),
    }
}

/// Of a collector that takes echoes of policies.
pub(crate) fn server_hello_for_policies() -> v1::CollectorMessage {
    v1::CollectorMessage {
        message: Some(v1::collector_message::Message::Hello(v1::ServerHello {
            takes_policy_echoes: true,
            ..v1::ServerHello::default()
        })),
    }
}

pub(crate) fn policy_bundle() -> v1::CollectorMessage {
    v1::CollectorMessage {
        message: Some(v1::collector_message::Message::PolicyBundle(
            v1::PolicyBundle {
                envelope: br#"{"payload":"e30=","payloadType":"text/plain","signatures":[]}"#
                    .to_vec(),
            },
        )),
    }
}

pub(crate) fn policy_echo() -> v1::AgentMessage {
    v1::AgentMessage {
        message: Some(v1::agent_message::Message::PolicyEcho(v1::PolicyEcho {
            state: v1::PolicyState::Refused.into(),
            version: 12,
            sha256: vec![0x5a; 32],
            rules: 240,
            at_us: OBSERVED_AT_US,
            detail: "policy version 11 is older than 12".into(),
        })),
    }
}

pub(crate) fn enrol_request() -> v1::EnrolRequest {
    v1::EnrolRequest {
        token: "a token".into(),
        signing_request: vec![0x30; 24],
        agent_id: AGENT.to_vec(),
        tags: vec!["finance".into(), "berlin".into()],
        agent_version: "0.1.0".into(),
    }
}

pub(crate) fn renew_request() -> v1::RenewRequest {
    v1::RenewRequest {
        signing_request: vec![0x30; 24],
    }
}

pub(crate) fn credentials() -> v1::Credentials {
    v1::Credentials {
        chain: vec![vec![0x31; 20], vec![0x32; 20]],
        authorities: vec![vec![0x33; 20]],
        agent_id: AGENT.to_vec(),
    }
}

pub(crate) fn ack() -> v1::CollectorMessage {
    v1::CollectorMessage {
        message: Some(v1::collector_message::Message::Ack(v1::Ack {
            epoch: EPOCH,
            durable_before: 4000,
            durable_ranges: ranges(),
            rejects: vec![v1::Reject {
                sequence: 4001,
                code: v1::RejectCode::WrongIdentity.into(),
            }],
            delay_ms: 1000,
        })),
    }
}

pub(crate) fn rejected() -> v1::RejectedRecord {
    v1::RejectedRecord {
        agent_id: AGENT.to_vec(),
        epoch: EPOCH,
        sequence: 4001,
        code: v1::RejectCode::TooLarge.into(),
        record: vec![0xff; 40],
        record_bytes: 1 << 20,
    }
}

fn ranges() -> Vec<v1::SequenceRange> {
    vec![
        v1::SequenceRange {
            first: 4100,
            last: 4200,
        },
        v1::SequenceRange {
            first: 4300,
            last: 4300,
        },
    ]
}
