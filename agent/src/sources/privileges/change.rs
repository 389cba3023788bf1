//! A change of a person's rights, made into a reading, and the end of an elevation joined to its beginning. It must not
//! know how the change was written.

use epm_proto::ids::SourceKey;
use epm_proto::v1;

use crate::source::{Observation, Readings, Verdict};

use super::super::format::Flow;
use super::super::runs::{Start, Starts};
use super::super::unmanaged::{Seen, exit_of, reading_of};
use super::NOTHING_TO_GIVE_BACK;
use super::message::{Change, Message};

/// Most characters of a reason.
const REASON_CHARS: usize = 256;

/// What gives the rights.
const APP_NAME: &str = "Privileges.app";
const PRODUCT: &str = "Privileges";

/// Makes readings of changes.
#[derive(Debug, Default)]
pub(super) struct Changes {
    starts: Starts,
}

impl Changes {
    /// Hands on what `message` tells of `machine` at a moment in microseconds since 1970.
    pub(super) fn tell(
        &mut self,
        message: Message<'_>,
        machine: &str,
        observed_at_us: i64,
        into: &mut dyn Readings,
    ) -> Flow {
        let person = [machine.to_lowercase(), message.user.to_lowercase()];
        let person = person.each_ref().map(String::as_bytes);
        let key = key(person, observed_at_us, message.change);
        let verdict = match message.change {
            Change::Granted => Verdict::Elevated,
            Change::Refused => Verdict::Denied,
            Change::GivenBack => return self.end(person, observed_at_us, key, into),
        };
        if verdict == Verdict::Elevated {
            let start = Start {
                source_key: key,
                observed_at_us,
                is_stored: true,
            };
            self.starts.open(&person, start);
        }
        let elevation = elevation(&message, machine);
        into.reading(reading_of(verdict, seen(), observed_at_us, key, elevation))
    }

    fn end(
        &mut self,
        person: [&[u8]; 2],
        observed_at_us: i64,
        source_key: SourceKey,
        into: &mut dyn Readings,
    ) -> Flow {
        // Rights that were taken again before they expired end once: with the last of them.
        let mut start = None;
        while let Some(open) = self.starts.close(&person) {
            start = Some(open);
        }
        let Some(start) = start else {
            return into.skipped(NOTHING_TO_GIVE_BACK);
        };
        let lasted_us = observed_at_us.saturating_sub(start.observed_at_us);
        let exit = v1::ElevationExit {
            start_key: start.source_key.as_bytes().to_vec(),
            start_observed_at_us: start.observed_at_us,
            duration_ms: u64::try_from(lasted_us).ok().map(|us| us / 1_000),
            ..v1::ElevationExit::default()
        };
        let observation = Observation {
            observed_at_us,
            source_key: Some(source_key),
            class: v1::RecordClass::Unmanaged,
            body: v1::record::Body::ElevationExit(exit),
        };
        into.reading(exit_of(v1::SensorKind::SapPrivileges, Some(observation)))
    }
}

fn key(person: [&[u8]; 2], observed_at_us: i64, change: Change) -> SourceKey {
    let change: &[u8] = match change {
        Change::Granted => b"granted",
        Change::GivenBack => b"given back",
        Change::Refused => b"refused",
    };
    let [machine, user] = person;
    let moment = observed_at_us.to_le_bytes();
    SourceKey::derive(&[b"privileges", machine, user, &moment, change])
}

fn seen() -> Seen {
    Seen {
        sensor: v1::SensorKind::SapPrivileges,
        trigger: v1::Trigger::AdminRights,
        account: v1::AccountClass::Person,
    }
}

fn elevation(message: &Message<'_>, machine: &str) -> v1::Elevation {
    v1::Elevation {
        run_as: v1::RunAs::CurrentUser.into(),
        reason: match message.change {
            Change::Refused => "failed to change privileges".to_owned(),
            Change::Granted | Change::GivenBack => String::new(),
        },
        validated_justification: !message.reason.is_empty(),
        justification: message.reason.chars().take(REASON_CHARS).collect(),
        user: Some(v1::User {
            user_name_raw: message.user.to_owned(),
            ..v1::User::default()
        }),
        device: Some(v1::Device {
            device_name: machine.to_owned(),
            ..v1::Device::default()
        }),
        file: Some(v1::File {
            file_name: APP_NAME.to_owned(),
            product_name: PRODUCT.to_owned(),
            ..v1::File::default()
        }),
        repeat_count: 1,
        ..v1::Elevation::default()
    }
}
