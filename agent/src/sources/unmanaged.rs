//! The readings of records that a system made of elevations without us, whichever program wrote them.

use epm_proto::v1;

use crate::source::{Observation, Reading, Verdict};

/// Who saw an elevation, and what made it one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) sensor: v1::SensorKind,
    pub(crate) trigger: v1::Trigger,
    pub(crate) account: v1::AccountClass,
}

/// The reading of a run, a denial or a record that does not say: `verdict` is its outcome. What was not elevated is
/// counted and not stored.
pub(crate) fn reading_of(
    verdict: Verdict,
    seen: Seen,
    observed_at_us: i64,
    source_key: epm_proto::ids::SourceKey,
    mut elevation: v1::Elevation,
) -> Reading {
    let outcome = match verdict {
        Verdict::Elevated => Some(v1::Outcome::Elevated),
        Verdict::Denied => Some(v1::Outcome::Denied),
        Verdict::Undecided => Some(v1::Outcome::Undecided),
        Verdict::NotElevated | Verdict::Exit => None,
    };
    let observation = outcome.map(|outcome| {
        elevation.outcome = outcome.into();
        elevation.management = v1::Management::Unmanaged.into();
        elevation.decision_source = v1::DecisionSource::None.into();
        elevation.elevation_type = match verdict {
            Verdict::Denied => v1::ElevationType::Deny,
            Verdict::Undecided => v1::ElevationType::Undetermined,
            _ => v1::ElevationType::Unmanaged,
        }
        .into();
        elevation.trigger = seen.trigger.into();
        elevation.sensor = seen.sensor.into();
        elevation.account_class = seen.account.into();
        Observation {
            observed_at_us,
            source_key: Some(source_key),
            class: v1::RecordClass::Unmanaged,
            body: v1::record::Body::Elevation(elevation),
        }
    });
    Reading {
        sensor: seen.sensor,
        verdict,
        account: seen.account,
        process: None,
        observation,
    }
}

/// The reading of an end; without an observation where its start was not stored either.
pub(crate) fn exit_of(sensor: v1::SensorKind, observation: Option<Observation>) -> Reading {
    Reading {
        sensor,
        verdict: Verdict::Exit,
        account: v1::AccountClass::Person,
        process: None,
        observation,
    }
}
