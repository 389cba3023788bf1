//! Load: encoded elevation records of about 400 bytes at any rate, for benchmarks.
//!
//! Records are made ahead of time so that a generator costs next to nothing while it sends. Names repeat as they do in
//! a fleet (few programs make up most records); ids, hashes and process numbers are as random as real ones.

use bytes::Bytes;
use epm_proto::chain::record_hash;
use epm_proto::v1;
use prost::Message;

use super::catalogue::{Program, programs};
use super::devices::Platform;
use super::draw::{Draw, uuid_text};
use super::people::{NETBIOS, Person, people};

// People whose names occur: enough that distinct counts are work, few enough to make quickly.
const PEOPLE: usize = 2_000;

/// The next record of one agent.
#[derive(Clone, Copy, Debug)]
pub struct Position {
    /// The agent's id.
    pub agent_id: [u8; 16],
    /// The spool's life.
    pub epoch: u64,
    /// Sequence of the next record, from 1.
    pub sequence: u64,
    /// SHA-256 of the record before it; `None` for the first.
    pub previous_hash: Option<[u8; 32]>,
    /// Device time of the next record, in microseconds since 1970.
    pub observed_at_us: i64,
}

impl Position {
    /// The first record of an agent's epoch.
    pub fn first(agent_id: [u8; 16], epoch: u64, observed_at_us: i64) -> Self {
        Self {
            agent_id,
            epoch,
            sequence: 1,
            previous_hash: None,
            observed_at_us,
        }
    }
}

/// Makes records of one agent after the other from a seed.
#[derive(Debug)]
pub struct Load {
    draw: Draw,
    people: Vec<Person>,
    programs: Vec<Program>,
    weights: Vec<u32>,
}

impl Load {
    /// A source of records; the same seed and the same calls give the same bytes.
    pub fn new(seed: u64) -> Self {
        let programs: Vec<Program> = programs()
            .into_iter()
            .filter(|program| program.platform == Platform::Windows)
            .collect();
        let weights = programs
            .iter()
            .map(|program| program.weight * program.weight)
            .collect();
        Self {
            draw: Draw::new(&[b"load", &seed.to_le_bytes()]),
            people: people(seed, PEOPLE),
            programs,
            weights,
        }
    }

    /// The record at `position`, encoded, and moves `position` behind it by `step_us` of device time. Records of one
    /// agent are chained by their hashes as a spool chains them.
    pub fn record(&mut self, position: &mut Position, step_us: i64) -> Bytes {
        let record = v1::Record {
            agent_id: position.agent_id.to_vec(),
            epoch: position.epoch,
            sequence: position.sequence,
            previous_hash: position
                .previous_hash
                .map(|hash| hash.to_vec())
                .unwrap_or_default(),
            event_id: self.event_id(position.observed_at_us).to_vec(),
            observed_at_us: position.observed_at_us,
            monotonic_us: position.sequence * 1_000,
            schema_version: 1,
            reporting_scope: v1::ReportingScope::All.into(),
            body: Some(v1::record::Body::Elevation(self.elevation())),
            ..v1::Record::default()
        };
        let encoded = Bytes::from(record.encode_to_vec());
        position.previous_hash = Some(record_hash(&encoded));
        position.sequence += 1;
        position.observed_at_us += step_us;
        encoded
    }

    /// `count` records from `position` on.
    pub fn records(&mut self, position: &mut Position, step_us: i64, count: usize) -> Vec<Bytes> {
        (0..count).map(|_| self.record(position, step_us)).collect()
    }

    /// An elevation of the size that the records carry.
    pub fn elevation(&mut self) -> v1::Elevation {
        let person = self.draw.below(self.people.len() as u64) as usize;
        let person = &self.people[person];
        let program = &self.programs[self.draw.weighted(&self.weights)];
        // Versions of about three weeks.
        let build = program.build(&person.login, 20_500 + self.draw.below(20) as i64, 0);
        let device = self.draw.below(PEOPLE as u64);
        let managed = self.draw.chance(0.6);
        let denied = self.draw.chance(0.04);
        let policy = managed.then(|| v1::Policy {
            rule_id: uuid_text(&[b"rule", program.product.as_bytes()])[..8].to_owned(),
            ..v1::Policy::default()
        });
        let elevation = decided(managed, denied);
        v1::Elevation {
            sensor: v1::SensorKind::Simulated.into(),
            account_class: v1::AccountClass::Person.into(),
            user: Some(v1::User {
                user_name_raw: format!(r"{NETBIOS}\{}", person.login),
                upn: person.upn.clone(),
                ..v1::User::default()
            }),
            device: Some(v1::Device {
                device_name: format!("LON-LT-{device:04}"),
                ..v1::Device::default()
            }),
            file: Some(v1::File {
                path: build.path,
                file_name: build.file_name,
                sha256: build.sha256.to_vec(),
                product_name: program.product.to_owned(),
                file_version: build.version,
                company_name: program.company.to_owned(),
                ..v1::File::default()
            }),
            process: Some(v1::Process {
                pid: 4 * (100 + self.draw.below(16_000)),
                parent_path: r"C:\Windows\explorer.exe".to_owned(),
                ..v1::Process::default()
            }),
            policy,
            ..elevation
        }
    }
    // UUIDv7: milliseconds, then random bits.
    fn event_id(&mut self, at_us: i64) -> [u8; 16] {
        let mut random = [0_u8; 10];
        self.draw.fill(&mut random);
        let millis = u64::try_from(at_us / 1_000).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &random)
            .into_uuid()
            .into_bytes()
    }
}

/// How it was decided and carried out.
fn decided(managed: bool, denied: bool) -> v1::Elevation {
    v1::Elevation {
        outcome: if denied {
            v1::Outcome::Denied
        } else {
            v1::Outcome::Elevated
        }
        .into(),
        management: if managed {
            v1::Management::Managed
        } else {
            v1::Management::Unmanaged
        }
        .into(),
        decision_source: if managed {
            v1::DecisionSource::Rule
        } else {
            v1::DecisionSource::None
        }
        .into(),
        elevation_type: match (managed, denied) {
            (true, true) => v1::ElevationType::Deny,
            (true, false) => v1::ElevationType::UserConfirmed,
            (false, _) => v1::ElevationType::Unmanaged,
        }
        .into(),
        trigger: if managed {
            v1::Trigger::RunWithElevatedAccess
        } else {
            v1::Trigger::OsRunas
        }
        .into(),
        ..v1::Elevation::default()
    }
}
