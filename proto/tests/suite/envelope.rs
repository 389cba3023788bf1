//! The envelope scan: it names what the decoder would name, refuses what names nothing, and never panics.

use epm_proto::chain::record_hash;
use epm_proto::head::{BodyKind, HeadError, RecordHead};
use epm_proto::ids::{AgentId, EventId, SourceKey};
use epm_proto::v1;
use epm_proto::view::{BodyView, RecordView};
use proptest::prelude::*;
use prost::Message as _;

use crate::draw::any_record;
use crate::samples;

fn refused(change: impl FnOnce(&mut v1::Record)) -> HeadError {
    let mut record = samples::minimal(None);
    change(&mut record);
    RecordHead::scan(&record.encode_to_vec()).expect_err("the record names nothing")
}

#[test]
fn every_released_record_is_named() {
    for (name, record) in samples::records() {
        let bytes = record.encode_to_vec();
        let head = RecordHead::scan(&bytes).expect(name);
        assert_eq!(head.name.agent_id, AgentId(samples::AGENT), "{name}");
        assert_eq!(head.name.epoch.0, record.epoch, "{name}");
        assert_eq!(head.name.sequence.0, record.sequence, "{name}");
        assert_eq!(head.observed_at_us, record.observed_at_us, "{name}");
    }
}

#[test]
fn an_envelope_that_names_nothing_says_what_is_wrong() {
    assert_eq!(
        refused(|record| record.agent_id = vec![1; 15]),
        HeadError::AgentId
    );
    assert_eq!(
        refused(|record| record.agent_id.clear()),
        HeadError::AgentId
    );
    assert_eq!(refused(|record| record.epoch = 0), HeadError::Epoch);
    assert_eq!(refused(|record| record.sequence = 0), HeadError::Sequence);
    assert_eq!(
        refused(|record| record.event_id = vec![1; 17]),
        HeadError::EventId
    );
    assert_eq!(
        refused(|record| record.previous_hash = vec![1; 31]),
        HeadError::PreviousHash
    );
    assert_eq!(
        refused(|record| record.source_event_key = vec![1; 4]),
        HeadError::SourceKey
    );
}

#[test]
fn a_body_of_a_newer_agent_keeps_its_number() {
    let mut record = samples::minimal(None).encode_to_vec();
    record.extend([0xe2, 0x03, 0x00]);
    let head = RecordHead::scan(&record).expect("it is named");
    assert_eq!(head.body, BodyKind::Unknown(60));
}

#[test]
fn a_record_hash_depends_on_every_byte() {
    let record = samples::minimal(None).encode_to_vec();
    let hash = record_hash(&record);
    for at in 0..record.len() {
        let mut other = record.clone();
        other[at] ^= 1;
        assert_ne!(record_hash(&other), hash, "byte {at}");
    }
}

fn parts() -> impl Strategy<Value = Vec<Vec<u8>>> {
    proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..4), 0..5)
}

fn key(parts: &[Vec<u8>]) -> SourceKey {
    SourceKey::derive(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

#[test]
fn a_source_key_tells_where_a_part_ends() {
    assert_ne!(
        SourceKey::derive(&[b"ab", b"c"]),
        SourceKey::derive(&[b"a", b"bc"])
    );
    assert_ne!(
        SourceKey::derive(&[b"ab"]),
        SourceKey::derive(&[b"ab", b""])
    );
    assert_ne!(SourceKey::derive(&[]), SourceKey::derive(&[b""]));
    // Written down: a stored key must be found again by every later version.
    assert_eq!(
        SourceKey::derive(&[b"host", b"Security", b"17"]).to_string(),
        "db83d225-d408-e8d7-ec10-05d74bebbcc8"
    );
}

proptest! {
    #[test]
    fn different_parts_have_different_source_keys(one in parts(), other in parts()) {
        prop_assert_eq!(one == other, key(&one) == key(&other));
    }

    #[test]
    fn the_scan_names_what_the_decoder_reads(mut record in any_record()) {
        record.agent_id.resize(16, 7);
        record.event_id.resize(16, 7);
        record.epoch |= 1;
        record.sequence |= 1;
        let bytes = record.encode_to_vec();
        let scanned = RecordHead::scan(&bytes);
        prop_assert_eq!(
            scanned.is_ok(),
            [0, 32].contains(&record.previous_hash.len()) && [0, 16].contains(&record.source_event_key.len())
        );
        if let Ok(head) = scanned {
            let view = RecordView::decode(&bytes).expect("it reads");
            prop_assert_eq!(head.name.agent_id.as_bytes().as_slice(), view.agent_id);
            prop_assert_eq!((head.name.epoch.0, head.name.sequence.0), (view.epoch, view.sequence));
            prop_assert_eq!(Some(head.event_id), EventId::from_slice(view.event_id));
            prop_assert_eq!(head.previous_hash, view.previous_hash);
            prop_assert_eq!(head.source_key, SourceKey::from_slice(view.source_event_key));
            prop_assert_eq!(head.observed_at_us, view.observed_at_us);
            prop_assert_eq!(head.schema_version, view.schema_version);
            prop_assert_eq!(head.reporting_scope, view.reporting_scope);
            prop_assert_eq!(head.body, match view.body {
                BodyView::Elevation(_) => BodyKind::Elevation,
                BodyView::ElevationExit(_) => BodyKind::ElevationExit,
                BodyView::Heartbeat(_) => BodyKind::Heartbeat,
                BodyView::Loss(_) => BodyKind::Loss,
                BodyView::Unknown => BodyKind::None,
            });
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic_in_the_scan(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = RecordHead::scan(&bytes);
    }

    #[test]
    fn a_flipped_or_cut_record_never_panics_in_the_scan(record in any_record(), at in any::<prop::sample::Index>(), flip in 1_u8..) {
        let mut bytes = record.encode_to_vec();
        prop_assume!(!bytes.is_empty());
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        let _ = RecordHead::scan(&bytes);
        let _ = RecordHead::scan(&bytes[..at]);
    }
}
