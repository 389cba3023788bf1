//! Two decoders of one format: the borrowed one must read what prost reads, and neither may fall over.

use epm_proto::v1;
use epm_proto::v1::record::Body;
use epm_proto::view::{
    ApplicabilityView, BodyView, DeviceView, DropCountView, ElevationExitView, ElevationView,
    FileView, HeartbeatView, LifeCycleView, LossCountView, LossView, PolicyView, ProcessView,
    RecordView, SensorHealthView, UserView,
};
use proptest::prelude::*;
use prost::Message as _;

use crate::draw::any_record;
use crate::samples;

macro_rules! view {
    ($view:ident of $message:expr; borrowed $($borrowed:ident)*; copied $($copied:ident)*; $($field:ident: $value:expr,)*) => {
        $view {
            $($borrowed: &$message.$borrowed,)*
            $($copied: $message.$copied,)*
            $($field: $value,)*
            borrow: std::marker::PhantomData,
        }
    };
}

fn view_of(record: &v1::Record) -> RecordView<'_> {
    RecordView {
        agent_id: &record.agent_id,
        epoch: record.epoch,
        sequence: record.sequence,
        previous_hash: &record.previous_hash,
        event_id: &record.event_id,
        observed_at_us: record.observed_at_us,
        monotonic_us: record.monotonic_us,
        boot_id: &record.boot_id,
        schema_version: record.schema_version,
        reporting_scope: record.reporting_scope,
        source_event_key: &record.source_event_key,
        tenant_id: &record.tenant_id,
        device_id: &record.device_id,
        agent_version: &record.agent_version,
        body: match &record.body {
            None => BodyView::Unknown,
            Some(Body::Elevation(body)) => BodyView::Elevation(elevation(body)),
            Some(Body::ElevationExit(body)) => {
                BodyView::ElevationExit(view!(ElevationExitView of body; borrowed start_key signal;
                    copied start_observed_at_us result_code duration_ms;))
            }
            Some(Body::Heartbeat(body)) => BodyView::Heartbeat(heartbeat(body)),
            Some(Body::Loss(body)) => BodyView::Loss(loss(body)),
        },
    }
}

fn elevation(body: &v1::Elevation) -> ElevationView<'_> {
    view!(ElevationView of body; borrowed reason justification;
        copied outcome management decision_source elevation_type trigger run_as sensor account_class result_code
            duration_ms validated_justification validated_authentication repeat_count;
        user: body.user.as_ref().map(user).unwrap_or_default(),
        device: body.device.as_ref().map(device).unwrap_or_default(),
        file: body.file.as_ref().map(file).unwrap_or_default(),
        process: body.process.as_ref().map(process).unwrap_or_default(),
        policy: body.policy.as_ref().map(policy).unwrap_or_default(),
    )
}

fn user(user: &v1::User) -> UserView<'_> {
    view!(UserView of user; borrowed user_id upn user_name_raw target_user_name target_user_id;
        copied user_type is_local_admin;)
}

fn device(device: &v1::Device) -> DeviceView<'_> {
    view!(DeviceView of device; borrowed device_name join_type os_build; copied;)
}

fn file(file: &v1::File) -> FileView<'_> {
    view!(FileView of file;
        borrowed path file_name sha256 publisher_subject certificate_thumbprint certificate_issuer product_name
            internal_name file_description file_version company_name arguments original_file_name other_hashes;
        copied size_bytes certificate_not_after_us signature_status path_writable_by_user is_network_path
            mark_of_the_web;)
}

fn process(process: &v1::Process) -> ProcessView<'_> {
    view!(ProcessView of process;
        borrowed parent_path parent_sha256 parent_event_id child_policy integrity_level logon_id working_directory
            terminal process_guid parent_arguments;
        copied pid process_type system_initiated background parent_pid token_elevation_type;)
}

fn policy(policy: &v1::Policy) -> PolicyView<'_> {
    view!(PolicyView of policy; borrowed policy_id policy_name policy_version rule_id rule_name deciding_step;
        copied rule_target attribute_score;
        candidate_rule_ids: policy.candidate_rule_ids.iter().map(String::as_str).collect(),
    )
}

fn heartbeat(body: &v1::Heartbeat) -> HeartbeatView<'_> {
    let drop =
        |drop: &v1::DropCount| view!(DropCountView of drop; borrowed; copied reason records;);
    view!(HeartbeatView of body; borrowed device_name os_version policy_revision;
        copied spool_records spool_bytes oldest_unsent_us clock_offset_ms effective_scope started_at_us interval_s;
        life_cycle: body.life_cycle.as_ref().map(life_cycle).unwrap_or_default(),
        applicability: body.applicability.as_ref().map(applicability).unwrap_or_default(),
        drops: body.drops.iter().map(drop).collect(),
        sensors: body.sensors.iter().map(sensor).collect(),
    )
}

fn life_cycle(of: &v1::LifeCycle) -> LifeCycleView<'_> {
    view!(LifeCycleView of of; borrowed; copied state since_us removal_us before;)
}

fn applicability(of: &v1::Applicability) -> ApplicabilityView<'_> {
    view!(ApplicabilityView of of; borrowed reason join_type management_authority architecture; copied applicable;)
}

fn sensor(sensor: &v1::SensorHealth) -> SensorHealthView<'_> {
    view!(SensorHealthView of sensor; borrowed detail; copied sensor state;)
}

fn loss(body: &v1::Loss) -> LossView<'_> {
    let count = |count: &v1::LossCount| view!(LossCountView of count; borrowed; copied record_class records;);
    view!(LossView of body; borrowed detail; copied reason lost_epoch first_sequence last_sequence;
        counts: body.counts.iter().map(count).collect(),
    )
}

proptest! {
    #[test]
    fn the_borrowed_decoder_reads_what_prost_reads(record in any_record()) {
        let bytes = record.encode_to_vec();
        let read = v1::Record::decode(bytes.as_slice()).expect("prost reads what it wrote");
        prop_assert_eq!(&read, &record);
        prop_assert_eq!(RecordView::decode(&bytes), Ok(view_of(&record)));
    }

    // Protobuf: encodings written one after the other read as the merge of both messages.
    #[test]
    fn two_records_in_a_row_merge_as_prost_merges_them(first in any_record(), second in any_record()) {
        let mut bytes = first.encode_to_vec();
        bytes.extend(second.encode_to_vec());
        let merged = v1::Record::decode(bytes.as_slice()).expect("prost reads a merge");
        prop_assert_eq!(RecordView::decode(&bytes), Ok(view_of(&merged)));
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_never_read_more_than_prost(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(view) = RecordView::decode(&bytes) {
            let record = v1::Record::decode(bytes.as_slice());
            prop_assert_eq!(record.as_ref().map(view_of), Ok(view));
        }
    }

    #[test]
    fn a_record_cut_short_or_flipped_never_panics(record in any_record(), cut in any::<prop::sample::Index>(), flip in 1_u8..) {
        let mut bytes = record.encode_to_vec();
        prop_assume!(!bytes.is_empty());
        let at = cut.index(bytes.len());
        bytes[at] ^= flip;
        let _ = RecordView::decode(&bytes);
        let _ = RecordView::decode(&bytes[..at]);
    }
}

#[test]
fn every_field_of_every_body_is_read() {
    for (name, record) in samples::records() {
        let bytes = record.encode_to_vec();
        assert_eq!(RecordView::decode(&bytes), Ok(view_of(&record)), "{name}");
    }
}

#[test]
fn fields_and_values_of_a_newer_agent_are_passed_over() {
    let mut newer = samples::elevation();
    newer.outcome = 4711;
    newer.sensor = -1;
    let mut record = samples::full(Body::Elevation(newer.clone())).encode_to_vec();
    // Field 20 as varint, 21 as eight bytes, 22 as text, 23 as four bytes, and body 60.
    record.extend([0xa0, 0x01, 0x07]);
    record.extend([0xa9, 0x01, 1, 2, 3, 4, 5, 6, 7, 8]);
    record.extend([0xb2, 0x01, 0x03, b'n', b'e', b'w']);
    record.extend([0xbd, 0x01, 1, 2, 3, 4]);
    record.extend([0xe2, 0x03, 0x00]);
    let view = RecordView::decode(&record).expect("it reads");
    let BodyView::Elevation(body) = view.body else {
        panic!("the body is an elevation")
    };
    assert_eq!((body.outcome, body.sensor), (4711, -1));
    assert_eq!(body, elevation(&newer));
}

#[test]
fn a_known_field_of_another_type_is_refused() {
    // Epoch as text.
    assert!(RecordView::decode(&[0x12, 0x01, 0x31]).is_err());
    // Tenant that is not UTF-8.
    assert!(RecordView::decode(&[0x62, 0x01, 0xff]).is_err());
}
