//! Decides the fate of each record of an opened batch from its envelope: append, known already, or rejected for ever.
//!
//! It must not decode a body, must not do IO, and must not copy a record that is admitted.

use bytes::Bytes;
use epm_event_log::{EntryKind, NewEntry};
use epm_proto::batch::records;
use epm_proto::head::{BodyKind, RecordHead, stated_sequence};
use epm_proto::ids::{AgentId, Epoch};
use epm_proto::v1;
use prost::Message;

use crate::metrics::Counts;
use crate::ranges::RangeSet;

/// Bytes of a rejected record that are kept: enough to see what it was.
const MAX_DEAD_LETTER_BYTES: usize = 64 << 10;

/// Whose batch it is, and what is allowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender {
    pub(crate) agent_id: AgentId,
    pub(crate) epoch: Epoch,
    pub(crate) max_record_bytes: u32,
}

/// A batch whose records' fates are known.
#[derive(Debug, Default)]
pub(crate) struct Admitted {
    /// For the log: admitted records as sent, and dead letters.
    pub(crate) entries: Vec<NewEntry>,
    /// The sequences that these entries settle.
    pub(crate) fresh: RangeSet,
    /// With those that other batches settle, before this one or just ahead of it.
    pub(crate) sequences: RangeSet,
    pub(crate) rejects: Vec<v1::Reject>,
    pub(crate) counts: Counts,
    /// A record could not be named, so the agent cannot be told its fate.
    pub(crate) nameless: bool,
}

/// A record that does not name itself as one of the sender's.
struct Stray {
    index: usize,
    code: v1::RejectCode,
    record: Bytes,
    stated: Option<u64>,
}

/// Sorts the records of `list`. `claimed` is what the agent's stream was admitted so far; it grows by this batch.
pub(crate) fn admit(
    list: &Bytes,
    declared_records: u32,
    sender: &Sender,
    claimed: &mut RangeSet,
    received_at_ms: i64,
) -> Admitted {
    let mut batch = Batch {
        sender,
        claimed,
        received_at_ms,
        admitted: Admitted::default(),
    };
    batch
        .admitted
        .entries
        .reserve_exact(declared_records as usize);
    // The sequence of each record that is the sender's own, 0 for a stray.
    let mut own = Vec::with_capacity(declared_records as usize);
    let mut strays = Vec::new();
    // A list that is cut short was refused when the batch was opened.
    for (index, record) in records(list).map_while(Result::ok).enumerate() {
        match batch.examine(&record) {
            Ok((sequence, verdict)) => {
                own.push(sequence);
                batch.decide(sequence, verdict, record);
            }
            Err((code, stated)) => {
                own.push(0);
                strays.push(Stray {
                    index,
                    code,
                    record,
                    stated,
                });
            }
        }
    }
    for stray in strays {
        batch.place(stray, &mut own);
    }
    batch.admitted
}

struct Batch<'a> {
    sender: &'a Sender,
    claimed: &'a mut RangeSet,
    received_at_ms: i64,
    admitted: Admitted,
}

/// The sequence of a record of the sender's own with the code to reject it for, or the code and the sequence that a
/// stray states.
type Examined = Result<(u64, Option<v1::RejectCode>), (v1::RejectCode, Option<u64>)>;

impl Batch<'_> {
    fn examine(&self, record: &[u8]) -> Examined {
        let oversize = record.len() > self.sender.max_record_bytes as usize;
        let too_large = oversize.then_some(v1::RejectCode::TooLarge);
        let Ok(head) = RecordHead::scan(record) else {
            let stated = stated_sequence(record).map(|sequence| sequence.0);
            return Err((too_large.unwrap_or(v1::RejectCode::Malformed), stated));
        };
        let sequence = head.name.sequence.0;
        if head.name.agent_id != self.sender.agent_id || head.name.epoch != self.sender.epoch {
            return Err((v1::RejectCode::WrongIdentity, Some(sequence)));
        }
        let verdict = match head.schema_version {
            _ if oversize => too_large,
            // Newer schemas only add; a record without one was written by nobody's agent.
            0 => Some(v1::RejectCode::SchemaUnknown),
            _ if out_of_scope(&head) => Some(v1::RejectCode::OutOfScope),
            _ => None,
        };
        Ok((sequence, verdict))
    }

    fn decide(&mut self, sequence: u64, verdict: Option<v1::RejectCode>, record: Bytes) {
        let new = self.claimed.insert(sequence);
        self.admitted.sequences.insert(sequence);
        if new {
            self.admitted.fresh.insert(sequence);
        }
        match verdict {
            _ if !new => self.admitted.counts.duplicate += 1,
            Some(code) => {
                self.dead_letter(sequence, code, &record);
                self.admitted.rejects.push(v1::Reject {
                    sequence,
                    code: code.into(),
                });
            }
            None => {
                self.admitted.counts.stored += 1;
                self.append(EntryKind::Record, record);
            }
        }
    }

    /// Gives a stray the sequence of its place in the batch, where that is certain; else the one that it states; else
    /// the one that its neighbour makes likely. Never one that another record of the batch has.
    fn place(&mut self, stray: Stray, own: &mut [u64]) {
        let before = (0..stray.index).rev().find(|index| own[*index] != 0);
        let after = (stray.index + 1..own.len()).find(|index| own[*index] != 0);
        let from_before =
            before.and_then(|index| own[index].checked_add((stray.index - index) as u64));
        let from_after =
            after.and_then(|index| own[index].checked_sub((index - stray.index) as u64));
        let certain = from_before.filter(|sequence| Some(*sequence) == from_after);
        let likely = from_before
            .or(from_after)
            .filter(|_| before.is_none() || after.is_none());
        let sequence = [certain, stray.stated, likely]
            .into_iter()
            .flatten()
            .find(|sequence| *sequence > 0 && !own.contains(sequence));
        match sequence {
            Some(sequence) => {
                own[stray.index] = sequence;
                self.decide(sequence, Some(stray.code), stray.record);
            }
            None => {
                self.dead_letter(0, stray.code, &stray.record);
                self.admitted.nameless = true;
            }
        }
    }

    fn dead_letter(&mut self, sequence: u64, code: v1::RejectCode, record: &Bytes) {
        let kept = &record[..record.len().min(MAX_DEAD_LETTER_BYTES)];
        let letter = v1::RejectedRecord {
            agent_id: self.sender.agent_id.as_bytes().to_vec(),
            epoch: self.sender.epoch.0,
            sequence,
            code: code.into(),
            record: kept.to_vec(),
            record_bytes: record.len() as u64,
        };
        self.admitted.counts.rejected.push(code);
        self.append(EntryKind::Rejected, letter.encode_to_vec().into());
    }

    fn append(&mut self, kind: EntryKind, payload: Bytes) {
        self.admitted.entries.push(NewEntry {
            kind,
            received_at_ms: self.received_at_ms,
            key: *self.sender.agent_id.as_bytes(),
            payload,
        });
    }
}

/// A device that reports nothing, or only its own state, sends no elevation. What the wider scopes leave out is written
/// in the body, which the processor reads.
// An exit does not say what its start was: that of a start which was refused here finds no row in the tables.
fn out_of_scope(head: &RecordHead<'_>) -> bool {
    let is_elevation = matches!(head.body, BodyKind::Elevation | BodyKind::ElevationExit);
    match v1::ReportingScope::try_from(head.reporting_scope) {
        Ok(v1::ReportingScope::None | v1::ReportingScope::Diagnostic) => is_elevation,
        Ok(v1::ReportingScope::Managed) => head.is_unmanaged_elevation(),
        _ => false,
    }
}
