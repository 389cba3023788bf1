//! The fold: entries of the log and what is known of their agents, to rows. The same entries give the same rows however
//! they are batched.
//!
//! It must not commit, wait, or read a clock.

mod dead_letters;
mod devices;
mod elevation;
mod index;
mod members;
mod rank;
mod sets;
mod time;
mod touched;
pub(crate) mod usage;
mod words;
mod work;

use std::collections::BTreeMap;

use epm_event_log::{Entry, EntryKind, PartitionId};
use epm_proto::head::RecordHead;
use epm_proto::ids::{AgentId, Epoch, RecordName, Sequence};
use epm_proto::sightings::Sighting;
use epm_proto::v1::RejectedRecord;
use epm_proto::view::{BodyView, ElevationExitView, ElevationView, RecordView};
use epm_tables::schema::ELEVATIONS_TABLE;
use epm_tables::write::{Cell, RowsBuilder, TableWriter, WriteError};
use prost::Message as _;

use self::dead_letters::Code;
pub(crate) use self::dead_letters::{DeadLetters, Gap};
pub(crate) use self::devices::Devices;
use self::elevation::Scratch;
pub(crate) use self::index::Indexes;
use self::index::Member;
use self::rank::Rank;
pub(crate) use self::time::day_of;
pub(crate) use self::work::{Addition, Outcome};
use self::work::{Exit, Keyed, Work};

/// From which offset on each table of one partition has yet to apply entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needed {
    pub(crate) dead_letters: u64,
    pub(crate) elevations: u64,
    pub(crate) devices: u64,
}

/// How many entries there were, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) stored: u64,
    pub(crate) duplicate: u64,
    pub(crate) rejected: u64,
}

/// Rows of one transaction, before they are weighed against the table.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    days: BTreeMap<i32, RowsBuilder>,
    keyed: Vec<Keyed>,
    exits: Vec<(Exit, PartitionId, Entry, RecordName)>,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) counts: Counts,
}

/// What is remembered from one transaction to the next.
#[derive(Debug, Default)]
pub(crate) struct Fold {
    pub(crate) devices: Devices,
    pub(crate) indexes: Indexes,
    scratch: Scratch,
}

impl Fold {
    /// Folds one entry.
    pub(crate) fn entry(
        &mut self,
        rows: &mut Rows,
        partition: PartitionId,
        entry: &Entry,
        needed: &Needed,
    ) {
        if entry.offset.0 < needed.devices {
            return;
        }
        match entry.kind {
            EntryKind::Record => self.record(rows, partition, entry, needed),
            EntryKind::Rejected => self.rejected(rows, partition, entry, needed),
            EntryKind::Foreign(reason) => {
                let code = Code::Foreign(reason);
                self.dead(rows, partition, entry, None, &code, needed);
            }
            EntryKind::Unknown(kind) => {
                let code = Code::UnknownBody(format!("entry kind {kind}"));
                self.dead(rows, partition, entry, None, &code, needed);
            }
        }
    }

    fn record(&mut self, rows: &mut Rows, partition: PartitionId, entry: &Entry, needed: &Needed) {
        let head = match RecordHead::scan(&entry.payload) {
            Ok(head) => head,
            Err(error) => {
                let code = Code::Unnamed(error.to_string());
                return self.dead(rows, partition, entry, None, &code, needed);
            }
        };
        let (name, agent_id) = (head.name, head.name.agent_id);
        if !self.devices.receive(name, entry.received_at_ms) {
            rows.counts.duplicate += 1;
            return;
        }
        let record = match RecordView::decode(&entry.payload) {
            Ok(record) => record,
            Err(error) => {
                let code = Code::Undecodable(error.to_string());
                return self.dead(rows, partition, entry, Some(name), &code, needed);
            }
        };
        self.devices.envelope(agent_id, &record);
        let is_needed = entry.offset.0 >= needed.elevations;
        match &record.body {
            BodyView::Elevation(elevation) if is_needed => {
                self.elevation(rows, entry, &record, elevation);
            }
            BodyView::ElevationExit(exit) if is_needed => {
                let at = rows.exits.len();
                rows.exits
                    .push((read_exit(exit, at), partition, entry.clone(), name));
            }
            BodyView::Elevation(_) | BodyView::ElevationExit(_) => {}
            BodyView::Heartbeat(beat) => self.devices.heartbeat(agent_id, &record, beat),
            BodyView::Loss(loss) => self.devices.loss(agent_id, &record, loss),
            BodyView::Unknown => {
                let code = Code::UnknownBody(format!("{:?}", head.body));
                return self.dead(rows, partition, entry, Some(name), &code, needed);
            }
        }
        rows.counts.stored += 1;
    }

    fn elevation(
        &mut self,
        rows: &mut Rows,
        entry: &Entry,
        record: &RecordView<'_>,
        elevation: &ElevationView<'_>,
    ) {
        let day = day_of(record.observed_at_us);
        let day_rows = rows
            .days
            .entry(day)
            .or_insert_with(|| RowsBuilder::new(ELEVATIONS_TABLE));
        if let Ok(key) = record.source_event_key.try_into() {
            rows.keyed.push(Keyed {
                key,
                rank: Rank::of_record(elevation, record.event_id.try_into().unwrap_or_default()),
                end: [
                    elevation.result_code,
                    elevation.duration_ms.map(milliseconds),
                ],
                day,
                row: day_rows.rows(),
                member: self.member(key, record, elevation),
            });
        }
        elevation::append(day_rows, &mut self.scratch, entry, record, elevation);
    }

    fn member(
        &mut self,
        key: index::Key,
        record: &RecordView<'_>,
        elevation: &ElevationView<'_>,
    ) -> Option<Member> {
        // As the tables will say it.
        let pid = |pid: u64| pid.min(i64::MAX.unsigned_abs());
        let process = &elevation.process;
        let sighting = Sighting {
            kind: elevation.sensor.try_into().ok()?,
            trigger: elevation.trigger.try_into().unwrap_or_default(),
            device: self.scratch.short_host(elevation.device.device_name),
            file_path: elevation.file.path,
            pid: pid(process.pid),
            parent_pid: pid(process.parent_pid),
            parent_path: process.parent_path,
            user: elevation.user.user_name_raw,
            target: elevation.user.target_user_name,
            arguments: elevation.file.arguments,
            terminal: process.terminal,
            outcome: elevation.outcome.try_into().ok()?,
        };
        Member::new(&sighting, time::time(record.observed_at_us), key)
    }

    fn rejected(
        &mut self,
        rows: &mut Rows,
        partition: PartitionId,
        entry: &Entry,
        needed: &Needed,
    ) {
        let rejected = match RejectedRecord::decode(&*entry.payload) {
            Ok(rejected) => rejected,
            Err(error) => {
                let code = Code::Undecodable(error.to_string());
                return self.dead(rows, partition, entry, None, &code, needed);
            }
        };
        // A refused record arrived: its place in the sequence is explained by its dead letter.
        if let Some(agent_id) = AgentId::from_slice(&rejected.agent_id)
            && rejected.epoch > 0
            && rejected.sequence > 0
        {
            let name = RecordName {
                agent_id,
                epoch: Epoch(rejected.epoch),
                sequence: Sequence(rejected.sequence),
            };
            if !self.devices.receive(name, entry.received_at_ms) {
                rows.counts.duplicate += 1;
                return;
            }
        }
        if entry.offset.0 >= needed.dead_letters {
            rows.dead_letters.rejected(partition, entry, &rejected);
        }
        rows.counts.rejected += 1;
    }

    fn dead(
        &mut self,
        rows: &mut Rows,
        partition: PartitionId,
        entry: &Entry,
        name: Option<RecordName>,
        code: &Code,
        needed: &Needed,
    ) {
        if entry.offset.0 >= needed.dead_letters {
            rows.dead_letters.push(partition, entry, name, code);
        }
        rows.counts.rejected += 1;
    }

    /// Weighs the rows against the table: what to add, what to replace, what to count. Exits without a start become dead
    /// letters.
    pub(crate) async fn settle(
        &mut self,
        rows: &mut Rows,
        table: &TableWriter,
        needed: impl Fn(PartitionId) -> u64,
    ) -> Result<Outcome, WriteError> {
        let days = std::mem::take(&mut rows.days);
        let finish = |(day, mut builder): (i32, RowsBuilder)| (day, builder.finish());
        let fresh = days.into_iter().map(finish).collect();
        let exits = rows.exits.iter().map(|(exit, ..)| exit.clone()).collect();
        let keyed = std::mem::take(&mut rows.keyed);
        let work = Work::new(table, &mut self.indexes, fresh);
        let outcome = work.settle(keyed, exits).await?;
        for orphan in &outcome.orphans {
            let (_, partition, entry, name) = &rows.exits[*orphan];
            if entry.offset.0 >= needed(*partition) {
                rows.dead_letters
                    .push(*partition, entry, Some(*name), &Code::ExitWithoutStart);
            }
        }
        Ok(outcome)
    }
}

fn milliseconds(duration_ms: u64) -> i64 {
    i64::try_from(duration_ms).unwrap_or(i64::MAX)
}

fn read_exit(exit: &ElevationExitView<'_>, entry: usize) -> Exit {
    let duration = exit.duration_ms.map(milliseconds);
    let long = |value: Option<i64>| value.map_or(Cell::Null, Cell::Long);
    let signal = match exit.signal {
        "" => Cell::Null,
        signal => Cell::Text(signal.to_owned()),
    };
    Exit {
        start_key: exit.start_key.try_into().unwrap_or_default(),
        day: day_of(exit.start_observed_at_us),
        values: [long(exit.result_code), long(duration), signal],
        entry,
    }
}
