//! Records that are refused for ever: told to the agent, kept as dead letters, and counted.

use epm_event_log::{Entry, EntryKind};
use epm_proto::ids::AgentId;
use epm_proto::v1;
use prost::Message;
use tonic::Code;

use crate::harness::{AGENT, EPOCH, batch_of, collector, open, record, records};

fn reject(sequence: u64, code: v1::RejectCode) -> v1::Reject {
    v1::Reject {
        sequence,
        code: code.into(),
    }
}

fn dead_letters(entries: &[Entry]) -> Vec<v1::RejectedRecord> {
    let rejected = entries
        .iter()
        .filter(|entry| entry.kind == EntryKind::Rejected);
    rejected
        .map(|entry| v1::RejectedRecord::decode(entry.payload.clone()).expect("a dead letter"))
        .collect()
}

#[tokio::test]
async fn each_kind_of_reject_is_told_dead_lettered_and_counted() {
    let directory = tempfile::tempdir().expect("directory");
    let collector = collector(directory.path()).await;
    let (mut stream, _) = open(collector.address, AGENT).await;
    let mut no_schema = record(AGENT, 2);
    no_schema.schema_version = 0;
    let mut huge = record(AGENT, 3);
    huge.tenant_id = "t".repeat(300 << 10);
    let mut other_epoch = record(AGENT, 5);
    other_epoch.epoch = EPOCH + 1;
    let mut hidden = record(AGENT, 6);
    hidden.reporting_scope = v1::ReportingScope::Diagnostic.into();
    hidden.body = Some(v1::record::Body::Elevation(v1::Elevation::default()));
    let of_scope_managed = |sequence, management: v1::Management| {
        let mut record = record(AGENT, sequence);
        record.reporting_scope = v1::ReportingScope::Managed.into();
        record.body = Some(v1::record::Body::Elevation(v1::Elevation {
            management: management.into(),
            ..v1::Elevation::default()
        }));
        record
    };
    let unmanaged = of_scope_managed(7, v1::Management::Unmanaged);
    let managed = of_scope_managed(8, v1::Management::Managed);
    let sent = [
        record(AGENT, 1).encode_to_vec(),
        no_schema.encode_to_vec(),
        huge.encode_to_vec(),
        // Not protobuf: named by its place.
        vec![0xff; 9],
        other_epoch.encode_to_vec(),
        hidden.encode_to_vec(),
        unmanaged.encode_to_vec(),
        managed.encode_to_vec(),
        record(AGENT, 9).encode_to_vec(),
    ];
    stream.send_batch(batch_of(sent.clone())).await;
    let ack = stream.ack().await;
    assert_eq!(ack.durable_before, 10);
    let mut rejects = ack.rejects;
    rejects.sort_by_key(|reject| reject.sequence);
    let expected = [
        reject(2, v1::RejectCode::SchemaUnknown),
        reject(3, v1::RejectCode::TooLarge),
        reject(4, v1::RejectCode::Malformed),
        reject(5, v1::RejectCode::WrongIdentity),
        reject(6, v1::RejectCode::OutOfScope),
        reject(7, v1::RejectCode::OutOfScope),
    ];
    assert_eq!(rejects, expected);
    let mut letters = dead_letters(&collector.entries().await);
    letters.sort_by_key(|letter| letter.sequence);
    assert_eq!(letters.len(), 6);
    for (letter, expected) in letters.iter().zip(expected) {
        assert_eq!(
            (letter.sequence, letter.code),
            (expected.sequence, expected.code)
        );
        assert_eq!(
            (&*letter.agent_id, letter.epoch),
            (&AGENT.as_bytes()[..], EPOCH)
        );
        let whole = &sent[letter.sequence as usize - 1];
        assert_eq!(letter.record_bytes, whole.len() as u64);
        assert_eq!(letter.record, whole[..whole.len().min(64 << 10)]);
    }
    assert_eq!(collector.metric("epm_collector_stored_total"), 3.0);
    assert_eq!(collector.metric("epm_collector_received_total"), 9.0);
    let too_large = "epm_collector_rejected_total{code=\"too_large\"}";
    assert_eq!(collector.metric(too_large), 1.0);
    // What was rejected once is settled.
    stream.send_batch(batch_of(sent)).await;
    assert_eq!(stream.ack().await.rejects, []);
    assert_eq!(collector.entries().await.len(), 9);
    assert_eq!(collector.metric("epm_collector_duplicate_total"), 9.0);
}

#[tokio::test]
async fn records_of_another_agent_do_not_move_that_agents_position() {
    let directory = tempfile::tempdir().expect("directory");
    let collector = collector(directory.path()).await;
    let other = AgentId([9; 16]);
    let (mut stream, _) = open(collector.address, AGENT).await;
    stream
        .send_batch(batch_of([record(other, 1).encode_to_vec()]))
        .await;
    let ack = stream.ack().await;
    assert_eq!(ack.rejects, [reject(1, v1::RejectCode::WrongIdentity)]);
    let (_stream, hello) = open(collector.address, other).await;
    assert_eq!(hello.durable_before, 0);
}

#[tokio::test]
async fn a_stray_never_takes_the_sequence_of_a_record_of_the_batch() {
    let directory = tempfile::tempdir().expect("directory");
    let collector = collector(directory.path()).await;
    let (mut stream, _) = open(collector.address, AGENT).await;
    // It states 2, and 2 is there; its place could be 3 or anything up to 8.
    let stray = record(AgentId([9; 16]), 2).encode_to_vec();
    let sent = [record(AGENT, 1), record(AGENT, 2), record(AGENT, 9)].map(|r| r.encode_to_vec());
    let [one, two, nine] = sent;
    stream.send_batch(batch_of([one, two, stray, nine])).await;
    let ack = stream.ack().await;
    assert_eq!((ack.durable_before, ack.rejects), (3, vec![]));
    assert_eq!(stream.refusal().await.code(), Code::InvalidArgument);
    let entries = collector.entries().await;
    assert_eq!(entries.len(), 4);
    assert_eq!(dead_letters(&entries)[0].sequence, 0);
}

#[tokio::test]
async fn a_batch_of_nothing_readable_is_kept_as_dead_letters_and_ends_the_stream() {
    let directory = tempfile::tempdir().expect("directory");
    let collector = collector(directory.path()).await;
    let (mut stream, _) = open(collector.address, AGENT).await;
    stream
        .send_batch(batch_of([vec![0xff; 9], vec![0xff; 5]]))
        .await;
    let ack = stream.ack().await;
    assert_eq!((ack.durable_before, ack.durable_ranges), (0, vec![]));
    assert_eq!(stream.refusal().await.code(), Code::InvalidArgument);
    let letters = dead_letters(&collector.entries().await);
    assert_eq!(letters.len(), 2);
    assert!(letters.iter().all(|letter| letter.sequence == 0));
    let malformed = "epm_collector_rejected_total{code=\"malformed\"}";
    assert_eq!(collector.metric(malformed), 2.0);
    let (mut stream, _) = open(collector.address, AGENT).await;
    stream.send_batch(records(1..=2)).await;
    assert_eq!(stream.ack().await.durable_before, 3);
}
