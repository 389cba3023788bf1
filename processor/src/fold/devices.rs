//! What is known of each agent: which of its records arrived, which it explained, and how it last said that it was.
//!
//! It decides whether a record is new. It must not look at elevations.

mod heartbeat;

use std::collections::{BTreeMap, HashMap};

use arrow::array::RecordBatch;
use epm_proto::ids::{AgentId, RecordName};
use epm_proto::ranges::RangeSet;
use epm_proto::view::{HeartbeatView, LossView, RecordView};
use epm_tables::schema::DEVICES_TABLE;
use epm_tables::write::{Cell, RowsBuilder, read_cells};
use serde_json::{Map, Value, json};

use super::elevation::Scratch;
use super::time::time;
use super::words::{LOSS_REASONS, word};
use heartbeat::LastHeartbeat;

/// Losses that a row shows: the newest; all of them are counted.
const SHOWN_LOSSES: usize = 20;

/// Epoch and sequence.
type Place = (u64, u64);

/// Every agent.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    agents: HashMap<AgentId, Device>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Device {
    tenant_id: String,
    device_id: String,
    agent_version: String,
    epochs: BTreeMap<u64, EpochState>,
    newest: Place,
    lost: u64,
    // Of `lost`, what was told under a key: where last, and how many records.
    keyed: BTreeMap<String, (Place, u64)>,
    losses: Vec<Value>,
    last_received_at: Option<i64>,
    last_observed_at: Option<i64>,
    heartbeat: Option<LastHeartbeat>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct EpochState {
    received: RangeSet,
    explained: RangeSet,
}

impl Devices {
    /// Counts the record as received. False where it was there before; then nothing of it may be folded.
    pub(crate) fn receive(&mut self, name: RecordName, received_at_ms: i64) -> bool {
        let device = self.agents.entry(name.agent_id).or_default();
        let epoch = device.epochs.entry(name.epoch.0).or_default();
        let is_new = epoch.received.insert(name.sequence.0);
        if is_new {
            let received = time(received_at_ms.saturating_mul(1000));
            device.last_received_at = device.last_received_at.max(Some(received));
        }
        is_new
    }

    /// What the envelope of a new record says of its agent.
    pub(crate) fn envelope(&mut self, agent_id: AgentId, record: &RecordView<'_>) {
        let device = self.agents.entry(agent_id).or_default();
        let observed = time(record.observed_at_us);
        device.last_observed_at = device.last_observed_at.max(Some(observed));
        let at = (record.epoch, record.sequence);
        if at > device.newest {
            device.newest = at;
            keep(&mut device.tenant_id, record.tenant_id);
            keep(&mut device.device_id, record.device_id);
            keep(&mut device.agent_version, record.agent_version);
        }
    }

    /// A new heartbeat.
    pub(crate) fn heartbeat(
        &mut self,
        agent_id: AgentId,
        record: &RecordView<'_>,
        beat: &HeartbeatView<'_>,
    ) {
        let device = self.agents.entry(agent_id).or_default();
        let at = (record.epoch, record.sequence);
        if device.heartbeat.as_ref().is_some_and(|held| held.at > at) {
            return;
        }
        device.heartbeat = Some(LastHeartbeat::of(record, beat));
    }

    /// A new loss record: its range is explained and its records are counted as lost. Where it has a key, an agent that
    /// crashed may have told it before: then its latest record speaks, whatever order they came in.
    pub(crate) fn loss(&mut self, agent_id: AgentId, record: &RecordView<'_>, loss: &LossView<'_>) {
        let device = self.agents.entry(agent_id).or_default();
        let epoch = if loss.lost_epoch == 0 {
            record.epoch
        } else {
            loss.lost_epoch
        };
        let has_range = loss.first_sequence > 0 && loss.last_sequence >= loss.first_sequence;
        if has_range {
            let state = device.epochs.entry(epoch).or_default();
            state
                .explained
                .insert_range(loss.first_sequence, loss.last_sequence);
        }
        let counted: u64 = loss
            .counts
            .iter()
            .fold(0, |sum: u64, count| sum.saturating_add(count.records));
        let records = match counted {
            0 if has_range => loss.last_sequence - loss.first_sequence + 1,
            counted => counted,
        };
        let at = (record.epoch, record.sequence);
        let is_latest = device.lose(&hex(record.source_event_key), at, records);
        if !is_latest {
            return;
        }
        device.losses.push(json!({
            "at": [at.0, at.1], "reason": word(LOSS_REASONS, loss.reason), "epoch": epoch,
            "first": loss.first_sequence, "last": loss.last_sequence, "records": records, "detail": loss.detail,
        }));
        // The newest by their place in the sequence, whatever order they came in.
        device
            .losses
            .sort_by_key(|loss| (loss["at"][0].as_u64(), loss["at"][1].as_u64()));
        let surplus = device.losses.len().saturating_sub(SHOWN_LOSSES);
        device.losses.drain(..surplus);
    }

    /// How many agents there are.
    pub(crate) fn len(&self) -> usize {
        self.agents.len()
    }

    /// Every agent as a row, in order of their ids.
    pub(crate) fn rows(&self) -> RecordBatch {
        let mut rows = RowsBuilder::new(DEVICES_TABLE);
        let mut scratch = Scratch::default();
        let mut agents: Vec<_> = self.agents.iter().collect();
        agents.sort_unstable_by_key(|(id, _)| **id);
        for (id, device) in agents {
            device.append(&mut rows, &mut scratch, *id);
        }
        rows.finish()
    }

    /// Takes up where `rows` left off.
    pub(crate) fn load(&mut self, rows: &RecordBatch) -> Result<(), String> {
        for row in 0..rows.num_rows() {
            let cells = read_cells(rows, row);
            let cell = |name| &cells[DEVICES_TABLE.index(name)];
            let id = cell("agent_id")
                .text()
                .and_then(|text| uuid::Uuid::parse_str(text).ok());
            let id = id.ok_or("a row without an agent_id")?;
            let device = Device::load(cell).ok_or_else(|| format!("the row of agent {id}"))?;
            self.agents.insert(id.into(), device);
        }
        Ok(())
    }
}

fn keep(held: &mut String, new: &str) {
    if held != new {
        new.clone_into(held);
    }
}

fn long(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn hex(key: &[u8]) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn ranges_json(set: &RangeSet) -> Value {
    set.ranges()
        .iter()
        .map(|(first, last)| json!([first, last]))
        .collect()
}

fn ranges_of(value: &Value) -> Option<RangeSet> {
    let range = |pair: &Value| Some((pair.get(0)?.as_u64()?, pair.get(1)?.as_u64()?));
    value.as_array()?.iter().map(range).collect()
}

fn place_of(value: &Value) -> Option<Place> {
    Some((value.get(0)?.as_u64()?, value.get(1)?.as_u64()?))
}

impl Device {
    /// Counts a loss of `records`, told at `at`. False where it was told later under the same key.
    fn lose(&mut self, key: &str, at: Place, records: u64) -> bool {
        if !key.is_empty() {
            match self.keyed.get(key) {
                Some((held, _)) if *held > at => return false,
                Some((held, before)) => {
                    let place = json!([held.0, held.1]);
                    self.losses.retain(|loss| loss["at"] != place);
                    self.lost = self.lost.saturating_sub(*before);
                }
                None => {}
            }
            self.keyed.insert(key.to_owned(), (at, records));
        }
        self.lost = self.lost.saturating_add(records);
        true
    }

    fn append(&self, rows: &mut RowsBuilder, scratch: &mut Scratch, id: AgentId) {
        let beat = self.heartbeat.clone().unwrap_or_default();
        let has_beat = self.heartbeat.is_some();
        let if_beat = |value: i64| has_beat.then_some(value);
        let newest = self.epochs.iter().next_back();
        let (mut records, mut missing) = (0_u64, 0_u64);
        for state in self.epochs.values() {
            records = u64::saturating_add(records, state.received.len());
            missing = u64::saturating_add(missing, state.missing());
        }
        rows.text("agent_id", &id.to_string());
        rows.text("tenant_id", &self.tenant_id);
        rows.text("device_id", &self.device_id);
        rows.text("device_name", &beat.device_name);
        rows.text("device", scratch.short_host(&beat.device_name));
        rows.text("agent_version", &self.agent_version);
        rows.text("os_version", &beat.os_version);
        rows.long("epoch", newest.map(|(epoch, _)| long(*epoch)));
        rows.int("epochs", Some(self.epochs.len() as i32));
        rows.long(
            "next_expected",
            newest.map(|(_, state)| long(state.next_expected())),
        );
        rows.long(
            "highest_sequence",
            newest.map(|(_, state)| long(state.received.highest().unwrap_or(0))),
        );
        rows.long("records", Some(long(records)));
        rows.long("missing", Some(long(missing)));
        rows.long("lost", Some(long(self.lost)));
        let losses = &self.losses;
        let losses = if losses.is_empty() {
            String::new()
        } else {
            Value::from(losses.clone()).to_string()
        };
        rows.text("losses", &losses);
        rows.time("last_heartbeat_at", if_beat(beat.observed_at));
        rows.time("last_received_at", self.last_received_at);
        rows.time("last_observed_at", self.last_observed_at);
        rows.long(
            "heartbeat_interval_s",
            if_beat(beat.interval_s).filter(|seconds| *seconds > 0),
        );
        rows.long("spool_records", if_beat(beat.spool_records));
        rows.long("spool_bytes", if_beat(beat.spool_bytes));
        rows.time("oldest_unsent_at", beat.oldest_unsent_at);
        rows.long("clock_offset_ms", if_beat(beat.clock_offset_ms));
        rows.text("policy_revision", &beat.policy_revision);
        rows.text("reporting_scope", &beat.reporting_scope);
        rows.text("sensors", &beat.sensors);
        rows.text("sequence_state", &self.state(&beat).to_string());
        beat.append_management(rows);
        rows.end_row();
    }

    fn state(&self, beat: &LastHeartbeat) -> Value {
        let epochs: Vec<Value> = self
            .epochs
            .iter()
            .map(|(epoch, state)| {
                json!({"epoch": epoch, "received": ranges_json(&state.received), "explained": ranges_json(&state.explained)})
            })
            .collect();
        let keyed: Map<String, Value> = self
            .keyed
            .iter()
            .map(|(key, (at, records))| (key.clone(), json!([at.0, at.1, records])))
            .collect();
        let mut state = json!({
            "newest": [self.newest.0, self.newest.1], "heartbeat": [beat.at.0, beat.at.1], "epochs": epochs,
        });
        if !keyed.is_empty() {
            state["losses"] = keyed.into();
        }
        state
    }

    fn load<'a>(cell: impl Fn(&'static str) -> &'a Cell) -> Option<Self> {
        let text = |name| cell(name).text().unwrap_or_default().to_owned();
        let long = |name| match cell(name) {
            Cell::Long(value) => *value,
            _ => 0,
        };
        let at = |name| match cell(name) {
            Cell::Time(value) => Some(*value),
            _ => None,
        };
        let state: Value = serde_json::from_str(cell("sequence_state").text()?).ok()?;
        let mut epochs = BTreeMap::new();
        for epoch in state["epochs"].as_array()? {
            let held = EpochState {
                received: ranges_of(&epoch["received"])?,
                explained: ranges_of(&epoch["explained"])?,
            };
            epochs.insert(epoch["epoch"].as_u64()?, held);
        }
        let mut keyed = BTreeMap::new();
        // Tables that an earlier version wrote know no keys of losses.
        for (key, told) in state["losses"].as_object().into_iter().flatten() {
            let told = (place_of(told)?, told.get(2)?.as_u64()?);
            keyed.insert(key.clone(), told);
        }
        let heartbeat = match at("last_heartbeat_at") {
            Some(observed_at) => {
                let place = place_of(&state["heartbeat"])?;
                Some(LastHeartbeat::load(place, observed_at, &cell))
            }
            None => None,
        };
        let losses = cell("losses")
            .text()
            .map(serde_json::from_str::<Vec<Value>>);
        Some(Self {
            tenant_id: text("tenant_id"),
            device_id: text("device_id"),
            agent_version: text("agent_version"),
            epochs,
            newest: place_of(&state["newest"])?,
            lost: u64::try_from(long("lost")).ok()?,
            keyed,
            losses: losses.transpose().ok()?.unwrap_or_default(),
            last_received_at: at("last_received_at"),
            last_observed_at: at("last_observed_at"),
            heartbeat,
        })
    }
}

impl EpochState {
    /// The first sequence that is neither received nor explained.
    fn next_expected(&self) -> u64 {
        self.received.union(&self.explained).first_missing(1)
    }

    /// Sequences below the highest received that are neither received nor explained.
    fn missing(&self) -> u64 {
        let highest = self.received.highest().unwrap_or(0);
        let mut held = self.received.union(&self.explained);
        // Sequences begin at 1, and what lies above the highest is not missing but yet to come.
        held.insert_range(1, highest)
    }
}

#[cfg(test)]
mod tests {
    use epm_proto::ids::{Epoch, Sequence};
    use epm_proto::view::{ApplicabilityView, LifeCycleView};

    use super::*;

    fn name(epoch: u64, sequence: u64) -> RecordName {
        RecordName {
            agent_id: AgentId([7; 16]),
            epoch: Epoch(epoch),
            sequence: Sequence(sequence),
        }
    }

    #[test]
    fn a_record_is_new_once() {
        let mut devices = Devices::default();
        assert!(devices.receive(name(1, 1), 10));
        assert!(!devices.receive(name(1, 1), 20));
        assert!(devices.receive(name(2, 1), 30));
    }

    #[test]
    fn a_gap_is_missing_until_it_is_explained_or_filled() {
        let mut state = EpochState::default();
        for sequence in [1, 2, 5, 9] {
            state.received.insert(sequence);
        }
        assert_eq!((state.missing(), state.next_expected()), (5, 3));
        state.explained.insert_range(3, 4);
        assert_eq!((state.missing(), state.next_expected()), (3, 6));
        state.explained.insert_range(6, 100);
        assert_eq!((state.missing(), state.next_expected()), (0, 101));
    }

    #[test]
    fn a_device_resumes_from_its_own_row() {
        let mut devices = Devices::default();
        for sequence in [1, 2, 4] {
            devices.receive(name(3, sequence), 1_000);
        }
        let agent_id = AgentId([7; 16]);
        let mut record = RecordView::decode(&[]).expect("an empty record is one");
        (record.epoch, record.sequence, record.observed_at_us) = (3, 4, 5_000);
        (record.tenant_id, record.agent_version) = ("t", "1.0");
        devices.envelope(agent_id, &record);
        let beat = HeartbeatView {
            device_name: "pc-1.example.org",
            spool_records: 4,
            interval_s: 60,
            life_cycle: LifeCycleView {
                state: 4,
                since_us: 7,
                removal_us: 8,
                ..Default::default()
            },
            applicability: ApplicabilityView {
                reason: "32-bit processors are not supported",
                join_type: "none",
                ..Default::default()
            },
            ..Default::default()
        };
        devices.heartbeat(agent_id, &record, &beat);
        let loss = LossView {
            reason: 1,
            first_sequence: 3,
            last_sequence: 3,
            ..Default::default()
        };
        devices.loss(agent_id, &record, &loss);
        let rows = devices.rows();
        let mut again = Devices::default();
        again.load(&rows).expect("the rows can be read");
        assert_eq!(again.agents, devices.agents);
        assert_eq!(again.rows(), rows);
    }
}
