//! A believable fleet from a seed: people, devices, programs, and the elevations that they cause day after day.
//!
//! For the demo, for tests and for load. It must not read a clock or entropy: the same seed, size and range of time
//! give the same bytes, and a longer range only adds to a shorter one. It shows a programme at work: at its start most
//! people are local administrators and nearly everything is unmanaged; rules then reach one department after the
//! other and administrator rights go away.

mod catalogue;
mod decision;
mod devices;
mod draw;
mod elevation;
mod episode;
pub mod load;
mod people;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use epm_proto::v1;

use crate::source::Observation;
use catalogue::Program;
use draw::Draw;
use episode::DAY_US;

pub use devices::{FleetDevice, Platform, Presence};
pub use people::{PERSONAS, Person, Persona};

/// Days that the programme of rules takes, and the default length of a history.
pub const PROGRAMME_DAYS: u32 = 30;

/// Most devices of one fleet: what unique device and people names reach.
pub const MAX_DEVICES: usize = 50_000;

// 2026-01-05, a Monday: where a programme begins when nobody says otherwise.
const DEFAULT_START_US: i64 = 20_458 * DAY_US;

/// People, devices and programs made from one seed. Clones share everything.
#[derive(Clone, Debug)]
pub struct Fleet(Arc<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    seed: u64,
    start_us: i64,
    days: u32,
    people: Vec<Person>,
    devices: Vec<FleetDevice>,
    programs: Vec<Program>,
}

impl Fleet {
    /// A fleet of `devices` machines (from 1 to [`MAX_DEVICES`]; other numbers are brought into that range) whose
    /// programme begins on 2026-01-05 and takes [`PROGRAMME_DAYS`].
    pub fn new(seed: u64, devices: usize) -> Self {
        let count = devices.clamp(1, MAX_DEVICES);
        let people = people::people(seed, devices::people_for(count));
        let devices = devices::devices(seed, count, &people);
        let programs = catalogue::programs();
        Self(Arc::new(Inner {
            seed,
            start_us: DEFAULT_START_US,
            days: PROGRAMME_DAYS,
            people,
            devices,
            programs,
        }))
    }

    /// The same fleet with a programme that begins at `start_us` (microseconds since 1970 UTC) and is shown for
    /// `days` days. Rules roll out on the same days after the start whatever `days` says.
    pub fn with_programme(self, start_us: i64, days: u32) -> Self {
        let mut inner = Arc::unwrap_or_clone(self.0);
        inner.start_us = start_us;
        inner.days = days.max(1);
        Self(Arc::new(inner))
    }

    /// When the programme begins, in microseconds since 1970.
    pub fn start_us(&self) -> i64 {
        self.0.start_us
    }

    /// The machines, in order of their index.
    pub fn devices(&self) -> &[FleetDevice] {
        &self.0.devices
    }

    /// The people who own them.
    pub fn people(&self) -> &[Person] {
        &self.0.people
    }

    /// What the device at `device` recorded from `from_us` (inclusive) to `until_us` (exclusive), in microseconds since
    /// 1970 UTC, in order of time. An end whose start lies before the range is left out. Empty for an unknown device,
    /// and from when a [`Presence::Silent`] device fell silent.
    pub fn history(
        &self,
        device: usize,
        from_us: i64,
        until_us: i64,
    ) -> impl Iterator<Item = Observation> + use<> {
        let until_us = until_us.min(self.heard_until_us(device));
        // A day either side, because a device's day is not the UTC day.
        let first_day = from_us.div_euclid(DAY_US) - 1;
        let last_day = until_us.div_euclid(DAY_US) + 1;
        let fleet = self.clone();
        (first_day..=last_day)
            .flat_map(move |day| match fleet.0.devices.get(device) {
                Some(machine) if from_us < until_us => episode::day(&fleet, machine, day),
                _ => Vec::new(),
            })
            .filter(move |seen| {
                (from_us..until_us).contains(&seen.observed_at_us) && start_us(seen) >= from_us
            })
    }

    /// What the device at `device` records from `from_us` on, without end and without regard for the hour, one elevation
    /// every `mean_gap` on average; in order of time. Empty for an unknown or silent device.
    pub fn live(
        &self,
        device: usize,
        from_us: i64,
        mean_gap: Duration,
    ) -> impl Iterator<Item = Observation> + use<> {
        Live {
            fleet: self.clone(),
            device,
            draw: Draw::new(&[
                b"live",
                &self.0.seed.to_le_bytes(),
                &device.to_le_bytes(),
                &from_us.to_le_bytes(),
            ]),
            next_start_us: from_us,
            mean_gap_us: i64::try_from(mean_gap.as_micros())
                .unwrap_or(i64::MAX / 4)
                .clamp(1, i64::MAX / 4),
            waiting: BTreeMap::new(),
            minted: 0,
        }
    }

    /// When the history of a device ends for good, in microseconds since 1970; `i64::MAX` when it goes on.
    pub fn heard_until_us(&self, device: usize) -> i64 {
        match self.0.devices.get(device).map(|machine| machine.presence) {
            Some(Presence::Silent { days }) => {
                self.0.start_us + (i64::from(self.0.days) - i64::from(days)).max(0) * DAY_US
            }
            _ => i64::MAX,
        }
    }

    /// What policies say of a device at `at_us`, as the fields of a heartbeat: it has been managed since the fleet began, and
    /// its policies are named by how many rules they have, as its elevations name them.
    pub fn governed(&self, device: usize, at_us: i64) -> v1::Heartbeat {
        let Some(machine) = self.0.devices.get(device) else {
            return v1::Heartbeat::default();
        };
        let persona = self.owner(machine).persona;
        let rules = self.rules_in_force(persona, self.programme_day(machine, at_us));
        let authority = match machine.platform {
            Platform::Windows => "intune",
            Platform::Linux => "policy_file",
        };
        v1::Heartbeat {
            policy_revision: rules.to_string(),
            life_cycle: Some(v1::LifeCycle {
                state: v1::LifeCycleState::Active.into(),
                since_us: self.0.start_us,
                ..v1::LifeCycle::default()
            }),
            applicability: Some(v1::Applicability {
                applicable: true,
                join_type: machine.join_type.trim_end_matches("_joined").to_owned(),
                management_authority: authority.to_owned(),
                architecture: "x86_64".to_owned(),
                ..v1::Applicability::default()
            }),
            ..v1::Heartbeat::default()
        }
    }

    fn seed(&self) -> u64 {
        self.0.seed
    }

    fn programs(&self) -> &[Program] {
        &self.0.programs
    }

    fn owner(&self, device: &FleetDevice) -> &Person {
        &self.0.people[device.owner]
    }

    fn programme_day(&self, device: &FleetDevice, at_us: i64) -> i64 {
        (at_us - self.0.start_us + device.utc_offset_minutes * 60_000_000).div_euclid(DAY_US)
    }

    fn rules_in_force(&self, persona: Persona, day: i64) -> usize {
        let reached = day - persona.wave_days();
        self.0
            .programs
            .iter()
            .filter_map(|program| program.rule.as_ref())
            .filter(|rule| rule.day <= reached)
            .count()
    }
}

fn start_us(seen: &Observation) -> i64 {
    match &seen.body {
        epm_proto::v1::record::Body::ElevationExit(exit) => exit.start_observed_at_us,
        _ => seen.observed_at_us,
    }
}

struct Live {
    fleet: Fleet,
    device: usize,
    draw: Draw,
    next_start_us: i64,
    mean_gap_us: i64,
    // What has been made and is not due yet, by time and then by order of making.
    waiting: BTreeMap<(i64, u64), Observation>,
    minted: u64,
}

// One elevation in eight of live traffic is the system's own.
const LIVE_NOISE: f64 = 0.125;

impl Iterator for Live {
    type Item = Observation;

    fn next(&mut self) -> Option<Observation> {
        let device = self.fleet.0.devices.get(self.device)?.clone();
        if matches!(device.presence, Presence::Silent { .. }) {
            return None;
        }
        loop {
            if let Some(due) = self
                .waiting
                .first_entry()
                .filter(|entry| entry.key().0 <= self.next_start_us)
            {
                return Some(due.remove());
            }
            let gap_us = (self.mean_gap_us as f64 * (self.draw.unit() + self.draw.unit())) as i64;
            self.next_start_us = self.next_start_us.saturating_add(gap_us.max(1));
            let mut seen = Vec::new();
            if self.draw.chance(LIVE_NOISE) {
                episode::noise(
                    &self.fleet,
                    &device,
                    self.next_start_us,
                    &mut self.draw,
                    &mut seen,
                );
            } else {
                episode::episode(
                    &self.fleet,
                    &device,
                    self.next_start_us,
                    i64::MAX,
                    &mut self.draw,
                    &mut seen,
                );
            }
            for observation in seen {
                self.minted += 1;
                self.waiting
                    .insert((observation.observed_at_us, self.minted), observation);
            }
        }
    }
}

#[cfg(test)]
mod tests;
