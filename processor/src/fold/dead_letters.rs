//! What could not be folded, as rows: each entry with its code and its bytes. It must not decide what is folded.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use epm_event_log::{Entry, Foreign, PartitionId};
use epm_proto::ids::RecordName;
use epm_proto::v1::RejectedRecord;
use epm_tables::schema::DEAD_LETTERS_TABLE;
use epm_tables::write::RowsBuilder;

use super::time::{day_of, time};
use super::words::{REJECT_CODES, word};

/// Bytes of a record that a row keeps: enough to see what it was, and a table that stays readable.
const KEPT_BYTES: usize = 64 << 10;
/// Code of offsets that are gone.
const TRIMMED: &str = "trimmed";

/// Why an entry is a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// The bytes are not a record.
    Undecodable(String),
    /// The envelope does not name the record.
    Unnamed(String),
    /// A body, or an entry, that a newer version wrote.
    UnknownBody(String),
    /// Not written by a collector.
    Foreign(Foreign),
    /// The end of an elevation whose start never arrived.
    ExitWithoutStart,
}

/// Offsets that the log let go before they were folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) partition: PartitionId,
    /// The first that is gone.
    pub(crate) from: u64,
    /// The first that is there again.
    pub(crate) to: u64,
}

impl Code {
    fn name(&self) -> &'static str {
        match self {
            Self::Undecodable(_) => "undecodable",
            Self::Unnamed(_) => "unnamed",
            Self::UnknownBody(_) => "unknown_body",
            Self::Foreign(_) => "foreign",
            Self::ExitWithoutStart => "exit_without_start",
        }
    }

    fn detail(&self) -> &str {
        match self {
            Self::Undecodable(detail) | Self::Unnamed(detail) | Self::UnknownBody(detail) => detail,
            Self::Foreign(reason) => reason.words(),
            Self::ExitWithoutStart => "no elevation has the key that this exit names",
        }
    }
}

/// Rows by day of reception.
#[derive(Debug, Default)]
pub(crate) struct DeadLetters {
    days: BTreeMap<i32, RowsBuilder>,
    codes: BTreeMap<String, u64>,
}

impl DeadLetters {
    /// An entry that cannot be folded.
    pub(crate) fn push(
        &mut self,
        partition: PartitionId,
        entry: &Entry,
        name: Option<RecordName>,
        code: &Code,
    ) {
        let id = name
            .map(|name| name.agent_id.to_string())
            .unwrap_or_default();
        let place = name.map(|name| (name.epoch.0, name.sequence.0));
        let rows = self.begin(code.name(), partition, entry.offset.0, entry.received_at_ms);
        finish(
            rows,
            &id,
            place,
            code.name(),
            code.detail(),
            &entry.payload,
            entry.payload.len() as u64,
        );
        rows.date(
            "received_date",
            Some(day_of(entry.received_at_ms.saturating_mul(1000))),
        );
        rows.end_row();
    }

    /// A record that the collector refused.
    pub(crate) fn rejected(
        &mut self,
        partition: PartitionId,
        entry: &Entry,
        rejected: &RejectedRecord,
    ) {
        let id = uuid::Uuid::from_slice(&rejected.agent_id)
            .map(|id| id.to_string())
            .unwrap_or_default();
        let place = (rejected.sequence > 0).then_some((rejected.epoch, rejected.sequence));
        let code = word(REJECT_CODES, rejected.code);
        let rows = self.begin(&code, partition, entry.offset.0, entry.received_at_ms);
        let detail = "the collector refused the record";
        finish(
            rows,
            &id,
            place,
            &code,
            detail,
            &rejected.record,
            rejected.record_bytes,
        );
        rows.date(
            "received_date",
            Some(day_of(entry.received_at_ms.saturating_mul(1000))),
        );
        rows.end_row();
    }

    /// Entries that are gone. `found_at_ms` stands for the time of their reception, which nobody knows.
    pub(crate) fn gap(&mut self, gap: &Gap, found_at_ms: i64) {
        let rows = self.begin(TRIMMED, gap.partition, gap.from, found_at_ms);
        let detail = format!(
            "retention let offsets {} to {} of the log go before they were folded",
            gap.from,
            gap.to - 1
        );
        finish(rows, "", None, TRIMMED, &detail, &[], 0);
        rows.date(
            "received_date",
            Some(day_of(found_at_ms.saturating_mul(1000))),
        );
        rows.end_row();
    }

    fn begin(
        &mut self,
        code: &str,
        partition: PartitionId,
        offset: u64,
        received_at_ms: i64,
    ) -> &mut RowsBuilder {
        *self.codes.entry(code.to_owned()).or_default() += 1;
        let received = received_at_ms.saturating_mul(1000);
        let rows = self
            .days
            .entry(day_of(received))
            .or_insert_with(|| RowsBuilder::new(DEAD_LETTERS_TABLE));
        rows.time("received_at", Some(time(received)));
        rows.int("partition", Some(partition.0 as i32));
        rows.long("log_offset", Some(offset as i64));
        rows
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.days.values().map(RowsBuilder::rows).sum()
    }

    /// How many rows there are of each code.
    pub(crate) fn codes(&self) -> BTreeMap<String, u64> {
        self.codes.clone()
    }

    /// The rows by day.
    pub(crate) fn finish(mut self) -> Vec<(Option<i32>, RecordBatch)> {
        self.days
            .iter_mut()
            .map(|(day, rows)| (Some(*day), rows.finish()))
            .collect()
    }
}

fn finish(
    rows: &mut RowsBuilder,
    agent_id: &str,
    place: Option<(u64, u64)>,
    code: &str,
    detail: &str,
    bytes: &[u8],
    whole_bytes: u64,
) {
    let as_long = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    rows.text("agent_id", agent_id);
    rows.long("epoch", place.map(|(epoch, _)| as_long(epoch)));
    rows.long("sequence", place.map(|(_, sequence)| as_long(sequence)));
    rows.text("code", code);
    rows.text("detail", detail);
    rows.binary("record", Some(&bytes[..bytes.len().min(KEPT_BYTES)]));
    rows.long("record_bytes", Some(as_long(whole_bytes)));
}
